"""Steps in the order in which people think of them: stage by stage, as the Dockerfile has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from containerlab.views.build.display import Step

__all__ = ["as_written"]

_T = TypeVar("_T")


def as_written(items: Iterable[_T], step_of: Callable[[_T], Step]) -> list[_T]:
    """Sort by the line on which the stage of a step begins; what belongs to no stage comes last.

    Within a stage items keep their order, in which each comes after what it needs.
    """
    listed = list(items)
    begins: dict[str, int] = {}
    for step in map(step_of, listed):
        if step.stage and step.line:
            begins[step.stage] = min(step.line, begins.get(step.stage, step.line))
    places = {stage: number for number, stage in enumerate(sorted(begins, key=begins.__getitem__))}
    return sorted(listed, key=lambda item: places.get(step_of(item).stage, len(places)))
