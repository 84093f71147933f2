"""Scenes become one page that needs nothing else: styles and pictures are in it, light and dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from containerlab.views import html, plot

if TYPE_CHECKING:
    from containerlab.demo.scenes import Scene
    from containerlab.metrics.series import Series

__all__ = ["page"]

_COLOURS = {
    plot.INK: "var(--soft)",
    plot.BLUE: "var(--blue)",
    plot.VERMILLION: "var(--red)",
    plot.GREEN: "var(--green)",
    plot.PURPLE: "var(--purple)",
}
"""The ink of a picture becomes the ink of the page, which changes with the reader's theme."""


def page(facts: Mapping[str, str], lacking: Iterable[str], scenes: Iterable[Scene]) -> str:
    """Write the page: what machine it was, what it lacks, what happened."""
    shown = list(scenes)
    machine = " · ".join(html.text(fact) for fact in facts.values())
    numbers = "".join(_number(scene) for scene in shown)
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        machine=machine,
        numbers=numbers,
        lacking=_lacking(list(lacking)),
        scenes="".join(_section(number, scene) for number, scene in enumerate(shown, 1)),
    )


def _number(scene: Scene) -> str:
    return f"<li><b>{html.text(scene.number)}</b><span>{html.text(scene.unit)}</span></li>"


def _lacking(lines: list[str]) -> str:
    if not lines:
        return "<p class=fine>This machine allows everything.</p>"
    items = "".join(f"<li>{html.text(line)}</li>" for line in lines)
    return f"<h2>What this machine does not allow</h2><ul class=lacking>{items}</ul>"


def _section(number: int, scene: Scene) -> str:
    parts = [f"<h2><i>{number}</i> {html.text(scene.title)}</h2>"]
    parts += [f"<p class=notice>Not on this machine: {html.text(notice)}</p>" for notice in scene.notices]
    parts.append(f"<p>{html.text(scene.story)}</p>")
    if scene.command:
        output = f"\n<samp>{html.text(scene.output)}</samp>" if scene.output else ""
        parts.append(f"<pre><kbd>$ {html.text(scene.command)}</kbd>{output}</pre>")
    if scene.table:
        parts.append(f"<div class=tables>{scene.table}</div>")
    if scene.series is not None and len(scene.series):
        parts.append(f"<figure>{picture(scene.series, scene.resource)}</figure>")
    return f"<section>{''.join(parts)}</section>"


def picture(series: Series, resource: str) -> str:
    """Draw one resource as SVG that belongs to the page."""
    import matplotlib
    from matplotlib.figure import Figure

    frame = series.to_frame()
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    plot.plot(frame, resource, ax=figure.subplots())
    output = io.StringIO()
    # The salt keeps apart the ids of pictures that share a page.
    with matplotlib.rc_context({"svg.hashsalt": resource}):
        figure.savefig(output, format="svg", transparent=True, metadata={"Date": None})
    return _inlined(output.getvalue(), plot.alt(frame, resource))


def _inlined(svg: str, description: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
    for colour, variable in _COLOURS.items():
        svg = re.sub(colour, variable, svg, flags=re.IGNORECASE)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.text(description)}" ', 1)
