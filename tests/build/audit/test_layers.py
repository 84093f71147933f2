"""Layers are searched as streams: files by name and by content, and what later layers do to them."""

from __future__ import annotations

import io
import tarfile

import pytest

from containerlab.build.audit.layers import Layer, fate, search
from containerlab.errors import CorruptContent
from tests.build.audit import planted
from tests.store.pictures import tar


def found(files: dict[str, bytes]) -> list[tuple[str, str, int]]:
    layer = search(io.BytesIO(tar(files)))
    return [(each.path, each.found.kind, each.line) for each in layer.findings]


PASSWORD = "xK93" + "-vQp-77"
FILES = {
    ".env": ("env-file", "A=1\nexport DB_PASSWORD='SESAME'\n"),
    "app/.env.production": ("env-file", "API_KEY=SESAME"),
    "root/.netrc": ("netrc", "machine host login me password SESAME\n"),
    "root/.npmrc": ("npmrc", "_password=SESAME"),
    "root/.yarnrc.yml": ("yarnrc", 'npmAuthToken: "SESAME"'),
    "root/.pypirc": ("pypirc", "[pypi]\nusername = me\npassword = SESAME\n"),
    "etc/pip.conf": ("url-password", "index-url = https://me:SESAME@host/simple"),
    "root/.git-credentials": ("url-password", "https://me:SESAME@host"),
    "root/.docker/config.json": ("registry-login", '{"auths": {"r": {"identitytoken": "SESAME"}}}'),
    "root/.kube/config": ("kubeconfig", "users:\n- user:\n    token: SESAME\n"),
    "root/.aws/credentials": ("aws-credentials", "[default]\naws_session_token = SESAME"),
    "root/.config/gcloud/application_default_credentials.json": (
        "gcp-credentials",
        '{"refresh_token": "SESAME"}',
    ),
    "root/.azure/accessTokens.json": ("azure-credentials", '[{"accessToken": "SESAME"}]'),
    "srv/terraform.tfstate": ("terraform-state", '{"db_password": "SESAME"}'),
    "srv/prod.tfvars": ("terraform-variables", 'db_password = "SESAME"'),
    "root/.terraform.d/credentials.tfrc.json": ("terraform-credentials", '{"token": "SESAME"}'),
    "root/.vault-token": ("vault-token", "SESAME"),
    "root/.cargo/credentials.toml": ("cargo-credentials", '[registry]\ntoken = "SESAME"'),
    "root/.gem/credentials": ("gem-credentials", ":rubygems_api_key: SESAME"),
    "root/.config/gh/hosts.yml": ("github-login", "github.com:\n    oauth_token: SESAME"),
    "root/.composer/auth.json": ("composer-login", '{"http-basic": {"h": {"password": "SESAME"}}}'),
    "root/.m2/settings.xml": ("maven-settings", "<server><password>SESAME</password></server>"),
    "root/.gradle/gradle.properties": ("gradle-properties", "mavenPassword=SESAME"),
    "app/NuGet.config": ("nuget-config", '<add key="ClearTextPassword" value="SESAME" />'),
    "root/.pgpass": ("database-password", "host:5432:db:me:SESAME"),
    "root/.my.cnf": ("database-password", "[client]\npassword=SESAME"),
    "var/www/wp-config.php": ("wordpress-config", "define( 'DB_PASSWORD', 'SESAME' );"),
    "app/config/master.key": ("rails-master-key", "SESAME"),
    "root/.s3cfg": ("object-store-login", "secret_key = SESAME"),
    "app/secrets.yaml": ("settings-file", "db:\n  password: SESAME\n"),
    "app/appsettings.json": ("settings-file", '{\n  "apiKey": "SESAME"\n}'),
    "run/secrets/anything": ("secret-mount", "x y"),
    "etc/shadow": ("password-hash", "root:$y$j9T$abc$def:19000:0:99999:7:::\ndaemon:*:19000::\n"),
    "srv/key.p12": ("key-store", "\x30\x82"),
    "root/.ssh/id_rsa": ("private-key", planted.private_key("OPENSSH")),
    "etc/ssh/ssh_host_rsa_key": ("ssh-host-key", planted.private_key("RSA")),
}


