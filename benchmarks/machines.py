"""Virtual machines beside the best that was found to be written by hand, and what is around them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import peers, processes
from benchmarks.arena import Arena
from benchmarks.by_hand import ByHand, fast_words, plain_words
from benchmarks.measure import Contestant, Samples, alternate, timed
from benchmarks.rows import Figure, Row, beside, milliseconds, reaching, within
from containerlab.backends.embedded.machines import measuring
from containerlab.store.home import Home
from containerlab.vm import connection
from containerlab.vm.guest import wire
from containerlab.vm.qemu import program
from tests import kernels, users

if TYPE_CHECKING:
    from containerlab.engine.machine import Machine
    from containerlab.vm.kernel.kernel import Kernel

__all__ = ["machines"]

_IMAGE = "bench/five-megabytes"
_FILL_BYTES = 3 << 20
_READY = ("/bin/busybox", "echo", "ready")
_RATIO = 1 / 1.1
_DEBIAN_BYTES = 235_000_000
_PINGS, _MIB = 200, 64
_PREPARING = Path(__file__).with_name("preparing.py")


class _Place(NamedTuple):
    arena: Arena
    plain: ByHand
    fast: ByHand
    kernel: Kernel


def machines(arena: Arena) -> list[Row]:
    """Boot machines of three tiers, look into an idle one, and prepare a big image."""
    place = _place(arena)
    before = _left(arena)
    rows = [*_starts(place), *_shell(arena), *_of_idle(place), *_preparations(place)]
    return [
        *rows,
        within("processes and records of machines left", Figure(_left(arena) - before, "things"), 0),
    ]


def _place(arena: Arena) -> _Place:
    """Make an image of some 5 MB, and lend the home a kernel."""
    root, archive = arena.directory / "five", arena.directory / "five.tar"
    with tarfile.open(arena.archive) as file:
        file.extractall(root, filter="fully_trusted")
    (root / "data").write_bytes(os.urandom(_FILL_BYTES))
    _pack(archive, sorted(root.iterdir()), root)
    arena.engine.images.import_(str(archive), _IMAGE)
    kernel = kernels.seed(arena.home)
    qemu = program.find()
    arena.tools["qemu"] = f"{qemu.version}, kernel of guests {kernel.release}, emulated (tcg)"
    plain = ByHand(qemu.path, kernel, plain_words(), root, arena.directory / "plain")
    fast = ByHand(qemu.path, kernel, fast_words(), root, arena.directory / "fast")
    return _Place(arena, plain, fast, kernel)


def _pack(archive: Path, paths: Sequence[Path], root: Path) -> None:
    with tarfile.open(archive, "w") as file:
        for path in paths:
            file.add(path, path.relative_to(root))


# --- time to the first output ------------------------------------------------------------------------


def _starts(place: _Place) -> Iterator[Row]:
    plain, fast = place.plain.snapshot(), place.fast.mapped_snapshot()
    lines = {
        "resume": (partial(place.plain.resume, plain), partial(place.fast.resume, fast)),
        "microvm": (place.plain.microvm, place.fast.microvm),
        "image": (place.plain.image, place.fast.image),
    }
    times = place.arena.counts.machine
    for tier, (by_plain, by_fast) in lines.items():
        contestants = [
            Contestant("ours", partial(_first_output_s, place.arena, tier, "none"), times),
            Contestant("with a card", partial(_first_output_s, place.arena, tier, "user"), times),
            Contestant("plain", by_plain, times),
            Contestant("fast", by_fast, times),
        ]
        taken = {name: milliseconds(samples) for name, samples in alternate(contestants, 1).items()}
        subject = f"vm {tier} of 5 MB, to its first output"
        yield beside(subject, taken["ours"], "a plain line", taken["plain"], _RATIO)
        yield beside("…", taken["ours"], "the fastest line", taken["fast"])
        yield beside("… with a network card", taken["with a card"], "a plain line", taken["plain"])


def _first_output_s(arena: Arena, tier: str, network: str) -> float:
    begun, came = time.perf_counter(), []

    def sink(stream: str, data: bytes) -> None:
        came.append(time.perf_counter())

    arena.engine.machines.run(
        _IMAGE, _READY, sink=sink, tier=tier, network=network, accel="tcg", rm=True
    ).check()
    return came[0] - begun


def _shell(arena: Arena) -> Iterator[Row]:
    """Run from a shell to the end, the start of the interpreter included."""
    conlab = os.path.join(os.path.dirname(sys.executable), "conlab")
    options = ("--rm", "--tier", "resume", "--accel", "tcg")
    words = (conlab, "--home", str(arena.home), "vm", "run", *options, _IMAGE, *_READY)
    samples = alternate([Contestant("", timed(partial(peers.command, *words)), arena.counts.machine)], 1)
    yield Row("conlab vm run --tier resume from a shell, to its end", milliseconds(samples[""]))


# --- a machine that runs -----------------------------------------------------------------------------


def _of_idle(place: _Place) -> Iterator[Row]:
    with _running(place.arena) as machine:
        info = machine.info
        memory = processes.proportional_bytes(measuring.pids(info.pid))
        yield beside(
            "memory of an idle microvm", _mib(memory), "a plain line", _mib(place.plain.idle_bytes())
        )
        yield within("agent, there and back", milliseconds(_pings(info.detail["directory"])), 1)
        yield _throughput(machine)


@contextmanager
def _running(arena: Arena) -> Iterator[Machine]:
    machine = arena.engine.machines.start(
        _IMAGE, ["/bin/sleep", "600"], tier="microvm", network="none", accel="tcg"
    )
    try:
        yield machine
    finally:
        arena.engine.machines.remove(machine.id, force=True)


def _mib(size: int) -> Figure:
    return Figure(size / (1 << 20), "MiB")


def _pings(directory: str) -> Samples:
    """Ask the first process of the guest, by way of the monitor, as every client does."""
    with connection.connect(directory) as monitor:
        ping = timed(lambda: monitor.ask(wire.PING, timeout_s=30))
        return Samples(tuple(ping() for _ in range(_PINGS)))


def _throughput(machine: Machine) -> Row:
    words = ["/bin/busybox", "dd", "if=/dev/zero", "bs=64k", f"count={_MIB * 16}"]
    begun = time.perf_counter()
    machine.exec(words, sink=lambda stream, data: None).check()
    rate = (_MIB << 20) / 1e6 / (time.perf_counter() - begun)
    return reaching("output of a program in a microvm", Figure(rate, "MB/s"), 10)


# --- preparing a big image ---------------------------------------------------------------------------


def _preparations(place: _Place) -> Iterator[Row]:
    """Make the disk of an image as big as a Debian with programs, as an ordinary user, and find it again."""
    archive = place.arena.directory / "debian.tar"
    _pack(archive, list(_files_of_debian()), Path("/"))
    kept = place.arena.directory / "kernel"
    shutil.copytree(place.kernel.image.parent, kept, symlinks=True)
    with contextmanager(users.make)(place.arena.directory, subordinate_ids=True) as user:
        identity = {"cwd": user.home, "env": user.environment, "user": user.uid, "group": user.gid}
        times = str(place.arena.counts.unpack)
        words = (user.python, "-c", _PREPARING.read_text(), user.home / "home", archive, kept, times)
        said = peers.command(*map(str, words), extra_groups=[], **identity)
    first, again = json.loads(said)
    yield within("disk of an image of 235 MB, without root", milliseconds(Samples(tuple(first))), 3500)
    yield Row("… found again", milliseconds(Samples(tuple(again))))


def _files_of_debian() -> Iterator[Path]:
    """Give this host's own files until they are enough: some 18,000, more than a Debian of that size has."""
    left = _DEBIAN_BYTES
    for top in ("/usr/share", "/usr/lib", "/usr/bin"):
        for directory, folders, names in os.walk(top):
            folders.sort()
            for path in sorted(Path(directory, name) for name in names):
                if path.is_symlink() or not path.is_file():
                    continue
                left -= path.stat().st_size
                if left < 0:
                    return
                yield path


def _left(arena: Arena) -> int:
    """Count records of machines, and processes that know this home or what was written by hand."""
    records = Home.open(arena.home).root / "machines"
    found = len(list(records.iterdir())) if records.is_dir() else 0
    return found + len([pid for pid in processes.with_descendants((str(arena.directory),)) if _is_qemu(pid)])


def _is_qemu(pid: int) -> bool:
    try:
        return "qemu" in os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return False
