"""Disks that others' programs make of the image's tar stream: erofs and squashfs, read-only, compressed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

from containerlab import errors
from containerlab.linux.files import write_all
from containerlab.store import tar_write as tar
from containerlab.store.tar_copy import batched
from containerlab.vm.rootfs.source import Source

__all__ = ["write_erofs", "write_squashfs"]

_UUID = "c0117a1e-51ab-4f5e-8d3c-6b2a90f1e4d8"


def write_squashfs(fd: int, source: Source, free_bytes: int) -> None:
    """Write an image's files to an empty file, by sqfstar; free_bytes: of no meaning here.

    Raises: Unsupported without sqfstar; Unavailable when it fails; NotFound, CorruptContent, HostileArchive.
    """
    program = shutil.which("sqfstar")
    if program is None:
        raise _missing("squashfs", "sqfstar", "squashfs-tools 4.5")
    words = [
        program,
        "-comp",
        "lz4",
        "-mkfs-time",
        "0",
        "-no-progress",
        "-quiet",
        "-force",
    ]
    _run([*words, _path(fd)], fd, source)


def write_erofs(fd: int, source: Source, free_bytes: int) -> None:
    """Write an image's files to an empty file, by mkfs.erofs; free_bytes: of no meaning here.

    Raises: as `write_squashfs` does; Unsupported also for a mkfs.erofs that takes no archives.
    """
    program = shutil.which("mkfs.erofs")
    if program is None or not _takes_archives(program):
        raise _missing("erofs", "mkfs.erofs", "erofs-utils 1.7")
    _run([program, "--tar=f", "--quiet", "-T0", f"-U{_UUID}", "-zlz4", _path(fd)], fd, source)


def _takes_archives(program: str) -> bool:
    said = subprocess.run([program, "--help"], capture_output=True, check=False)
    return b"--tar" in said.stdout + said.stderr


def _missing(filesystem: str, program: str, package: str) -> errors.Unsupported:
    return errors.Unsupported(
        f"a disk with {filesystem} needs {program}, of {package} or newer, which is not installed",
        "install it, or choose --filesystem ext4, which needs nothing",
    )


def _path(fd: int) -> str:
    return f"/proc/self/fd/{fd}"


def _run(words: list[str], fd: int, source: Source) -> None:
    """Feed a program the image's tar stream; it writes to the descriptor, by its path."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=said, stderr=said, pass_fds=[fd])
        assert process.stdin is not None
        with process, _killed_on_error(process), contextlib.suppress(BrokenPipeError):
            for piece in batched(source.archive()):
                write_all(process.stdin.fileno(), piece)
            write_all(process.stdin.fileno(), tar.END)
        said.seek(0)
        if process.returncode:
            reason = said.read()[-4096:].decode(errors="replace").strip().rpartition("\n")[2]
            raise errors.Unavailable(f"{words[0]} failed: {reason}", "choose --filesystem ext4")


@contextlib.contextmanager
def _killed_on_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # it has something to say
        raise
    except BaseException:
        process.kill()
        raise
