"""Tables whose columns come from the fields of values."""

from __future__ import annotations

import msgspec

from containerlab.views.fields import table_of


class Inner(msgspec.Struct):
    host: str
    tags: str = "*"
    is_used: bool = True


class Outer(msgspec.Struct):
    id: int
    inner: Inner


def columns(*items: Outer) -> list[str]:
    return table_of(items, Outer).to_text().splitlines()[0].split()


def test_value_within_a_value_shows_what_is_unusual() -> None:
    assert columns(Outer(1, Inner("a"))) == ["ID", "HOST"]
    assert columns(Outer(1, Inner("a")), Outer(2, Inner("b", is_used=False))) == ["ID", "HOST", "USED"]
    assert "no" in table_of([Outer(2, Inner("b", "v*", False))], Outer).to_text().splitlines()[1].split()


class Thing(msgspec.Struct):
    name: str
    organization: str
    description: str
    limit: int | None
    tried: float | None = None
    attempts: int = 0


def test_columns_that_tell_nothing_are_for_programs_only() -> None:
    plain, tried = Thing("lab/a", "lab", "", None), Thing("lab/b", "lab", "ours", None, 1.0, 2)
    table = table_of([plain], Thing)
    assert table.to_text().splitlines()[0].split() == ["NAME", "LIMIT"]
    assert list(table.to_records()[0]) == list(Thing.__struct_fields__)
    told = table_of([plain, tried], Thing).to_text().splitlines()[0].split()
    assert told == ["NAME", "DESCRIPTION", "LIMIT", "TRIED", "ATTEMPTS"]


def test_no_values_show_what_there_always_is() -> None:
    assert columns() == ["ID", "HOST"]
