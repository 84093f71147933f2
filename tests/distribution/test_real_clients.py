"""The clients that people have, against our server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import dockerd, registries
from tests.distribution import wire
from tests.distribution.outside import Outside, outside
from tests.image_layouts import Layout
from tests.registries import Registry

pytestmark = [pytest.mark.slow, pytest.mark.root]

SET_UPS = [
    pytest.param(("basic", True), id="basic-tls"),
    pytest.param(("bearer", False), id="bearer-http"),
    pytest.param(("none", False), id="none-http", marks=pytest.mark.registry),
    pytest.param(("bearer", True), id="bearer-tls", marks=pytest.mark.registry),
]


@pytest.fixture(scope="module", params=SET_UPS)
def registry(request: pytest.FixtureRequest, base: Path) -> Iterator[Registry]:
    auth, tls = request.param
    with registries.ours(base / f"clients-{auth}-{tls}", auth=auth, tls=tls) as running:
        yield running


@pytest.fixture
def programs(registry: Registry) -> Iterator[Outside]:
    with outside(registry) as found:
        yield found


@pytest.fixture(scope="module")
def layout(base: Path) -> Layout:
    """Images `one`, `run` (which prints hello) and `many` (two platforms)."""
    made = Layout(base / "layout-of-clients")
    made.tag("one", made.image(layers=4, size=50_000))
    made.tag("run", made.runnable())
    made.tag("many", made.index({each: made.image(architecture=each) for each in ("amd64", "arm64")}))
    return made


def _digest(registry: Registry, name: str) -> str:
    """Return what a tag leads to at the registry; empty for nothing."""
    with wire.connected(registry) as client:
        repository, _, tag = name.partition(":")
        answer = client("HEAD", f"/v2/{repository}/manifests/{tag}")
        return str(answer["Docker-Content-Digest"]) if answer.status == 200 else ""


@pytest.mark.system("skopeo")
def test_skopeo(programs: Outside, layout: Layout, tmp_path: Path) -> None:
    registry = programs.registry
    programs.login("skopeo")
    programs.skopeo("copy", layout.name("one"), "docker://lab/one:1")
    programs.skopeo("copy", "--all", layout.name("many"), "docker://lab/many:1")
    assert _digest(registry, "lab/one:1") == layout.digest("one")
    assert _digest(registry, "lab/many:1") == layout.digest("many")
    programs.skopeo("copy", "--all", "docker://lab/many:1", "docker://lab/copied:1")
    assert _digest(registry, "lab/copied:1") == layout.digest("many")
    programs.skopeo("copy", "--all", "docker://lab/copied:1", f"oci:{tmp_path}/back:many")
    assert Layout.open(tmp_path / "back").digest("many") == layout.digest("many")
    programs.skopeo("copy", "--override-arch=arm64", "docker://lab/many:1", f"oci:{tmp_path}/back:arm")
    assert Layout.open(tmp_path / "back").digest("arm") != layout.digest("many")
    seen = json.loads(programs.skopeo("inspect", "docker://lab/one:1"))
    assert (seen["RepoTags"], seen["Digest"]) == (["1"], layout.digest("one"))
    assert json.loads(programs.skopeo("list-tags", "docker://lab/many"))["Tags"] == ["1"]
    programs.skopeo("delete", "docker://lab/one:1")
    assert _digest(registry, "lab/one:1") == ""


@pytest.mark.system("skopeo")
def test_skopeo_converts_on_the_way(programs: Outside, layout: Layout) -> None:
    """Docker's types, and zstd."""
    programs.login("skopeo")
    programs.skopeo("copy", "--format=v2s2", layout.name("one"), "docker://lab/types:docker")
    raw = json.loads(programs.skopeo("inspect", "--raw", "docker://lab/types:docker"))
    assert raw["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    programs.skopeo(
        "copy", "--dest-compress-format=zstd", "docker://lab/types:docker", "docker://lab/types:zstd"
    )


@pytest.mark.system("skopeo")
def test_skopeo_syncs_a_repository(programs: Outside, layout: Layout, tmp_path: Path) -> None:
    programs.login("skopeo")
    for tag in ("1", "2"):
        programs.skopeo("copy", layout.name("one"), f"docker://lab/synced:{tag}")
    flags = ["--src-tls-verify=false"] if programs.tls else []
    programs(
        "skopeo", "--policy", programs.folder / ".config/containers/policy.json",
        "sync", *flags, "--src=docker", "--dest=dir", f"{programs.registry.host}/lab/synced", tmp_path,
    )  # fmt: skip
    assert sorted(each.name for each in tmp_path.iterdir()) == ["synced:1", "synced:2"]


@pytest.mark.system("podman", "skopeo")
def test_podman(programs: Outside, layout: Layout) -> None:
    programs.login("podman")
    name = f"{programs.registry.host}/lab/podman"
    programs.skopeo("copy", layout.name("run"), "docker://lab/podman:0")
    programs.podman("pull", "--quiet", *programs.tls, f"{name}:0")
    (made,) = programs.podman("images", "--quiet", "--no-trunc").split()
    programs.podman("push", "--quiet", *programs.tls, made, f"{name}:1")
    programs.podman("rmi", "--all", "--force")
    programs.podman("pull", "--quiet", *programs.tls, f"{name}:1")
    assert programs.podman("images", "--quiet", "--no-trunc").split() == [made]
    programs.podman("rmi", "--all", "--force")
    programs.podman("pull", "--quiet", *programs.tls, f"{name}@{_digest(programs.registry, 'lab/podman:1')}")
    if programs.tls:  # search knows no certificates but those of the system
        assert name in programs.podman("search", "--list-tags", *programs.tls, name)
    programs.podman("rmi", "--all", "--force")


