"""How experiments are run: turns, orders, failures, noise, limits, the end."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from containerlab.errors import TimedOut, Unsupported
from containerlab.experiments import protocol
from containerlab.experiments.experiment import Claim, Contestant, Experiment, Measurement, Stage
from containerlab.experiments.pressure import RULE, Glance, busy_s, noise, waited_s
from containerlab.experiments.protocol import Settings, Turn, measure
from containerlab.experiments.row import Row

_Act = Callable[[], Iterable[Measurement]]


class _Steps(NamedTuple):
    """An experiment of functions."""

    acts: dict[str, _Act]
    ended: list[str]
    name: str = "steps"
    rounds: int = 5
    quick_rounds: int = 2
    warm_ups: int = 1

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        def end(name: str) -> Callable[[], None]:
            return lambda: self.ended.append(name)

        return [
            Contestant(name, "process", "", {"engine": name}, act, end(name))
            for name, act in self.acts.items()
        ]


class _Claim(NamedTuple):
    experiments: Sequence[Experiment]
    name: str = "start"
    sentence: str = ""


def _claim(steps: _Steps) -> Claim:
    return cast(Claim, _Claim([steps]))


def _stage(*, is_quick: bool = False) -> Stage:
    return Stage(cast(Any, None), "", (), Path(), is_quick)


def _one() -> list[Measurement]:
    return [Measurement("ready_s", 1.0)]


def _rows(acts: dict[str, _Act], **settings: Any) -> list[Row]:
    return list(measure([_claim(_Steps(acts, []))], _stage(), Settings(**settings)))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run beside others: rounds would be repeated by chance."""
    monkeypatch.setattr(protocol.pressure, "_MOST_WAITING_PCT", 101.0)


@pytest.mark.slow
def test_each_acts_once_in_every_round() -> None:
    rows = _rows({"a": _one, "b": _one, "c": _one})
    assert collections.Counter((row.subject, row.round) for row in rows) == {
        (subject, round): 1 for subject in "abc" for round in range(5)
    }


@pytest.mark.slow
def test_rounds_are_interleaved_and_their_order_drawn_by_the_seed() -> None:
    def order(seed: int) -> list[str]:
        return [row.subject for row in _rows(dict.fromkeys("abcd", _one), seed=seed)]

    once = order(1)
    assert once == order(1)
    assert once != order(2)
    rounds = [once[at : at + 4] for at in range(0, 20, 4)]
    assert all(sorted(each) == list("abcd") for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1


def test_warm_ups_are_not_kept() -> None:
    acted: list[int] = []

    def act() -> list[Measurement]:
        acted.append(1)
        return [Measurement("count", len(acted))]

    assert [row.value for row in _rows({"a": act})] == [2, 3, 4, 5, 6]


def test_a_first_look_has_fewer_rounds_and_asked_ones_count() -> None:
    claim = _claim(_Steps({"a": _one}, []))
    assert len(list(measure([claim], _stage(is_quick=True)))) == 2
    assert len(list(measure([claim], _stage(), Settings(rounds=3)))) == 3
    left_out = _claim(_Steps({"a": _one}, [], quick_rounds=0))
    assert not list(measure([left_out], _stage(is_quick=True), Settings(rounds=3)))


def test_what_fails_once_is_kept_with_its_reason() -> None:
    acted: list[int] = []

    def act() -> list[Measurement]:
        acted.append(1)
        if len(acted) == 3:
            raise TimedOut("it took too long")
        return _one()

    rows = _rows({"a": act, "b": _one})
    assert [row.value for row in rows if row.subject == "b"] == [1.0] * 5
    failed = [row for row in rows if row.value is None]
    assert [(row.subject, row.round, row.metric, row.note) for row in failed] == [
        ("a", 1, "ready_s", "it took too long")
    ]
    assert len([row for row in rows if row.subject == "a" and row.value]) == 4


def test_what_is_not_supported_sits_out_and_is_told_once() -> None:
    acted: list[int] = []

    def act() -> list[Measurement]:
        acted.append(1)
        raise Unsupported("a process has no files")

    rows = _rows({"a": act, "b": _one})
    assert acted == [1]
    assert [(row.round, row.note) for row in rows if row.subject == "a"] == [(0, "a process has no files")]


def test_all_are_ended_after_an_interrupt() -> None:
    def act() -> list[Measurement]:
        raise KeyboardInterrupt

    steps = _Steps({"a": _one, "b": act}, [])
    with pytest.raises(KeyboardInterrupt):
        list(measure([_claim(steps)], _stage()))
    assert sorted(steps.ended) == ["a", "b"]


def test_nothing_is_begun_after_the_time_limit() -> None:
    steps = _Steps({"a": _one}, [])
    assert not list(measure([_claim(steps)], _stage(), Settings(limit_s=0)))


def test_what_the_time_limit_cuts_is_told() -> None:
    steps = _Steps({"a": _one, "b": _one}, [])
    rows = list(measure([_claim(steps)], _stage(), Settings(limit_s=0.2, rounds=1000)))
    assert {row.note for row in rows if row.value is None} == {
        "not done: the 0.2 s that all may take were over"
    }


def test_progress_tells_who_is_next() -> None:
    turns: list[Turn] = []
    claim = _claim(_Steps({"a": _one, "b": _one}, []))
    list(measure([claim], _stage(is_quick=True), progress=turns.append))
    assert [turn.number for turn in turns] == [1, 2, 3, 4, 5, 6]
    assert {turn.turns for turn in turns} == {6}
    assert {turn.round for turn in turns} == {-1, 0, 1}


def test_rows_are_stamped() -> None:
    row = _rows({"a": _one})[0]
    assert row.at > 1.7e9
    assert row.load >= 0
    assert 0 <= row.pressure_before_pct <= 100
    assert row.facts == {"engine": "a"}


def test_noisy_acts_are_kept_and_repeated_while_that_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol.pressure, "_MOST_WAITING_PCT", -1.0)
    rows = _rows({"a": _one})
    assert all(row.is_noisy for row in rows)
    assert len(rows) == 5 + 3


@pytest.mark.parametrize(
    ("before_pct", "others_s", "wall_s", "own_waited_s", "is_noisy"),
    [
        (0, 0, 1, 0.5, False),  # what waits for itself alone
        (30, 0, 1, 0.5, True),
        (30, 0, 1, 0.1, False),  # others were busy, and did not disturb
        (0, 0.6, 1, 0.5, True),
        (0, 0.6, 1, 0.1, False),
        (0, 0.05, 0.1, 0.05, False),  # too short to know
        (30, 0, 1, None, True),
    ],
)
def test_rule_of_noise(
    before_pct: float,
    others_s: float,
    wall_s: float,
    own_waited_s: float | None,
    is_noisy: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol.pressure, "_MOST_WAITING_PCT", 20.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    start = Glance(0, 0, 0, 0, None if own_waited_s is None else 0.0)
    end = Glance(wall_s, 0.01, others_s + 0.7, 0.7, own_waited_s)
    assert noise(before_pct, start, end).is_noisy is is_noisy


def test_rule_is_told_in_words() -> None:
    assert "20 %" in RULE
    assert "25%" in RULE


def test_kernel_counts_are_read() -> None:
    assert waited_s(Path("/proc/pressure/cpu").read_text()) >= 0
    assert busy_s(Path("/proc/stat").read_text()) > 0
    assert waited_s("") == 0
