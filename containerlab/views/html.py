"""HTML that reads well anywhere a notebook is shown: inline styles, no scripts, everything escaped.

What containers print, and the names people give, are untrusted text: whatever is shown goes through `text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "Group",
    "Heading",
    "Remark",
    "Shown",
    "breakable",
    "details",
    "harmless",
    "line",
    "mark",
    "pre",
    "table",
    "text",
]


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
    return harmless(value).translate(_ESCAPES)


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As html.escape has them; that module brings the tables of all named characters, 4 ms of every start."""


def harmless(value: object) -> str:
    """Show as such what would be invisible or misleading, in text that somebody else escapes.

    >>> harmless("a\\x1b[31m"), harmless("\\u202egpj.exe")
    ('a�[31m', '�gpj.exe')
    """
    plain = str(value)
    if plain.isprintable():
        return plain
    return "".join(character if _is_harmless(character) else "�" for character in plain)


def _is_harmless(character: str) -> bool:
    """Say no to control characters and those that turn the direction of text."""
    return character.isprintable() or character in "\n\t"


def breakable(value: object) -> str:
    """Escape text, and let a narrow window break long words after a comma, slash, colon, dot or underscore.

    >>> breakable("/sys/fs/cgroup/memory")
    '/<wbr>sys/<wbr>fs/<wbr>cgroup/<wbr>memory'
    """
    return " ".join(_seamed(word) if len(word) > _LONG_WORD else text(word) for word in str(value).split(" "))


_LONG_WORD = 20


def _seamed(word: str) -> str:
    from containerlab.views.layout import SEAMS

    return "<wbr>".join(text(piece) for piece in SEAMS.split(word) if piece)


class Heading(NamedTuple):
    """The head of a column, and how its cells look: to the right, wrapped, in letters of one width, as prose.

    Prose is wrapped too, but not to a column of single words.
    """

    title: str
    is_right: bool = False
    is_wrapped: bool = False
    is_code: bool = False
    is_prose: bool = False

    @property
    def style(self) -> str:
        space = "normal;overflow-wrap:break-word" if self.is_wrapped or self.is_prose else "pre"
        space += ";min-width:10em" if self.is_prose else ""
        side = "right" if self.is_right else "left"
        return f"padding:2px 12px 2px 0;vertical-align:top;white-space:{space};text-align:{side};"

    @property
    def cell_style(self) -> str:
        return f"{self.style}font-weight:normal;" + ("font-family:monospace;" if self.is_code else "")


class Group(NamedTuple):
    """A line across the table that names the rows below it; HTML already."""

    title: str


class Remark(NamedTuple):
    """A line across the table about the row above it; HTML already."""

    content: str


Line = Sequence[str] | Group | Remark


def table(headings: Sequence[Heading], rows: Iterable[Line], caption: str = "") -> str:
    """Write a table; cells are HTML already. The first cell of each row is its heading."""
    body = "".join(_line(headings, row) for row in rows)
    title = f'<caption style="text-align:left;">{text(caption)}</caption>' if caption else ""
    return (
        f'<div style="overflow-x:auto;margin:5px 0;"><table style="border-collapse:collapse;font-size:13px;'
        f'margin:0;">{title}{_head(headings)}<tbody>{body or _nothing(len(headings))}</tbody></table></div>'
    )


def _head(headings: Sequence[Heading]) -> str:
    if not any(heading.title for heading in headings):
        return ""
    cells = (
        f'<th scope="col" style="{heading.style}border-bottom:1px solid #7a7a7a;">{text(heading.title)}</th>'
        for heading in headings
    )
    return f"<thead><tr>{''.join(cells)}</tr></thead>"


def _line(headings: Sequence[Heading], row: Line) -> str:
    match row:
        case Group():
            return _group(row, len(headings))
        case Remark():
            style = Heading("", is_prose=True).cell_style + "padding-left:2em;"
            return f'<tr><td colspan="{len(headings)}" style="{style}">{row.content}</td></tr>'
    return _row(headings, row)


def _row(headings: Sequence[Heading], cells: Sequence[str]) -> str:
    (first, content), *others = zip(headings, cells, strict=True)
    return (
        f'<tr><th scope="row" style="{first.cell_style}">{content}</th>'
        + "".join(f'<td style="{heading.cell_style}">{cell}</td>' for heading, cell in others)
        + "</tr>"
    )


def _group(group: Group, width: int) -> str:
    style = Heading("", is_wrapped=True, is_code=True).cell_style + "padding-top:8px;"
    return f'<tr><th scope="rowgroup" colspan="{width}" style="{style}">{group.title}</th></tr>'


def _nothing(width: int) -> str:
    return f'<tr><td colspan="{width}" style="padding:2px 0;text-align:left;"><i>none</i></td></tr>'


def mark(is_good: bool) -> str:
    """Draw a sign that is seen at a glance; the words beside it say the same."""
    sign, colour = ("✔", "#009e73") if is_good else ("✘", "#d55e00")
    return f'<span aria-hidden="true" style="color:{colour};">{sign}</span> '


def pre(content: str) -> str:
    """Write text with its spaces and lines kept."""
    return (
        '<pre style="margin:5px 0;font-size:13px;line-height:1.3;white-space:pre;overflow-x:auto;">'
        f"{text(content)}</pre>"
    )


def line(content: str, title: str = "") -> str:
    """Write a line of facts; `content` is HTML already, `title` is shown under the pointer."""
    return f'<div title="{text(title)}" style="font-size:13px;margin:5px 0;">{content}</div>'


def details(summary: str, content: str, is_open: bool = False) -> str:
    """Write something that opens on a click; `content` is HTML already."""
    return f"<details{' open' if is_open else ''}><summary>{text(summary)}</summary>{content}</details>"
