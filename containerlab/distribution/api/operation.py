"""An operation of the API, written once: as a method of its noun.

    class Events(Noun):
        @operation("GET /events", who="account")
        def list(self, *, repository: RepositoryName | None = None, limit: Limit = 100) -> Page[Event]:
            '''List what happened, newest first.'''

The method is what Python calls: it goes to the server. From its signature come the parameters: those that
the path names are in the path, the others in the query of GET and DELETE, in the JSON body of the rest (one
that is a Struct by itself is the body). Its types validate on the server, and are the schemas of the OpenAPI
document; its docstring is the help. The server says with `serves` which function carries it out.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

import msgspec

if TYPE_CHECKING:
    from containerlab.distribution.api.client import Client

__all__ = ["PREFIX", "Noun", "Operation", "Who", "operation", "operations"]

PREFIX = "/api/v1"

Who = Literal["anybody", "account", "read", "write", "manage", "administrator"]
"""Who may: anybody; who signed in; who has a right to what it concerns; who administers the registry.

This is for readers; the function itself checks.
"""

Given = ParamSpec("Given")
Result = TypeVar("Result")
_Noun = TypeVar("_Noun", bound="Noun")
_NAMED = re.compile(r"\{(\w+)\}")


class Noun:
    """The operations on one kind of thing, at one server."""

    def __init__(self, client: Client) -> None:
        self._client = client


class Operation:
    """One operation: how it is called over HTTP."""

    def __init__(self, method: str, path: str, who: Who, status: int, declared: Callable[..., Any]) -> None:
        self.method, self.path, self.who, self._status = method, path, who, status
        self.declared = declared

    @property
    def name(self) -> str:
        """As `events.list`; unique."""
        noun, _, verb = self.declared.__qualname__.partition(".")
        return f"{noun[0].lower()}{noun[1:]}.{verb}"

    @property
    def noun(self) -> str:
        return self.declared.__qualname__.partition(".")[0]

    @property
    def help(self) -> str:
        """The docstring: a line, and perhaps more."""
        return inspect.cleandoc(self.declared.__doc__ or "")

    @cached_property
    def _hints(self) -> dict[str, Any]:
        return typing.get_type_hints(self.declared, include_extras=True)

    @cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self.declared)

    @cached_property
    def in_path(self) -> tuple[str, ...]:
        """Names of the parameters in the path, in order."""
        return tuple(_NAMED.findall(self.path))

    @property
    def parameters(self) -> dict[str, tuple[Any, Any]]:
        """Type and default (msgspec.NODEFAULT if it is required) of each parameter."""
        given = list(self._signature.parameters.values())[1:]
        empty = inspect.Parameter.empty
        return {
            each.name: (
                self._hints[each.name],
                msgspec.NODEFAULT if each.default is empty else each.default,
            )
            for each in given
        }

    @cached_property
    def path_type(self) -> type[msgspec.Struct]:
        return self._struct("Path", self.in_path)

    @property
    def _others(self) -> tuple[str, ...]:
        return tuple(name for name in self.parameters if name not in self.in_path)

    @property
    def has_body(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH") and bool(self._others)

    @cached_property
    def query_type(self) -> type[msgspec.Struct]:
        return self._struct("Query", () if self.has_body else self._others)

    @cached_property
    def whole_body(self) -> str:
        """Name of the parameter that is the body, or empty when each is one of its fields."""
        if self.has_body and len(self._others) == 1:
            (name,) = self._others
            hint = self._hints[name]
            if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
                return name
        return ""

    @cached_property
    def body_type(self) -> type[msgspec.Struct] | None:
        if not self.has_body:
            return None
        if self.whole_body:
            whole: type[msgspec.Struct] = self._hints[self.whole_body]
            return whole
        return self._struct("Request", self._others)

    @property
    def answer_type(self) -> Any:
        """What it answers; of one that `streams`, each line. None: nothing."""
        hint = self._hints["return"]
        return typing.get_args(hint)[0] if self.streams else None if hint is type(None) else hint

    @cached_property
    def streams(self) -> bool:
        """Whether it answers one JSON document a line, as many as there are."""
        return typing.get_origin(self._hints["return"]) is Iterator

    @property
    def status(self) -> int:
        return 204 if self.answer_type is None else self._status

    def bind(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Return what was given by parameter, without what was not."""
        found = dict(self._signature.bind(None, *arguments, **named).arguments)
        del found["self"]
        return found

    def _struct(self, suffix: str, names: tuple[str, ...]) -> type[msgspec.Struct]:
        known = self.parameters
        return msgspec.defstruct(
            "".join(word.capitalize() for word in re.split(r"[._]", self.name)) + suffix,
            [(name, *known[name]) for name in names],
            kw_only=True,
            frozen=True,
            forbid_unknown_fields=True,
        )


def operation(
    route: str, *, who: Who, status: int = 200
) -> Callable[[Callable[Concatenate[_Noun, Given], Result]], Callable[Concatenate[_Noun, Given], Result]]:
    """Make a method an operation; `route` as "GET /events/{id}"."""
    method, _, path = route.partition(" ")

    def declare(
        declared: Callable[Concatenate[_Noun, Given], Result],
    ) -> Callable[Concatenate[_Noun, Given], Result]:
        known = Operation(method, path, who, status, declared)

        def call(self: _Noun, /, *arguments: Given.args, **named: Given.kwargs) -> Result:
            result: Result = self._client.call(known, known.bind(*arguments, **named))
            return result

        update_wrapper(call, declared)

        vars(call)["operation"] = known
        return call

    return declare


def operations(noun: type[Noun]) -> list[Operation]:
    """Return the operations of a noun in the order in which they are written."""
    found = (getattr(member, "operation", None) for member in vars(noun).values())
    return [each for each in found if isinstance(each, Operation)]
