"""Our client, as users call it, at others' registry and at our own: what goes out comes back the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests import dockerd, registries
from tests.distribution.outside import Outside, outside
from tests.image_layouts import Layout
from tests.registries import Registry

pytestmark = [pytest.mark.slow, pytest.mark.system("docker-registry", "skopeo", "busybox-static")]

SET_UPS = [
    pytest.param(("debian", "basic", True), id="debian-basic-tls"),
    pytest.param(("ours", "bearer", True), id="ours-bearer-tls"),
    pytest.param(("debian", "none", False), id="debian-none-http", marks=pytest.mark.registry),
    pytest.param(("ours", "none", False), id="ours-none-http", marks=pytest.mark.registry),
    pytest.param(("ours", "basic", True), id="ours-basic-tls", marks=pytest.mark.registry),
    pytest.param(("ours", "bearer", False), id="ours-bearer-http", marks=pytest.mark.registry),
]


@pytest.fixture(scope="module", params=SET_UPS)
def registry(request: pytest.FixtureRequest, base: Path) -> Iterator[Registry]:
    kind, auth, tls = request.param
    folder = base / f"ours-{kind}-{auth}-{tls}"
    start = registries.debian if kind == "debian" else registries.ours
    running: AbstractContextManager[Registry] = start(folder, auth=auth, tls=tls)
    with running as found:
        yield found


@pytest.fixture
def programs(registry: Registry) -> Iterator[Outside]:
    with outside(registry) as found:
        yield found


@pytest.fixture(scope="module")
def layout(base: Path) -> Layout:
    """Images `run` (which prints hello), `one` and `many` (two platforms)."""
    made = Layout(base / "layout-of-ours")
    made.tag("run", made.runnable())
    made.tag("one", made.image(layers=12, size=30_000))
    made.tag("many", made.index({each: made.image(architecture=each) for each in ("amd64", "arm64")}))
    return made


def _logged_in(programs: Outside) -> Outside:
    """Log in with ours; skopeo works with that login too."""
    registry = programs.registry
    if registry.credentials:
        user, password = registry.credentials
        programs.conlab("login", "-u", user, "--password-stdin", registry.host, input=password)
    return programs


def _raw(programs: Outside, name: str) -> bytes:
    return programs.skopeo("inspect", "--raw", f"docker://{name}").encode()


def test_what_is_pushed_is_pulled_the_same(programs: Outside, layout: Layout) -> None:
    _logged_in(programs)
    for name in ("one", "many"):
        programs.skopeo("copy", "--all", layout.name(name), f"docker://lab/{name}:1")
        there = f"{programs.registry.host}/lab/{name}"
        programs.conlab("pull", "--quiet", "--platform", "all", f"{there}:1")
        programs.conlab("tag", f"{there}:1", f"{there}-elsewhere:2")
        programs.conlab("push", "--quiet", f"{there}-elsewhere:2")
        assert _raw(programs, f"lab/{name}-elsewhere:2") == layout.read(layout.digest(name))


def test_a_pulled_image_runs(programs: Outside, layout: Layout) -> None:
    _logged_in(programs)
    programs.skopeo("copy", layout.name("run"), "docker://lab/run:1")
    name = f"{programs.registry.host}/lab/run:1"
    assert programs.conlab("run", "--rm", "--network", "none", name) == "hello\n"
    assert programs.conlab("pull", "--quiet", f"{name.removesuffix(':1')}@{layout.digest('run')}")
    programs.conlab("rmi", "--force", name)


def test_without_a_login_it_is_told_as_such(programs: Outside) -> None:
    if not programs.registry.credentials:
        pytest.skip("this one is open")
    done = programs.run(*programs.conlab_words, "pull", f"{programs.registry.host}/lab/none:1")
    assert done.returncode == 1
    assert "login" in done.stderr


def test_an_unknown_authority_is_told_as_such(programs: Outside) -> None:
    if not programs.registry.authority:
        pytest.skip("this one has no TLS")
    _logged_in(programs)
    programs.forget_authority()
    done = programs.run(*programs.conlab_words, "pull", f"{programs.registry.host}/lab/none:1")
    assert done.returncode == 1
    assert "certificate" in done.stderr


def test_all_tags_and_the_verbs_of_a_registry(programs: Outside, layout: Layout) -> None:
    _logged_in(programs)
    name = f"{programs.registry.host}/lab/tagged"
    for tag in ("1", "2", "3"):
        programs.skopeo("copy", layout.name("one"), f"docker://lab/tagged:{tag}")
    assert sorted(json.loads(programs.conlab("registry", "tags", "--json", name)), key=str)
    programs.conlab("pull", "--all-tags", "--quiet", name)
    images = programs.conlab("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert {f"{name}:{tag}" for tag in ("1", "2", "3")} <= set(images)
    programs.conlab("registry", "copy", f"{name}:1", f"{name}-copy:9")
    assert _raw(programs, "lab/tagged-copy:9") == layout.read(layout.digest("one"))


@pytest.mark.root
@pytest.mark.system("docker.io")
def test_ours_to_docker_to_ours(programs: Outside, layout: Layout, tmp_path: Path) -> None:
    """The layers of what docker pushes have the digests that ours had: it keeps what it pulled."""
    _logged_in(programs)
    registry = programs.registry
    programs.skopeo("copy", layout.name("run"), "docker://lab/there:1")
    name = f"{registry.host}/lab/there"
    with dockerd.daemon("vfs") as daemon:
        docker = daemon.with_config(tmp_path / "docker")
        if registry.credentials:
            user, password = registry.credentials
            docker("login", "-u", user, "--password-stdin", registry.host, input=password.encode())
        docker("pull", "--quiet", f"{name}:1")
        docker("tag", f"{name}:1", f"{name}:2")
        docker("push", "--quiet", f"{name}:2")
    programs.conlab("pull", "--quiet", f"{name}:2")
    first, second = (json.loads(_raw(programs, f"lab/there:{tag}")) for tag in ("1", "2"))
    assert first["config"]["digest"] == second["config"]["digest"]
    assert [each["digest"] for each in first["layers"]] == [each["digest"] for each in second["layers"]]
    ids = programs.conlab("images", "--quiet", "--no-trunc").split()
    assert ids == [first["config"]["digest"]]
    assert programs.conlab("run", "--rm", "--network", "none", f"{name}:2") == "hello\n"
