"""The verdict about delivery."""

from __future__ import annotations

from containerlab.experiments.claims import parcels
from containerlab.experiments.claims.delivery import Delivery
from containerlab.experiments.row import Row

_MIB = 1 << 20


def _row(
    subject: str, method: str, moved_bytes: float | None, *, is_base: bool = False, note: str = ""
) -> Row:
    change = parcels.FILE_OF_BASE if is_base else parcels.FILE_OF_APP
    return Row(
        claim="delivery",
        experiment="update",
        subject=subject,
        kind="layers" if method == parcels.LAYERS else "disk",
        round=0,
        metric="moved_bytes",
        value=moved_bytes,
        note=note,
        facts={"method": method, "change": change},
    )


_LAYERS = _row("layers", parcels.LAYERS, _MIB)
_WHOLE = _row("whole raw.zst", parcels.WHOLE, 80 * _MIB)


def test_layers_hold_against_whole_disks() -> None:
    whole, beside_disks, beside_blocks, _ = Delivery().judge([_LAYERS, _WHOLE])
    assert (whole.word, whole.ratio) == ("held", 80)
    assert beside_disks.word == "held"
    assert beside_blocks.word == "not measured"


def test_blocks_that_beat_layers_show_that_it_is_not_inherent() -> None:
    blocks = _row("raw by 4 KiB blocks", parcels.BLOCKS, _MIB / 5)
    whole, _, beside_blocks, _ = Delivery().judge([_LAYERS, _WHOLE, blocks])
    assert whole.word == "held in part"
    assert "formats and registries in use" in whole.sentence
    assert beside_blocks.word == "not held here"
    assert beside_blocks.ratio == 0.2


def test_blocks_that_move_much_more_leave_the_claim_held() -> None:
    blocks = _row("qcow2 by 4 KiB blocks", parcels.BLOCKS, 24 * _MIB)
    assert Delivery().judge([_LAYERS, _WHOLE, blocks])[0].word == "held"


def test_the_bad_case_of_layers_is_told() -> None:
    given = [
        _LAYERS,
        _WHOLE,
        _row("layers, base changed", parcels.LAYERS, 100 * _MIB, is_base=True),
        _row("raw by 4 KiB blocks, base changed", parcels.BLOCKS, 2 * _MIB, is_base=True),
    ]
    whole, *_, base = Delivery().judge(given)
    assert base.word == "not held here"
    assert "a file of the base changed: layers 100 MiB" in whole.sentence


def test_disks_that_could_not_be_made_are_said() -> None:
    given = [_LAYERS, _row("whole qcow2", parcels.WHOLE, None, note="qcow2 disks need qemu-img")]
    verdict = Delivery().judge(given)[0]
    assert verdict.word == "not measured"
    assert "qemu-img" in verdict.sentence


def test_layers_that_save_nothing_do_not_hold() -> None:
    given = [_row("layers", parcels.LAYERS, 90 * _MIB), _WHOLE]
    assert Delivery().judge(given)[0].word == "not held here"
