"""Calling an operation of a server: arguments become a request, the answer becomes a value or an error."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from containerlab import errors
from containerlab.distribution.api import problem
from containerlab.distribution.api.operation import PREFIX, Operation
from containerlab.oci.untrusted import UNREADABLE

__all__ = ["SCOPE", "Client"]

SCOPE = "registry:api:*"
"""What a token has to allow, where the registry wants one."""
_MOST, _MOST_LINE = 64 << 20, 1 << 20
_PIECE = 1 << 16
_ANSWERS = tuple(range(200, 600))
"""Every answer is read here, so that its problem becomes an error."""


class _Answer(Protocol):
    @property
    def status(self) -> int: ...

    def read(self, most: int, /) -> bytes: ...


class _Exchange(Protocol):
    def request(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = ...,
        headers: Mapping[str, str] = ...,
        body: bytes | None = ...,
        scope: str = ...,
        expect: Collection[int] = ...,
    ) -> AbstractContextManager[_Answer]: ...


class Client:
    """The API of one server, over an `Exchange` with it."""

    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    def call(self, operation: Operation, given: Mapping[str, Any]) -> Any:
        """Carry out an operation.

        Raises: the LabError that the server's function raised.
        """
        if operation.streams:
            return self._lines(operation, given)
        with self._request(operation, given) as answer:
            body = _whole(answer)
        if answer.status >= 300:
            raise problem.error_of(answer.status, body)
        return None if operation.answer_type is None else _decoded(body, operation.answer_type)

    def _request(self, operation: Operation, given: Mapping[str, Any]) -> AbstractContextManager[_Answer]:
        plain = msgspec.to_builtins(dict(given))
        others = {name: value for name, value in plain.items() if name not in operation.in_path}
        body = None
        try:
            named = {name: quote(str(plain[name]), safe="") for name in operation.in_path}
            if operation.has_body:
                body = msgspec.json.encode(others.get(operation.whole_body, others))
        except UnicodeEncodeError as error:
            raise errors.InvalidInput(
                f"{str(error.object)[:80]!r} is not text", "write it in UTF-8"
            ) from error
        path = operation.path.format(**named)
        return self._exchange.request(
            operation.method,
            f"{PREFIX}{path}",
            query=[] if operation.has_body else list(_words(others)),
            headers={"Accept": "application/json", **({"Content-Type": "application/json"} if body else {})},
            body=body,
            scope=SCOPE,
            expect=_ANSWERS,
        )

    def _lines(self, operation: Operation, given: Mapping[str, Any]) -> Iterator[Any]:
        with self._request(operation, given) as answer:
            if answer.status >= 300:
                raise problem.error_of(answer.status, _whole(answer))
            rest = b""
            while piece := answer.read(_PIECE):
                *lines, rest = (rest + piece).split(b"\n")
                if len(rest) > _MOST_LINE:
                    raise errors.CorruptContent(
                        f"a line of the registry's answer has more than {_MOST_LINE} bytes"
                    )
                for line in lines:
                    yield _decoded(line, operation.answer_type)


def _words(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in given.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if each is not None:
                yield name, str(each).lower() if isinstance(each, bool) else str(each)


def _whole(answer: _Answer) -> bytes:
    pieces = []
    total = 0
    while piece := answer.read(_PIECE):
        pieces.append(piece)
        total += len(piece)
        if total > _MOST:
            raise errors.CorruptContent(f"the registry's answer has more than {_MOST} bytes")
    return b"".join(pieces)


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise errors.CorruptContent(
            f"the registry's answer cannot be read: {error}", "is this a registry of containerlab's?"
        ) from error
