"""Text to bytes, seconds, cores, signals, moments, counts, and back.

Every function takes what a user may write (text or a number) and returns the one form the rest of the
package uses; it is the identity on that form, so a value can pass twice. What it cannot read is InvalidInput.
"""

from __future__ import annotations

import math
import re
import signal
import time

from containerlab.errors import InvalidInput, nearest

__all__ = [
    "cores",
    "count",
    "format_age",
    "format_count",
    "format_seconds",
    "format_size",
    "later",
    "moment",
    "seconds",
    "signal_name",
    "signal_number",
    "size",
    "switch",
]

_SIZE = r"(\d+(?:\.\d+)?) ?([kmgtpe])?(?:i?b)?"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5, "e": 6}
_LARGEST = 2**63 - 1


def size(value: int | float | str) -> int:
    """Read a number of bytes; k, m, g … are powers of 1024 as Docker has them.

    >>> size("64m"), size("1.5GiB"), size(4096)
    (67108864, 1610612736, 4096)
    """
    match = re.fullmatch(_SIZE, _text(value, "size"), re.IGNORECASE)
    if not match:
        raise InvalidInput(f"not a size: {value!r}", "write bytes or a number with k, m, g: 512k, 64m, 1.5g")
    number, power = match[1], _POWERS[(match[2] or "").lower()]
    result = int(number) * 1024**power if number.isdigit() else int(float(number) * 1024**power)
    if result > _LARGEST:
        raise InvalidInput(f"size too large: {value!r}", "sizes go up to 8 EiB")
    return result


def _text(value: object, kind: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise InvalidInput(f"not a {kind}: {value!r}", "give text or a number")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return f"{value:f}" if isinstance(value, float) else str(value).strip()


def format_size(size_bytes: float) -> str:
    """Write a number of bytes with at most four digits.

    >>> format_size(67108864), format_size(1536), format_size(7)
    ('64 MiB', '1.5 KiB', '7 B')
    """
    amount, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if abs(amount) < 1023.95:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.{0 if unit == 'B' or abs(amount) >= 100 else 1}f}".removesuffix(".0") + f" {unit}"


_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PIECE = r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h|d)"


def seconds(value: int | float | str) -> float:
    """Read a duration; a bare number is seconds.

    >>> seconds("1m30s"), seconds("500ms"), seconds(2)
    (90.0, 0.5, 2.0)
    """
    text = _text(value, "duration")
    try:
        result = float(text)
    except ValueError:
        pieces = re.findall(_PIECE, text)
        if not pieces or "".join(number + unit for number, unit in pieces) != text:
            raise InvalidInput(f"not a duration: {value!r}", "write it as 10s, 1m30s or 500ms") from None
        result = math.fsum(float(number) * _SECONDS[unit] for number, unit in pieces)
    if not 0 <= result < 1e15:
        raise InvalidInput(f"not a duration: {value!r}", "it must be a number of seconds, 0 or more")
    return result


