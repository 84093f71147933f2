"""From words to a call, with Docker's rules.

Options may be written --memory 64m, --memory=64m, -m 64m, -m64m, -it, --rm=false; `--` ends them. Where words
belong to a program (run, exec), the first word that is no option ends them: `run IMAGE ls -l`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from containerlab.commands.table import FACE_FLAGS, Command, commands, find
from containerlab.errors import InvalidInput, LabError, nearest, of_the_system
from containerlab.options.elsewhere import ELSEWHERE
from containerlab.options.flag import Flag, normalise

__all__ = ["Call", "HelpWanted", "WrongUsage", "parse"]


class WrongUsage(InvalidInput):
    """Words that make no command; `usage` is the line that shows how it is written."""

    def __init__(self, message: str, hint: str = "", usage: str = "", exit_code: int = 125) -> None:
        super().__init__(message, hint)
        self.usage = usage
        self.exit_code = exit_code

    def _render_traceback_(self) -> list[str]:
        usage = [f"  usage: {self.usage}"] if self.usage else []
        return [f"{self.message} ({self.hint})" if self.hint else self.message, *usage]


class HelpWanted(Exception):
    """The words ask for help, not for a call; `path` is what they name."""

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(path)
        self.path = path


class Call(NamedTuple):
    """A method of the engine, what it is called with, and how its value is to be shown."""

    command: Command
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    face: dict[str, Any]
    """Options that the face itself follows: format, json, ids, no_trunc."""
    method: str = ""
    """Name of another method to call, chosen by a switch such as -d."""
    is_attached: bool = False
    """Whether the method hands output on while it runs, and takes input."""

    def on(self, engine: Any, **streams: Any) -> Any:
        """Call the method; `streams` are input, sink and on_session, for one that is attached."""
        method = self.command.of(engine, self.method)
        try:
            return method(*self.arguments, **self.options, **streams)
        except OSError as error:
            if isinstance(error, (LabError, BrokenPipeError)):
                raise
            raise of_the_system(error, self.command.name) from error

    def each(self) -> Iterator[Call]:
        """Return one call for each of the names that were given."""
        if not self.command.each:
            yield self
            return
        names, *rest = self.arguments
        for name in names:
            yield self._replace(arguments=(name, *rest))


def parse(words: Sequence[str], extra: Mapping[str, Flag] = MappingProxyType({})) -> Call:
    """Turn words into a call; nothing is done yet. `extra` are options of the face that asks.

    >>> call = parse(["run", "-m64m", "lab/base", "echo", "-n", "hi"])
    >>> call.arguments, call.options
    (('lab/base', ['echo', '-n', 'hi']), {'memory': 67108864})

    Raises: WrongUsage, with the nearest right word; HelpWanted for --help.
    """
    if not words or words[0] in ("-h", "--help", "help"):
        raise HelpWanted(_known_path(words[1:]) if words and words[0] == "help" else ())
    command, length = find(words)
    if command is None:
        raise _unknown_command(words)
    face = _face_flags(command, extra)
    given, arguments = _split(command, spellings(command, face), words[length:])
    return _call(command, given, arguments, face)


def _known_path(words: Sequence[str]) -> tuple[str, ...]:
    """Return what help is wanted for. Raises: WrongUsage when there is no such command."""
    path = tuple(words)
    if not any(known[: len(path)] == path for known in commands()):
        raise _unknown_command(words)
    return path


def _unknown_command(words: Sequence[str]) -> Exception:
    known = commands()
    groups = {path[0] for path in known if len(path) > 1}
    if words[0].startswith("-"):
        hint = "options stand after the command, only --home DIRECTORY and --traceback before"
        return WrongUsage(f"no such option: {words[0]}", hint, exit_code=1)
    if words[0] not in groups:
        grouped = [" ".join(path) for path in known if len(path) > 1 and path[1] == words[0]]
        hint = (
            f"did you mean {' or '.join(grouped)}?"
            if grouped
            else nearest(words[0], {path[0] for path in known})
        )
        hint = hint or "`--help` lists the commands"
        return WrongUsage(f"no such command: {words[0]}", hint, exit_code=1)
    group, below = _deepest_group(words)
    if len(words) == len(group) or words[len(group)] in ("-h", "--help"):
        return HelpWanted(group)
    wanted = words[len(group)]
    hint = nearest(wanted, below) or f"one of {', '.join(below)}"
    return WrongUsage(f"no such command: {' '.join(group)} {wanted}", hint, exit_code=1)


def _deepest_group(words: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the longest beginning of words that is a group of commands, and what stands below it."""
    for length in range(len(words), 0, -1):
        group = tuple(words[:length])
        below = {path[length] for path in commands() if len(path) > length and path[:length] == group}
        if below:
            return group, sorted(below)
    return (), sorted({path[0] for path in commands()})


class _Spelling(NamedTuple):
    name: str
    flag: Flag
    value: str | None = None
    """What the spelling itself means: "false" for --no-check."""


def _face_flags(command: Command, extra: Mapping[str, Flag] = MappingProxyType({})) -> dict[str, Flag]:
    return {**command.face_flags, **command.without_taken_words(extra)}


