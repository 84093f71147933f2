"""Claim 5: to create and to delete takes seconds, not minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from containerlab.errors import LabError
from containerlab.experiments.claims import paces
from containerlab.experiments.claims.instances import contestants, patience_s, running
from containerlab.experiments.experiment import Contestant, Experiment, Measurement, Stage, Verdict
from containerlab.experiments.row import Row
from containerlab.experiments.subject import PROBE, Subject

__all__ = ["Halts", "Life", "Lifecycle"]


class Life:
    """One instance from its creation to its end."""

    name = "life"
    rounds, quick_rounds, warm_ups = 5, 1, 0

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        return contestants(stage, _live)


def _live(subject: Subject) -> Iterator[Measurement]:
    began = time.monotonic()
    instance = subject.create([PROBE, "idle"])
    created_s = time.monotonic() - began
    try:
        instance.start()
        ready_s = instance.first_output_at(patience_s(subject)) - began
    except BaseException:
        instance.delete()
        raise
    deleted_s = _duration_s(instance.delete)
    yield Measurement("create_s", created_s)
    yield Measurement("ready_s", ready_s)
    yield Measurement("delete_s", deleted_s)
    yield Measurement("come_and_go_s", ready_s + deleted_s)


class Halts:
    """What may be done to an instance while it lives."""

    name = "halts"
    rounds, quick_rounds, warm_ups = 3, 1, 0

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        return contestants(stage, _halt)


def _halt(subject: Subject) -> Iterator[Measurement]:
    """Do what not every kind can; a step that fails leaves the others to be done."""
    with running(subject, ["idle"]) as instance:
        yield _timed("pause_s", instance.pause)
        yield _timed("resume_s", instance.resume)
        sizes: list[int] = []
        yield _timed("snapshot_s", lambda: sizes.append(instance.snapshot()))
        if sizes:
            yield Measurement("snapshot_bytes", sizes[0])


def _timed(metric: str, step: Callable[[], object]) -> Measurement:
    try:
        return Measurement(metric, _duration_s(step))
    except LabError as error:
        return Measurement(metric, None, note=str(error))


def _duration_s(step: Callable[[], object]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began


class Lifecycle:
    """See `Claim`."""

    name = "lifecycle"
    sentence = "To create and to delete takes seconds, not minutes."
    experiments: Sequence[Experiment] = (Life(), Halts())

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        return paces.judge(self.name, rows, _PACE)


_PACE = paces.Pace(
    metric="come_and_go_s",
    does="comes and goes",
    needs="from create to ready and for its deletion",
    is_about_machines=False,
)