@pytest.mark.parametrize("path", FILES)
def test_files_that_keep_secrets(path: str) -> None:
    kind, content = FILES[path]
    line = 1 + content.partition("SESAME")[0].count("\n") if "SESAME" in content else 1
    content = content.replace("SESAME", PASSWORD)
    assert found({"bin/sh": b"\x7fELF", path: content.encode()}) == [(path, kind, line)]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (".env", "DB_PASSWORD=${PASSWORD}\nTOKEN=\nSECRET_FILE=/run/x\nKEY=changeme\nKEY_VERSION=17abc\n"),
        ("root/.npmrc", "registry=https://registry.npmjs.org/\n_authToken=${NPM_TOKEN}\n"),
        ("root/.docker/config.json", '{"credsStore": "pass", "auths": {}}'),
        ("etc/shadow", "root:*:19000:0:99999:7:::\nbin:!:1::\n"),
        ("run/secrets/empty", ""),
        ("run/secrets/kubernetes.io/serviceaccount/namespace", "default"),
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
    ],
)
def test_files_without_secrets(path: str, content: str) -> None:
    assert found({path: content.encode()}) == []


def test_keys_in_tests_and_documents_are_not_severe() -> None:
    key = planted.private_key().encode()
    layer = search(
        io.BytesIO(tar({"usr/lib/python3/test/key.pem": key, "usr/share/doc/x/k": key, "srv/k": key}))
    )
    assert [each.found.severity for each in layer.findings] == ["low", "low", "high"]


@pytest.mark.slow
def test_a_big_file_is_searched_across_its_windows_and_lines_are_counted() -> None:
    token = planted.of_kind("github-token")
    for before in ((1 << 20) + 4096 - 20, (2 << 20) - 7):
        content = b"\n" * before + token.encode() + b"\n" * (1 << 20)
        assert found({"big": content}) == [("big", "github-token", before + 1)]


def test_a_secret_is_told_once_a_file() -> None:
    token = planted.of_kind("github-token").encode()
    assert len(found({"a": token + b"\n" + token, ".env": b"TOKEN=" + token})) == 2


def test_whiteouts_are_no_files() -> None:
    layer = search(io.BytesIO(tar({"a/.wh.b": b"", "c/.wh..wh..opq": b"", "./d": b"", ".wh.e": b""})))
    assert layer == Layer([], {b"d"}, {b"a/b", b"e"}, {b"c"})


@pytest.mark.parametrize(
    ("later", "words"),
    [
        ({}, ""),
        ({"a/b/other": b""}, ""),
        ({"a/b/key": b"new"}, "overwritten in layer 3, still in layer 1"),
        ({"a/b/.wh.key": b""}, "deleted in layer 3, still in layer 1"),
        ({"a/.wh.b": b""}, "deleted in layer 3, still in layer 1"),
        ({"a/b/.wh..wh..opq": b""}, "deleted in layer 3, still in layer 1"),
        ({"a": b"a file"}, "deleted in layer 3, still in layer 1"),
        ({".wh..wh..opq": b""}, "deleted in layer 3, still in layer 1"),
    ],
)
def test_what_becomes_of_a_file(later: dict[str, bytes], words: str) -> None:
    layers = [search(io.BytesIO(tar(files))) for files in ({"a/b/key": b"x"}, {"z": b""}, later)]
    assert fate(layers, 1, b"a/b/key") == words


def test_other_members_than_files_are_harmless() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.LNKTYPE):
            entry = tarfile.TarInfo(".netrc")
            entry.type = kind
            archive.addfile(entry)
    assert search(io.BytesIO(stream.getvalue())).findings == []


def test_a_broken_archive_is_said_to_be_broken() -> None:
    with pytest.raises(CorruptContent):
        search(io.BytesIO(tar({"a": b"x" * 2000})[:1500]))
