"""A picture that a notebook shows, and that says the same in words."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

from containerlab.views import html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Picture", "png_of"]

_DPI = 110


class Picture(html.Shown):
    """A matplotlib figure and a sentence.

    Not left to matplotlib's own way into notebooks, which puts a white ground under ink of middle tone and
    has no words for those who do not see the picture.
    """

    def __init__(self, figure: Figure, words: str) -> None:
        self.figure = figure
        self.words = words

    def to_text(self) -> str:
        return self.words

    def to_png(self) -> bytes:
        """Return the picture, its ground transparent."""
        return png_of(self.figure, _DPI)

    def to_html(self) -> str:
        return _image(self.to_png(), self.to_text())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        png, words = self.to_png(), self.to_text()
        # Where HTML is not shown, as on some sites that show notebooks, the plain picture is.
        return {"text/plain": words, "text/html": _image(png, words), "image/png": png}

    def __repr__(self) -> str:
        return self.to_text()


def png_of(figure: Figure, dpi: int) -> bytes:
    """Draw a figure on transparent ground."""
    output = io.BytesIO()
    figure.savefig(output, format="png", dpi=dpi, transparent=True)
    return output.getvalue()


def _image(png: bytes, words: str) -> str:
    source = base64.b64encode(png).decode("ascii")
    style = "max-width:100%;height:auto;"
    return f'<img alt="{html.text(words)}" style="{style}" src="data:image/png;base64,{source}">'
