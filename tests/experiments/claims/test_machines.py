"""The experiments that machines differ in, done with a real one beside our container, by the protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from containerlab.experiments.claims.six import CLAIMS
from containerlab.experiments.experiment import Stage, Verdict
from containerlab.experiments.probe import probe
from containerlab.experiments.protocol import Settings, measure
from containerlab.experiments.row import Row
from containerlab.experiments.shares import Shares
from containerlab.experiments.subjects.machines import MachineGroups, Tiered
from containerlab.experiments.subjects.own import Own
from tests import containers as small
from tests import kernels

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.system("qemu-system-x86"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def stage(base: Path) -> Iterator[Stage]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    home, scratch = base / "claims-of-machines", base / "claims-of-machines-scratch"
    scratch.mkdir()
    kernels.seed(home)
    shares = Shares()
    with small.engine(home) as engine:
        image = probe.image(engine, small.IMAGE)
        tier = Tiered(engine, image, MachineGroups(shares), "microvm")
        try:
            yield Stage(engine, image, (Own(engine, image, shares), tier), scratch, True)
        finally:
            tier.close()
            shares.close()


def _quiet(claim: str, stage: Stage) -> list[Row]:
    """Measure a claim, as if nobody else had kept the processors busy meanwhile."""
    rows = measure([CLAIMS[claim]], stage, Settings(rounds=1))
    return [msgspec.structs.replace(row, is_noisy=False) for row in rows]


def _verdicts(claim: str, rows: Sequence[Row]) -> tuple[Verdict, Verdict]:
    whole, of_tier = CLAIMS[claim].judge(rows)
    assert of_tier.tier == "microvm"
    return whole, of_tier


@pytest.mark.parametrize("claim", ["start", "footprint", "recovery", "lifecycle"])
def test_a_machine_is_measured_and_judged(claim: str, stage: Stage) -> None:
    rows = _quiet(claim, stage)
    assert not [row.note for row in rows if row.note]
    whole, of_tier = _verdicts(claim, rows)
    assert [figure.subject for figure in whole.figures] == [each.name for each in stage.subjects]
    assert of_tier.word != "not measured" or of_tier.figures[-1].median >= 60
    assert not stage.engine.machines.list(all=True)


def test_no_loss_of_an_emulated_machine_is_computed(stage: Stage) -> None:
    rows = _quiet("performance", stage)
    assert not [row.note for row in rows if row.note]
    assert any(row.metric == "integer_ops_per_s" and row.kind == "vm" for row in rows)
    _, of_tier = _verdicts("performance", rows)
    if "tcg" in stage.subjects[1].name:
        assert of_tier.ratio is None
        assert "emulated, not comparable" in of_tier.sentence
        assert of_tier.source