@pytest.mark.system("podman", "skopeo")
def test_podman_pushes_a_list(programs: Outside, layout: Layout) -> None:
    programs.login("podman")
    programs.skopeo("copy", "--all", layout.name("many"), "docker://lab/source:1")
    host = programs.registry.host
    programs.podman("manifest", "create", "made")
    programs.podman("manifest", "add", "--all", *programs.tls, "made", f"docker://{host}/lab/source:1")
    programs.podman("manifest", "push", "--all", *programs.tls, "made", f"docker://{host}/lab/list:1")
    raw = json.loads(programs.skopeo("inspect", "--raw", "docker://lab/list:1"))
    assert sorted(each["platform"]["architecture"] for each in raw["manifests"]) == ["amd64", "arm64"]
    programs.podman("manifest", "rm", "made")


@pytest.mark.system("buildah", "skopeo")
def test_buildah(programs: Outside, layout: Layout) -> None:
    programs.login("buildah")
    programs.skopeo("copy", layout.name("run"), "docker://lab/base:1")
    host = programs.registry.host
    container = programs.buildah("from", "--quiet", *programs.tls, f"{host}/lab/base:1").strip()
    programs.buildah("config", "--label", "made=yes", container)
    built = f"docker://{host}/lab/built:1"
    programs.buildah("commit", "--quiet", "--rm", *programs.tls, container, built)
    assert json.loads(programs.skopeo("inspect", "docker://lab/built:1"))["Labels"]["made"] == "yes"
    programs.buildah("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def daemon() -> Iterator[dockerd.Docker]:
    with dockerd.daemon("vfs") as found:
        yield found


def _log_in(docker: dockerd.Docker, registry: Registry) -> None:
    if registry.credentials:
        user, password = registry.credentials
        docker("login", "-u", user, "--password-stdin", registry.host, input=password.encode())


@pytest.mark.system("docker.io", "skopeo")
def test_docker(programs: Outside, layout: Layout, daemon: dockerd.Docker, tmp_path: Path) -> None:
    registry = programs.registry
    docker = daemon.with_config(tmp_path / "docker")
    _log_in(docker, registry)
    programs.login("skopeo")
    programs.skopeo("copy", layout.name("run"), "docker://lab/docker:1")
    name = f"{registry.host}/lab/docker"
    docker("pull", "--quiet", f"{name}:1")
    assert docker("run", "--rm", "--network=none", f"{name}:1") == "hello\n"
    docker("tag", f"{name}:1", f"{name}:2")
    docker("push", "--quiet", f"{name}:2")
    made = docker("image", "inspect", "--format={{.Id}}", f"{name}:1").strip()
    docker("rmi", f"{name}:1", f"{name}:2")
    docker("pull", "--quiet", f"{name}:2")
    assert docker("image", "inspect", "--format={{.Id}}", f"{name}:2").strip() == made
    docker("push", "--quiet", "--all-tags", name)
    docker("pull", "--quiet", f"{name}@{_digest(registry, 'lab/docker:2')}")
    docker("rmi", "--force", made)
    if registry.credentials:
        docker("logout", registry.host)
        assert docker.run("pull", f"{name}:1").returncode != 0


@pytest.mark.system("docker.io", "skopeo")
def test_docker_makes_and_inspects_lists(
    programs: Outside, layout: Layout, daemon: dockerd.Docker, tmp_path: Path
) -> None:
    registry = programs.registry
    if registry.authority:
        pytest.skip("the client itself asks here, and knows certificates only below /etc")
    docker = daemon.with_config(tmp_path / "docker")
    _log_in(docker, registry)
    programs.login("skopeo")
    programs.skopeo("copy", "--all", "--format=v2s2", layout.name("many"), "docker://lab/listed:1")
    name = f"{registry.host}/lab/listed"
    insecure = "--insecure"
    listed = json.loads(docker("manifest", "inspect", insecure, f"{name}:1"))["manifests"]
    assert [each["platform"]["architecture"] for each in listed] == ["amd64", "arm64"]
    docker("manifest", "create", insecure, f"{name}:2", *(f"{name}@{each['digest']}" for each in listed))
    digest = docker("manifest", "push", insecure, f"{name}:2").split()[-1]
    assert digest == _digest(registry, "lab/listed:2")


def test_wrong_passwords_are_told_as_such(programs: Outside, layout: Layout) -> None:
    host = programs.registry.host
    if not programs.registry.credentials:
        pytest.skip("this one is open")
    words = ["skopeo", "login", "-u", "admin", "--password-stdin", *programs.tls, host]
    done = programs.run(*words, input="wrong")
    assert done.returncode != 0
    assert "unauthorized" in done.stderr or "invalid username/password" in done.stderr
    asked: Any = programs.run("skopeo", "inspect", *programs.tls, f"docker://{host}/lab/one:1")
    assert asked.returncode != 0
    assert "unauthorized" in asked.stderr or "authentication required" in asked.stderr
