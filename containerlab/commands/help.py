"""Help texts, written from the table of commands."""

from __future__ import annotations

import inspect
import textwrap

from containerlab.commands.table import FACE_FLAGS, Command, Template, commands
from containerlab.options.flag import Flag

__all__ = ["describe_tree", "help_text", "usage"]

_PROGRAM = "conlab"


def usage(command: Command) -> str:
    """Write the line that shows how a command is written.

    >>> from containerlab.commands.table import find
    >>> usage(find(["run"])[0])
    'conlab run [OPTIONS] IMAGE [COMMAND [ARG...]]'
    """
    words = [_PROGRAM, command.name, *(["[OPTIONS]"] if command.flags or command.face_flags else [])]
    return " ".join([*words, *(_written(parameter) for parameter in command.parameters())])


def _written(parameter: Template) -> str:
    text = parameter.argument.metavar
    if parameter.is_repeated:
        text = f"{text} [{text}...]" if parameter.is_required else f"{text}..."
    return text if parameter.is_required else f"[{text}]"


def help_text(path: tuple[str, ...] = (), width: int = 80) -> str:
    """Return the help of a command, of a group of commands, or of all."""
    known = commands()
    command = known.get(path)
    return _command_help(command, width) if command else _group_help(path, known, width)


def _command_help(command: Command, width: int) -> str:
    lines = [*_hanging(f"usage: {usage(command)}", width, 7), ""]
    lines += _wrapped(inspect.cleandoc(command.method.__doc__ or ""), width)
    names = sorted({" ".join(path) for path in command.paths} - {command.name})
    if names:
        lines += ["", f"also: {', '.join(f'{_PROGRAM} {name}' for name in names)}"]
    options = _all_flags(command)
    if options:
        lines += ["", "options:", *(line for flag in options for line in _flag_lines(flag, width))]
    return "\n".join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    """Fit paragraphs to the width; one with indented lines is laid out already."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        laid_out = "\n " in paragraph
        lines += ["", *(paragraph.splitlines() if laid_out else textwrap.wrap(paragraph, width))]
    return lines[1:]


def _hanging(text: str, width: int, indent: int) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )


def _all_flags(command: Command) -> list[Flag]:
    found = list(command.flags.values())
    found += [Flag(other.words, FACE_FLAGS["json"].parse, other.help) for other in command.instead.values()]
    found += command.face_flags.values()
    return sorted(found, key=lambda flag: flag.long)


def _flag_lines(flag: Flag, width: int) -> list[str]:
    short, _, long = flag.words.rpartition(" ")
    words = f"  {short + ', ' if len(short) == 2 else '    '}{long} {flag.metavar}".rstrip()
    indent = " " * 30
    text = textwrap.wrap(flag.help, width - len(indent))
    if len(words) > len(indent) - 2:
        return [words, *(indent + line for line in text)]
    return [words.ljust(len(indent)) + text[0], *(indent + line for line in text[1:])]


def _group_help(path: tuple[str, ...], known: dict[tuple[str, ...], Command], width: int) -> str:
    length = len(path) + 1
    below = {known_path: command for known_path, command in known.items() if known_path[: length - 1] == path}
    direct = {
        known_path[-1]: command.summary()
        for known_path, command in below.items()
        if len(known_path) == length
    }
    groups = sorted({known_path[length - 1] for known_path in below if len(known_path) > length})
    lines = [f"usage: {' '.join([_PROGRAM, *path])} COMMAND", "", "commands:"]
    for name, summary in sorted(direct.items()):
        lines += [f"  {name}"] if len(name) >= 14 else []
        begun = " " * 16 if len(name) >= 14 else f"  {name:<14}"
        lines += textwrap.wrap(summary, width, initial_indent=begun, subsequent_indent=" " * 16)
    if groups:
        lines += ["", *_hanging(f"groups of commands: {', '.join(groups)}", width, 2)]
    return "\n".join([*lines, "", f"`{' '.join([_PROGRAM, *path])} COMMAND --help` says more."])


def describe_tree() -> str:
    """Write down every command with its words, arguments and options, in a form to compare."""
    unique = {id(command): command for command in commands().values()}
    texts = [_described(command) for command in sorted(unique.values(), key=lambda each: each.paths[0])]
    return "\n".join(texts)


def _described(command: Command) -> str:
    lines = [
        " = ".join(" ".join(path) for path in command.paths),
        f"  {usage(command)}",
        f"  {command.summary()}",
    ]
    for flag in _all_flags(command):
        many = " ..." if flag.collect else ""
        lines.append(f"    {' '.join([flag.words, flag.metavar]).strip()}{many}")
    return "\n".join(lines) + "\n"
