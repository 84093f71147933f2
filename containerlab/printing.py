"""What the command line prints for each kind of value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from containerlab.backends.base import Event, ImageInfo, Pruned, VolumeInfo
from containerlab.engine.container import Container
from containerlab.engine.inspection import Inspection
from containerlab.engine.logs import Logs, timestamp
from containerlab.engine.result import RunResult
from containerlab.linux.files import write_all
from containerlab.views.table import Table, aligned
from containerlab.views.template import render

__all__ = ["event_line", "lines", "write_logs"]

Face = Mapping[str, Any]
"""format, json, ids, no_trunc: as they stand in the table of commands."""


def lines(value: Any, face: Face) -> Iterator[str]:
    """Yield what is printed, line by line, while it comes."""
    if isinstance(value, Table):
        yield from _table(value, face)
    elif isinstance(value, Inspection):
        yield from _documents(value.to_records(), face)
    elif isinstance(value, Container):
        yield value.id
    elif isinstance(value, Pruned):
        yield value.to_text()
    elif isinstance(value, (ImageInfo, VolumeInfo)):
        yield value.id if isinstance(value, ImageInfo) else value.name
    elif isinstance(value, (str, int)):
        yield str(value)
    elif hasattr(value, "to_text"):
        yield json.dumps(value.to_records(), indent=4) if _is_json(face) else value.to_text()
    elif value is not None and not isinstance(value, RunResult):
        for item in value:
            yield event_line(item) if isinstance(item, Event) else str(item)


def _is_json(face: Face) -> bool:
    return bool(face.get("json")) or face.get("format") == "json"


def _table(table: Table[Any], face: Face) -> Iterator[str]:
    template = face.get("format", "")
    if face.get("json"):
        yield table.to_json()
    elif template == "json":
        yield from (json.dumps(record, ensure_ascii=False) for record in table.to_records())
    elif face.get("ids"):
        yield from _ids(table, face)
    elif template.startswith("table "):
        yield _template_table(table, template.removeprefix("table "), face)
    elif template and template != "table":
        yield from (render(template, shown) for shown in _shown(table, face))
    else:
        yield table.to_text(full=bool(face.get("no_trunc")))


def _shown(table: Table[Any], face: Face) -> Iterator[dict[str, Any]]:
    """Yield rows by the names that templates use, written for people."""
    full = bool(face.get("no_trunc"))
    for row in table.rows:
        yield {column.template_name: column.show(row, full) for column in table.columns}


def _ids(table: Table[Any], face: Face) -> Iterator[str]:
    column = next(
        (column for kind in ("id", "name", "path") for column in table.columns if column.kind == kind),
        table.columns[0],
    )
    seen = dict.fromkeys(column.show(row, bool(face.get("no_trunc"))) for row in table.rows)
    yield from seen


def _template_table(table: Table[Any], template: str, face: Face) -> str:
    titles = render(template, {column.template_name: column.title for column in table.columns}).split("\t")
    rows = [render(template, shown).split("\t") for shown in _shown(table, face)]
    return aligned(titles, rows, [False] * len(titles))


def _documents(documents: list[dict[str, Any]], face: Face) -> Iterator[str]:
    template = face.get("format", "")
    if template and template != "json":
        yield from (render(template, document) for document in documents)
    elif template == "json":
        yield from (json.dumps(document, ensure_ascii=False) for document in documents)
    else:
        yield json.dumps(documents, indent=4, ensure_ascii=False)


def event_line(event: Event) -> str:
    """Write an event as Docker does."""
    attributes = ", ".join(f"{key}={value}" for key, value in event.attributes.items())
    return f"{timestamp(event.time)} {event.kind} {event.action} {event.id[:12]} ({attributes})"


def write_logs(logs: Logs) -> None:
    """Write what a container printed to where it printed it, as it was."""
    for stream, chunk in logs.pieces():
        write_all(1 if stream == "stdout" else 2, chunk)


def to_json(value: Any) -> str:
    """Write any value as JSON."""
    return msgspec.json.encode(value).decode()
