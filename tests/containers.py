"""Real containers for tests: an image of busybox with all its applets, and how tests wait."""

from __future__ import annotations

import contextlib
import io
import os
import select
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from containerlab.backends.embedded_images import EmbeddedImages
from containerlab.engine.engine import Engine
from containerlab.store.home import Home

__all__ = [
    "FILES",
    "IMAGE",
    "add_image",
    "engine",
    "import_image",
    "is_gone",
    "monitor_of",
    "monitors_of",
    "root_archive",
    "until",
]

IMAGE = "test/applets"
FILES: dict[str, bytes] = {
    "etc/passwd": b"root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\n"
    b"ann:x:1000:1000::/home/ann:/bin/sh\n",
    "etc/group": b"root:x:0:\ndaemon:x:1:\nann:x:1000:\nstaff:x:50:ann\ncdrom:x:24:\n",
}
_DIRECTORIES = ("dev", "etc", "home", "home/ann", "proc", "root", "run", "sys", "tmp", "var")
_T = TypeVar("_T")


def engine(home: Path) -> Engine:
    """Return an engine whose store has the image; the caller closes it."""
    import_image(home, IMAGE)
    return Engine(home)


def import_image(
    home: Path,
    name: str,
    *,
    files: Mapping[str, bytes | tuple[bytes, str]] = {},
    config: Mapping[str, Any] = {},
    without: tuple[str, ...] = (),
) -> None:
    """Put an image into a home that nobody in this process has open, as `add_image` does."""
    images = EmbeddedImages(Home.open(home))
    add_image(images, name, files=files, config=config, without=without)
    images.store.close()


def add_image(
    images: EmbeddedImages,
    name: str,
    *,
    files: Mapping[str, bytes | tuple[bytes, str]] = {},
    config: Mapping[str, Any] = {},
    without: tuple[str, ...] = (),
) -> None:
    """Make an image of busybox and files; (type, link target) makes another kind of entry."""
    archive = io.BytesIO(root_archive({**FILES, **files}, without))
    images.import_rootfs(archive, name, {"Cmd": ["sh"], **config})


def root_archive(files: Mapping[str, bytes | tuple[bytes, str]], without: tuple[str, ...] = ()) -> bytes:
    """Return a root file system with busybox as a tar archive."""
    program = Path(shutil.which("busybox") or "/bin/busybox").resolve()
    applets = subprocess.run([program, "--list"], capture_output=True, text=True, check=True).stdout.split()
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for directory in _DIRECTORIES:
            if directory not in without:
                _add(archive, directory, (tarfile.DIRTYPE, ""))
        archive.add(program, "bin/busybox")
        for applet in applets:
            if applet != "busybox":
                _add(archive, f"bin/{applet}", (tarfile.SYMTYPE, "busybox"))
        for path, content in files.items():
            _add(archive, path, content)
    return output.getvalue()


def _add(archive: tarfile.TarFile, path: str, content: bytes | tuple[bytes, str]) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode = 0o755
    if isinstance(content, tuple):
        entry.type, entry.linkname = content
        archive.addfile(entry)
    else:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def until(condition: Callable[[], _T], timeout_s: float = 60.0) -> _T:
    """Wait for a condition and return its first true value; fail when it does not come."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "what the test waits for has not come"
        select.poll().poll(2)
    return value


def is_gone(pid: int) -> bool:
    """Say whether a process has ended; a zombie has, whoever is slow to ask for its exit code."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def monitor_of(directory: str) -> int:
    """Wait for a container's monitor and return its pid: it has the lock open, as its client has at first."""
    return until(lambda: next(monitors_of(directory), 0))


def monitors_of(directory: str) -> Iterator[int]:
    """Yield the pid of a container's monitor, if it has one now."""
    lock = f"{directory}/lock"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_monitor = (process / "comm").read_text() == "conlab-monitor\n"
            if is_monitor and any(_leads_to(str(fd), lock) for fd in (process / "fd").iterdir()):
                yield int(process.name)


def _leads_to(link: str, path: str) -> bool:
    with contextlib.suppress(OSError):  # closed meanwhile
        return os.readlink(link) == path
    return False
