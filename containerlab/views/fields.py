"""Tables of values whose columns are their fields."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import FieldInfo

from containerlab.views.table import Column, Table

__all__ = ["ENDS", "heading", "kind_of", "moment", "table_of"]

ENDS = ("expires", "next", "until")
"""Moments that may be to come."""
_IMPLIED = ("organization", "webhook")
"""What the name beside it begins with, or who asks has said."""
_PAST = ("created", "made", "pushed", "ran", "time", "touched", "tried")


def table_of(items: Sequence[Any], kind: type[Any], title: str = "") -> Table[Any]:
    """Show values of one kind, a column for each field.

    Of a value within them those fields have one that are different from what is usual. People do not see
    columns that tell nothing, as where no value has a description; programs do.
    """
    paths = [path for field in msgspec.structs.fields(kind) for path in _paths(items, field)]
    usual = {each.name: each.default for each in msgspec.structs.fields(kind) if not each.required}
    columns = [_column(path, number == 0) for number, path in enumerate(paths)]
    return Table(
        items, [_shown(each, items, usual, number == 0) for number, each in enumerate(columns)], title
    )


def _shown(column: Column, items: Sequence[Any], usual: Mapping[str, Any], is_first: bool) -> Column:
    look = attrgetter(column.key)
    nothing = (usual.get(column.key, ""), "", ())
    is_empty = bool(items) and all(look(item) in nothing for item in items)
    is_implied = column.key in _IMPLIED and not is_first
    return column._replace(is_visible=not (is_empty or is_implied))


def _paths(items: Sequence[Any], field: FieldInfo) -> list[str]:
    inner = field.type
    if not (isinstance(inner, type) and issubclass(inner, msgspec.Struct)):
        return [field.name]
    return [
        f"{field.name}.{each.name}"
        for each in msgspec.structs.fields(inner)
        if each.required
        or any(getattr(getattr(item, field.name), each.name) != each.default for item in items)
    ]


def _column(path: str, is_first: bool) -> Column:
    look = attrgetter(path)

    def value(row: Any) -> Any:
        found = look(row)
        if isinstance(found, dict):
            return ", ".join(f"{key}: {each}" for key, each in found.items())
        return _yes_or_no(found) if isinstance(found, bool) else found

    name = path.rpartition(".")[2]
    title = heading(name).upper()
    if name in ENDS:
        return Column(path, title, value, text=moment)
    return Column(path, title, value, "name" if is_first else kind_of(name))


def heading(name: str) -> str:
    """Write a field's name for people.

    >>> heading("size_bytes"), heading("is_public"), heading("given_by")
    ('size', 'public', 'given by')
    """
    return name.removeprefix("is_").removesuffix("_bytes").removesuffix("_s").replace("_", " ")


def kind_of(name: str) -> str:
    if name in _PAST:
        return "age"
    if name == "digest":
        return "name"  # shortened, as names are that are digests
    if name.endswith("_bytes"):
        return "size"
    return "seconds" if name.endswith("_s") else "text"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def moment(value: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))
