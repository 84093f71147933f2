"""The operations of the API for a visitor: the same functions and checks as over HTTP, called here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import msgspec

from containerlab import errors
from containerlab.distribution.api.client import Client
from containerlab.distribution.api.operation import Operation
from containerlab.distribution.server.api.binding import Bound, bound
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = ["InProcess"]


class InProcess(Client):
    """Carries operations out as one visitor."""

    def __init__(self, registry: Registry, identity: Identity) -> None:
        self._registry, self._identity = registry, identity

    def call(self, operation: Operation, given: Mapping[str, Any]) -> Any:
        """Carry out an operation.

        Raises: InvalidInput for what the operation's types refuse; what its function raises.
        """
        plain = msgspec.to_builtins(dict(given))
        checked: dict[str, Any] = {}
        for kind in (operation.path_type, operation.query_type):
            checked |= _fields(_converted(plain, kind))
        if body := operation.body_type:
            whole = operation.whole_body
            checked |= {whole: _converted(plain[whole], body)} if whole else _fields(_converted(plain, body))
        return _functions()[operation.name].function(self._registry, self._identity, **checked)


@functools.cache
def _functions() -> dict[str, Bound]:
    return {each.operation.name: each for each in bound()}


def _converted(given: Mapping[str, Any], kind: type[msgspec.Struct]) -> msgspec.Struct:
    known = {name: value for name, value in given.items() if name in kind.__struct_fields__}
    try:
        return msgspec.convert(known, type=kind, strict=False)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `")
        name = place.removesuffix("`").removeprefix("$.").replace("_", " ")
        raise errors.InvalidInput(f"{name or 'the form'} is not as it has to be: {what[:300]}") from error


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}
