"""A disk that is full: one sentence, and a store that is as good as before."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.cli import main
from containerlab.runtime.logfile import LogWriter
from tests import busybox
from tests.containers import until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]


class Disk:
    """A home on a disk of 16 MiB."""

    def __init__(self, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.place, self._capfd = place, capfd

    def conlab(self, *words: str) -> tuple[int, str, str]:
        self._capfd.readouterr()
        code = main(["--home", str(self.place / "home"), *words])
        return (code, *self._capfd.readouterr())

    def fill(self, left_bytes: int = 0) -> None:
        """Take all room but some."""
        found = os.statvfs(self.place)
        with (self.place / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_frsize - left_bytes)

    def empty(self) -> None:
        (self.place / "filler").unlink()

    def check_is_refused(self, code: int, *words: str) -> None:
        """Expect one sentence with a hint, and nothing half-made."""
        answer, _, told = self.conlab(*words)
        first, *rest = told.splitlines()
        assert answer == code, told
        assert first.startswith("conlab: ")
        assert "space left" in first or "disk" in first
        assert [line[:8] for line in rest] == ["  hint: "]
        assert not list((self.place / "home" / "tmp").iterdir())


@pytest.fixture
def disk(base: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Disk]:
    place = base / "disk"
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], check=True)
    try:
        busybox.engine(place / "home").close()
        yield Disk(place, capfd)
    finally:
        # The monitor of the last container may still be ending.
        until(
            lambda: subprocess.run(["umount", place], check=False, stderr=subprocess.DEVNULL).returncode == 0
        )


def _big_archive() -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        entry = tarfile.TarInfo("big")
        entry.size = 20 << 20
        archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return output.getvalue()


def test_an_image_that_has_no_room_leaves_nothing(disk: Disk, tmp_path: Path) -> None:
    archive = tmp_path / "big.tar"
    archive.write_bytes(_big_archive())
    _, before, _ = disk.conlab("images", "-a", "--no-trunc")
    disk.check_is_refused(1, "import", str(archive), "test/big")
    assert disk.conlab("images", "-a", "--no-trunc")[1] == before


def test_a_container_that_has_no_room_leaves_nothing(disk: Disk) -> None:
    assert disk.conlab("run", "--rm", busybox.NAME, "true")[0] == 0
    for pages in range(10):  # it fails at another place each time, at last not at all
        disk.fill(left_bytes=pages * os.sysconf("SC_PAGE_SIZE"))
        for words in (["run", "--rm"], ["run"], ["run", "-d"], ["create"]):
            code, _, told = disk.conlab(*words, busybox.NAME, "true")
            assert (code == 125 and told.startswith("conlab: ")) or code == 0, told
            if code:
                assert disk.conlab("ps", "-aq")[1] == "", (words, pages)
            disk.conlab("container", "prune", "--force")
        disk.empty()
    assert disk.conlab("ps", "-aq")[1] == ""
    assert disk.conlab("run", "--rm", busybox.NAME, "echo", "again")[1] == "again\n"


def test_a_commit_and_a_save_that_have_no_room_can_be_repeated(disk: Disk) -> None:
    disk.conlab("run", "--name", "made", busybox.NAME, "sh", "-c", "head -c 3000000 /dev/urandom > /new")
    disk.fill(left_bytes=1 << 20)
    disk.check_is_refused(1, "commit", "made", "test/made")
    disk.check_is_refused(1, "save", busybox.NAME, "-o", str(disk.place / "saved.tar"))
    assert not (disk.place / "saved.tar").exists()
    disk.empty()
    assert disk.conlab("commit", "made", "test/made")[0] == 0
    assert disk.conlab("run", "--rm", "test/made", "wc", "-c", "/new")[1] == "3000000 /new\n"
    assert disk.conlab("rm", "made")[0] == 0


def test_a_build_that_has_no_room_goes_on_when_there_is(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(20 << 20))
    fills = ("COPY big /", "RUN yes > /all", "RUN yes > /all; true", "RUN head -c 9000000 /dev/urandom > /f")
    for line in fills:
        (tmp_path / "Dockerfile").write_text(f"FROM {busybox.NAME}\nRUN echo one > /one\n{line}\n")
        code, _, told = disk.conlab("build", str(tmp_path))
        assert code == 1, told
        assert f"> 3 | {line}" in told
        assert "Traceback" not in told
        assert not list((disk.place / "home" / "tmp").iterdir())
        assert not list((disk.place / "home" / "containers").iterdir())
    (tmp_path / "Dockerfile").write_text(f"FROM {busybox.NAME}\nRUN echo one > /one\nRUN cat /one\n")
    code, _, told = disk.conlab("build", "--progress", "plain", "-t", "test/built", str(tmp_path))
    assert (code, told.count("CACHED")) == (0, 2), told
    assert disk.conlab("run", "--rm", "test/built", "cat", "/one")[1] == "one\n"


def test_a_build_fails_anywhere_in_a_sentence(disk: Disk, tmp_path: Path) -> None:
    for pages in range(0, 24, 3):
        (tmp_path / "Dockerfile").write_text(
            f"FROM {busybox.NAME}\nRUN echo {pages} > /x\nCOPY <<END /y\n{pages}\nEND\nRUN cat /y\n"
        )
        disk.fill(left_bytes=pages * os.sysconf("SC_PAGE_SIZE"))
        code, _, told = disk.conlab("build", "-t", "test/built", str(tmp_path))
        assert code == 0 or ("space left" in told or "disk" in told), told
        assert "Traceback" not in told
        assert not list((disk.place / "home" / "tmp").iterdir())
        disk.empty()


def test_what_fills_the_disk_can_be_removed(disk: Disk) -> None:
    disk.conlab("run", "--name", "greedy", busybox.NAME, "sh", "-c", "yes > /all")
    assert disk.conlab("rm", "greedy")[0] == 0
    assert disk.conlab("run", "--rm", busybox.NAME, "echo", "again")[1] == "again\n"
    assert disk.conlab("ps", "-aq")[1] == ""


def test_a_program_that_prints_more_than_the_log_has_room_for_goes_on(disk: Disk) -> None:
    """Its client gets all of it, its exit code is kept, and its log says what is missing."""
    command = "yes | head -c 20000000; echo end; exit 4"
    code, printed, told = disk.conlab("run", "--name", "chatty", busybox.NAME, "sh", "-c", command)
    assert (code, len(printed), printed[-4:], told) == (4, 20_000_004, "end\n", "")
    assert disk.conlab("ps", "-a", "--format", "{{.Names}} {{.Status}}")[1].startswith("chatty Exited (4)")
    assert disk.conlab("rm", "chatty")[0] == 0


def test_how_a_container_ended_is_kept_where_no_block_is_left(disk: Disk) -> None:
    disk.conlab(
        "run", "-d", "--name", "last", busybox.NAME, "sh", "-c", "sleep 1000 & trap 'exit 4' TERM; wait"
    )
    disk.fill()
    assert disk.conlab("kill", "--signal", "TERM", "last")[0] == 0
    assert disk.conlab("wait", "last")[1] == "4\n"
    assert disk.conlab("ps", "-a", "--format", "{{.Names}} {{.Status}}")[1].startswith("last Exited (4)")
    disk.empty()
    assert disk.conlab("rm", "last")[0] == 0


def test_a_log_says_what_a_full_disk_kept_from_it(disk: Disk) -> None:
    log = LogWriter(str(disk.place))
    disk.fill()
    log.write(1, b"x" * 100_000)
    disk.empty()
    log.write(1, b"again\n")
    log.close()
    (first, second) = (disk.place / "log").read_text().splitlines()
    assert first.endswith(" stdout F [100000 bytes are missing here: the disk was full]")
    assert second.endswith(" stdout F again")
