"""A picture of one resource that a notebook shows, and that says the same in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.views import plot
from containerlab.views.picture import Picture

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Chart"]


class Chart(Picture):
    """What a frame of `metrics.Series.to_frame` holds about one resource."""

    def __init__(self, frame: pd.DataFrame, resource: str) -> None:
        super().__init__(plot.figure(frame, [resource]), plot.alt(frame, resource))
        self.frame = frame
        self.resource = resource
