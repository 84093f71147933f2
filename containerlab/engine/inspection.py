"""Inspection: all that is known about containers, images or volumes, as documents to look into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from containerlab.views import html
from containerlab.views.json_text import json_text

__all__ = ["Inspection"]

Document = dict[str, Any]


class Inspection(html.Shown):
    """Documents to look into: text is JSON, HTML opens on a click."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = tuple(documents)

    def __getitem__(self, key: str | int) -> Any:
        """Return a document by place, or a key of the only document."""
        return self.documents[key] if isinstance(key, int) else self.documents[0][key]

    def to_text(self) -> str:
        return json_text(self.documents, indent=4)

    to_json = to_text

    def to_records(self) -> list[Document]:
        return list(self.documents)

    def to_html(self) -> str:
        is_alone = len(self.documents) == 1
        return "".join(
            _html(str(document.get("Name") or document.get("Id", "")), document, is_alone)
            for document in self.documents
        )

    def __repr__(self) -> str:
        return self.to_text()


def _html(name: str, value: Any, is_open: bool = False) -> str:
    if isinstance(value, Mapping) and value:
        inner = "".join(_html(str(key), item) for key, item in value.items())
        indented = f'<div style="margin-left:1.5em;overflow-wrap:anywhere;">{inner}</div>'
        return html.details(name, indented, is_open)
    return f"<div><b>{html.text(name)}</b>: {html.breakable(json_text(value))}</div>"
