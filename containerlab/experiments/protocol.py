"""How experiments are run: contestants take turns, in an order drawn anew for each round.

In every round each contestant acts once, so what else the machine does meets all alike; warm-up rounds are
not kept. Before each act the processors are watched for a moment in which nothing of ours runs. What an act
gave beside others' work is kept and marked, and the act repeated at the end of the round, while that helps.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from containerlab.errors import LabError, Unsupported
from containerlab.experiments import pressure
from containerlab.experiments.experiment import Claim, Contestant, Experiment, Measurement, Stage
from containerlab.experiments.row import Row

__all__ = ["Settings", "Turn", "measure"]

_MOST_FAILURES = 2
"""In a row, after which a contestant sits the rest of an experiment out."""
_MOST_VAIN = 3
"""Acts repeated in a row that were noisy again: then the noise is not about to pass."""


class Settings(NamedTuple):
    """rounds: instead of what experiments want, 0 for that. seed: the same one draws the same orders.

    limit_s: when it is over no act is begun any more. own: what is compared used and waited, so far.
    """

    rounds: int = 0
    seed: int = 0
    limit_s: float = 3600.0
    own: Callable[[], pressure.Own] = pressure.Own


class Turn(NamedTuple):
    """Who is about to act. round: below 0 for warm-ups; number: of how many turns, repeated ones aside."""

    claim: str
    experiment: str
    subject: str
    round: int
    number: int
    turns: int


Progress = Callable[[Turn], None]
_USUAL = Settings()


def measure(
    claims: Sequence[Claim],
    stage: Stage,
    settings: Settings = _USUAL,
    progress: Progress = lambda _: None,
) -> Iterator[Row]:
    """Run the experiments of claims, and give rows experiment by experiment.

    Whatever happens, an interrupt too, the contestants of an experiment are ended before it is left.
    """
    until = time.monotonic() + settings.limit_s
    for claim in claims:
        for experiment in claim.experiments:
            rounds = _rounds(experiment, stage, settings)
            if rounds and time.monotonic() < until:
                yield from _Rounds(claim.name, experiment, stage, settings, until, progress).run(rounds)


def _rounds(experiment: Experiment, stage: Stage, settings: Settings) -> int:
    """An experiment that a first look leaves out is left out however many rounds are asked for."""
    usual = experiment.quick_rounds if stage.is_quick else experiment.rounds
    return min(usual, settings.rounds or usual) if usual == 0 else settings.rounds or usual


class _Standing(NamedTuple):
    """How a contestant has done. failures: in a row; missed: (round, why) of rounds without a value."""

    failures: int = 0
    is_out: bool = False
    missed: tuple[tuple[int, str], ...] = ()

    def failed(self, round: int, error: LabError) -> _Standing:
        failures = self.failures + 1
        is_out = isinstance(error, Unsupported) or failures >= _MOST_FAILURES
        return _Standing(failures, is_out, (*self.missed, (round, str(error))))

    def acted(self) -> _Standing:
        return self._replace(failures=0)


class _Rounds:
    """The rounds of one experiment."""

    def __init__(
        self,
        claim: str,
        experiment: Experiment,
        stage: Stage,
        settings: Settings,
        until: float,
        progress: Progress,
    ) -> None:
        self._claim, self._experiment = claim, experiment
        self._settings, self._until, self._progress = settings, until, progress
        self._contestants = list(experiment.contestants(stage))
        self._standing = {each.subject: _Standing() for each in self._contestants}
        self._rows: list[Row] = []
        self._vain = self._number = self._turns = 0

    def run(self, rounds: int) -> list[Row]:
        """Let them take turns; return what they gave, and why they gave nothing."""
        warm_ups = self._experiment.warm_ups
        self._turns = (warm_ups + rounds) * len(self._contestants)
        try:
            for round in range(-warm_ups, rounds):
                self._play(round)
        finally:
            for contestant in self._contestants:
                with suppress(LabError):  # it has failed before, and that is told
                    contestant.end()
        return self._rows + list(self._missed())

    def _play(self, round: int) -> None:
        again = [contestant for contestant in self._drawn(round) if self._acts(contestant, round)]
        for contestant in again:
            if self._vain < _MOST_VAIN:
                self._vain = self._vain + 1 if self._acts(contestant, round, is_repeated=True) else 0

    def _drawn(self, round: int) -> list[Contestant]:
        """Draw the order of a round: the same for the same seed, whatever else is measured."""
        dice = random.Random(f"{self._settings.seed} {self._claim} {self._experiment.name} {round}")
        return dice.sample(self._contestants, len(self._contestants))

    def _acts(self, contestant: Contestant, round: int, *, is_repeated: bool = False) -> bool:
        """Let one act; say whether it is to be repeated."""
        self._number += not is_repeated
        standing = self._standing[contestant.subject]
        if standing.is_out:
            return False
        if time.monotonic() >= self._until:
            why = f"not done: the {self._settings.limit_s:g} s that all may take were over"
            self._standing[contestant.subject] = standing.failed(max(round, 0), Unsupported(why))
            return False
        self._progress(self._turn(contestant, round))
        try:
            rows = self._watched(contestant, round)
        except LabError as error:
            self._standing[contestant.subject] = standing.failed(round, error)
            return False
        self._standing[contestant.subject] = standing.acted()
        if round >= 0:
            self._rows += rows
        return round >= 0 and any(row.is_noisy for row in rows)

    def _turn(self, contestant: Contestant, round: int) -> Turn:
        names = self._claim, self._experiment.name, contestant.subject
        return Turn(*names, round, self._number, self._turns)

    def _watched(self, contestant: Contestant, round: int) -> list[Row]:
        """Let one act, and stamp what it gave with how busy the machine was."""
        own = self._settings.own
        before_pct, load, at = pressure.idle_window(), os.getloadavg()[0], time.time()
        start = pressure.glance(own())
        given = list(contestant.act())
        noise = pressure.noise(before_pct, start, pressure.glance(own()))
        return [
            self._row(
                contestant,
                round,
                measurement,
                pressure_before_pct=noise.before_pct,
                pressure_after_pct=noise.during_pct,
                is_noisy=noise.is_noisy,
                load=load,
                at=at,
            )
            for measurement in given
        ]

    def _row(self, contestant: Contestant, round: int, measurement: Measurement, **stamps: float) -> Row:
        return Row(
            claim=self._claim,
            experiment=self._experiment.name,
            subject=contestant.subject,
            kind=contestant.kind,
            tier=contestant.tier,
            round=round,
            metric=measurement.metric,
            value=measurement.value,
            instances=measurement.instances,
            note=measurement.note,
            facts=dict(contestant.facts),
            **stamps,  # type: ignore[arg-type]  # is_noisy is a bool, all others are floats
        )

    def _missed(self) -> Iterator[Row]:
        """Give a row without a value, in each metric, for each round that a contestant failed in.

        What failed in a warm-up and never acted is told in round 0.
        """
        metrics = dict.fromkeys((row.metric, row.instances) for row in self._rows)
        for contestant in self._contestants:
            for round, why in self._told(contestant):
                for metric, instances in metrics or [(self._experiment.name, 1)]:
                    measurement = Measurement(metric, None, instances, why)
                    yield self._row(contestant, round, measurement, at=time.time())

    def _told(self, contestant: Contestant) -> list[tuple[int, str]]:
        missed = self._standing[contestant.subject].missed
        counted = [each for each in missed if each[0] >= 0]
        if counted or not missed or any(row.subject == contestant.subject for row in self._rows):
            return counted
        return [(0, missed[-1][1])]
