"""What a monitor writes down: the container's state, and what happened to it."""

from __future__ import annotations

import json
import time
from typing import Any

from containerlab.linux.files import append, missing_where_full, read_whole, write_atomically

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
            path = self._directory + "/state.json"
            write_atomically(path, json.dumps(self.state).encode(), durable=durable)

    def earlier(self) -> dict[str, Any]:
        """Read what was written last, by this monitor or by one before it; empty for nothing."""
        try:
            return dict(json.loads(read_whole(self._directory + "/state.json")))
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