def spellings(command: Command, face: Mapping[str, Flag] | None = None) -> dict[str, _Spelling]:
    """Return every word that is an option of the command."""
    known = {**command.flags, **(_face_flags(command) if face is None else face)}
    known |= {name: Flag(other.words, _SWITCH, other.help) for name, other in command.instead.items()}
    found = {word: _Spelling(name, flag) for name, flag in known.items() for word in flag.words.split()}
    for name, flag in known.items():
        if flag.is_switch:
            found.setdefault(f"--no-{flag.long[2:]}", _Spelling(name, flag, "false"))
    return found


_SWITCH = FACE_FLAGS["json"].parse


def _split(
    command: Command, known: dict[str, _Spelling], words: Sequence[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Part options from arguments; values are still words, several for an option given several times."""
    given: dict[str, list[str]] = {}
    arguments: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return given, arguments + rest
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            if command.takes_rest:
                return given, arguments + rest
        elif word == "--help" or (word == "-h" and "-h" not in known):
            raise HelpWanted(max(command.paths, key=len))
        elif word.startswith("--"):
            _take_long(command, known, word, rest, given)
        else:
            _take_short(command, known, word, rest, given)
    return given, arguments


_Given = dict[str, list[str]]


def _take_long(
    command: Command, known: dict[str, _Spelling], word: str, rest: list[str], given: _Given
) -> None:
    flag_word, equals, value = word.partition("=")
    spelling = known.get(flag_word)
    if spelling is None:
        if command.name in ("run", "create") and flag_word in ELSEWHERE:
            raise _wrong(command, f"{flag_word} is not there", ELSEWHERE[flag_word])
        hint = nearest(flag_word, [spelling for spelling in known if spelling.startswith("--")])
        raise _wrong(command, f"no such option: {flag_word}", hint)
    if not equals:
        value = _value(command, spelling, flag_word, rest)
    elif spelling.value is not None:
        raise _wrong(command, f"{flag_word} takes no value")
    given.setdefault(spelling.name, []).append(value)


def _take_short(
    command: Command, known: dict[str, _Spelling], word: str, rest: list[str], given: _Given
) -> None:
    """Read -it, -m64m, -m=64m: letters until one takes the rest as its value."""
    letters = word[1:]
    while letters:
        flag_word, letters = f"-{letters[0]}", letters[1:]
        spelling = known.get(flag_word)
        if spelling is None:
            raise _wrong(command, f"no such option: {flag_word}" + (f" in {word}" if len(word) > 2 else ""))
        if letters.startswith("=") or (letters and not spelling.flag.is_switch):
            value, letters = letters.removeprefix("="), ""
        else:
            value = _value(command, spelling, flag_word, rest)
        given.setdefault(spelling.name, []).append(value)


def _value(command: Command, spelling: _Spelling, flag_word: str, rest: list[str]) -> str:
    if spelling.flag.is_switch:
        return spelling.value or "true"
    if not rest:
        raise _wrong(command, f"{flag_word} needs a value", f"write {flag_word} {spelling.flag.metavar}")
    return rest.pop(0)


def _wrong(command: Command, message: str, hint: str = "", exit_code: int = 125) -> WrongUsage:
    from containerlab.commands.help import usage

    return WrongUsage(f"{command.name}: {message}", hint, usage(command), exit_code)


def _call(command: Command, given: _Given, words: list[str], face_flags: Mapping[str, Flag]) -> Call:
    table = command.flags
    try:
        options = normalise(command.options_type, _values(given, table)) if command.options_type else {}
        face = {name: flag.read(given[name][-1]) for name, flag in face_flags.items() if name in given}
    except InvalidInput as error:
        raise _wrong(command, error.message, error.hint) from None
    method = _other_method(command, given)
    arguments = _arguments(command, words, _taken_as_value(command, given))
    return Call(command, arguments, options, face, method, _is_attached(command, method))


def _taken_as_value(command: Command, given: _Given) -> str:
    """Return a hint when an option took another as its value, as in `--sbom -t app .`."""
    known = spellings(command)
    for name, values in given.items():
        if name in command.flags and (taken := next((value for value in values if value in known), "")):
            flag = command.flags[name]
            return f"{flag.long} took {taken} as its value: write {flag.long} {flag.metavar}"
    return ""


def _other_method(command: Command, given: _Given) -> str:
    chosen = [other for name, other in command.instead.items() if given.get(name, [""])[-1] == "true"]
    return chosen[-1].method if chosen else ""


def _is_attached(command: Command, other: str) -> bool:
    """Say whether the method, or the one called instead, takes a sink for output."""
    code = (command.sibling(other) if other else command.method).__code__
    return "sink" in code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]


def _values(given: _Given, table: dict[str, Flag]) -> dict[str, Any]:
    return {
        name: words if table[name].collect else words[-1] for name, words in given.items() if name in table
    }


def _arguments(command: Command, words: list[str], hint: str = "") -> tuple[Any, ...]:
    """Hand the words to the parameters in order."""
    parameters = command.parameters()
    least = sum(parameter.is_required for parameter in parameters)
    if len(words) < least:
        missing = parameters[len(words)].argument.metavar
        raise _wrong(command, f"needs {missing}", hint, exit_code=1)
    values: list[Any] = []
    for number, parameter in enumerate(parameters):
        if parameter.argument.completes == "rest":
            values.append(words[number:])
            return tuple(values)
        if parameter.is_repeated:
            names = words[number:]
            return (*values, names) if command.each else (*values, *names)
        if number < len(words):
            values.append(words[number])
    if len(words) > len(parameters):
        raise _wrong(command, f"does not take {words[len(parameters)]!r}", hint, exit_code=1)
    return tuple(values)
