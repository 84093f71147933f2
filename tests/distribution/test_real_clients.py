"""The clients that people have, against our server; our client against the registry that others have."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import dockerd, registries
from tests.distribution import wire
from tests.image_layouts import Layout
from tests.registries import Registry

pytestmark = [pytest.mark.slow, pytest.mark.root]

SET_UPS = [("none", False), ("basic", True), ("bearer", False), ("bearer", True)]
_ISOLATED = ("--isolation=chroot",)


class Outside:
    """Programs of others, in a folder of the test's own: their credentials, certificates and stores."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder, self.registry = folder, registry
        folder.mkdir(parents=True, exist_ok=True)
        self.authentication = folder / "auth.json"
        self.certificates = folder / "certs"
        self.certificates.mkdir()
        if registry.authority:
            shutil.copy(registry.authority, self.certificates / "ca.crt")
        (folder / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        (folder / "registries.conf").write_text(
            'unqualified-search-registries = []\nshort-name-mode = "permissive"\n'
        )
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "vfs"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/graph"\n'
        )

    def call(self, *words: object, input: str = "") -> str:
        """Run a program that must not fail; return what it printed."""
        done = self.run(*words, input=input)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def run(self, *words: object, input: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "REGISTRY_AUTH_FILE": str(self.authentication),
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "TMPDIR": str(self.folder),
        }
        environment.pop("DOCKER_CONFIG", None)
        return subprocess.run(
            list(map(str, words)), input=input, capture_output=True, text=True, env=environment, check=False
        )

    def skopeo(self, command: str, *words: str) -> str:
        """Call skopeo; `docker://NAME` is a name at the registry."""
        side = {"copy": ("--src-", "--dest-")}.get(command, ("--",))
        flags = [flag for each in side for flag in self._flags(each)]
        named = [word.replace("docker://", f"docker://{self.registry.host}/") for word in words]
        policy = ["--policy", str(self.folder / "policy.json")]
        return self.call("skopeo", *policy, command, *flags, *named)

    def _flags(self, prefix: str) -> list[str]:
        if self.registry.authority:
            return [f"{prefix}cert-dir={self.certificates}"]
        return [f"{prefix}tls-verify=false"]

    @property
    def flags(self) -> list[str]:
        """How podman and buildah are told about certificates."""
        return [f"--cert-dir={self.certificates}"] if self.registry.authority else ["--tls-verify=false"]

    def login(self, *program: str) -> None:
        if self.registry.credentials:
            user, password = self.registry.credentials
            words = [*program, "login", "-u", user, "--password-stdin", *self.flags]
            self.call(*words, self.registry.host, input=password)


def _set_up_id(set_up: tuple[str, bool]) -> str:
    return f"{set_up[0]}-{'tls' if set_up[1] else 'http'}"


@pytest.fixture(scope="module", params=SET_UPS, ids=map(_set_up_id, SET_UPS))
def registry(request: pytest.FixtureRequest, base: Path) -> Iterator[Registry]:
    auth, tls = request.param
    with registries.ours(base / f"clients-{auth}-{tls}", auth=auth, tls=tls) as running:
        yield running


@pytest.fixture
def outside(registry: Registry, tmp_path: Path) -> Outside:
    return Outside(tmp_path / "outside", registry)


@pytest.fixture(scope="module")
def layout(base: Path) -> Layout:
    """Images `one`, `run` (which prints hello) and `many` (two platforms)."""
    made = Layout(base / "layout-of-clients")
    made.tag("one", made.image(layers=4, size=50_000))
    made.tag("run", made.runnable())
    made.tag("many", made.index({each: made.image(architecture=each) for each in ("amd64", "arm64")}))
    return made


def _digest(outside: Outside, name: str) -> str:
    with wire.connected(outside.registry) as client:
        repository, _, tag = name.partition(":")
        answer = client("HEAD", f"/v2/{repository}/manifests/{tag}")
        return str(answer["Docker-Content-Digest"]) if answer.status == 200 else ""


def _digest_of(layout: Layout, name: str) -> str:
    index = json.loads((layout.folder / "index.json").read_bytes())
    names = {
        each["annotations"]["org.opencontainers.image.ref.name"]: str(each["digest"])
        for each in index["manifests"]
    }
    return names[name]


@pytest.mark.system("skopeo")
def test_skopeo(outside: Outside, layout: Layout, tmp_path: Path) -> None:
    outside.login("skopeo")
    outside.skopeo("copy", f"oci:{layout.folder}:one", "docker://lab/one:1")
    outside.skopeo("copy", "--all", f"oci:{layout.folder}:many", "docker://lab/many:1")
    assert _digest(outside, "lab/one:1") == _digest_of(layout, "one")
    assert _digest(outside, "lab/many:1") == _digest_of(layout, "many")
    outside.skopeo("copy", "--all", "docker://lab/many:1", "docker://lab/copied:1")
    assert _digest(outside, "lab/copied:1") == _digest_of(layout, "many")
    outside.skopeo("copy", "--all", "docker://lab/copied:1", f"oci:{tmp_path}/back:many")
    assert _digest_of(Layout_at(tmp_path / "back"), "many") == _digest_of(layout, "many")
    seen = json.loads(outside.skopeo("inspect", "docker://lab/one:1"))
    assert seen["RepoTags"] == ["1"]
    assert seen["Digest"] == _digest_of(layout, "one")
    assert json.loads(outside.skopeo("list-tags", "docker://lab/many"))["Tags"] == ["1"]
    outside.skopeo("delete", "docker://lab/one:1")
    assert _digest(outside, "lab/one:1") == ""


def Layout_at(folder: Path) -> Layout:
    """Return a layout that somebody else has written."""
    found = Layout.__new__(Layout)
    found.folder = folder
    return found


