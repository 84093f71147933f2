"""Dockerfile instructions that change an image's configuration, for `commit` and `import`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from containerlab.errors import InvalidInput, nearest

__all__ = ["config"]


def config(instructions: Sequence[str]) -> dict[str, Any]:
    """Return the fields of the image configuration that instructions set; lists and maps are to be added.

    >>> config(['CMD ["sh", "-c"]', "ENV A=1", "USER nobody"])
    {'Cmd': ['sh', '-c'], 'Env': ['A=1'], 'User': 'nobody'}
    """
    fields: dict[str, Any] = {}
    for line in instructions:
        word, _, rest = line.strip().partition(" ")
        if word.upper() not in _READERS:
            hint = nearest(word.upper(), _READERS) or f"one of {', '.join(_READERS)}"
            raise InvalidInput(f"--change: cannot use {line!r}", hint)
        field, read = _READERS[word.upper()]
        _merge(fields, field, read(rest.strip()))
    return fields


def _merge(fields: dict[str, Any], field: str, value: Any) -> None:
    if field in ("Env", "Labels", "Volumes", "ExposedPorts") and field in fields:
        value = fields[field] + value if isinstance(value, list) else {**fields[field], **value}
    fields[field] = value


def _command(text: str) -> list[str]:
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError as error:
            raise InvalidInput(
                f"--change: not a JSON list: {text}", 'write ["program", "argument"]'
            ) from error
        return [str(word) for word in words]
    return ["/bin/sh", "-c", text]


def _pairs(text: str) -> list[str]:
    words = shlex.split(text)
    if all("=" in word for word in words):
        return words
    key, _, value = text.partition(" ")
    return [f"{key}={value}"]


def _labels(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in _pairs(text))


def _set(text: str) -> dict[str, dict[str, str]]:
    words = json.loads(text) if text.startswith("[") else text.split()
    return {str(word): {} for word in words}


def _ports(text: str) -> dict[str, dict[str, str]]:
    return {port if "/" in port else f"{port}/tcp": {} for port in text.split()}


_READERS: dict[str, tuple[str, Any]] = {
    "CMD": ("Cmd", _command),
    "ENTRYPOINT": ("Entrypoint", _command),
    "ENV": ("Env", _pairs),
    "EXPOSE": ("ExposedPorts", _ports),
    "LABEL": ("Labels", _labels),
    "STOPSIGNAL": ("StopSignal", str),
    "USER": ("User", str),
    "VOLUME": ("Volumes", _set),
    "WORKDIR": ("WorkingDir", str),
}
