"""What may come next on a command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from containerlab.commands.parse import spellings
from containerlab.commands.table import Command, commands, find
from containerlab.options.flag import Flag

__all__ = ["complete"]

_NAMED = ("image", "container", "volume", "list", "repository", "machine", "kernel")

Names = Callable[[str], Iterable[str]]
"""Gives the names of a kind that exist now; the kinds are `_NAMED`."""


def complete(words: Sequence[str], names: Names = lambda kind: ()) -> list[str]:
    """Return what the last word (it may be empty) can become, sorted.

    >>> complete(["run", "--memory-sw"])
    ['--memory-swap', '--memory-swappiness']
    """
    *before, last = words or [""]
    command, length = find(before)
    if command is None:
        return _starting(last, _next_words(tuple(before)))
    return _after_command(command, before[length:], last, names)


def _next_words(path: tuple[str, ...]) -> set[str]:
    return {known[len(path)] for known in commands() if known[: len(path)] == path and len(known) > len(path)}


def _after_command(command: Command, before: list[str], last: str, names: Names) -> list[str]:
    known = spellings(command)
    position, waiting = _walk(command, before)
    if waiting:
        return _starting(last, _values(waiting.completes, names))
    if command.takes_rest and position >= _program(command):
        return []
    if last.startswith("--") and "=" in last:
        word, _, value = last.partition("=")
        found = known.get(word)
        return (
            [f"{word}={text}" for text in _starting(value, _values(found.flag.completes, names))]
            if found
            else []
        )
    if last.startswith("-"):
        return _starting(last, [word for word in known if word.startswith("--")])
    parameters = command.parameters()
    kind = parameters[min(position, len(parameters) - 1)].argument.completes if parameters else ""
    return _starting(last, _values(kind, names)) if kind != "rest" else []


def _program(command: Command) -> int:
    """Return the place at which words begin to belong to the program."""
    return next(
        number
        for number, parameter in enumerate(command.parameters())
        if parameter.argument.completes == "rest"
    )


def _walk(command: Command, before: list[str]) -> tuple[int, Flag | None]:
    """Return how many arguments have been given, and the option whose value comes next."""
    known = spellings(command)
    position = 0
    rest = list(before)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            position += 1
            if command.takes_rest and position >= _program(command):
                return position, None
            continue
        spelling = known.get(word if word.startswith("--") else f"-{word[-1]}")
        if spelling and not spelling.flag.is_switch and "=" not in word:
            if not rest:
                return position, spelling.flag
            rest.pop(0)
    return position, None


def _values(completes: str, names: Names) -> Iterable[str]:
    """Return what an option or an argument may be: names of what is there, or the words that it knows."""
    if completes == "capability":
        return _capabilities()
    if completes == "signal":
        import signal

        return [name.removeprefix("SIG") for name in signal.Signals.__members__]
    if completes in _NAMED:
        return names(completes)
    found: list[str] = []
    for word in completes.split():
        found += [word + name for name in names("container")] if word == "container:" else [word]
    return [] if completes == "file" else found


def _capabilities() -> list[str]:
    from containerlab.linux.capabilities import ALL

    return ["ALL", *(name.removeprefix("CAP_") for name in ALL)]


def _starting(text: str, candidates: Iterable[str]) -> list[str]:
    return sorted({candidate for candidate in candidates if candidate.startswith(text)})
