"""The table of commands: which words name which method, with which arguments and options.

    @command("container run", "run")
    def run(self, image: ImageName, command: Args = (), **options: Unpack[RunOptions]) -> RunResult:

The decorator gives the method back unchanged and notes it; everything else is read from the signature, and
only when a command is used: positional parameters are the arguments (their marker types say what they name),
`**options` is the option table, the docstring is the help.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple, TypeVar

from containerlab import units
from containerlab.options import values as v
from containerlab.options.flag import Flag, flags

__all__ = [
    "FACE_FLAGS",
    "Args",
    "Argument",
    "Command",
    "ContainerName",
    "ImageName",
    "Instead",
    "Template",
    "VolumeName",
    "add",
    "command",
    "commands",
    "find",
]


class Argument(NamedTuple):
    """What a positional parameter names, for usage lines and completion."""

    metavar: str
    completes: str = ""


ImageName = Annotated[str, Argument("IMAGE", "image")]
ContainerName = Annotated[str, Argument("CONTAINER", "container")]
VolumeName = Annotated[str, Argument("VOLUME", "volume")]
Args = Annotated[Sequence[str], Argument("COMMAND [ARG...]", "rest")]
"""All words that are left; they belong to the program, options among them too."""


class Instead(NamedTuple):
    """A switch of the command line that calls another method: `run -d` calls `start`."""

    words: str
    method: str
    help: str


class Template(NamedTuple):
    """A parameter of a command, as the usage line shows it."""

    name: str
    argument: Argument
    is_required: bool
    is_repeated: bool


class Command(NamedTuple):
    """A method of the engine with the words that call it."""

    method: Callable[..., Any]
    paths: tuple[tuple[str, ...], ...]
    """As ("container", "run"), ("run",); the first is the full one."""
    each: bool
    """Several names may be given; the method is called once for each."""
    instead: dict[str, Instead]
    reads: str = ""
    """The keyword that takes the text of a notebook's cell; it is not among the options."""

    def of(self, engine: Any, name: str = "") -> Callable[..., Any]:
        """Return what is called: the method on an engine, or another of its noun."""
        method: Callable[..., Any] = getattr(self._noun(engine), name or self.method.__name__)
        return method

    @property
    def needs_text(self) -> bool:
        """Whether it cannot do without that text."""
        return bool(self.reads) and self.reads not in (self.method.__kwdefaults__ or {})

    @property
    def names_cell(self) -> bool:
        """Whether it wants to know which cell the text is from, as its keyword `cell`."""
        return "cell" in (self.method.__kwdefaults__ or {})

    @property
    def name(self) -> str:
        """The shortest words for it, for messages."""
        shortest: tuple[str, ...] = min(self.paths, key=len)
        return " ".join(shortest)

    @property
    def owner(self) -> str:
        """The engine's attribute whose method it is: containers, images, …"""
        return self.method.__qualname__.split(".")[0].lower()

    def sibling(self, name: str) -> Callable[..., Any]:
        """Return another method of the same class."""
        method: Callable[..., Any] = getattr(self._noun, name)
        return method

    @property
    def _noun(self) -> type:
        """The class whose method it is; made with an engine."""
        noun: type = self.method.__globals__[self.method.__qualname__.split(".")[0]]
        return noun

    def _hint(self, name: str) -> Any:
        """Evaluate one annotation; others may name what is imported for type checkers alone."""
        return eval(self.method.__annotations__[name], self.method.__globals__)

    @property
    def options_type(self) -> type | None:
        """The option table, or None for a command without options."""
        return typing.get_args(self._hint("options"))[0] if "options" in self.method.__annotations__ else None

    @property
    def flags(self) -> dict[str, Flag]:
        return flags(self.options_type) if self.options_type else {}

    @property
    def takes_rest(self) -> bool:
        """Whether words after the first argument belong to a program, so that options end there."""
        return any(parameter.argument.completes == "rest" for parameter in self.parameters())

    def parameters(self) -> list[Template]:
        code = self.method.__code__
        names = list(code.co_varnames[1 : code.co_argcount])
        required = len(names) - len(self.method.__defaults__ or ())
        found = [
            Template(name, _argument(self._hint(name), name), number < required, self.each and number == 0)
            for number, name in enumerate(names)
        ]
        if code.co_flags & 0x04:  # CO_VARARGS: the method takes several names itself
            name = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
            found.append(Template(name, _argument(self._hint(name), name), False, True))
        return found

    def summary(self) -> str:
        """The first line of its help."""
        return (self.method.__doc__ or "").strip().split("\n")[0]

    @property
    def face_flags(self) -> dict[str, Flag]:
        """The options of the faces that go with what it returns."""
        kind = self.method.__annotations__["return"].partition("[")[0]
        return self.without_taken_words({name: FACE_FLAGS[name] for name in _FACES_OF.get(kind, ())})

    def without_taken_words(self, offered: Mapping[str, Flag]) -> dict[str, Flag]:
        """Return options of a face, less the words that the command's own options have taken."""
        taken = {word for flag in self.flags.values() for word in flag.words.split()}
        free = {
            name: [word for word in flag.words.split() if word not in taken] for name, flag in offered.items()
        }
        return {name: offered[name]._replace(words=" ".join(words)) for name, words in free.items() if words}


