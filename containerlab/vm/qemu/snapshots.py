"""The resume tier: a machine is booted once until its first process answers, and saved.

HOME/cache/snapshots/<key>/ has `memory`, which each restored machine maps and writes no page of, so that
nothing is copied and all of them share what none has changed, `state`, all the rest of the machine, and
`size`, how many bytes that has: a torn one is made again. It is made below `tmp` and renamed, so that it is
complete or not there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.linux.files import remove_tree, sync_directory
from containerlab.store.home import Home
from containerlab.store.workshop import Workshop
from containerlab.vm import connection
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import plan
from containerlab.vm.qemu.plan import Hardware

__all__ = ["Snapshot", "find", "held", "key", "remove", "restored", "sizes", "take"]

_FOLDER, _MEMORY, _STATE, _SIZE = "snapshots", "memory", "state", "size"


class Snapshot(NamedTuple):
    """A machine that waits for SETUP."""

    memory: Path
    state: Path


def restored(machine: Hardware, snapshot: Snapshot) -> Hardware:
    """Return a machine as it is restored; its `Launch` has `state` and `are_pages_apart`."""
    return machine._replace(memory_file=str(snapshot.memory), is_restored=True)


def find(home: Home, machine: Hardware) -> Snapshot | None:
    """Return the snapshot of a machine if there is one, and it is whole."""
    place = home.cache / _FOLDER / key(machine)
    if not _is_whole(place, machine.memory_bytes):
        return None
    with contextlib.suppress(OSError):
        os.utime(place)  # it is of use
    return Snapshot(place / _MEMORY, place / _STATE)


def _is_whole(place: Path, memory_bytes: int) -> bool:
    try:
        state_bytes = int((place / _SIZE).read_bytes())
        sizes = (place / _MEMORY).stat().st_size, (place / _STATE).stat().st_size
    except (OSError, ValueError):
        return False
    return sizes == (memory_bytes, state_bytes)


def take(home: Home, workshop: Workshop, machine: Hardware) -> Snapshot:
    """Return the snapshot of a machine, made if there is none.

    Raises: Unsupported for a machine that cannot be saved; Unavailable when it does not boot.
    """
    _refuse(machine)
    if found := find(home, machine):
        return found
    name = key(machine)
    with home.lock(f"build-snapshot-{name[:32]}"):
        found = find(home, machine)  # another process has made it meanwhile
        return found or _make(home, workshop, machine, name)


def _refuse(machine: Hardware) -> None:
    if machine.shares:
        raise errors.Unsupported(
            "a machine with directories of the host cannot be restored from a snapshot",
            "take --tier microvm for -v and --filesystem virtiofs",
        )
    if machine.root.disk is not None and machine.root.is_writable:
        raise errors.Unsupported("a machine that writes to its disk cannot be restored from a snapshot")


def key(machine: Hardware) -> str:
    """Return what stands for all that a snapshot depends on: other words for QEMU, or other files, other key.

    Ports of the host are no part of it: the guest does not see them.
    """
    base = machine._replace(forwards=(), memory_file="", is_restored=False)
    files = [_facts(path) for path in (machine.root.initrd, machine.root.disk) if path is not None]
    kernel = machine.kernel.digest if machine.kernel else ""
    host = "" if machine.accelerator == "tcg" else _processor()
    known = (plan.words(base), machine.program.identity, kernel, files, host)
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _facts(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_size, status.st_mtime_ns


def _processor() -> str:
    """Return which processor this is; one that runs a guest itself must be the same when it goes on."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line
    return ""


def _make(home: Home, workshop: Workshop, machine: Hardware, name: str) -> Snapshot:
    place = home.cache / _FOLDER / name
    place.parent.mkdir(parents=True, exist_ok=True)
    with home.scratch("snapshot-") as scratch:
        made, directory = scratch / "made", scratch / "machine"
        made.mkdir()
        directory.mkdir()
        _boot(workshop, machine, made, directory)
        try:
            (made / _SIZE).write_text(str((made / _STATE).stat().st_size))
            remove_tree(place)  # one that is damaged
            os.rename(made, place)
        except OSError as error:
            raise errors.of_the_system(error, "keep a snapshot") from error
    sync_directory(str(place.parent))
    return Snapshot(place / _MEMORY, place / _STATE)


def _boot(workshop: Workshop, machine: Hardware, made: Path, directory: Path) -> None:
    """Boot a machine and save it. Raises: Unavailable."""
    memory = os.open(made / _MEMORY, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(memory, machine.memory_bytes)
        launch = Launch(
            directory=str(directory),
            companions=(),
            qemu=plan.words(machine._replace(memory_file=str(made / _MEMORY))),
            setup=b"",
            exec=b"",
            boot_limit_s=machine.tier.boot_limit_s,
            is_foreground=True,
            until="snapshot",
            state=str(made / _STATE),
            are_pages_apart=True,
        )
        with connection.start(workshop, launch) as monitor:
            state = monitor.wait()
        os.fsync(memory)
    finally:
        os.close(memory)
    if failure := state.get("error", "the monitor was killed"):
        told = filter(None, (state.get("hint", ""), state.get("console", "")))
        raise errors.Unavailable(f"cannot make a snapshot: {failure}", "\n".join(told))


def sizes(home: Home) -> list[int]:
    """Return the bytes on disk of each snapshot that is kept."""
    folder = home.cache / _FOLDER
    places = list(folder.iterdir()) if folder.is_dir() else []
    return [sum(path.stat().st_blocks * 512 for path in place.iterdir()) for place in places]


@contextlib.contextmanager
def held(state: str) -> Iterator[bool]:
    """Keep the snapshot of a `Launch.state` from `remove` until it is open; give whether it is there.

    An empty state is that of a machine without one.
    """
    if not state:
        yield True
        return
    place = os.path.dirname(state)
    try:
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield os.path.exists(state)
    finally:
        os.close(fd)


def remove(home: Home) -> int:
    """Remove all snapshots but those that a machine is just restored from; return the bytes freed.

    Machines that run keep theirs.
    """
    folder = home.cache / _FOLDER
    return sum(map(_removed_bytes, folder.iterdir())) if folder.is_dir() else 0


def _removed_bytes(place: Path) -> int:
    with contextlib.suppress(FileNotFoundError):  # another process was faster
        fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            freed_bytes = sum(path.stat().st_blocks * 512 for path in place.iterdir())
            remove_tree(place)
            return freed_bytes
        except BlockingIOError:
            return 0
        finally:
            os.close(fd)
    return 0
