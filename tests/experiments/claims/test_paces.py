"""Verdicts about durations: containers in seconds or less, machines in minutes or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from containerlab.experiments.claims.lifecycle import Lifecycle
from containerlab.experiments.claims.recovery import Recovery
from containerlab.experiments.claims.start import Start
from containerlab.experiments.experiment import Verdict
from containerlab.experiments.row import Row
from tests.experiments.claims.rows import failed, noisy, rows

_OURS = {"containerlab": (0.02, 0.03, 0.025)}


def _start(values: Mapping[str, Sequence[float]], accelerator: str = "kvm") -> list[Verdict]:
    return list(Start().judge(rows("start", "ready_s", values, accelerator)))


@pytest.mark.parametrize(
    ("machine", "accelerator", "word"),
    [
        ((1.3, 1.5, 1.4), "kvm", "not held here"),
        ((1.3, 1.5, 1.4), "tcg", "not held here"),
        ((16.0, 17.0, 16.5), "kvm", "held in part"),
        ((97.0, 99.0, 98.0), "kvm", "held"),
        ((97.0, 99.0, 98.0), "tcg", "not measured"),
    ],
)
def test_a_tier_is_judged_by_what_its_machine_took(
    machine: Sequence[float], accelerator: str, word: str
) -> None:
    assert _start({**_OURS, "microvm": machine}, accelerator)[1].word == word


def test_seconds_refute_minutes_and_the_sentence_has_both_figures() -> None:
    of_all, of_tier = _start({**_OURS, "microvm": (1.4, 1.4, 1.4)})
    assert (of_all.tier, of_tier.tier) == ("", "microvm")
    assert "25 ms" in of_tier.sentence
    assert "1.4 s" in of_tier.sentence
    assert "not minutes" in of_tier.sentence
    assert of_tier.ratio == pytest.approx(56)


def test_emulated_machines_are_never_divided_by_containers_and_literature_is_quoted() -> None:
    of_all, of_tier = _start({**_OURS, "microvm": (1.4, 1.5, 1.4)}, "tcg")
    assert of_all.ratio is None
    assert of_tier.ratio is None
    assert "emulated, not comparable" in of_tier.sentence
    assert "NSDI 2020" in of_tier.source


def test_real_machines_are_not_said_to_be_emulated() -> None:
    verdict = _start({**_OURS, "microvm": (1.4, 1.5, 1.4)})[1]
    assert "emulated" not in verdict.sentence
    assert verdict.source == ""


def test_the_claim_holds_as_a_whole_only_if_it_holds_for_every_tier() -> None:
    minutes, seconds = (97.0, 98.0, 99.0), (1.0, 1.1, 1.2)
    assert _start({**_OURS, "image": minutes, "classic": minutes})[0].word == "held"
    assert _start({**_OURS, "image": seconds, "classic": minutes})[0].word == "held in part"
    assert _start(_OURS)[0].word == "held in part"
    assert _start({"containerlab": minutes, "classic": minutes})[0].word == "not held here"


def test_tiers_come_in_their_order_and_ours_before_other_engines() -> None:
    verdicts = _start({"classic": (16,), "docker": (0.5,), **_OURS, "resume": (0.1,), "bare": (0.001,)})
    assert [verdict.tier for verdict in verdicts] == ["", "resume", "classic"]
    assert [figure.subject for figure in verdicts[0].figures] == [
        "containerlab",
        "docker",
        "vm resume (kvm)",
        "vm classic (kvm)",
    ]


def test_another_engine_stands_for_containers_where_ours_did_not_take_part() -> None:
    verdict = _start({"docker": (0.5, 0.5, 0.5), "microvm": (2.0, 2.0, 2.0)})[1]
    assert verdict.ratio == pytest.approx(4)
    assert verdict.figures[0].subject == "docker"


def _whole(given: Sequence[Row]) -> list[Verdict]:
    return list(Start().judge(given))


def test_rounds_that_were_all_noisy_give_no_verdict() -> None:
    given = noisy(rows("start", "ready_s", {**_OURS, "microvm": (1.0,)}))
    assert [verdict.word for verdict in _whole(given)] == ["not measured", "not measured"]
    assert "noisy" in _whole(given)[0].sentence


def test_a_noisy_round_is_left_out_of_the_median() -> None:
    given = rows("start", "ready_s", {"containerlab": (0.02, 0.02)}) + noisy(
        rows("start", "ready_s", {"containerlab": (30.0, 30.0, 30.0)})
    )
    assert _whole(given)[0].figures[0].median == 0.02


def test_a_machine_that_failed_says_why_and_leaves_the_rest_judged() -> None:
    given = [*rows("start", "ready_s", _OURS), failed("start", "image", "QEMU is not installed")]
    of_all, of_tier = _whole(given)
    assert of_all.word == "held in part"
    assert (of_tier.word, of_tier.tier) == ("not measured", "image")
    assert "QEMU is not installed" in of_tier.sentence


def test_nothing_measured_at_all_is_said() -> None:
    (only,) = _whole([])
    assert only.word == "not measured"
    assert "did not take part" in only.sentence


@pytest.mark.parametrize(("claim", "metric"), [(Recovery(), "recovered_s"), (Lifecycle(), "come_and_go_s")])
def test_what_is_said_of_containers_alone_holds_whatever_machines_take(
    claim: Recovery | Lifecycle, metric: str
) -> None:
    given = rows(claim.name, metric, {"containerlab": (0.2, 0.3), "image": (4.0, 5.0)})
    of_all, of_tier = claim.judge(given)
    assert of_all.word == "held"
    assert of_tier.word == "not held here"
