"""A version delivered for real: through a registry, as whole disks, as blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import Unsupported
from containerlab.experiments.claims import parcels
from containerlab.experiments.claims.delivery import Delivery, Update
from containerlab.experiments.claims.versions import APP_BYTES
from containerlab.experiments.experiment import Contestant, Stage
from containerlab.experiments.row import Row
from tests import containers as small

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.system("rsync", "qemu-utils")]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with small.engine(base / "delivery-home") as engine:
        yield engine


@pytest.fixture(scope="module")
def scratch(base: Path) -> Path:
    scratch = base / "delivery-scratch"
    scratch.mkdir()
    return scratch


@pytest.fixture(scope="module")
def rows(engine: Engine, scratch: Path) -> Iterator[list[Row]]:
    """Do all ways once."""
    contestants = Update().contestants(Stage(engine, small.IMAGE, (), scratch, False))
    yield [row for contestant in contestants for row in _rows(contestant)]
    for contestant in contestants:
        contestant.end()
    assert not list(scratch.iterdir())


def _rows(contestant: Contestant) -> Iterator[Row]:
    for metric, value, note in _measured(contestant):
        yield Row(
            claim="delivery",
            experiment="update",
            subject=contestant.subject,
            kind=contestant.kind,
            round=0,
            metric=metric,
            value=value,
            note=note,
            facts=dict(contestant.facts),
        )


def _measured(contestant: Contestant) -> list[tuple[str, float | None, str]]:
    try:
        return [(metric, value, note) for metric, value, _, note in contestant.act()]
    except Unsupported as error:
        return [("", None, str(error))]


@pytest.fixture(scope="module")
def moved(rows: list[Row]) -> Mapping[str, float]:
    return {row.subject: row.value or 0 for row in rows if row.metric == "moved_bytes"}


def test_only_disks_that_nothing_here_makes_are_left_out(rows: list[Row]) -> None:
    left_out = {row.facts["format"] for row in rows if row.note}
    assert left_out <= {"erofs", "squashfs"}


def test_every_way_delivers(rows: list[Row], moved: Mapping[str, float]) -> None:
    assert set(moved) == {row.subject for row in rows if not row.note}
    assert all(moved.values())
    assert all(row.value for row in rows if row.metric == "deliver_s")


def test_layers_move_only_the_layer_that_changed(rows: list[Row], moved: Mapping[str, float]) -> None:
    first = next(row.value for row in rows if row.metric == "first_bytes")
    assert first
    assert APP_BYTES / 4 < moved["layers"] < APP_BYTES
    assert moved["layers"] < first


def test_a_changed_base_moves_the_base_and_not_what_lies_above(
    rows: list[Row], moved: Mapping[str, float]
) -> None:
    first = next(row.value or 0 for row in rows if row.metric == "first_bytes")
    assert moved["layers, base changed"] == pytest.approx(first - moved["layers"], rel=0.05)


def test_blocks_of_a_disk_move_less_than_the_disk(moved: Mapping[str, float]) -> None:
    for blocks in ("raw by 4 KiB blocks", "raw by 64 KiB blocks", "raw by rsync"):
        assert moved[blocks] < moved["whole raw"] / 10


def test_what_changes_in_a_disk_is_about_what_was_edited(rows: list[Row]) -> None:
    patch = next(row.value or 0 for row in rows if row.metric == "patch_bytes")
    assert patch < 64 << 10


def test_the_claim_is_judged(rows: list[Row]) -> None:
    whole, *of_ways = Delivery().judge(rows)
    assert whole.word in ("held", "held in part")
    assert [verdict.tier for verdict in of_ways] == ["whole disk", "changed blocks of a disk", "changed base"]
    assert all(verdict.figures for verdict in of_ways)
    assert all(row.facts["method"] != parcels.LAYERS or row.kind == "layers" for row in rows)
