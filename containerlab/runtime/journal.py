"""What a monitor writes down: the container's state, and what happened to it."""

from __future__ import annotations

import json
import time
from typing import Any

from containerlab.linux.files import (
    append,
    is_full,
    missing_where_full,
    read_whole,
    write_atomically,
    write_over,
)

__all__ = ["Journal"]


class Journal:
    """The state of one container, in memory and in its directory; without a directory only in memory."""

    def __init__(self, directory: str, events: str, labels: tuple[str, str, str]) -> None:
        self.state: dict[str, Any] = {"restarts": 0}
        self._directory = directory
        self._events = events
        self._labels = labels

    def update(self, **changes: Any) -> None:
        """Change the state in memory."""
        self.state.update(changes)

    def write(self, *, durable: bool = False, **changes: Any) -> None:
        """Change the state and write it; `durable`: so that it outlives a power cut."""
        self.update(**changes)
        if self._directory:
            write_atomically(self._path, self._document(), durable=durable)

    def write_last(self) -> None:
        """Write how the container ended; on a full disk over what stood there: it has its block already."""
        if not self._directory:
            return
        try:
            write_atomically(self._path, self._document(), durable=True)
        except OSError as error:
            if not is_full(error):
                raise
            with missing_where_full():
                write_over(self._path, self._document())

    @property
    def _path(self) -> str:
        return self._directory + "/state.json"

    def _document(self) -> bytes:
        return json.dumps(self.state).encode()

    def earlier(self) -> dict[str, Any]:
        """Read what was written last, by this monitor or by one before it; empty for nothing."""
        try:
            return dict(json.loads(read_whole(self._path)))
        except FileNotFoundError:
            return {}

    def emit(self, action: str, **attributes: str) -> None:
        """Append an event."""
        if not self._events:
            return
        container, name, image = self._labels
        event = {
            "time": time.time(),
            "kind": "container",
            "action": action,
            "id": container,
            "attributes": {"name": name, "image": image, **attributes},
        }
        with missing_where_full():
            append(self._events, json.dumps(event).encode() + b"\n")
