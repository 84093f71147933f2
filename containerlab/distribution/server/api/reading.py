"""From a request to the arguments of a function; what is wrong with it is said in a sentence."""

from __future__ import annotations

import re
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
        raise errors.InvalidInput(_sentence(error, kind, where)) from error


def _document(body: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    if b"\\u0000" in body:
        raise errors.InvalidInput("the body has a zero byte", _NO_ZERO)
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise errors.InvalidInput(_sentence(error, kind, "body")) from error


def _sentence(error: Exception, kind: type[msgspec.Struct] | None = None, whole: str = "") -> str:
    r"""Say what msgspec found, with the place first, in words of people.

    >>> _sentence(ValueError("Expected `int` >= 1 - at `$.limit`"))
    'limit: has to be 1 or more'
    >>> _sentence(ValueError("Expected `str` of length >= 8 - at `$.password`"))
    'password: needs 8 characters or more'
    """
    what, _, place = str(error).partition(" - at `")
    where = place.removesuffix("`").removeprefix("$").removeprefix(".")
    hint = typing.get_type_hints(kind, include_extras=True).get(where) if kind else None
    if "matching regex" in what and (example := _example(hint)):
        what = f"write it like {example}"
    elif what.startswith("Invalid enum value") and (words := _words(hint)):
        what = f"{what.removeprefix('Invalid enum value ')} is not known: one of {', '.join(words)}"
    for found, said in _SAID:
        what = found.sub(said, what)
    return f"{where or whole}: {what}"


_SAID = tuple(
    (re.compile(found), said)
    for found, said in (
        (r"Expected `\w+` of length >= (\d+)", r"needs \1 characters or more"),
        (r"Expected `\w+` of length <= (\d+)", r"takes \1 characters at most"),
        (r"Expected `\w+` >= (\S+)", r"has to be \1 or more"),
        (r"Expected `\w+` <= (\S+)", r"has to be \1 or less"),
    )
)


def _words(hint: Any) -> tuple[str, ...]:
    """Return the words of the literal in a type."""
    if typing.get_origin(hint) is typing.Literal:
        return typing.get_args(hint)
    return next((found for each in typing.get_args(hint) if (found := _words(each))), ())


def _example(hint: Any) -> str:
    """Return how a field is written: nobody reads a regular expression."""
    metas = [each for part in (hint, *typing.get_args(hint)) for each in getattr(part, "__metadata__", ())]
    return next((str(each.examples[0]) for each in metas if getattr(each, "examples", None)), "")
