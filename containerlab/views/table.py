"""Rows with columns: text in a terminal, HTML in a notebook, a frame for computing.

A table keeps the objects that it shows: iterate over it, index it, or filter it, and you have them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

import msgspec

from containerlab import units
from containerlab.errors import wanted
from containerlab.views import html

if TYPE_CHECKING:
    import pandas

__all__ = ["Column", "Table"]

Row = TypeVar("Row")


class Column(NamedTuple):
    """A column: what it is called where, how its value is taken from a row and shown."""

    key: str
    """In Python, JSON and frames, with the unit: size_bytes."""
    title: str
    """Heading in text: SIZE."""
    value: Callable[[Any], Any]
    kind: str = "text"
    """text, list, id, digest, name, path (a name too), code, command, number, size, seconds, time, age,
    state or verdict (yes, no); prose and call are wrapped to the terminal's width, below stands under its
    row, remark too with its title before it, group above the rows that share it."""
    template: str = ""
    """Name in `--format` templates, as Docker's: "ID"; the title in one word if empty."""
    is_visible: bool = True
    """False: for templates, JSON and frames only."""
    text: Callable[[Any], str] | None = None
    """How the value is written for people, where its kind does not say it."""

    @property
    def template_name(self) -> str:
        return self.template or "".join(word.capitalize() for word in self.title.split())

    @property
    def is_right(self) -> bool:
        return self.kind in ("number", "size", "seconds")

    @property
    def layout(self) -> str:
        """How text is laid out: right, prose, below, group, or as it is."""
        kinds = {"call": "prose", "prose": "prose", "below": "below", "remark": "below", "group": "group"}
        return "right" if self.is_right else kinds.get(self.kind, "")

    def show(self, row: Any, full: bool = False) -> str:
        """Write a row's value for people."""
        value = self.value(row)
        return self.text(value) if self.text and value is not None else _show(self.kind, value, full)


_FITTED = ("prose", "below", "group")
_CODE = ("id", "digest", "path", "code", "command")
_NAMES = ("id", "name", "path")
_UNBROKEN = ("id", "code", "number", "size", "seconds", "time", "verdict")
_ID_LENGTH = 12
_COMMAND_LENGTH = 30


