"""Which function of the server carries out which operation of the API.

    @serves(Events.list)
    def find(registry: Registry, identity: Identity, *, limit: int = 100, …) -> Page[Event]:

The function stays as it is: page, worker and tests call it too. The type checker holds its parameters against
the operation's; `bound` imports the modules that have such functions.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from containerlab.distribution.api.operation import Operation
from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.rights import Identity

__all__ = ["Bound", "bound", "serves"]

Given = ParamSpec("Given")
Result = TypeVar("Result")
_Function = Callable[Concatenate[Registry, Identity, Given], Result]

_MODULES = (
    "events",
    "webhooks.webhooks",
    "rules.immutability",
    "organizations.quotas",
    "replication.replications",
    "rules.retention",
    "upkeep.garbage",
    "upkeep.verification",
    "upstreams.upstreams",
    "upkeep.examinations",
    "archives.archives",
    "content.layer_listing",
    "accounts.proofs",
    "accounts.users",
    "organizations.organizations",
    "organizations.repositories",
    "organizations.grants",
    "accounts.robots",
    "organizations.sharing",
)
"""Modules of the server with functions that carry out operations; the order is the document's."""


class Bound(NamedTuple):
    """An operation and what carries it out."""

    operation: Operation
    function: Callable[..., Any]


_BOUND: dict[str, Bound] = {}


def serves(
    declared: Callable[Concatenate[Any, Given], Result],
) -> Callable[[_Function[Given, Result]], _Function[Given, Result]]:
    """Note that a function carries out an operation, which is given as its noun's method."""
    operation: Operation = vars(declared)["operation"]

    def note(function: _Function[Given, Result]) -> _Function[Given, Result]:
        _BOUND[operation.name] = Bound(operation, function)
        return function

    return note


def bound() -> list[Bound]:
    """Return all operations that the server carries out."""
    for module in _MODULES:
        import_module(f"containerlab.distribution.server.{module}")
    return list(_BOUND.values())
