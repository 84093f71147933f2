"""Who of all that can be compared is on this machine, and why the others are not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from containerlab.errors import InvalidInput, LabError, Unavailable, nearest
from containerlab.experiments.shares import Shares
from containerlab.experiments.subject import Subject
from containerlab.experiments.subjects.bare import Bare
from containerlab.experiments.subjects.bundles import Bundles, unpack
from containerlab.experiments.subjects.docker import Docker
from containerlab.experiments.subjects.docker_api import usual_socket
from containerlab.experiments.subjects.machines import MachineGroups, Tiered
from containerlab.experiments.subjects.own import Own
from containerlab.experiments.subjects.podman import Podman
from containerlab.vm.tiers import TIERS

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Absent", "Ground", "Present", "chosen", "present"]


class Ground(NamedTuple):
    """What subjects are made of. image: with the probe in it; scratch: a directory of theirs."""

    engine: Engine
    image: str
    shares: Shares
    groups: MachineGroups
    scratch: Path
    memory_bytes: int = 0
    """Of each machine; 0: as its tier has it."""


class Absent(NamedTuple):
    """Somebody who cannot take part."""

    subject: str
    kind: str
    tier: str
    why: str


class Present(NamedTuple):
    """Who takes part, and who does not."""

    subjects: Sequence[Subject]
    absent: Sequence[Absent]


class _Maker(NamedTuple):
    name: str
    kind: str
    make: Callable[[Ground], Subject]
    tier: str = ""


def _bundles(name: str) -> _Maker:
    def make(ground: Ground) -> Subject:
        tree = ground.scratch / "tree"
        if not tree.exists():
            unpack(ground.engine, ground.image, tree)
        return Bundles(name, tree, _environment(ground), ground.shares, ground.scratch)

    return _Maker(name, "container", make)


def _environment(ground: Ground) -> Sequence[str]:
    """Return the variables that the image sets."""
    (document,) = ground.engine.images.inspect(ground.image).to_records()
    found: Sequence[str] = document["Config"].get("Env") or ()
    return found


def _docker(ground: Ground) -> Subject:
    socket = usual_socket()
    if not socket or not os.path.exists(socket):
        raise Unavailable("no daemon of Docker listens here", "start it")
    return Docker(ground.engine, ground.image, ground.shares, ground.scratch, socket)


def _podman(ground: Ground) -> Subject:
    return Podman(ground.engine, ground.image, ground.shares, ground.scratch)


def _machines(tier: str) -> _Maker:
    def make(ground: Ground) -> Subject:
        return Tiered(ground.engine, ground.image, ground.groups, tier, ground.memory_bytes or None)

    return _Maker(f"vm {tier}", "vm", make, tier)


_MAKERS: tuple[_Maker, ...] = (
    _Maker("bare process", "process", lambda ground: Bare(ground.shares, ground.scratch)),
    _Maker("containerlab", "container", lambda ground: Own(ground.engine, ground.image, ground.shares)),
    _bundles("crun"),
    _bundles("runc"),
    _Maker("docker", "container", _docker),
    _Maker("podman", "container", _podman),
    *map(_machines, TIERS),
)


def chosen(names: Sequence[str], tiers: Sequence[str], *, is_quick: bool) -> list[_Maker]:
    """Return the makers of those whose names begin with one of `names`, machines of these tiers only.

    Raises: InvalidInput for a name that nobody has.
    """
    for name in names:
        if not any(maker.name.startswith(name) for maker in _MAKERS):
            known = [maker.name for maker in _MAKERS]
            raise InvalidInput(
                f"no such subject: {name}", nearest(name, known) or f"one of {', '.join(known)}"
            )
    wanted = [maker for maker in _MAKERS if not names or maker.name.startswith(tuple(names))]
    left_out = ("classic",) if is_quick and not tiers else ()
    return [
        maker
        for maker in wanted
        if not maker.tier or (maker.tier in tiers if tiers else maker.tier not in left_out)
    ]


@contextmanager
def present(ground: Ground, makers: Sequence[_Maker]) -> Iterator[Present]:
    """Make the subjects; they are closed at the end of the block."""
    with ExitStack() as stack:
        subjects: list[Subject] = []
        absent: list[Absent] = []
        for maker in makers:
            try:
                subject = maker.make(ground)
            except LabError as error:
                absent.append(Absent(maker.name, maker.kind, maker.tier, str(error)))
                continue
            stack.callback(_close, subject)
            subjects.append(subject)
        yield Present(subjects, absent)


def _close(subject: Subject) -> None:
    with suppress(LabError):  # all others are to be closed, too
        subject.close()