def _argument(hint: Any, name: str) -> Argument:
    return next(
        (extra for extra in typing.get_args(hint)[1:] if isinstance(extra, Argument)), Argument(name.upper())
    )


FACE_FLAGS: dict[str, Flag] = {
    "format": Flag(
        "-f --format",
        v.text,
        "Show with a template: '{{.ID}}', 'table {{.ID}}\\t{{.Name}}', json",
        "TEMPLATE",
    ),
    "json": Flag("--json", units.switch, "Show as JSON"),
    "ids": Flag("-q --quiet", units.switch, "Show ids only"),
    "no_trunc": Flag("--no-trunc", units.switch, "Do not shorten ids and commands"),
}
"""Options of the faces, for every command that returns a table."""
_FACES_OF = {
    **dict.fromkeys(("Audit", "Findings", "Packages", "Table"), tuple(FACE_FLAGS)),
    **dict.fromkeys(("Inspection", "Events", "Facts"), ("format", "json")),
    "Comparison": ("json",),
}
"""Which of them go with what a command returns."""

_Method = TypeVar("_Method", bound=Callable[..., Any])
_COMMANDS: dict[tuple[str, ...], Command] = {}


def command(
    *paths: str, each: bool = False, instead: dict[str, Instead] | None = None, reads: str = ""
) -> Callable[[_Method], _Method]:
    """Note a method as a command; it stays as it is."""

    def note(method: _Method) -> _Method:
        words = tuple(tuple(path.split()) for path in paths)
        add(Command(method, words, each, instead or {}, reads))
        return method

    return note


def add(noted: Command) -> None:
    """Note a command by each of its paths; two that claim one are a mistake in the source."""
    for path in noted.paths:
        if path in _COMMANDS:
            known = _COMMANDS[path].method.__qualname__
            raise ValueError(f"{' '.join(path)} is both {known} and {noted.method.__qualname__}")
    _COMMANDS.update(dict.fromkeys(noted.paths, noted))


_MODULES = {
    "container": ("containerlab.engine.containers",),
    "image": ("containerlab.engine.images",),
    "builder": ("containerlab.engine.builder",),
    "volume": ("containerlab.engine.volumes",),
    "registry": ("containerlab.engine.registries.registry", "containerlab.engine.registries.operations"),
    "manifest": ("containerlab.engine.manifests",),
    "system": ("containerlab.engine.system",),
    "see": ("containerlab.engine.see",),
    "vm": ("containerlab.engine.machines",),
    "compare": ("containerlab.experiments.comparing",),
}
"""Where the commands are, by their group, as text: some stand on a higher floor.

Those of one word are sought in this order.
"""


def _all_modules() -> tuple[str, ...]:
    return tuple(module for group in _MODULES.values() for module in group)


def commands() -> dict[tuple[str, ...], Command]:
    """Return every command by each of its paths."""
    for module in _all_modules():
        import_module(module)
    return _COMMANDS


def find(words: Sequence[str]) -> tuple[Command | None, int]:
    """Return the command that `words` begin with and how many words name it.

    Imports no more modules than needed: `run` should not wait for the rest.
    """
    first = words[0] if words else ""
    for module in (*_MODULES.get(first, ()), *_all_modules()):
        import_module(module)
        for length in (3, 2, 1):
            found = _COMMANDS.get(tuple(words[:length]))
            if found and len(words) >= length:
                return found, length
    return None, 0
