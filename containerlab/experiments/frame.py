"""Rows as a tidy pandas frame, and as lines of JSON."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

import msgspec

from containerlab.errors import wanted
from containerlab.experiments.row import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["from_frame", "from_lines", "to_frame", "to_lines"]


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Return one measured number a row; what is known of the subject stands in columns of its own."""
    records = [_flat(row) for row in rows]
    names = [each for each in Row.__struct_fields__ if each != "facts"]
    facts = dict.fromkeys(name for record in records for name in record if name not in names)
    frame: pd.DataFrame = wanted("pandas", "a frame").DataFrame(records, columns=[*names, *facts])
    return frame


def _flat(row: Row) -> dict[str, object]:
    record: dict[str, object] = msgspec.to_builtins(row)
    record.pop("facts")
    return record | row.facts


def from_frame(frame: pd.DataFrame) -> list[Row]:
    """Make rows again of what `to_frame` gave, or of a part of it."""
    return [_row(record) for record in frame.to_dict("records")]


def _row(record: dict[Hashable, object]) -> Row:
    """Pandas says NaN for what is not there."""
    there = {str(name): value for name, value in record.items() if value == value}
    facts = {name: there.pop(name) for name in list(there) if name not in Row.__struct_fields__}
    return msgspec.convert({"value": None, **there, "facts": facts}, Row, strict=False)


def to_lines(rows: Iterable[Row]) -> bytes:
    """Write a JSON document a line."""
    return msgspec.json.Encoder().encode_lines(list(rows))


def from_lines(content: bytes) -> list[Row]:
    """Read what `to_lines` wrote. Raises: msgspec.DecodeError."""
    return msgspec.json.Decoder(Row).decode_lines(content)
