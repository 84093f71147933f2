"""Instances that an experiment makes, uses and removes, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from containerlab.errors import LabError
from containerlab.experiments.experiment import Contestant, Measurement, Stage
from containerlab.experiments.subject import PROBE, Instance, Subject
from containerlab.vm.tiers import TIERS

__all__ = ["Kept", "contestants", "free_port", "patience_s", "running", "started"]

_PATIENCE_S = 60.0
_EMULATED = 2.0
"""How much longer than its tier allows a machine may take on a host that others use too."""


def contestants(stage: Stage, act: Callable[[Subject], Iterable[Measurement]]) -> list[Contestant]:
    """Return a contestant for each subject, who does `act` with it."""
    return [
        Contestant(each.name, each.kind, each.tier, each.facts, partial(act, each)) for each in stage.subjects
    ]


def patience_s(subject: Subject) -> float:
    """Return how long an instance may take until it answers."""
    tier = TIERS.get(subject.tier)
    return tier.boot_limit_s * _EMULATED if tier else _PATIENCE_S


def free_port() -> int:
    """Return a port at which nobody listens: instances may share this host's network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def started(
    subject: Subject, words: Sequence[str], *, port: int = 0, restarts: bool = False
) -> Iterator[Instance]:
    """Create and start an instance with words for the probe; it is deleted at the end of the block."""
    instance = subject.create([PROBE, *words], port=port, restarts=restarts)
    try:
        instance.start()
        yield instance
    finally:
        instance.delete()


@contextlib.contextmanager
def running(subject: Subject, words: Sequence[str], *, port: int = 0) -> Iterator[Instance]:
    """As `started`, and wait until it has said that it is ready."""
    with started(subject, words, port=port) as instance:
        instance.first_output_at(patience_s(subject))
        yield instance


class Kept:
    """An instance that stays between rounds; one that failed makes place for another."""

    def __init__(self, subject: Subject, words: Sequence[str], *, port: int = 0) -> None:
        self._subject, self._words, self._port = subject, words, port
        self._stack = contextlib.ExitStack()
        self._instance: Instance | None = None

    @contextlib.contextmanager
    def used(self) -> Iterator[Instance]:
        """Give the instance, started if it is not yet."""
        try:
            if self._instance is None:
                self._instance = self._stack.enter_context(
                    running(self._subject, self._words, port=self._port)
                )
            yield self._instance
        except LabError:
            with contextlib.suppress(LabError):  # the first error says more
                self.end()
            raise

    def end(self) -> None:
        """Delete the instance."""
        self._instance = None
        self._stack.close()
