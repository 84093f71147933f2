"""Claim 2: containers lose almost no performance against the host, while a hypervisor costs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence

from containerlab.errors import ContainerFailed, LabError, TimedOut
from containerlab.experiments.claims import losses
from containerlab.experiments.claims.instances import Kept, free_port
from containerlab.experiments.experiment import Contestant, Experiment, Measurement, Stage, Verdict
from containerlab.experiments.probe.probe import figures, program
from containerlab.experiments.row import Row
from containerlab.experiments.subject import DISK, PROBE, Instance, Subject

__all__ = ["Battery", "Network", "Performance", "read"]

_TIMEOUT_S = 120.0
_MS, _QUICK_MS = 500, 100
_MIB, _QUICK_MIB = 64, 8
_KERNEL_MS = 250


def read(printed: str, renamed: Callable[[str], str] = str) -> list[Measurement]:
    """Read what the probe prints.

    >>> read("integer_ops_per_s 12.5")
    [Measurement(metric='integer_ops_per_s', value=12.5, instances=1, note='')]
    """
    return [Measurement(renamed(metric), value) for metric, value in figures(printed).items()]


class Battery:
    """Words of the probe, one after the other in an instance that stays; `{ms}` and `{mib}` are filled in."""

    warm_ups = 1

    def __init__(
        self, name: str, words: Sequence[str], rounds: int, quick_rounds: int, ms: int = _MS
    ) -> None:
        self.name = name
        self.rounds, self.quick_rounds = rounds, quick_rounds
        self._words, self._ms = words, ms

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        ms, mib = (_QUICK_MS, _QUICK_MIB) if stage.is_quick else (self._ms, _MIB)
        lines = [line.format(ms=ms, mib=mib, disk=DISK).split() for line in self._words]
        return [_contestant(subject, lines) for subject in stage.subjects]


def _contestant(subject: Subject, lines: Sequence[Sequence[str]]) -> Contestant:
    kept = Kept(subject, ["idle"])

    def act() -> Iterator[Measurement]:
        with kept.used() as instance:
            for line in lines:
                yield from _measured(line, instance)

    return Contestant(subject.name, subject.kind, subject.tier, subject.facts, act, kept.end)


def _measured(line: Sequence[str], instance: Instance) -> Sequence[Measurement]:
    """Measure one thing; what fails alone leaves the others to be measured."""
    try:
        return read(instance.execute([PROBE, *line], _TIMEOUT_S))
    except ContainerFailed as error:
        return [Measurement(line[0], None, note=str(error))]


class Network:
    """What a connection takes: inside of an instance, and from this host by the port that it publishes."""

    name = "network"
    rounds, quick_rounds, warm_ups = 5, 0, 1

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        ms = _QUICK_MS if stage.is_quick else _KERNEL_MS
        return [_server(subject, str(ms)) for subject in stage.subjects]


def _server(subject: Subject, ms: str) -> Contestant:
    port = free_port()
    kept = Kept(subject, ["serve", str(port)], port=port)

    def act() -> Iterator[Measurement]:
        with kept.used() as instance:
            for word in ("net-latency", "net-throughput"):
                inside = instance.execute([PROBE, word, "127.0.0.1", str(port), ms], _TIMEOUT_S)
                yield from read(inside, lambda metric: metric.replace("net_", "loopback_"))
                yield from _from_host(word, instance, ms)

    return Contestant(subject.name, subject.kind, subject.tier, subject.facts, act, kept.end)


def _from_host(word: str, instance: Instance, ms: str) -> Sequence[Measurement]:
    try:
        host, port = instance.address()
        return read(
            _run([str(program()), word, host, str(port), ms]), lambda metric: metric.replace("net_", "port_")
        )
    except LabError as error:
        return [Measurement(word.replace("net-", "port-"), None, note=str(error))]


def _run(words: Sequence[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise TimedOut(f"{words[1]} took more than {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        raise ContainerFailed(f"{words[1]} failed on the host: {done.stderr.strip()}")
    return done.stdout


class Performance:
    """See `Claim`."""

    name = "performance"
    sentence = (
        "Containers need fewer resources: almost no performance is lost against the host, while a hypervisor "
        "costs."
    )
    experiments: Sequence[Experiment] = (
        Battery("processor", ("integer {ms}", "float {ms}", "sha256 {ms}", "memory {ms}"), 8, 3),
        Battery(
            "kernel", ("syscalls {ms}", "switches {ms}", "pagefaults {ms}", "fork {ms}"), 6, 1, _KERNEL_MS
        ),
        Battery(
            "files",
            (
                "file-write {disk} {mib}",
                "file-read {disk} {mib}",
                "file-random {disk} {ms}",
                "file-fsync {disk} {ms}",
            ),
            5,
            0,
            _KERNEL_MS,
        ),
        Network(),
    )

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        return losses.judge(self.name, rows)
