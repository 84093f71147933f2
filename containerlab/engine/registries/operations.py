"""Operations of a registry's API as commands: `registry user create alice --registry HOST`.

Nothing is written twice: words, arguments, options and help come from the operation's declaration, and what
is written in another way on the command line from `options/operations`.
"""

from __future__ import annotations

import builtins
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from containerlab import errors
from containerlab.commands.table import FACE_FLAGS, Argument, Command, Template, add
from containerlab.distribution.api.garbage import Garbage
from containerlab.distribution.api.logins import TemporaryLogin
from containerlab.distribution.api.operation import Operation, operations
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.api.values import Page, every
from containerlab.engine.registries.operation_words import Parameter, flag_of, parameters, secrets
from containerlab.engine.registries.pushed_names import taken_apart
from containerlab.options.flag import Flag
from containerlab.options.operations import WhereOptions
from containerlab.views.table import Table

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["OperationCommand"]

_NOT_HERE = ("archives", "layers")
"""Nouns that only a page or a program has use for."""
_WORDS = {
    "logins.create": "login-command",
    "logins.list": "logins ls",
    "logins.remove": "logins rm",
    "logins.whoami": "whoami",
    "users.change_password": "user password",
}
"""Operations whose words are not noun and verb."""
_SHORT = {
    "events.list": "events",
    "events.export": "events export",
    "examinations.run": "examine",
    "garbage.collect": "gc",
    "garbage.verify": "verify",
    "quotas.repositories": "usage",
}
"""Words beside noun and verb."""
_VERBS = {"list": ("ls", "list"), "remove": ("rm", "remove")}
_PAGE = 1000
_VERIFY: Operation = vars(Garbage.verify)["operation"]


class OperationCommand(Command):
    """A command that carries out an operation of a registry."""

    @property
    def operation(self) -> Operation:
        found: Operation = vars(self.method)["operation"]
        return found

    @property
    def owner(self) -> str:
        return "registry"

    def of(self, engine: Engine, name: str = "") -> Callable[..., Any]:
        """Return what carries it out, at the registry that the options name."""
        return partial(_perform, engine, self.operation)

    @property
    def options_type(self) -> type | None:
        return _table(self.operation)

    def parameters(self) -> list[Template]:
        return [
            Template(each.name, Argument(each.metavar, each.completes), _is_required(each), False)
            for each in parameters(self.operation)
            if each.is_positional
        ]

    @property
    def takes_rest(self) -> bool:
        return False

    @property
    def face_flags(self) -> dict[str, Flag]:
        """A page is a table; a value facts."""
        answer = self.operation.answer_type
        is_table = typing.get_origin(answer) is Page or self.operation is _VERIFY
        is_text = answer in (None, TemporaryLogin) or typing.get_origin(answer) is dict
        if is_text or (self.operation.streams and not is_table):
            return {}
        names = tuple(FACE_FLAGS) if is_table else ("format", "json")
        return self.without_taken_words({name: FACE_FLAGS[name] for name in names})


def _is_required(parameter: Parameter) -> bool:
    """Tell whether a word has to be there of its own: a reference may also be in the name before it."""
    return parameter.is_required and parameter.name != "reference"


@cache
def _table(operation: Operation) -> type:
    """Make the option table of an operation."""
    named = [each for each in parameters(operation) if not each.is_positional and each.name != "after"]
    hints: dict[str, Any] = {_key(each.name): Annotated[Any, flag_of(operation, each)] for each in named}
    return type("Options", (), {"__annotations__": {**hints, **WhereOptions.__annotations__}})


def _key(parameter: str) -> str:
    """Return what an option is called that is no option of the face."""
    return f"its_{parameter}" if parameter in FACE_FLAGS else parameter


