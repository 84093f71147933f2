"""Claim 1: containers start in seconds or less, virtual machines take minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from containerlab.experiments.claims import paces
from containerlab.experiments.claims.instances import contestants, free_port, patience_s, started
from containerlab.experiments.claims.knocking import answered_at
from containerlab.experiments.experiment import Contestant, Experiment, Measurement, Stage, Verdict
from containerlab.experiments.row import Row
from containerlab.experiments.subject import Subject

__all__ = ["Listening", "Ready", "Start"]


class Ready:
    """How long it takes from nothing to the first byte that the user's program writes."""

    name = "ready"
    rounds, quick_rounds, warm_ups = 10, 3, 1

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        return contestants(stage, _until_ready)


def _until_ready(subject: Subject) -> Iterator[Measurement]:
    began = time.monotonic()
    with started(subject, ["ready"]) as instance:
        requested = time.monotonic()
        yield Measurement("ready_s", instance.first_output_at(patience_s(subject)) - began)
        yield Measurement("request_s", requested - began)


class Listening:
    """How long it takes from nothing to an answer of the user's server, as its client sees it."""

    name = "listening"
    rounds, quick_rounds, warm_ups = 5, 0, 0

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        return contestants(stage, _until_answered)


def _until_answered(subject: Subject) -> Iterator[Measurement]:
    port = free_port()
    began = time.monotonic()
    with started(subject, ["serve", str(port)], port=port) as instance:
        yield Measurement("answer_s", answered_at(instance.address(), patience_s(subject)) - began)


class Start:
    """See `Claim`."""

    name = "start"
    sentence = "Containers start in seconds or less, virtual machines take minutes."
    experiments: Sequence[Experiment] = (Ready(), Listening())

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        return paces.judge(self.name, rows, _PACE)


_PACE = paces.Pace(
    metric="ready_s",
    does="starts",
    needs="to the first byte of its program",
    is_about_machines=True,
)
