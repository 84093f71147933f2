"""Credentials are found where Docker and podman keep them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from containerlab import errors
from containerlab.distribution import logins
from containerlab.distribution.credentials import ANONYMOUS, Credentials, find, key_of
from tests.distribution import helper_program

R = "r.example:5000"


def _auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def _write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(document if isinstance(document, bytes) else msgspec.json.encode(document))


def test_nothing_kept_is_anonymous(user: Path) -> None:
    assert find(R) == ANONYMOUS
    assert not find(R)


def test_files_are_asked_in_order(user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(user / ".dockercfg", {R: _auth("old", "p")})
    assert find(R).username == "old"
    _write(user / ".config/containers/auth.json", {"auths": {R: _auth("podman", "p")}})
    assert find(R).username == "podman"
    _write(tmp_path / "run/containers/auth.json", {"auths": {R: _auth("session", "p")}})
    assert find(R).username == "session"
    _write(user / ".docker/config.json", {"auths": {R: _auth("docker", "p")}})
    assert find(R).username == "docker"
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "other"))
    assert find(R).username == "session"
    _write(tmp_path / "other/config.json", {"auths": {R: _auth("moved", "p")}})
    assert find(R).username == "moved"
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "named.json"))
    assert find(R) == ANONYMOUS
    _write(tmp_path / "named.json", {"auths": {R: _auth("named", "p")}})
    assert find(R).username == "named"


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (_auth("ada", "a:b:c"), Credentials("ada", "a:b:c")),
        ({"auth": base64.b64encode(b"ada:pw\0\0").decode()}, Credentials("ada", "pw")),
        ({"username": "ada", "password": "pw"}, Credentials("ada", "pw")),
        ({**_auth("ada", ""), "identitytoken": "it"}, Credentials("ada", "", "it")),
        ({"registrytoken": "rt"}, Credentials(registry_token="rt")),
        ({**_auth("ada", "pw"), "email": None, "unknown": [1]}, Credentials("ada", "pw")),
        ({}, ANONYMOUS),
    ],
)
def test_forms_of_an_entry(user: Path, entry: dict[str, Any], found: Credentials) -> None:
    _write(user / ".docker/config.json", {"auths": {R: entry}})
    assert find(R) == found


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("docker.io", "docker.io"),
        ("https://registry-1.docker.io/v2/", "docker.io"),
        (f"https://{R}/v1/", R),
        (f"http://{R}", R),
        (f"{R}/", R),
        (f"{R}/v2", R),
    ],
)
def test_spellings_of_a_registry(user: Path, key: str, registry: str) -> None:
    _write(user / ".docker/config.json", {"auths": {key: _auth("ada", "pw")}})
    assert find(registry) == Credentials("ada", "pw")
    assert find(f"{registry}0") == ANONYMOUS


def test_the_exact_spelling_counts_before_others(user: Path) -> None:
    auths = {R: _auth("exact", "p"), f"https://{R}/v1/": _auth("other", "p")}
    _write(user / ".docker/config.json", {"auths": auths})
    assert find(R).username == "exact"


def test_the_longest_of_podmans_keys_counts(user: Path) -> None:
    auths = {
        "quay.io": _auth("all", "p"),
        "quay.io/lab": _auth("lab", "p"),
        "quay.io/lab/base": _auth("base", "p"),
        "docker.io/library/debian": _auth("debian", "p"),
    }
    _write(user / ".config/containers/auth.json", {"auths": auths})
    wanted = {"lab/base": "base", "lab/base/x": "base", "lab/basement": "lab", "labs": "all", "": "all"}
    assert {name: find("quay.io", name).username for name in wanted} == wanted
    assert find("docker.io", "library/debian").username == "debian"
    assert find("docker.io", "library/alpine") == ANONYMOUS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cannot read the credentials in"),
        (b"[]", "Expected `object`"),
        (b'{"auths": []}', "$.auths"),
        (b'{"auths": {"r": {"auth": 5}}}', "$.auths[...].auth"),
        (b'{"auths": {"r": {"auth": "***"}}}', "its auth is not base64 of user:password"),
        (b'{"auths": {"r": {"auth": "YWRh"}}}', "its auth is not base64 of user:password"),
        (b'{"auths": ' * 50_000, "cannot read"),
        (b"\xff\xfe", "cannot read"),
    ],
)
def test_a_file_that_is_wrong_is_named(user: Path, content: bytes, said: str) -> None:
    _write(user / ".docker/config.json", content)
    with pytest.raises(errors.InvalidInput) as caught:
        find("r")
    assert said in caught.value.message
    assert ".docker/config.json" in caught.value.message


def test_null_is_nothing(user: Path) -> None:
    document = {"auths": {"o": None, R: {**_auth("ada", "pw"), "identitytoken": None}}, "credHelpers": None}
    _write(user / ".docker/config.json", document)
    assert find(R) == Credentials("ada", "pw")
    assert find("o") == ANONYMOUS
    _write(user / ".docker/config.json", {"auths": None, "credsStore": None})
    assert find(R) == ANONYMOUS
    logins.keep(R, Credentials("bob", "pw"))
    assert find(R).username == "bob"


def test_an_empty_file_holds_nothing(user: Path) -> None:
    _write(user / ".docker/config.json", b"")
    assert find(R) == ANONYMOUS


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Credentials("ada", "secret", "secret", "secret"))


@pytest.fixture
def helper(user: Path, monkeypatch: pytest.MonkeyPatch) -> helper_program.Helper:
    return helper_program.install(user, monkeypatch)


def test_a_helper_for_all_registries(user: Path, helper: helper_program.Helper) -> None:
    _write(user / ".docker/config.json", {"credsStore": helper.name, "auths": {R: {}}})
    helper.keep(R, "ada", "pw")
    helper.keep("https://index.docker.io/v1/", "<token>", "it")
    assert find(R) == Credentials("ada", "pw")
    assert find("docker.io") == Credentials(identity_token="it")
    assert find("other.example") == ANONYMOUS


def test_a_helper_for_one_registry_counts_before_that_for_all(
    user: Path, helper: helper_program.Helper
) -> None:
    document = {
        "credsStore": "not-there",
        "credHelpers": {R: helper.name, "plain.example": ""},
        "auths": {"plain.example": _auth("plain", "p")},
    }
    _write(user / ".docker/config.json", document)
    helper.keep(R, "ada", "pw")
    assert find(R) == Credentials("ada", "pw")
    assert find("plain.example").username == "plain"
    with pytest.raises(errors.Unavailable, match="docker-credential-not-there"):
        find("another.example")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo out of order; exit 1", "could not get credentials for r: out of order"),
        ("echo on stderr >&2; exit 1", "on stderr"),
        ("exit 3", "exit code 3"),
        ("echo no json", "gave no credentials for r but: no json"),
        ("""printf '{"Secret":"\\377"}'""", "gave no credentials for r but: "),
        ("printf 'a\\033[31mb'; exit 1", "a [31mb"),
    ],
)
def test_a_helper_that_fails(user: Path, helper: helper_program.Helper, script: str, said: str) -> None:
    _write(user / ".docker/config.json", {"credsStore": helper.name})
    helper.replace(script)
    with pytest.raises(errors.Unavailable) as caught:
        find("r")
    assert said in caught.value.message


def test_a_helper_is_a_name_and_no_path(user: Path) -> None:
    _write(user / ".docker/config.json", {"credsStore": "../../bin/sh"})
    with pytest.raises(errors.InvalidInput, match="not the name of a credential helper"):
        find("r")


def test_keys() -> None:
    assert key_of("r.example/v1/team") == "r.example/v1/team"
    assert key_of("http://r.example/anything") == "r.example"