def _show(kind: str, value: Any, full: bool) -> str:
    if value is None:
        return "-"
    match kind:
        case "size":
            return units.format_size(value)
        case "seconds":
            return units.format_seconds(value)
        case "age":
            return units.format_age(value)
        case "time":
            return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value)) + f".{int(value % 1 * 1000):03}"
        case "id" if not full:
            return str(value).removeprefix("sha256:")[:_ID_LENGTH]
        case "name" if not full and str(value).startswith("sha256:"):
            return _show("id", value, full)
        case "command":
            return _shortened(" ".join(value), full)
    if isinstance(value, (tuple, list)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shortened(text: str, full: bool) -> str:
    return text if full or len(text) <= _COMMAND_LENGTH else text[: _COMMAND_LENGTH - 1] + "…"


class Table(html.Shown, Sequence[Row], Generic[Row]):
    """Objects in rows.

    >>> table = Table(["a", "bb"], [Column("word", "WORD", str), Column("length", "LENGTH", len, "number")])
    >>> print(table.to_text())
    WORD  LENGTH
    a          1
    bb         2
    >>> table[1], len(table)
    ('bb', 2)
    """

    def __init__(self, rows: Sequence[Row], columns: Sequence[Column], title: str = "") -> None:
        self.rows = tuple(rows)
        self.columns = tuple(columns)
        self.title = title

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @overload
    def __getitem__(self, index: int | str) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Table[Row]: ...
    def __getitem__(self, index: int | str | slice) -> Row | Table[Row]:
        """Return a row by its place or by its name or id; a table for a slice."""
        if isinstance(index, slice):
            return Table(self.rows[index], self.columns, self.title)
        return self.rows[index] if isinstance(index, int) else self._named(index)

    def _named(self, name: str) -> Row:
        for row in self.rows:
            for column in self.columns:
                if column.kind in _NAMES and _is_called(name, column.value(row)):
                    return row
        raise KeyError(name)

    def to_text(self, full: bool = False) -> str:
        """Return aligned columns; `full` shortens nothing. Prose is wrapped to the width of the terminal."""
        columns = [column for column in self.columns if column.is_visible]
        cells = [[_one_line(_text_cell(column, row, full)) for column in columns] for row in self.rows]
        head = f"{self.title}\n" if self.title else ""
        if not any(column.layout in _FITTED for column in columns):
            rights = [column.is_right for column in columns]
            return head + aligned([column.title for column in columns], cells, rights)
        from containerlab.views.layout import Field, fitted, terminal_width

        fields = [Field(column.title, column.layout) for column in columns]
        return head + fitted(fields, cells, terminal_width())

    def to_html(self) -> str:
        shown = [column for column in self.columns if column.is_visible]
        columns = [column for column in shown if column.kind not in ("group", "remark")]
        lines: list[html.Line] = []
        for before, row in zip((None, *self.rows), self.rows, strict=False):
            for column in shown:
                if column.kind == "group" and (before is None or column.value(before) != column.value(row)):
                    lines.append(html.Group(_html_cell(column, row)))
            lines.append([_html_cell(column, row) for column in columns])
            remarks = [_text_cell(column, row, False) for column in shown if column.kind == "remark"]
            lines += [html.Remark(html.breakable(remark)) for remark in remarks if remark]
        return html.table([_html_heading(column) for column in columns], lines, self.title)

    def to_records(self) -> list[dict[str, Any]]:
        """Return plain values by column key, as JSON has them."""
        return [{column.key: _plain(column.value(row)) for column in self.columns} for row in self.rows]

    def to_json(self) -> str:
        from containerlab.views.json_text import json_text

        return json_text(self.to_records(), indent=2)

    def to_frame(self) -> pandas.DataFrame:
        """Return a pandas frame with one column for each key."""
        keys = [column.key for column in self.columns]
        frame: pandas.DataFrame = wanted("pandas", "a frame").DataFrame(self.to_records(), columns=keys)
        return frame

    def __repr__(self) -> str:
        return self.to_text()


def _is_called(name: str, value: Any) -> bool:
    names = value if isinstance(value, (tuple, list)) else (value,)
    return name in names or any(
        len(name) >= 4 and str(each).removeprefix("sha256:").startswith(name) for each in names
    )


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _one_line(text: str) -> str:
    """Keep a cell on its line, and control sequences of a container out of the terminal."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _text_cell(column: Column, row: Any, full: bool) -> str:
    shown = column.show(row, full)
    return f"{column.title.lower()}: {shown}" if column.kind == "remark" and shown else shown


def _html_heading(column: Column) -> html.Heading:
    is_wrapped = column.kind not in _UNBROKEN
    is_prose = column.kind in ("prose", "below")
    return html.Heading(column.title.lower(), column.is_right, is_wrapped, column.kind in _CODE, is_prose)


def _html_cell(column: Column, row: Any) -> str:
    value = column.show(row)
    shown = html.text(value) if column.kind in _UNBROKEN else html.breakable(value)
    if column.kind == "name":
        shown = shown.replace(" ", "&nbsp;")
    full = column.show(row, full=True)
    if column.kind == "call":
        return f"<code>{shown}</code>"
    if column.kind == "verdict":
        return html.mark(value == "yes") + shown
    if column.kind == "time" or full == value:
        return shown
    return f'<span title="{html.text(full)}">{shown}</span>'


def aligned(titles: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    """Write rows below headings, two spaces between columns."""
    widths = [max(len(cell) for cell in column) for column in zip(titles, *rows, strict=True)]
    lines = []
    for cells in (titles, *rows):
        padded = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(cells, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
