"""QEMU's own protocol, without the socket: what to send, and what comes of what has arrived.

Source: QEMU, docs/interop/qmp-spec.txt. Only the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from containerlab.errors import LabError

__all__ = ["Qmp", "QmpFailed"]

_MOST_BYTES = 1 << 24
Then = Callable[[Any], None]
"""Takes what a command returned, or the `QmpFailed` that it was refused with."""


class QmpFailed(LabError):
    """QEMU did not do what it was told."""


class Qmp:
    """One conversation.

    send: takes bytes for QEMU, and descriptors that go with them. on_event: takes the name and the data of
    what QEMU tells by itself.
    """

    def __init__(
        self,
        send: Callable[[bytes, Sequence[int]], None],
        on_event: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._send = send
        self._on_event = on_event
        self._buffer = bytearray()
        self._waiting: dict[int, Then] = {}
        self._count = 0
        # QEMU reads this when it is up; nobody need wait for its greeting.
        self.command("qmp_capabilities")

    def command(
        self, name: str, then: Then | None = None, descriptors: Sequence[int] = (), **arguments: Any
    ) -> None:
        """Tell QEMU to do something; `_` in the name of an argument stands for `-`."""
        told = {name.replace("_", "-"): value for name, value in arguments.items()}
        self.ask({"execute": name, **({"arguments": told} if told else {})}, then, descriptors)

    def ask(self, document: dict[str, Any], then: Then | None, descriptors: Sequence[int] = ()) -> None:
        """Send a command as QEMU writes it down."""
        self._count += 1
        if then is not None:
            self._waiting[self._count] = then
        self._send(json.dumps({**document, "id": self._count}).encode() + b"\n", descriptors)

    def feed(self, data: bytes) -> None:
        """Take what has arrived. Raises: QmpFailed when it is no QMP."""
        self._buffer += data
        while (end := self._buffer.find(b"\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._take(line)
        if len(self._buffer) > _MOST_BYTES:
            raise QmpFailed("QEMU says more than anybody asked for")

    def _take(self, line: bytes) -> None:
        document = _document(line)
        name, data = document.get("event"), document.get("data", {})
        if isinstance(name, str) and isinstance(data, dict):
            self._on_event(name, data)
        elif isinstance(number := document.get("id"), int) and (then := self._waiting.pop(number, None)):
            then(_outcome(document))


def _document(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise QmpFailed(f"QEMU says what is no QMP: {line[:80]!r}") from error
    if not isinstance(document, dict):
        raise QmpFailed(f"QEMU says what is no QMP: {line[:80]!r}")
    return document


def _outcome(document: dict[str, Any]) -> Any:
    if error := document.get("error"):
        reason = error.get("desc") if isinstance(error, dict) else None
        return QmpFailed(f"QEMU refused: {reason or 'no reason given'}")
    return document.get("return")
