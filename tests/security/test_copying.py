"""A container that swaps links while its files are copied: nothing outside is read or written.

CVE-2018-15664, CVE-2019-10152, CVE-2021-41089, CVE-2023-0778: `cp` followed a link that was put in the way.
CVE-2019-14271: `cp` loaded code from the container.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.errors import LabError
from containerlab.store import trees
from tests import containers as applets
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
TRIES = 15


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    return base / "copying"


@pytest.fixture
def containers(home: Path) -> Iterator[Containers]:
    with applets.engine(home) as engine:
        yield engine.containers
        for container in engine.containers.list(all=True):
            engine.containers.remove(container.id, force=True, volumes=True)


@pytest.fixture
def outside(base: Path, tmp_path: Path) -> Iterator[Path]:
    """Yield a directory of the host whose path a container can name but not see."""
    directory = tmp_path / "outside"
    directory.mkdir()
    (directory / "canary").write_text("of the host")
    yield directory
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"canary": "of the host"}


def test_swapped_links_lead_nowhere_outside(containers: Containers, outside: Path, tmp_path: Path) -> None:
    script = f"""
        mkdir -p /w/real /w{outside}; echo inside > /w/real/canary; ln -s {outside} /w/link
        while :; do mv /w/real /w/d; mv /w/d /w/real; mv /w/link /w/d; mv /w/d /w/link; done"""
    name = containers.start(IMAGE, ["sh", "-c", script]).name
    until(lambda: containers.exec(name, ["test", "-e", "/w/link", "-o", "-e", "/w/real"]).exit_code == 0)
    (tmp_path / "poison").write_text("poison")
    for number in range(TRIES):
        with suppress(LabError):
            containers.copy(str(tmp_path / "poison"), f"{name}:/w/d/canary")
        with suppress(LabError):
            containers.copy(f"{name}:/w/d/canary", str(tmp_path / f"out-{number}"))
        with suppress(LabError):
            containers.copy(f"{name}:/w/", str(tmp_path / f"tree-{number}"))
    got = [path for path in tmp_path.rglob("*") if path.is_file() and outside not in path.parents]
    assert not [path for path in got if not path.is_symlink() and path.read_text() == "of the host"]


@pytest.mark.parametrize("target", ["/proc/1/root", "/../../../../../..", "/proc/self/root"])
@pytest.mark.parametrize("running", [True, False])
def test_link_out_of_a_container_stays_in_it(
    containers: Containers, home: Path, outside: Path, tmp_path: Path, target: str, running: bool
) -> None:
    applets.import_image(home, "test/links", files={"link": (b"2", target)})
    make = containers.start if running else containers.create
    name = make("test/links", ["sleep", "1000"], pid="host").name
    (tmp_path / "poison").write_text("poison")
    with suppress(LabError):
        containers.copy(str(tmp_path / "poison"), f"{name}:/link{outside}/canary")
    with pytest.raises(LabError):
        containers.copy(f"{name}:/link{outside}/canary", str(tmp_path / "out"))


def test_archive_cannot_write_through_a_link(containers: Containers, outside: Path, tmp_path: Path) -> None:
    name = containers.create(IMAGE, ["true"]).name
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "way").symlink_to(outside)
    (tmp_path / "second" / "way").mkdir(parents=True)
    (tmp_path / "second" / "way" / "canary").write_text("poison")
    containers.copy(f"{tmp_path}/first/.", f"{name}:/tmp")
    with pytest.raises(LabError):
        containers.copy(f"{tmp_path}/second/.", f"{name}:/tmp")


def test_no_code_is_loaded_from_the_container(containers: Containers, home: Path, tmp_path: Path) -> None:
    """Every module that Python or we could load lies in wait where it would be looked for."""
    trap = b"open('/sprung', 'w').close()"
    modules = ("traceback", "linecache", "encodings/idna", "encodings/ascii", "pwd", "subprocess")
    places = {Path(trees.__file__).parents[2], *map(Path, _search_path())}
    files = {f"{place}/{module}.py".lstrip("/"): trap for place in places for module in modules}
    applets.import_image(home, "test/trap", files=files)
    name = containers.start("test/trap", ["sleep", "1000"]).name
    (tmp_path / "in").write_text("content")
    containers.copy(str(tmp_path / "in"), f"{name}:/tmp/\u00e4")
    containers.copy(f"{name}:/tmp/", str(tmp_path / "out"))
    with pytest.raises(LabError):
        containers.copy(f"{name}:/no/such", str(tmp_path))
    assert [change.path for change in containers.diff(name)] == ["/tmp", "/tmp/\u00e4"]


def _search_path() -> list[str]:
    import sys

    return [path for path in sys.path if path.startswith("/") and not path.endswith(".zip")]
