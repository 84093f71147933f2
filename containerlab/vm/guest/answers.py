"""What a guest says, taken with care: whoever controls it may say anything.

Only the keys that `wire` names are kept, numbers are numbers of a sensible size, and texts are such that a
terminal can show them. Only the standard library.
"""

from __future__ import annotations

import re

from containerlab.vm.guest import wire

__all__ = ["count", "printable", "refuse_unknown", "understood"]

_TEXT_LENGTH, _WORD_LENGTH = 400, 80
_LARGEST = 10**18
_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|[()][A-Z0-9]|[=>78cDEHM])")
"""What terminals take as an order. Source: ECMA-48, and xterm's control sequences."""

_NUMBERS = {
    wire.HELLO: {"uptime_usec": _LARGEST},
    wire.STARTED: {"pid": 1 << 31},
    wire.EXITED: {"code": 255, "cpu_usec": _LARGEST, "peak_rss_bytes": _LARGEST, "oom_killed": 1},
    wire.FAILED: {"errno": 4095},
    wire.MEASURED: dict.fromkeys(
        ("memory_total_bytes", "memory_available_bytes", "cpu_usec", "idle_usec", "processes"), _LARGEST
    ),
}
_TEXTS = {
    wire.HELLO: {"version": _WORD_LENGTH, "release": _WORD_LENGTH},
    wire.FAILED: {"step": _WORD_LENGTH, "text": _TEXT_LENGTH},
}
_OF_MACHINE = {wire.HELLO, wire.PONG, wire.MEASURED, wire.READY, wire.FAILED}
_OF_PROCESS = {wire.STDOUT, wire.STDERR, wire.STARTED, wire.EXITED, wire.FAILED, wire.TAKEN}


def refuse_unknown(kind: int, stream: int) -> None:
    """Raise ValueError for a kind that no guest says on such a stream."""
    if kind not in (_OF_PROCESS if stream else _OF_MACHINE):
        raise ValueError(f"kind {kind} of stream {stream}")


def understood(kind: int, payload: bytes) -> dict[str, str]:
    """Return the pairs that a frame of a kind has; nothing for a kind without pairs.

    >>> understood(wire.EXITED, b"code" + bytes(1) + b"3" + bytes(1) + b"x" + bytes(1) + b"y" + bytes(1))
    {'code': '3'}

    Raises: ValueError for what are no pairs, no numbers, or no exit code.
    """
    numbers, texts = _NUMBERS.get(kind, {}), _TEXTS.get(kind, {})
    if not numbers and not texts:
        return {}
    said = dict(wire.unpaired(payload))
    if kind == wire.EXITED and "code" not in said:
        raise ValueError("an end without an exit code")
    found = {key: str(_number(said[key], most)) for key, most in numbers.items() if key in said}
    return found | {key: printable(said[key], most) for key, most in texts.items() if key in said}


def count(payload: bytes) -> int:
    """Return the number that a payload is. Raises: ValueError."""
    return _number(payload[:40].decode(errors="replace"), _LARGEST)


def _number(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
        raise ValueError(f"the number {printable(text, 40)!r}")
    return int(text)


def printable(text: str, most: int) -> str:
    """Return a line that a terminal can show, of so many characters at most.

    >>> printable("\\x1b[31mred\\x1b[0m", 80)
    'red'
    """
    plain = _SEQUENCE.sub("", text[: 8 * most]).expandtabs()
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in plain)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