def _perform(engine: Engine, operation: Operation, *words: Any, **options: Any) -> Any:
    """Carry out an operation with the words and options of a command line; return what is shown."""
    from containerlab.engine.registries.verification import verified

    host, tls_verify = options.pop("at", ""), options.pop("at_tls_verify", None)
    known = parameters(operation)
    positional = [each for each in known if each.is_positional]
    plain, host = taken_apart([each.name for each in positional], words, host)
    given = {each.name: each.read(word) for each, word in zip(positional, plain, strict=False)}
    given |= secrets(operation, options, engine.face) | {
        name.removeprefix("its_"): value
        for name, value in options.items()
        if name not in ("password", "old", "secret")
    }
    _require(operation, given)
    with engine.registry.at(host, tls_verify=tls_verify) as registry:
        noun = getattr(registry, operation.name.partition(".")[0])
        call = getattr(noun, operation.name.partition(".")[2])
        if operation is _VERIFY:
            return verified(call(**given), engine.showing)
        if operation.streams:
            return [msgspec.json.encode(each).decode() for each in call(**_whole(operation, given))]
        if typing.get_origin(operation.answer_type) is Page:
            return _listed(operation, call, given)
        answer = call(**_whole(operation, given))
        return _shown(answer, registry.host, plain)


def _require(operation: Operation, given: Mapping[str, Any]) -> None:
    """Raise WrongUsage when an option is left out that has to be given."""
    from containerlab.commands.parse import WrongUsage

    name = " ".join(_paths(operation)[0])
    for each in parameters(operation):
        if each.is_required and each.name not in given:
            what = each.metavar if each.is_positional else flag_of(operation, each).long
            raise WrongUsage(f"{name}: {what} is missing", f"`conlab {name} --help` shows how it is written")


def _whole(operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """Put together what is one document."""
    if not operation.whole_body:
        return dict(given)
    in_path = {name: value for name, value in given.items() if name in operation.in_path}
    fields = {name: value for name, value in given.items() if name not in operation.in_path}
    try:
        return {**in_path, operation.whole_body: msgspec.convert(fields, operation.body_type)}
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        raise errors.InvalidInput(f"{where.rstrip('`')}: {what}") from error


def _listed(operation: Operation, call: Callable[..., Any], given: dict[str, Any]) -> Table[Any]:
    """List all pages, or as many entries as wanted."""
    from itertools import islice

    from containerlab.views.fields import table_of

    most = given.pop("limit", None)
    size = {"limit": min(_PAGE, most or _PAGE)} if "limit" in operation.parameters else {}
    kind = typing.get_args(operation.answer_type)[0]
    return table_of(builtins.list(islice(every(call, **given, **size), most)), kind)


def _shown(answer: Any, host: str, words: Sequence[Any]) -> Any:
    from containerlab.engine.registries.told import told

    if answer is None:
        return words[0] if words else None
    if isinstance(answer, TemporaryLogin):
        return f"docker login -u {answer.account} -p {answer.secret} {host}"
    if isinstance(answer, dict):
        return msgspec.json.format(msgspec.json.encode(answer)).decode()
    return told(answer) if isinstance(answer, msgspec.Struct) else answer


def _nouns() -> Iterator[tuple[str, type]]:
    for name, member in vars(RegistryApi).items():
        if isinstance(member, property) and name not in _NOT_HERE:
            yield name, typing.get_type_hints(member.fget)["return"]


def _paths(operation: Operation) -> tuple[tuple[str, ...], ...]:
    if special := _WORDS.get(operation.name):
        return (("registry", *special.split()),)
    noun, _, verb = operation.name.partition(".")
    short = [("registry", *_SHORT[operation.name].split())] if operation.name in _SHORT else []
    verbs = _VERBS.get(verb, (verb.replace("_", "-"),))
    return (*short, *(("registry", _singular(noun), word) for word in verbs))


def _singular(noun: str) -> str:
    """Return the word for one of several.

    >>> _singular("users"), _singular("repositories"), _singular("immutability")
    ('user', 'repository', 'immutability')
    """
    return f"{noun[:-3]}y" if noun.endswith("ies") else noun.removesuffix("s")


for _, _noun in _nouns():
    for _operation in operations(_noun):
        _method = getattr(_noun, _operation.name.partition(".")[2])
        add(OperationCommand(_method, _paths(_operation), False, {}))
