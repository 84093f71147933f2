"""The verdict about delivery: what layers move, beside whole disks and the blocks of a disk that changed."""

from __future__ import annotations

from collections.abc import Sequence

from containerlab import units
from containerlab.experiments.claims import judging
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.row import Row

__all__ = ["BLOCKS", "FILE_OF_APP", "FILE_OF_BASE", "LAYERS", "RSYNC", "WHOLE", "judge"]

LAYERS, WHOLE, BLOCKS, RSYNC = "layers through a registry", "whole", "blocks that differ", "rsync"
"""Values of the fact `method`."""
FILE_OF_APP, FILE_OF_BASE = "a file of the application", "a file of the base"
"""Values of the fact `change`."""
_MOVED = "moved_bytes"
_MUCH = 2.0
"""Somebody who moves less than a half moves clearly less."""


def judge(claim: str, rows: Sequence[Row]) -> list[Verdict]:
    """Return the verdict about the claim as a whole, and about layers beside each way to deliver a disk."""
    of_ways = [
        _beside(claim, rows, "whole disk", (WHOLE,), FILE_OF_APP),
        _beside(claim, rows, "changed blocks of a disk", (BLOCKS, RSYNC), FILE_OF_APP),
        _beside(claim, rows, "changed base", (BLOCKS, RSYNC), FILE_OF_BASE),
    ]
    return [_of_all(claim, rows, of_ways), *of_ways]


def _figures(rows: Sequence[Row], methods: Sequence[str], change: str) -> list[Figure]:
    """Return what was moved each way, the least last."""
    own = [row for row in rows if row.facts.get("method") in methods and row.facts.get("change") == change]
    return sorted(judging.figures(own, _MOVED), key=lambda figure: -figure.median)


def _beside(claim: str, rows: Sequence[Row], way: str, methods: Sequence[str], change: str) -> Verdict:
    layers, disks = _figures(rows, (LAYERS,), change), _figures(rows, methods, change)
    for found, wanted in ((layers, (LAYERS,)), (disks, methods)):
        if not found:
            own = [row for row in rows if row.facts.get("method") in wanted]
            return judging.not_measured(claim, way, own, _MOVED, wanted[0])
    layer, best = layers[-1], disks[-1]
    ratio = best.median / layer.median if layer.median else None
    sentence = f"{change} changed: layers {judging.bytes_of(layer)}; {_list(disks[::-1])}"
    return Verdict(claim, way, _word(layer, best), (layer, *disks), ratio, sentence)


def _word(layers: Figure, disk: Figure) -> str:
    if layers.median * _MUCH <= disk.median:
        return judging.HELD
    return judging.IN_PART if layers.median < disk.median else judging.NOT_HELD


def _list(figures: Sequence[Figure]) -> str:
    return ", ".join(f"{figure.subject} {judging.bytes_of(figure)}" for figure in figures)


def _of_all(claim: str, rows: Sequence[Row], of_ways: Sequence[Verdict]) -> Verdict:
    whole, blocks, base = of_ways
    if not whole.figures:
        return whole._replace(tier="")
    layers, smallest = whole.figures[0], whole.figures[-1]
    sentence = f"one file of {units.format_size(1 << 20)} of application changed: layers moved "
    sentence += f"{judging.bytes_of(layers)}, the smallest disk {_list([smallest])}"
    sentence += _of_blocks(blocks) + _of_base(base)
    figures = (layers, *blocks.figures[1:][-1:], smallest)
    return Verdict(claim, "", _word_of_all(whole, blocks), figures, whole.ratio, sentence)


def _of_blocks(blocks: Verdict) -> str:
    if not blocks.figures:
        return ""
    best = blocks.figures[-1]
    said = f"; {best.subject} {judging.bytes_of(best)}"
    if blocks.word == judging.HELD:
        return said
    return f"{said}: what layers save is owed to formats and registries in use, it is not inherent"


def _of_base(base: Verdict) -> str:
    """Say what the bad case of layers costs."""
    if not base.figures:
        return ""
    layers, best = base.figures[0], base.figures[-1]
    return f"; a file of the base changed: layers {judging.bytes_of(layers)}, {_list([best])}"


def _word_of_all(whole: Verdict, blocks: Verdict) -> str:
    """A delta that keeps up with layers shows that disks could be delivered as well."""
    if whole.word != judging.HELD or not blocks.figures:
        return whole.word
    return judging.HELD if blocks.word == judging.HELD else judging.IN_PART
