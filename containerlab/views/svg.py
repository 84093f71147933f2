"""Pictures as SVG that belongs to a page: they take their colours from it, so from the reader's theme."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from containerlab.errors import wanted
from containerlab.views import html, plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg"]

_COLOURS = {
    plot.INK: "var(--soft)",
    plot.BLUE: "var(--blue)",
    plot.VERMILLION: "var(--red)",
    plot.GREEN: "var(--green)",
    plot.PURPLE: "var(--purple)",
    "#E69F00": "var(--orange, #E69F00)",
    "#56B4E9": "var(--sky, #56B4E9)",
}
"""The ink of a picture becomes the ink of the page, which changes with the reader's theme."""


def inline_svg(figure: Figure, words: str, salt: str) -> str:
    """Draw a figure as an element for a page that defines --soft, --blue, --red, --green and --purple.

    salt: keeps apart the ids of pictures that share a page.
    """
    output = io.StringIO()
    with wanted("matplotlib", "a picture").rc_context({"svg.hashsalt": salt}):
        figure.savefig(output, format="svg", transparent=True, metadata={"Date": None})
    svg = output.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
    for colour, variable in _COLOURS.items():
        svg = re.sub(colour, variable, svg, flags=re.IGNORECASE)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.text(words)}" ', 1)
