"""HTML that reads well anywhere a notebook is shown: inline styles, no scripts, everything escaped.

What containers print, and the names people give, are untrusted text: whatever is shown goes through `text`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["Heading", "Shown", "details", "pre", "table", "text"]


class Shown:
    """Something that a notebook shows as HTML and everything else as text."""

    def to_text(self) -> str:
        """Return what a terminal shows."""
        raise NotImplementedError

    def to_html(self) -> str:
        """Return what a notebook shows."""
        return pre(self.to_text())

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/plain": self.to_text(), "text/html": self.to_html()}


def text(value: object) -> str:
    """Escape text for HTML, with what would be invisible or misleading shown as such.

    >>> text("<script>")
    '&lt;script&gt;'
    """
    harmless = "".join(character if _is_harmless(character) else "�" for character in str(value))
    return harmless.translate(_ESCAPES)


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As html.escape has them; that module brings the tables of all named characters, 4 ms of every start."""


def _is_harmless(character: str) -> bool:
    """Say no to control characters and those that turn the direction of text."""
    return character.isprintable() or character in "\n\t"


class Heading(NamedTuple):
    """The head of a column."""

    title: str
    is_right: bool = False
    is_wrapped: bool = False

    @property
    def style(self) -> str:
        """How the cells below it look."""
        space = "normal;overflow-wrap:anywhere;min-width:8em" if self.is_wrapped else "nowrap"
        side = "right" if self.is_right else "left"
        return f"padding:2px 10px 2px 0;vertical-align:top;white-space:{space};text-align:{side};"


def table(
    headings: Iterable[Heading | tuple[str, bool]], rows: Iterable[Iterable[str]], caption: str = ""
) -> str:
    """Write a table; a heading may be (title, right-aligned). Cells are HTML already."""
    columns = [Heading(*heading) for heading in headings]
    aligned = [heading.style for heading in columns]
    head = "".join(
        f'<th scope="col" style="{style}border-bottom:1px solid #7a7a7a;">{text(heading.title)}</th>'
        for heading, style in zip(columns, aligned, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{style}">{cell}</td>' for cell, style in zip(row, aligned, strict=True))
        + "</tr>"
        for row in rows
    )
    title = f'<caption style="text-align:left;">{text(caption)}</caption>' if caption else ""
    return (
        f'<table style="border-collapse:collapse;font-size:13px;">{title}'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def pre(content: str) -> str:
    """Write text with its spaces and lines kept."""
    return f'<pre style="margin:0;white-space:pre;overflow-x:auto;">{text(content)}</pre>'


def details(summary: str, content: str, is_open: bool = False) -> str:
    """Write something that opens on a click; `content` is HTML already."""
    return f"<details{' open' if is_open else ''}><summary>{text(summary)}</summary>{content}</details>"
