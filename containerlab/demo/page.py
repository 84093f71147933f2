"""Scenes become one page that needs nothing else: styles and pictures are in it, light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from containerlab.views import html, plot
from containerlab.views.svg import inline_svg

if TYPE_CHECKING:
    from containerlab.demo.scenes import Scene
    from containerlab.metrics.series import Series

__all__ = ["page"]


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
    if scene.picture is not None:
        drawn = inline_svg(scene.picture.figure, scene.picture.words, scene.title)
        parts.append(f"<figure>{drawn}</figure>")
    return f"<section>{''.join(parts)}</section>"


def picture(series: Series, resource: str) -> str:
    """Draw one resource as SVG that belongs to the page."""
    from matplotlib.figure import Figure

    frame = series.to_frame()
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    plot.plot(frame, resource, ax=figure.subplots())
    return inline_svg(figure, plot.alt(frame, resource), resource)
