"""A picture of one resource that a notebook shows, and that says the same in words."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from containerlab.views import html, plot

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Chart"]

_DPI = 110


class Chart(html.Shown):
    """What a frame of `metrics.Series.to_frame` holds about one resource, drawn when it is shown.

    Not left to matplotlib's own way into notebooks, which puts a white ground under ink of middle tone and
    has no words for those who do not see the picture.
    """

    def __init__(self, frame: pd.DataFrame, resource: str) -> None:
        self.frame = frame
        self.resource = resource

    def to_text(self) -> str:
        return plot.alt(self.frame, self.resource)

    def to_png(self) -> bytes:
        """Return the picture, its ground transparent."""
        return plot.figure_png(self.frame, [self.resource], dpi=_DPI)

    def to_html(self) -> str:
        return _image(self.to_png(), self.to_text())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        png, words = self.to_png(), self.to_text()
        # Where HTML is not shown, as on some sites that show notebooks, the plain picture is.
        return {"text/plain": words, "text/html": _image(png, words), "image/png": png}

    def __repr__(self) -> str:
        return self.to_text()


def _image(png: bytes, words: str) -> str:
    source = base64.b64encode(png).decode("ascii")
    style = "max-width:100%;height:auto;"
    return f'<img alt="{html.text(words)}" style="{style}" src="data:image/png;base64,{source}">'
