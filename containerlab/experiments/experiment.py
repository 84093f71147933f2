"""What an experiment is: contestants that take turns, each giving measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from containerlab.experiments.row import Row
from containerlab.experiments.subject import Subject

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Claim", "Contestant", "Experiment", "Figure", "Measurement", "Stage", "Verdict"]


class Measurement(NamedTuple):
    """metric, instances: as in `Row`. value: None when it could not be measured; note: why, in words."""

    metric: str
    value: float | None
    instances: int = 1
    note: str = ""


class Contestant(NamedTuple):
    """Somebody who takes part in an experiment; `act` does it once and gives what was measured.

    `act` may raise LabError: the round is kept with the reason and no value. What it keeps between rounds
    `end` gives back, which is called once after the last round, whatever became of the rounds.
    """

    subject: str
    kind: str
    tier: str
    facts: Mapping[str, str]
    act: Callable[[], Iterable[Measurement]]
    end: Callable[[], None] = lambda: None


class Stage(NamedTuple):
    """What all experiments stand on. image: with the probe in it, in the engine's store, ready for all.

    scratch: a directory for what experiments make. is_quick: fewer and shorter rounds, for a first look.
    """

    engine: Engine
    image: str
    subjects: Sequence[Subject]
    scratch: Path
    is_quick: bool


class Experiment(Protocol):
    """Something to measure.

    rounds: how many by default; quick_rounds: on a first look, 0 to leave it out; warm_ups: rounds before the
    first that counts.
    """

    name: str
    rounds: int
    quick_rounds: int
    warm_ups: int

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        """Return who takes part here, in an order that rounds may turn; nothing is started by that."""


class Figure(NamedTuple):
    """A median with its interval (95 %, bootstrap), in the metric's own unit."""

    subject: str
    metric: str
    median: float
    low: float
    high: float
    rounds: int


class Verdict(NamedTuple):
    """What the measurements say about a claim, or about it for one tier.

    word: "held", "held in part", "not held here" or "not measured". figures: those it rests on, containers
    first. ratio: of the machine's figure to the container's, None where none may be computed (emulated).
    sentence: the measured figures in words; source: of what is quoted from literature, else empty.
    """

    claim: str
    tier: str
    word: str
    figures: tuple[Figure, ...]
    ratio: float | None
    sentence: str
    source: str = ""


class Claim(Protocol):
    """One of the six: its sentence, its experiments, its verdicts."""

    name: str
    sentence: str
    experiments: Sequence[Experiment]

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        """Return a verdict for each tier that was measured; the first is about the claim as a whole."""
