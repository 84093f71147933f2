"""From what the target compiled to and its layers to an image before it has a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from containerlab.build.graph import Compiled
from containerlab.build.ops import Base, Vertex
from containerlab.build.result.built import Built
from containerlab.build.stage import COMMENT, Line
from containerlab.oci.image import History, ImageConfig, RootFS, format_time
from containerlab.store.layer_writer import Committed

__all__ = ["Times", "assembled", "stack_below"]


class Times(NamedTuple):
    """When what is new was made, in seconds since the epoch.

    made_at: layers, by their vertices. fixed: SOURCE_DATE_EPOCH, which then is the time of all. now: of the
    build.
    """

    made_at: Mapping[Vertex | None, float]
    fixed: float | None
    now: float

    def of(self, line: Line) -> str | None:
        """Return the time of a line of history if it has one of its own."""
        if line.entry is not None:
            return line.entry.created
        if self.fixed is not None:
            return format_time(self.fixed)
        return format_time(self.made_at[line.vertex]) if line.vertex in self.made_at else None


def assembled(
    compiled: Compiled,
    layers: tuple[Committed, ...],
    labels: Mapping[str, str],
    times: Times,
) -> Built:
    """Put an image together; `labels` come on top of those of the Dockerfile.

    It is as old as its last layer, so that a build that finds all in the cache gives the same image again.
    """
    history = _history(compiled.lines, times)
    told = [entry.created for entry in history if entry.created]
    config = ImageConfig(
        created=told[-1] if told else format_time(times.now),
        author=compiled.author,
        architecture=compiled.platform.architecture,
        os=compiled.platform.os,
        variant=compiled.platform.variant,
        config=msgspec.structs.replace(compiled.config, labels={**compiled.config.labels, **labels}),
        rootfs=RootFS(diff_ids=tuple(layer.diff_id for layer in layers)),
        history=history,
    )
    return Built(
        platform=compiled.platform,
        layers=layers,
        base_layers=_base_layers(compiled.vertex),
        config=config,
    )


def stack_below(target: Vertex | None) -> Iterator[Vertex]:
    """Yield a vertex and all below it."""
    vertex = target
    while vertex is not None:
        yield vertex
        vertex = vertex.below


def _base_layers(target: Vertex | None) -> int:
    lowest = [*stack_below(target)][-1:]
    return sum(len(vertex.op.image.layers) for vertex in lowest if isinstance(vertex.op, Base))


def _history(lines: Sequence[Line], times: Times) -> tuple[History, ...]:
    """Return the history: a line without a layer is as old as the layer before it, or the first new one.

    Source: BuildKit, exporter/containerimage/writer.go, `normalizeLayersAndHistory`.
    """
    known = [times.of(line) for line in lines]
    of_new = [time for line, time in zip(lines, known, strict=True) if time and line.entry is None]
    of_base = [time for line, time in zip(lines, known, strict=True) if time and line.entry is not None]
    before = (*of_new[:1], *of_base[-1:], format_time(times.now))[0]
    history = []
    for line, time in zip(lines, known, strict=True):
        before = time or before if line.entry is None else before
        history.append(line.entry or _entry(line, before))
    return tuple(history)


def _entry(line: Line, created: str) -> History:
    return History(created=created, created_by=line.text, comment=COMMENT, empty_layer=line.vertex is None)