def format_seconds(duration_s: float) -> str:
    """Write a duration for people.

    >>> format_seconds(0.0123), format_seconds(1.25), format_seconds(75), format_seconds(7300)
    ('12 ms', '1.2 s', '1 min 15 s', '2 h 1 min')
    """
    if duration_s < 0.0995:
        return f"{duration_s * 1000:.0f} ms" if duration_s >= 0.00095 else f"{duration_s * 1e6:.0f} µs"
    if duration_s < 59.95:
        return f"{duration_s:.1f} s"
    minutes, rest_s = divmod(round(duration_s), 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def format_count(number: int, noun: str) -> str:
    """Write how many there are of something.

    >>> format_count(1, "layer"), format_count(3, "layer"), format_count(0, "copy")
    ('1 layer', '3 layers', '0 copies')
    """
    if number == 1:
        return f"1 {noun}"
    is_y = noun.endswith("y") and noun[-2] not in "aeiou"
    return f"{number} {noun[:-1]}ies" if is_y else f"{number} {noun}s"


def format_age(then: float, now: float | None = None) -> str:
    """Write how long ago a moment (seconds since the epoch) was.

    >>> format_age(100.0, now=145.0), format_age(0.0, now=90000.0)
    ('45 seconds ago', '25 hours ago')
    """
    age_s = max(0, int((time.time() if now is None else now) - then))
    length_s, unit = next((length_s, unit) for limit_s, length_s, unit in _AGES if age_s < limit_s)
    return f"{format_count(age_s // length_s, unit)} ago"


_DAY_S = 86400
_AGES = (
    (60, 1, "second"),
    (3600, 60, "minute"),
    (2 * _DAY_S, 3600, "hour"),
    (60 * _DAY_S, _DAY_S, "day"),
    (math.inf, 30 * _DAY_S, "month"),
)
"""Up to which age, how long the unit is, its name."""


def cores(value: int | float | str) -> float:
    """Read a number of processor cores; 0 is no limit.

    >>> cores("0.5"), cores(2)
    (0.5, 2.0)
    """
    try:
        result = float(_text(value, "number of cores"))
    except ValueError:
        result = math.nan
    if not 0 <= result <= 1e6:
        raise InvalidInput(f"not a number of cores: {value!r}", "write 0.5, 1 or 2.25")
    return result


def count(value: int | str, least: int = 0, most: int = _LARGEST) -> int:
    """Read a whole number between `least` and `most`.

    >>> count("50"), count(-1, least=-1)
    (50, -1)
    """
    try:
        result = int(_text(value, "whole number"))
    except ValueError:
        raise InvalidInput(f"not a whole number: {value!r}", "write digits only") from None
    if not least <= result <= most:
        limits = f"{least} or more" if most == _LARGEST else f"between {least} and {most}"
        raise InvalidInput(f"number out of range: {value!r}", f"it must be {limits}")
    return result


_SWITCHES = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


def switch(value: bool | str) -> bool:
    """Read yes or no as Docker spells it.

    >>> switch("true"), switch(False)
    (True, False)
    """
    answer = value if isinstance(value, bool) else _SWITCHES.get(str(value).lower())
    if answer is None:
        raise InvalidInput(f"not true or false: {value!r}", "write true or false")
    return answer


_REALTIME = r"(RTMIN|RTMAX)(?:([+-])(\d+))?"


def signal_number(value: int | str) -> int:
    """Read a signal.

    >>> signal_number("TERM"), signal_number("SIGKILL"), signal_number("15"), signal_number("RTMIN+3")
    (15, 9, 15, 37)
    """
    text = _text(value, "signal").upper()
    name = text.removeprefix("SIG")
    realtime = re.fullmatch(_REALTIME, name)
    if name.isdigit():
        number = int(name)
    elif realtime:
        start = signal.SIGRTMIN if realtime[1] == "RTMIN" else signal.SIGRTMAX
        number = start + int(f"{realtime[2] or '+'}{realtime[3] or 0}")
    else:
        number = getattr(signal.Signals.__members__.get(f"SIG{name}"), "value", 0)
    if not 1 <= number <= signal.SIGRTMAX:
        known = [known.removeprefix("SIG") for known in signal.Signals.__members__]
        raise InvalidInput(f"no such signal: {value}", nearest(name, known) or "write TERM, SIGTERM or 15")
    return number


def signal_name(number: int) -> str:
    """Write a signal as its name.

    >>> signal_name(15), signal_name(37)
    ('SIGTERM', 'SIGRTMIN+3')
    """
    if signal.SIGRTMIN <= number <= signal.SIGRTMAX:
        offset = number - signal.SIGRTMIN
        return f"SIGRTMIN+{offset}" if offset else "SIGRTMIN"
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def moment(value: int | float | str, now: float | None = None) -> float:
    """Read a moment as seconds since the epoch: RFC 3339, a unix time, or how long ago.

    A time without a zone is local, as Docker reads it.

    >>> moment("1970-01-01T00:01:00Z"), moment("10m", now=1000.0), moment("1700000000.5")
    (60.0, 400.0, 1700000000.5)
    """
    text = _text(value, "time")
    try:
        return float(text)
    except ValueError:
        pass
    if re.match(_PIECE, text):
        return (time.time() if now is None else now) - seconds(text)
    return _calendar_moment(text)


def later(value: int | float | str, now: float | None = None) -> float:
    """Read a moment to come as seconds since the epoch: RFC 3339, a unix time, or how long from now.

    >>> later("1970-01-01T00:01:00Z"), later("10m", now=1000.0), later(1700000000)
    (60.0, 1600.0, 1700000000.0)
    """
    text = _text(value, "time")
    if re.match(_PIECE, text):
        return (time.time() if now is None else now) + seconds(text)
    return moment(text)


# Python 3.11's fromisoformat reads at most six digits of a second; RFC 3339 times have nine in Docker's logs.
_FRACTION = r"(\.\d{6})\d+"


def _calendar_moment(text: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(re.sub(_FRACTION, r"\1", text)).timestamp()
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"not a time: {text!r}", "write 2026-01-31T12:00:00Z, a unix time, or how long ago as 10m"
        ) from None
