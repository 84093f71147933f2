"""From what the target compiled to and its layers to an image before it has a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from containerlab.build.built import Built
from containerlab.build.graph import Compiled
from containerlab.build.ops import Base, Vertex
from containerlab.build.stage import COMMENT, Line
from containerlab.oci.image import History, ImageConfig, RootFS
from containerlab.store.layer_writer import Committed

__all__ = ["assembled", "stack_below"]


def assembled(
    compiled: Compiled, layers: tuple[Committed, ...], labels: Mapping[str, str], created: str
) -> Built:
    """Put an image together; `labels` come on top of those of the Dockerfile."""
    config = ImageConfig(
        created=created,
        author=compiled.author,
        architecture=compiled.platform.architecture,
        os=compiled.platform.os,
        variant=compiled.platform.variant,
        config=msgspec.structs.replace(compiled.config, labels={**compiled.config.labels, **labels}),
        rootfs=RootFS(diff_ids=tuple(layer.diff_id for layer in layers)),
        history=tuple(_history(line, created) for line in compiled.lines),
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


def _history(line: Line, created: str) -> History:
    if line.entry is not None:
        return line.entry
    return History(created=created, created_by=line.text, comment=COMMENT, empty_layer=line.vertex is None)
