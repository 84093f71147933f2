"""From a request to the arguments of a function; what is wrong with it is said in a sentence."""

from __future__ import annotations

import typing
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from containerlab import errors
from containerlab.distribution.api.operation import Operation
from containerlab.oci.untrusted import UNREADABLE

__all__ = ["MAX_BODY", "arguments", "segments"]

MAX_BODY = 1 << 20
"""Bytes; no document of the API comes near."""
_MAX_PARAMETERS = 64
_NO_ZERO = "leave it out: names and texts end there for the system"


def segments(raw_path: bytes) -> tuple[str, ...]:
    """Return the decoded parts of a path; a %2F inside of one is no separator.

    Raises: InvalidInput.
    """
    return tuple(_text(unquote_to_bytes(part), "path") for part in raw_path.split(b"/"))


def arguments(operation: Operation, in_path: dict[str, str], query: bytes, body: bytes) -> dict[str, Any]:
    """Return what a function is called with, validated by the operation's types.

    Raises: InvalidInput.
    """
    found = _fields(_converted(in_path, operation.path_type, "path"))
    found |= _fields(_converted(_query(operation, query), operation.query_type, "query"))
    if kind := operation.body_type:
        value = _document(body, kind)
        found |= {operation.whole_body: value} if operation.whole_body else _fields(value)
    elif body:
        raise errors.InvalidInput("this operation takes no body")
    return found


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _query(operation: Operation, query: bytes) -> dict[str, Any]:
    pairs = [pair.partition(b"=") for pair in query.split(b"&") if pair]
    known = operation.query_type.__struct_fields__
    found: dict[str, Any] = {}
    if len(pairs) > _MAX_PARAMETERS:
        raise errors.InvalidInput(f"more than {_MAX_PARAMETERS} parameters")
    for raw_name, _, raw_value in pairs:
        name, value = _decoded(raw_name), _decoded(raw_value)
        if name not in known:
            raise errors.InvalidInput(f"no such parameter: {name[:80]}", errors.nearest(name[:80], known))
        if name in found:
            raise errors.InvalidInput(f"parameter {name} is given twice")
        found[name] = value
    return found


def _decoded(raw: bytes) -> str:
    return _text(unquote_to_bytes(raw.replace(b"+", b" ")), "query")


def _text(raw: bytes, where: str) -> str:
    if b"\0" in raw:
        raise errors.InvalidInput(f"the {where} has a zero byte", _NO_ZERO)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise errors.InvalidInput(f"the {where} is not UTF-8") from error


def _converted(given: dict[str, Any], kind: type[msgspec.Struct], where: str) -> msgspec.Struct:
    try:
        return msgspec.convert(given, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise errors.InvalidInput(f"{where}: {_sentence(error, kind)}") from error


def _document(body: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    if b"\\u0000" in body:
        raise errors.InvalidInput("the body has a zero byte", _NO_ZERO)
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise errors.InvalidInput(f"body: {_sentence(error, kind)}") from error


def _sentence(error: Exception, kind: type[msgspec.Struct] | None = None) -> str:
    r"""Say what msgspec found, with the place first.

    >>> _sentence(ValueError("Expected `int` >= 1 - at `$.limit`"))
    'limit: Expected `int` >= 1'
    """
    what, _, place = str(error).partition(" - at `")
    where = place.removesuffix("`").removeprefix("$").removeprefix(".")
    if "matching regex" in what and kind and (example := _example(where, kind)):
        what = f"write it like {example}"
    return f"{where}: {what}" if where else what


def _example(name: str, kind: type[msgspec.Struct]) -> str:
    """Return how a field is written: nobody reads a regular expression."""
    hint = typing.get_type_hints(kind, include_extras=True).get(name)
    metas = [each for part in (hint, *typing.get_args(hint)) for each in getattr(part, "__metadata__", ())]
    return next((str(each.examples[0]) for each in metas if getattr(each, "examples", None)), "")
