"""What a registry's API answers, as tables and facts: columns come from the fields of the values."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

import msgspec

from containerlab import units
from containerlab.engine.system import Facts
from containerlab.views.fields import ENDS, heading, kind_of, moment, table_of
from containerlab.views.table import Table

__all__ = ["Told", "told"]


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
            tables += [table_of(found, kind, heading(field.name))] if found else []
        else:
            facts[heading(field.name)] = _written(field.name, found)
    return facts, tables


def _of_several(hint: Any) -> type[msgspec.Struct] | None:
    """Return the Struct of which a field has several."""
    inner = typing.get_args(hint)[:1] if typing.get_origin(hint) in (tuple, list) else ()
    return next((each for each in inner if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _written(name: str, value: Any) -> Any:
    if value is None:
        return "-"
    if name in ENDS:
        return moment(value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {each}" for key, each in value.items())
    writers: dict[str, Callable[[Any], str]] = {
        "age": units.format_age,
        "size": units.format_size,
        "seconds": units.format_seconds,
    }
    write = writers.get(kind_of(name))
    if write and not isinstance(value, bool):
        return write(value)
    return f"{value:g}" if isinstance(value, float) else value
