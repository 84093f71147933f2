"""Tables of values whose columns are their fields."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from containerlab.views.table import Column, Table

__all__ = ["ENDS", "heading", "kind_of", "moment", "table_of"]

ENDS = ("expires", "next", "until")
"""Moments that may be to come."""
_PAST = ("created", "made", "pushed", "ran", "time", "touched", "tried")


def table_of(items: Sequence[Any], kind: type[Any], title: str = "") -> Table[Any]:
    """Show values of one kind, a column for each field."""
    fields = msgspec.structs.fields(kind)
    return Table(items, [_column(field.name, number == 0) for number, field in enumerate(fields)], title)


def _column(name: str, is_first: bool) -> Column:
    def value(row: Any) -> Any:
        found = getattr(row, name)
        if isinstance(found, dict):
            return ", ".join(f"{key}: {each}" for key, each in found.items())
        return _yes_or_no(found) if isinstance(found, bool) else found

    title = heading(name).upper()
    if name in ENDS:
        return Column(name, title, value, text=moment)
    return Column(name, title, value, "name" if is_first else kind_of(name))


def heading(name: str) -> str:
    """Write a field's name for people.

    >>> heading("size_bytes"), heading("is_public"), heading("given_by")
    ('size', 'public', 'given by')
    """
    return name.removeprefix("is_").removesuffix("_bytes").removesuffix("_s").replace("_", " ")


def kind_of(name: str) -> str:
    if name in _PAST:
        return "age"
    if name.endswith("_bytes"):
        return "size"
    return "seconds" if name.endswith("_s") else "text"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def moment(value: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))
