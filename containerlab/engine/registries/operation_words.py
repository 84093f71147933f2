"""The parameters of an operation, as words of a command line."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from containerlab import errors, units
from containerlab.distribution.api.operation import Operation
from containerlab.engine import asking
from containerlab.options import values as v
from containerlab.options.flag import Flag
from containerlab.options.operations import PARAMETERS

__all__ = ["Parameter", "flag_of", "parameters", "secrets"]

_SECRETS = ("old", "password", "secret")
"""What is read from standard input or asked for, and never a word that others on the machine see."""
_COMPLETES = {"repository": "repository"}
_METAVARS = {"scope": "ORGANIZATION/|REPOSITORY"}


class Parameter(NamedTuple):
    """A parameter, or a field of the document that an operation takes."""

    name: str
    hint: Any
    is_required: bool
    is_positional: bool

    @property
    def metavar(self) -> str:
        return _METAVARS.get(self.name, _word(self.name).replace("-", "_").upper())

    @property
    def completes(self) -> str:
        return _COMPLETES.get(self.name, " ".join(_choices(self.hint)))

    def read(self, word: Any) -> Any:
        """Turn a word into the value. Raises: InvalidInput."""
        return word if not isinstance(word, str) else _reader(self.name, self.hint)(word)


def parameters(operation: Operation) -> list[Parameter]:
    """Return the parameters of an operation, those of its document in its place."""
    found: list[Parameter] = []
    for name, (hint, default) in operation.parameters.items():
        if name == operation.whole_body:
            found += _fields(hint)
        else:
            is_required = default is msgspec.NODEFAULT
            is_positional = name in _positional(operation) and name not in _SECRETS
            found.append(Parameter(name, hint, is_required, is_positional))
    return found


def _positional(operation: Operation) -> set[str]:
    """Return what may be given without a name, or has to be given."""
    signature = inspect.signature(inspect.unwrap(operation.declared))
    empty = inspect.Parameter.empty
    return {
        each.name
        for each in signature.parameters.values()
        if each.kind is each.POSITIONAL_OR_KEYWORD or (each.default is empty and each.name not in PARAMETERS)
    }


def _fields(kind: type[msgspec.Struct]) -> list[Parameter]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return [
        Parameter(each.name, hints[each.name], each.required, each.required)
        for each in msgspec.structs.fields(kind)
    ]


def flag_of(operation: Operation, parameter: Parameter) -> Flag:
    """Return how an option is written: its line in the table, or what its name and type say."""
    for name in (f"{operation.name}.{parameter.name}", parameter.name):
        if name in PARAMETERS:
            return _knowing_choices(PARAMETERS[name], parameter.hint)
    reader, several = _reader(parameter.name, parameter.hint), _several(parameter.hint)
    words = f"--{_word(parameter.name)}"
    choices = _choices(several or parameter.hint)
    said = _description(parameter.hint) or (
        f"One of {', '.join(choices)}" if choices else f"Set {_word(parameter.name).replace('-', ' ')}"
    )
    metavar = "" if reader is units.switch else _word(parameter.name).replace("-", "_").upper()
    collect = tuple if several is not None else None
    return Flag(words, reader, said, metavar, "", collect, completes=" ".join(choices))


def _knowing_choices(flag: Flag, hint: Any) -> Flag:
    """Let an option take no word but those that the registry knows."""
    choices = _choices(_several(hint) or hint)
    return flag._replace(parse=v.choice(*choices), completes=" ".join(choices)) if choices else flag


def _word(name: str) -> str:
    for suffix in ("_bytes", "_s"):
        name = name.removesuffix(suffix)
    return name.removeprefix("is_").replace("_", "-")


def _plain(hint: Any) -> Any:
    """Return a type without what is said about it, and without None."""
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        elif typing.get_origin(hint) in (typing.Union, types.UnionType):
            hint = next(each for each in typing.get_args(hint) if each is not type(None))
        else:
            return hint


def _several(hint: Any) -> Any:
    """Return of what a parameter takes several, or None."""
    plain = _plain(hint)
    return typing.get_args(plain)[0] if typing.get_origin(plain) in (tuple, list) else None


def _choices(hint: Any) -> tuple[str, ...]:
    plain = _plain(hint)
    return typing.get_args(plain) if typing.get_origin(plain) is typing.Literal else ()


def _description(hint: Any) -> str:
    for each in getattr(hint, "__metadata__", ()):
        if isinstance(each, msgspec.Meta) and each.description:
            return each.description.split(". ")[0].removesuffix(".")
    return ""


def _reader(name: str, hint: Any) -> Callable[[Any], Any]:
    several = _several(hint)
    plain = _plain(hint if several is None else several)
    if choices := _choices(plain):
        return v.choice(*choices)
    if plain is bool:
        return units.switch
    for suffix, read in (("_bytes", units.size), ("_s", units.seconds)):
        if name.endswith(suffix):
            return _or_none(read) if _may_be_none(hint) else read
    if plain is int:
        return v.whole(0, 2**63 - 1)
    return _number if plain is float else v.text


def _may_be_none(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def reading(value: Any) -> Any:
        return None if value == "none" else read(value)

    return reading


def _number(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        raise errors.InvalidInput(f"not a number: {value!r}") from None


def secrets(operation: Operation, options: Mapping[str, Any], face: str) -> dict[str, str]:
    """Read the secrets that an operation takes: a line of standard input each, or from who sits there.

    Raises: InvalidInput when nobody can be asked for one that is needed.
    """
    known = {each.name: each for each in parameters(operation)}
    found: dict[str, str] = {}
    for name in _SECRETS:
        if name in known and options.get(name):
            found[name] = asking.read_line()
        elif name in known and known[name].is_required:
            found |= _asked(name, face, wants_old="old" in known)
    return found


def _asked(name: str, face: str, *, wants_old: bool) -> dict[str, str]:
    asking.check_somebody_is_there(face, f"a {name}", f"give --{name}-stdin, and it there")
    old = {"old": asking.ask_secret(f"Old {name} (nothing if it is not yours): ")} if wants_old else {}
    return {**old, name: asking.ask_new_secret(f"New {name}: ")}