@pytest.mark.system("skopeo")
def test_skopeo_converts(outside: Outside, layout: Layout) -> None:
    """Docker's types, and zstd, as it writes them on the way."""
    outside.login("skopeo")
    outside.skopeo("copy", "--format=v2s2", f"oci:{layout.folder}:one", "docker://lab/types:docker")
    outside.skopeo(
        "copy", "--dest-compress-format=zstd", f"oci:{layout.folder}:one", "docker://lab/types:zstd"
    )
    raw = json.loads(outside.skopeo("inspect", "--raw", "docker://lab/types:docker"))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"


@pytest.mark.system("podman")
def test_podman(outside: Outside, layout: Layout) -> None:
    outside.login("podman")
    name = f"{outside.registry.host}/lab/podman:1"
    outside.call("podman", "pull", "--quiet", f"oci:{layout.folder}:run")
    (made,) = outside.call("podman", "images", "--quiet").split()
    outside.call("podman", "push", "--quiet", *outside.flags, made, name)
    outside.call("podman", "rmi", "--all", "--force")
    outside.call("podman", "pull", "--quiet", *outside.flags, name)
    assert outside.call("podman", "images", "--quiet").split() == [made]
    found = outside.call(
        "podman", "search", "--list-tags", *outside.flags, f"{outside.registry.host}/lab/podman"
    )
    assert name.rpartition(":")[0] in found
    outside.call("podman", "rmi", "--all", "--force")


@pytest.mark.system("podman")
def test_podman_pushes_a_list(outside: Outside, layout: Layout) -> None:
    outside.login("podman")
    outside.skopeo("copy", "--all", f"oci:{layout.folder}:many", "docker://lab/source:1")
    name = f"{outside.registry.host}/lab/list:1"
    outside.call("podman", "manifest", "create", "made")
    source = f"docker://{outside.registry.host}/lab/source:1"
    outside.call("podman", "manifest", "add", "--all", *outside.flags, "made", source)
    outside.call("podman", "manifest", "push", "--all", *outside.flags, "made", f"docker://{name}")
    raw = json.loads(outside.skopeo("inspect", "--raw", "docker://lab/list:1"))
    assert sorted(each["platform"]["architecture"] for each in raw["manifests"]) == ["amd64", "arm64"]
    outside.call("podman", "manifest", "rm", "made")


@pytest.mark.system("buildah")
def test_buildah(outside: Outside, layout: Layout) -> None:
    outside.login("buildah")
    outside.skopeo("copy", f"oci:{layout.folder}:run", "docker://lab/base:1")
    name = f"{outside.registry.host}/lab/built:1"
    container = outside.call(
        "buildah", "from", "--quiet", *outside.flags, f"{outside.registry.host}/lab/base:1"
    ).strip()
    outside.call("buildah", "config", "--label", "made=yes", container)
    outside.call("buildah", "commit", "--quiet", "--rm", *outside.flags, container, f"docker://{name}")
    assert json.loads(outside.skopeo("inspect", "docker://lab/built:1"))["Labels"] == {
        "made": "yes",
        "io.buildah.version": json.loads(outside.skopeo("inspect", "docker://lab/built:1"))["Labels"][
            "io.buildah.version"
        ],
    }
    outside.call("buildah", "rmi", "--all", "--force")


@pytest.fixture(scope="module")
def docker(registry: Registry) -> Iterator[dockerd.Docker]:
    with dockerd.daemon("vfs", certificates=_certificates(registry)) as found:
        yield found


def _certificates(registry: Registry) -> dict[str, Path]:
    return {registry.host: registry.authority} if registry.authority else {}


@pytest.mark.system("docker.io")
def test_docker(
    outside: Outside, layout: Layout, docker: dockerd.Docker, tmp_path: Path, registry: Registry
) -> None:
    docker = docker.with_config(tmp_path / "docker-config")
    if registry.credentials:
        user, password = registry.credentials
        docker("login", "-u", user, "--password-stdin", registry.host, input=password.encode())
    outside.login("skopeo")
    outside.skopeo("copy", f"oci:{layout.folder}:run", "docker://lab/docker:1")
    name = f"{registry.host}/lab/docker"
    docker("pull", "--quiet", f"{name}:1")
    assert docker("run", "--rm", "--network=none", f"{name}:1") == "hello\n"
    docker("tag", f"{name}:1", f"{name}:2")
    docker("push", "--quiet", f"{name}:2")
    config = docker("image", "inspect", "--format={{.Id}}", f"{name}:1")
    docker("rmi", f"{name}:1", f"{name}:2")
    docker("pull", "--quiet", f"{name}:2")
    assert docker("image", "inspect", "--format={{.Id}}", f"{name}:2") == config
    docker("push", "--quiet", f"{name}:2")
    docker("push", "--quiet", "--all-tags", name)
    # What docker pushed comes back by digest, whoever asks.
    digest = _digest(outside, "lab/docker:2")
    docker("pull", "--quiet", f"{name}@{digest}")
    docker("rmi", "--force", config.strip())
    if registry.credentials:
        docker("logout", registry.host)
        assert docker.run("pull", f"{name}:1").returncode != 0


@pytest.mark.system("skopeo")
def test_wrong_passwords_are_told_as_such(outside: Outside, layout: Layout) -> None:
    if not outside.registry.credentials:
        pytest.skip("this one is open")
    words = ["skopeo", "login", "-u", "admin", "--password-stdin", *outside.flags, outside.registry.host]
    done = outside.run(*words, input="wrong")
    assert done.returncode != 0
    assert "unauthorized" in done.stderr or "invalid username/password" in done.stderr
    assert outside.run(
        "skopeo", "inspect", *outside.flags, f"docker://{outside.registry.host}/lab/one:1"
    ).returncode


Calls = Callable[..., str]
