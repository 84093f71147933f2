"""What the command line prints for each kind of value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from containerlab.backends.base import Event, ImageInfo, Pruned, VolumeInfo
from containerlab.engine.build_result import BuildResult
from containerlab.engine.container import Container
from containerlab.engine.inspection import Inspection
from containerlab.engine.logs import Logs, timestamp
from containerlab.engine.machine import Machine
from containerlab.engine.result import RunResult
from containerlab.engine.system import Facts
from containerlab.linux.files import write_all
from containerlab.views.expression import Lookup
from containerlab.views.json_text import json_text
from containerlab.views.table import Table, aligned
from containerlab.views.template import Template, render

__all__ = ["event_line", "lines", "write_logs"]

Face = Mapping[str, Any]
"""format, json, ids, no_trunc: as they stand in the table of commands."""


def lines(value: Any, face: Face) -> Iterator[str]:
    """Yield what is printed, line by line, while it comes."""
    if isinstance(value, Table):
        yield from _table(value, face)
    elif isinstance(value, Inspection):
        yield from _documents(value.to_records(), face)
    elif isinstance(value, Facts):
        yield from _facts(value, face)
    elif isinstance(value, (Container, Machine)):
        yield value.id
    elif isinstance(value, Pruned):
        yield value.to_text()
    elif isinstance(value, (ImageInfo, VolumeInfo)):
        yield value.id if isinstance(value, ImageInfo) else value.name
    elif isinstance(value, (str, int)):
        yield str(value)
    elif isinstance(value, BuildResult):
        yield value.id if face.get("ids") else value.to_text()
    elif face.get("json") and hasattr(value, "to_json"):
        yield value.to_json()
    elif hasattr(value, "to_text"):
        yield value.to_text()
    elif value is not None and not isinstance(value, RunResult):
        for item in value:
            yield event_line(item, face) if isinstance(item, Event) else str(item)


def _table(table: Table[Any], face: Face) -> Iterator[str]:
    template = face.get("format", "")
    if face.get("json"):
        yield table.to_json()
    elif template == "json":
        yield from (render("{{json .}}", shown) for shown in _shown(table, face))
    elif face.get("ids"):
        yield from _ids(table, face)
    elif template.startswith("table "):
        yield _template_table(table, Template(template.removeprefix("table ")), face)
    elif template and template != "table":
        compiled = Template(template)
        yield from (compiled.render(shown) for shown in _shown(table, face))
    else:
        yield table.to_text(full=bool(face.get("no_trunc")))


def _shown(table: Table[Any], face: Face) -> Iterator[dict[str, Any]]:
    """Yield rows by the names that templates use, written for people."""
    full = bool(face.get("no_trunc"))
    for row in table.rows:
        shown: dict[str, Any] = {column.template_name: column.show(row, full) for column in table.columns}
        labels = next((column.value(row) for column in table.columns if column.template == "Labels"), None)
        yield shown if labels is None else {**shown, "Label": Lookup(labels)}


def _ids(table: Table[Any], face: Face) -> Iterator[str]:
    column = next(
        (column for kind in ("id", "name", "path") for column in table.columns if column.kind == kind),
        table.columns[0],
    )
    seen = dict.fromkeys(column.show(row, bool(face.get("no_trunc"))) for row in table.rows)
    yield from seen


def _template_table(table: Table[Any], template: Template, face: Face) -> str:
    headings: dict[str, Any] = {column.template_name: column.title for column in table.columns}
    titles = template.render({**headings, "Label": Lookup({})}).split("\t")
    rows = [template.render(shown).split("\t") for shown in _shown(table, face)]
    width = max(map(len, (titles, *rows)))
    padded = [[*cells, *[""] * (width - len(cells))] for cells in (titles, *rows)]
    return aligned(padded[0], padded[1:], [False] * width)


def _documents(documents: list[dict[str, Any]], face: Face) -> Iterator[str]:
    template = face.get("format", "")
    if template and template != "json":
        compiled = Template(template)
        yield from (compiled.render(document) for document in documents)
    elif template == "json":
        yield from (json_text(document) for document in documents)
    else:
        yield json_text(documents, indent=4)


def _facts(facts: Facts, face: Face) -> Iterator[str]:
    template = face.get("format", "")
    if face.get("json") or template == "json":
        yield json_text(facts.to_records(), indent=4 if face.get("json") else None)
    else:
        yield render(template, facts.to_document()) if template else facts.to_text()


def event_line(event: Event, face: Face = MappingProxyType({})) -> str:
    """Write an event as Docker does."""
    document = {
        "Type": event.kind,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": event.attributes},
        "time": int(event.time),
        "timeNano": int(event.time * 1e9),
    }
    template = face.get("format", "")
    if face.get("json") or template == "json":
        return json_text(document)
    if template:
        shorter = {"ID": event.id, "Status": event.action, "Time": document["time"]}
        return render(template, {**document, **shorter, "TimeNano": document["timeNano"], "Scope": "local"})
    attributes = ", ".join(f"{key}={value}" for key, value in event.attributes.items())
    return f"{timestamp(event.time)} {event.kind} {event.action} {event.id} ({attributes})"


def write_logs(logs: Logs) -> None:
    """Write what a container printed to where it printed it, as it was."""
    for stream, chunk in logs.pieces():
        write_all(1 if stream == "stdout" else 2, chunk)
