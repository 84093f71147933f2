"""The verdict about memory, and how it is measured."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec
import pytest

from containerlab.experiments.claims import footprint
from containerlab.experiments.claims.footprint import Footprint
from containerlab.experiments.experiment import Verdict
from containerlab.experiments.row import Row
from tests.experiments.claims.rows import failed, noisy, row

_MIB = 1 << 20


def _rows(slopes: Mapping[str, float], accelerator: str = "kvm", metric: str = "pss_bytes") -> list[Row]:
    """Make two rounds of 1, 2 and 5 instances, which all share 7 MiB."""
    return [
        msgspec.structs.replace(
            row("footprint", metric, subject, 7 * _MIB + count * slope, number, accelerator), instances=count
        )
        for subject, slope in slopes.items()
        for number in range(2)
        for count in (1, 2, 5)
    ]


def _judge(slopes: Mapping[str, float], accelerator: str = "kvm") -> list[Verdict]:
    return list(Footprint().judge(_rows(slopes, accelerator)))


@pytest.mark.parametrize(
    ("container", "machine", "word"),
    [
        (0.2 * _MIB, 130 * _MIB, "held"),
        (10 * _MIB, 50 * _MIB, "held in part"),
        (10 * _MIB, 11 * _MIB, "not held here"),
        (100 * _MIB, 130 * _MIB, "not held here"),
    ],
)
def test_a_tier_is_judged_by_what_the_next_one_costs(container: float, machine: float, word: str) -> None:
    assert _judge({"containerlab": container, "image": machine})[1].word == word


def test_what_all_share_is_not_the_next_ones() -> None:
    figure = _judge({"containerlab": _MIB})[0].figures[0]
    assert figure.median == pytest.approx(_MIB)
    assert figure.metric == "pss_bytes_each"


def test_the_ratio_is_that_of_the_next_ones() -> None:
    assert _judge({"containerlab": _MIB, "image": 130 * _MIB})[1].ratio == pytest.approx(130)


def test_emulated_machines_are_shown_and_not_divided() -> None:
    of_all, of_tier = _judge({"containerlab": _MIB, "image": 130 * _MIB}, "tcg")
    assert of_all.ratio is None
    assert of_tier.ratio is None
    assert of_tier.word == "held"
    assert "130 MiB" in of_tier.sentence
    assert "emulated, not comparable" in of_tier.sentence
    assert of_tier.source


def test_the_sentence_says_how_many_machines_there_were() -> None:
    assert "up to 5 machines" in _judge({"containerlab": _MIB, "image": 130 * _MIB})[1].sentence


def test_what_else_the_next_container_takes_is_told() -> None:
    given = _rows({"containerlab": _MIB}) + _rows({"containerlab": 2 * _MIB}, metric="cgroup_bytes")
    assert "2 MiB by its cgroup" in Footprint().judge(given)[0].sentence


def test_memory_is_what_it_is_however_busy_the_processors_were() -> None:
    verdicts = Footprint().judge(noisy(_rows({"containerlab": _MIB, "image": 130 * _MIB})))
    assert [verdict.word for verdict in verdicts] == ["held", "held"]


def test_nothing_measured_and_failures_are_said() -> None:
    assert Footprint().judge([])[0].word == "not measured"
    given = [*_rows({"containerlab": _MIB}), failed("footprint", "resume", "too little memory")]
    of_all, of_tier = Footprint().judge(given)
    assert of_all.word == "held"
    assert "too little memory" in of_tier.sentence


def test_machines_are_counted_by_the_memory_that_there_is() -> None:
    assert footprint.counts("classic", 2 << 30) == (1,)
    assert footprint.counts("image", 200 << 30) == footprint.COUNTS
    assert footprint.counts("image", 23 << 30) == (1, 2, 5)
    assert footprint.counts("", 1 << 20) == footprint.COUNTS
    assert footprint.counts("microvm", 23 << 30, is_quick=True) == footprint.QUICK_COUNTS


def test_memory_of_a_process_is_measured_and_of_one_that_is_gone_nothing() -> None:
    assert footprint.pss_bytes([os.getpid()]) > _MIB
    assert footprint.pss_bytes([4194304 + 1]) == 0
