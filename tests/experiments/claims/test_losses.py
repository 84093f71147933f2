"""The verdict about performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from containerlab.experiments.claims import losses
from containerlab.experiments.claims.performance import Performance
from containerlab.experiments.experiment import Verdict
from containerlab.experiments.row import Row
from tests.experiments.claims.rows import failed, noisy, rows

_HOST = (100.0, 101.0, 99.0, 100.0, 100.0)


def _scaled(share: float) -> tuple[float, ...]:
    return tuple(value * share for value in _HOST)


def _rows(
    shares: Mapping[str, float], accelerator: str = "kvm", metric: str = "integer_ops_per_s"
) -> list[Row]:
    values: dict[str, Sequence[float]] = {"bare": _HOST}
    values |= {subject: _scaled(share) for subject, share in shares.items()}
    return rows("performance", metric, values, accelerator)


def _judge(shares: Mapping[str, float], accelerator: str = "kvm") -> list[Verdict]:
    return list(Performance().judge(_rows(shares, accelerator)))


@pytest.mark.parametrize(
    ("share", "word"), [(1.0, "held"), (0.995, "held"), (0.97, "held in part"), (0.8, "not held here")]
)
def test_containers_hold_if_they_keep_99_per_cent_of_the_processor(share: float, word: str) -> None:
    assert _judge({"containerlab": share, "image": 0.5})[0].word == word


def test_the_sentence_gives_the_interval() -> None:
    sentence = _judge({"containerlab": 1.0})[0].sentence
    assert "keeps 100.0% (" in sentence
    assert "of the bare process's processor (integer" in sentence


@pytest.mark.parametrize(("share", "word"), [(0.5, "held"), (1.0, "not held here")])
def test_a_real_hypervisor_costs_or_not(share: float, word: str) -> None:
    verdict = _judge({"containerlab": 1.0, "image": share})[1]
    assert verdict.word == word
    assert verdict.ratio == pytest.approx(share)


def test_a_hypervisor_that_costs_only_beside_the_processor_holds_in_part() -> None:
    given = _rows({"containerlab": 1, "image": 1}) + _rows(
        {"containerlab": 1, "image": 0.3}, metric="switches_per_s"
    )
    verdict = Performance().judge(given)[1]
    assert verdict.word == "held in part"
    assert "switches" in verdict.sentence


def test_no_loss_is_computed_of_what_is_emulated() -> None:
    of_all, of_tier = _judge({"containerlab": 1.0, "image": 0.2}, "tcg")
    assert (of_all.word, of_tier.word) == ("held in part", "not measured")
    assert of_all.ratio is None
    assert of_tier.ratio is None
    assert of_tier.sentence.startswith("vm image (tcg): emulated, not comparable. Elsewhere: Linpack")
    assert "ISPASS 2015" in of_tier.source


def test_durations_are_better_when_shorter() -> None:
    given = rows("performance", "file_fsync_s", {"bare": (0.002, 0.002), "containerlab": (0.004, 0.004)})
    (share,) = losses.shares(given, "containerlab", "bare")
    assert share.median == pytest.approx(0.5)


def test_something_else_that_clearly_loses_is_named() -> None:
    given = _rows({"containerlab": 1}) + _rows({"containerlab": 0.4}, metric="port_throughput_bytes_per_s")
    verdict = Performance().judge(given)[0]
    assert verdict.word == "held in part"
    assert "port throughput" in verdict.sentence


def test_what_comes_out_now_so_and_now_so_is_called_unsteady() -> None:
    given = _rows({"containerlab": 1}) + _rows({"containerlab": 0.9}, metric="syscalls_per_s")
    wild = {"bare": (3.0, 3.0, 0.7, 0.9, 3.1), "containerlab": (0.6, 3.0, 0.9, 0.9, 3.2)}
    given += rows("performance", "file_read_bytes_per_s", wild)
    sentence = Performance().judge(given)[0].sentence
    assert "of everything else (syscalls, its worst)" in sentence
    assert "too unsteady to tell: file read" in sentence


def test_without_the_bare_process_there_is_nothing_to_compare_with() -> None:
    given = [row for row in _rows({"containerlab": 1}) if row.kind != "process"]
    assert Performance().judge(given)[0].word == "not measured"
    assert "bare process" in Performance().judge(given)[0].sentence


def test_a_single_round_never_clearly_loses() -> None:
    values = {"bare": (100.0,), "containerlab": (50.0,), "image": (10.0,)}
    verdicts = Performance().judge(rows("performance", "integer_ops_per_s", values, "kvm"))
    assert [verdict.word for verdict in verdicts] == ["held in part", "held in part"]


def test_noisy_rounds_give_no_verdict() -> None:
    verdicts = Performance().judge(noisy(_rows({"containerlab": 1, "image": 0.5})))
    assert [verdict.word for verdict in verdicts] == ["not measured", "not measured"]


def test_a_machine_that_failed_says_why() -> None:
    given = [*_rows({"containerlab": 1}), failed("performance", "microvm", "no kernel for the guest")]
    assert "no kernel for the guest" in Performance().judge(given)[1].sentence
