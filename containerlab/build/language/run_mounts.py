"""What `RUN --mount=…` and `RUN --device=…` say.

Source: Dockerfile reference, "RUN --mount" and "RUN --device".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from containerlab import units
from containerlab.build import csv_fields
from containerlab.build.truth import truth
from containerlab.errors import InvalidInput, nearest

__all__ = ["Device", "RunMount", "check", "device", "parse"]

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARINGS = ("shared", "private", "locked")
_LARGEST_ID = 2**32 - 1


class RunMount(msgspec.Struct, frozen=True, kw_only=True):
    """A mount for the time of one RUN."""

    type: str = "bind"
    """bind, cache, tmpfs, secret or ssh."""
    from_: str = ""
    """Stage, image or named context that the files come from; "" for the context."""
    source: str = ""
    target: str = ""
    """As written; "" when not given."""
    is_read_only: bool = True
    id: str = ""
    """Of a cache, secret or ssh agent; "" when not given."""
    sharing: str = ""
    """Of a cache: shared, private or locked; "" when not given, which is shared."""
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    size_bytes: int = 0
    """Of a tmpfs; 0 for no limit of its own."""
    is_required: bool = False
    """Whether a secret or agent that is not there ends the build."""
    variable: str | None = None
    """The environment variable that a secret is given in, None for a file alone."""


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device for one RUN, by its CDI name."""

    name: str = ""
    is_required: bool = False


def parse(value: str, expand: Callable[[str], str] | None = None) -> RunMount:
    """Read the value of a --mount; `expand` replaces the variables in each option's value.

    Raises: InvalidInput for an unknown key, naming the nearest, and for a value that does not fit.

    >>> parse("type=cache,target=/root/.cache,sharing=locked").sharing
    'locked'
    """
    options: dict[str, object] = {"type": "bind"}
    for field in _fields(value):
        key, equals, text = field.partition("=")
        key = key.lower()
        if equals:
            text = expand(text) if expand else text
        elif key not in _SWITCHES:
            raise InvalidInput(f"invalid field {field!r} must be a key=value pair", nearest(key, _SWITCHES))
        _put(options, key, text if equals else "true", field)
    return _checked(options)


def check(value: str) -> None:
    """Look only at what cannot depend on variables.

    Raises: InvalidInput for quotes that do not fit and for a `from` with a variable.
    """
    for field in _fields(value):
        key, _, text = field.partition("=")
        if key.lower() == "from" and "$" in text[:-1]:
            hint = "define an alias stage: FROM ${image} AS name"
            raise InvalidInput("'from' doesn't support variable expansion", hint)


def device(value: str) -> Device:
    """Read the value of a --device.

    Raises: InvalidInput.
    """
    name, is_required = "", False
    for field in _fields(value):
        key, equals, text = field.partition("=")
        if key.lower() == "required":
            is_required = _switch(key, text if equals else "true")
        elif key.lower() == "name" and equals:
            if name:
                raise InvalidInput(f"device name already set to {name}")
            name = text
        elif not name:
            name = field
        else:
            hint = nearest(key.lower(), ("name", "required")) or "one of name, required"
            raise InvalidInput(f"unexpected key {key!r} in {field!r}", hint)
    return Device(name=name, is_required=is_required)


def _fields(value: str) -> list[str]:
    if not value:
        raise InvalidInput("the value is empty")
    return csv_fields.fields(value, repr(value))


def _put(options: dict[str, object], key: str, text: str, field: str) -> None:
    name = _NAMES.get(key, key)
    reader = _READERS.get(name)
    if reader is None:
        raise InvalidInput(f"unexpected key {key!r} in {field!r}", nearest(key, [*_READERS, *_NAMES]))
    only = _ONLY_FOR.get(name)
    if only and options["type"] not in only:
        raise InvalidInput(f"unexpected key {key!r} for mount type {options['type']!r}")
    options[name] = reader(key, text)


def _checked(options: dict[str, object]) -> RunMount:
    kind = str(options["type"])
    for name in ("mode", "uid", "gid"):
        if name in options and kind in ("bind", "tmpfs"):
            raise InvalidInput(f"{name} not allowed for {kind} mounts")
    if "sharing" in options and kind != "cache":
        raise InvalidInput(f"a {kind} mount cannot define sharing", "only a cache does")
    if kind == "secret":
        _check_secret(options)
    if "variable" in options and kind != "secret":
        raise InvalidInput(f"a {kind} mount cannot define env", "only a secret does")
    writable = options.pop("readwrite", None)
    if writable is not None:
        options["is_read_only"] = not writable
    options.setdefault("is_read_only", kind not in ("cache", "tmpfs"))
    return msgspec.convert(options, RunMount)


def _check_secret(options: dict[str, object]) -> None:
    if options.get("from_"):
        raise InvalidInput("a secret mount cannot have a from")
    if not any(options.get(name) for name in ("source", "target", "id", "variable")):
        raise InvalidInput("a secret mount needs an id, a target or an env")
    if options.get("source") and options.get("id"):
        raise InvalidInput("a secret mount cannot have both source and id")


def _text(key: str, value: str) -> str:
    return value


def _switch(key: str, value: str) -> bool:
    said = truth(value)
    if said is None:
        raise InvalidInput(f"invalid value for {key}: {value!r}", "it is true or false")
    return said


def _among(known: Iterable[str]) -> Callable[[str, str], str]:
    words = tuple(known)

    def read(key: str, value: str) -> str:
        if value.lower() not in words:
            hint = nearest(value.lower(), words) or f"one of {', '.join(words)}"
            raise InvalidInput(f"unsupported mount {key} {value!r}", hint)
        return value.lower()

    return read


def _number(base: int) -> Callable[[str, str], int]:
    digits = re.compile(r"[0-7]{1,11}" if base == 8 else r"[0-9]{1,10}")

    def read(key: str, value: str) -> int:
        if not digits.fullmatch(value) or int(value, base) > _LARGEST_ID:
            raise InvalidInput(
                f"invalid value {value[:80]!r} for {key}", "octal, as 0755" if base == 8 else "a number"
            )
        return int(value, base)

    return read


def _size(key: str, value: str) -> int:
    return units.size(value)


_SWITCHES = ("readonly", "ro", "readwrite", "rw", "required")
_NAMES = {
    "from": "from_",
    "src": "source",
    "dst": "target",
    "destination": "target",
    "readonly": "is_read_only",
    "ro": "is_read_only",
    "rw": "readwrite",
    "size": "size_bytes",
    "required": "is_required",
    "env": "variable",
}
_READERS: dict[str, Callable[[str, str], object]] = {
    "type": _among(_TYPES),
    "from_": _text,
    "source": _text,
    "target": _text,
    "is_read_only": _switch,
    "readwrite": _switch,
    "id": _text,
    "sharing": _among(_SHARINGS),
    "mode": _number(8),
    "uid": _number(10),
    "gid": _number(10),
    "size_bytes": _size,
    "is_required": _switch,
    "variable": _text,
}
_ONLY_FOR = {"size_bytes": ("tmpfs",), "is_required": ("secret", "ssh")}
