"""What a registry's API answers, as tables and facts: columns come from the fields of the values."""

from __future__ import annotations

import time
import typing
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from containerlab import units
from containerlab.engine.system import Facts
from containerlab.views.table import Column, Table

__all__ = ["Told", "table_of", "told"]

_ENDS = ("expires", "next", "until")
_PAST = ("created", "pushed", "ran", "time", "touched", "tried")


def table_of(items: Sequence[Any], kind: type[msgspec.Struct], title: str = "") -> Table[Any]:
    """Show values of one kind, a column for each field."""
    fields = msgspec.structs.fields(kind)
    return Table(items, [_column(field.name, number == 0) for number, field in enumerate(fields)], title)


def _column(name: str, is_first: bool) -> Column:
    def value(row: Any) -> Any:
        found = getattr(row, name)
        return _yes_or_no(found) if isinstance(found, bool) else found

    title = _heading(name).upper()
    if name in _ENDS:
        return Column(name, title, value, text=_moment)
    return Column(name, title, value, "name" if is_first else _kind(name))


def _heading(name: str) -> str:
    """Write a field's name for people.

    >>> _heading("size_bytes"), _heading("is_public"), _heading("given_by")
    ('size', 'public', 'given by')
    """
    return name.removeprefix("is_").removesuffix("_bytes").removesuffix("_s").replace("_", " ")


def _kind(name: str) -> str:
    if name in _PAST:
        return "age"
    if name.endswith("_bytes"):
        return "size"
    return "seconds" if name.endswith("_s") else "text"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _moment(value: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(value))


def told(value: msgspec.Struct) -> Told:
    """Show one value: its facts, and tables of what it has several of."""
    return Told(value)


class Told(Facts):
    """One value of the API; those in it are facts of their own."""

    def __init__(self, value: msgspec.Struct) -> None:
        self.value = value
        super().__init__(msgspec.to_builtins(value))

    def __getattr__(self, name: str) -> Any:
        """Return a field of the value."""
        if name == "value":
            raise AttributeError(name)
        return getattr(self.value, name)

    def to_text(self) -> str:
        facts, tables = _parted(self.value)
        texts = [Facts(facts).to_text()] if facts else []
        return "\n".join([*texts, *(table.to_text() for table in tables)])

    def to_html(self) -> str:
        facts, tables = _parted(self.value)
        return Facts(facts).to_html() + "".join(table.to_html() for table in tables)


def _parted(value: msgspec.Struct) -> tuple[dict[str, Any], list[Table[Any]]]:
    facts: dict[str, Any] = {}
    tables: list[Table[Any]] = []
    for field in msgspec.structs.fields(value):
        found = getattr(value, field.name)
        if isinstance(found, msgspec.Struct):
            inner, more = _parted(found)
            facts |= inner
            tables += more
        elif kind := _of_several(field.type):
            tables += [table_of(found, kind, _heading(field.name))] if found else []
        else:
            facts[_heading(field.name)] = _written(field.name, found)
    return facts, tables


def _of_several(hint: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of which a field has several."""
    inner = typing.get_args(hint)[:1] if typing.get_origin(hint) in (tuple, list) else ()
    return next((each for each in inner if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _written(name: str, value: Any) -> Any:
    if value is None:
        return "-"
    if name in _ENDS:
        return _moment(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {each}" for key, each in value.items())
    writers: dict[str, Callable[[Any], str]] = {
        "age": units.format_age,
        "size": units.format_size,
        "seconds": units.format_seconds,
    }
    write = writers.get(_kind(name))
    return write(value) if write and not isinstance(value, bool) else value
