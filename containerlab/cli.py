"""The command line: words in, values printed, an exit code out. What the words mean is in `commands`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from containerlab.errors import ContainerFailed, LabError, SetupFailed
from containerlab.linux.files import fill_stdio, write_all

if TYPE_CHECKING:
    from containerlab.commands.parse import Call
    from containerlab.engine.engine import Engine

__all__ = ["main", "program"]

_FACES = {"demo": "containerlab.demo", "runtime": "containerlab.ociruntime"}
"""Words that another face answers: its `main` gets the words that follow."""
_STARTING = ("exec", "restart", "run", "start")
"""Verbs that start programs."""
_MOST_SHOWN = 4000
"""Characters of a complaint."""
_FEW_COLLECTIONS = 100_000
"""Objects made before the first search for garbage; loading makes a third of them."""


class _Settings(NamedTuple):
    """Options of the program itself; they stand before the command."""

    home: str | None
    with_traceback: bool
    words: list[str]


def program() -> NoReturn:
    """Be the program `conlab`: run one command and end at once.

    A command lives for milliseconds, so it neither looks for garbage while it loads what it needs nor takes
    the interpreter apart at its end: that is a sixth of its time. Whoever is another face ends as usual.
    """
    gc.set_threshold(_FEW_COLLECTIONS)
    fill_stdio()
    sys.stdout, sys.stderr = sys.stdout or os.fdopen(1, "w"), sys.stderr or os.fdopen(2, "w")
    _import_msgspec()
    code = main()
    if {*_settings(sys.argv[1:]).words[:1]} & _FACES.keys():
        sys.exit(code)
    sys.stderr.flush()
    os._exit(code)


def _import_msgspec() -> None:
    """Import msgspec as where typing_extensions is not installed: in half the time.

    It is content with `typing` then; who imports typing_extensions afterwards finds it.
    """
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # the import system's word for "none"
    import_module("msgspec")
    del sys.modules["typing_extensions"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code as Docker's: 125, 126, 127, 128 + signal, the program's."""
    settings = _settings(list(sys.argv[1:] if arguments is None else arguments))
    try:
        code = _dispatch(settings)
        _flush()
        return code
    except BrokenPipeError:
        # Whoever read our output has gone; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as interrupt:
        if settings.with_traceback:
            raise
        _complain(getattr(interrupt, "message", "interrupted"), getattr(interrupt, "hint", ""))
        return getattr(interrupt, "exit_code", 130)
    except LabError as error:
        if settings.with_traceback:
            raise
        _complain(error.message, error.hint, getattr(error, "usage", ""))
        return _exit_code(error, settings.words)


def _settings(words: list[str]) -> _Settings:
    home, with_traceback = None, bool(os.environ.get("CONTAINERLAB_TRACEBACK"))
    while words:
        if words[0] == "--traceback":
            with_traceback = True
        elif words[0] == "--home" and len(words) > 1:
            home = words.pop(1)
        elif words[0].startswith("--home="):
            home = words[0].partition("=")[2]
        else:
            break
        words.pop(0)
    return _Settings(home, with_traceback, words)


def _dispatch(settings: _Settings) -> int:
    first, *rest = settings.words or [""]
    if first in _FACES:
        return int(import_module(_FACES[first]).main(rest) or 0)
    if first == "completion":
        return _print_completion(rest)
    from containerlab.engine.engine import Engine

    with Engine(settings.home) as engine:
        engine.face = "terminal"
        if os.isatty(2):
            from containerlab.views.progress import canvas

            engine.canvas = canvas()
        if first == "__complete":
            return _complete(engine, rest)
        if _verb(settings.words) in _STARTING:
            engine.warm_up()
        return _parse_and_perform(engine, ["version"] if first in ("--version", "-v") else settings.words)


def _parse_and_perform(engine: Engine, words: Sequence[str]) -> int:
    from containerlab.commands.parse import HelpWanted, parse

    try:
        call = parse(words)
    except HelpWanted as wanted:
        from containerlab.commands.help import help_text

        _print(help_text(wanted.path))
        return 0
    return _perform(engine, call)


def _verb(words: Sequence[str]) -> str:
    return next((word for word in words[:2] if word not in ("container", "vm")), "")


def _perform(engine: Engine, call: Call) -> int:
    """Call the method once for each name; one that fails does not keep the others from their turn."""
    calls = list(call.each())
    exit_code = 0
    for each in calls:
        try:
            exit_code = _perform_one(engine, each) or exit_code
        except LabError as error:
            if len(calls) == 1:
                raise
            _complain(error.message, error.hint)
            exit_code = 1
    return exit_code


def _perform_one(engine: Engine, call: Call) -> int:
    from containerlab.engine.result import RunResult

    if _is_watched(call):
        return _watch(engine, call)
    value = _call(engine, call)
    for notice in _notices(value, call):
        _complain(notice)
    if isinstance(value, RunResult):
        return value.exit_code
    from containerlab.engine.logs import Logs
    from containerlab.printing import lines, write_logs

    if isinstance(value, Logs):
        with _output():
            write_logs(value)
        return 0
    if isinstance(value, bytes):
        with _output():
            sys.stdout.buffer.write(value)
        return 0
    for line in lines(value, {"ids": call.options.get("quiet"), **call.face}):
        _print(_harmless(line) if os.isatty(1) else line)
    return int(getattr(value, "exit_code", 0))


def _harmless(text: str) -> str:
    """Take from text what a terminal obeys: parts of it may be words of a registry or of an image."""
    if text.isprintable():
        return text
    from containerlab.views.html import harmless

    return harmless(text)


def _short(text: str) -> str:
    """Cut what repeats a word of a megabyte."""
    return _harmless(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…")


def _notices(value: object, call: Call) -> Sequence[str]:
    """Return what else a user should know; `build --quiet` wants no more than the id."""
    if call.command.owner == "builder" and call.options.get("quiet"):
        return ()
    told: Sequence[str] = getattr(getattr(value, "info", value), "notices", ())
    return told


def _print(text: str) -> None:
    """Write a line at once. Raises: LabError when nothing can be written there."""
    with _output():
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _flush() -> None:
    with _output():
        sys.stdout.flush()


@contextmanager
def _output() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        # What could not be written would be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        reason = error.strerror or str(error)
        raise LabError(
            f"cannot write standard output: {reason}", "redirect it to where there is room"
        ) from error


def _is_watched(call: Call) -> bool:
    """Say whether a measure is shown again and again, as Docker does on a terminal."""
    return (
        call.command.name == "stats" and not call.options.get("no_stream") and not call.face and os.isatty(1)
    )


def _watch(engine: Engine, call: Call) -> int:
    """Show the table every second until an interrupt."""
    import time

    try:
        while True:
            text = call.on(engine).to_text()
            sys.stdout.write(f"\x1b[H\x1b[J{text}\n")
            sys.stdout.flush()
            time.sleep(1)
    except KeyboardInterrupt:
        return 0


def _confirm(call: Call) -> None:
    """Ask before something is removed that nobody named. Raises: InvalidInput when the answer is no."""
    from containerlab.commands.confirm import question
    from containerlab.errors import InvalidInput

    told = question(call)
    if not told:
        return
    if not os.isatty(0):
        raise InvalidInput(f"{call.command.name}: nobody can be asked here, so nothing was removed", _FORCE)
    sys.stderr.write(f"{told} Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InvalidInput("nothing was removed", _FORCE)


_FORCE = "give --force to remove without being asked"


def _call(engine: Engine, call: Call) -> Any:
    _confirm(call)
    if call.command.name == "events" and "until" not in call.options:
        call = call._replace(options={"follow": True, **call.options})
    if call.command.name == "ps" and ".Size" in call.face.get("format", ""):
        call = call._replace(options={"size": True, **call.options})
    if call.command.needs_text:
        return call.on(engine, **{call.command.reads: sys.stdin.read()})
    if not call.is_attached:
        return call.on(engine)
    from containerlab.engine import attach, terminal

    interactive, has_terminal = _streams(engine, call)
    if has_terminal and interactive and not os.isatty(0):
        from containerlab.errors import InvalidInput

        raise InvalidInput("standard input is not a terminal", "leave out -t, or give --no-stdin to attach")
    keys = terminal.parse_keys(call.options.get("detach_keys", "ctrl-p,ctrl-q"))
    keyboard = attach.Keyboard(0, keys if has_terminal else b"") if interactive else None
    proxied = call.options.get("sig_proxy", True) and not has_terminal
    conduct = terminal.Conduct(signals=proxied, terminal=has_terminal)
    try:
        with conduct, terminal.raw(0 if has_terminal and interactive else -1):
            return call.on(engine, sink=_write, input=keyboard, on_session=conduct.attached)
    except attach.Detached:
        return None
    finally:
        if keyboard is not None:
            keyboard.close()


def _streams(engine: Engine, call: Call) -> tuple[bool, bool]:
    """Say whether standard input is handed on, and whether the other end is a terminal."""
    if call.command.paths[0][-1] in ("run", "exec"):
        return bool(call.options.get("interactive")), bool(call.options.get("tty"))
    of = engine.machines if call.command.owner == "machines" else engine.containers
    made_with = of.info(call.arguments[0]).detail.get("options", {})
    wanted = call.options.get("interactive", call.command.paths[0][-1] == "attach") and not call.options.get(
        "no_stdin"
    )
    return bool(wanted and made_with.get("interactive")), bool(made_with.get("tty"))


def _write(stream: str, chunk: bytes) -> None:
    with _output():
        write_all(1 if stream == "stdout" else 2, chunk)


def _complain(message: str, hint: str = "", usage: str = "") -> None:
    sys.stdout.flush()
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stderr.isatty() and "NO_COLOR" not in os.environ else ("", "")
    sys.stderr.write(f"{bold}conlab:{plain} {_short(message)}\n")
    for name, text in (("hint", hint), ("usage", usage)):
        if text:
            sys.stderr.write(f"  {name}: {_short(text)}\n")


def _exit_code(error: LabError, words: Sequence[str]) -> int:
    if isinstance(error, ContainerFailed):
        return int(getattr(error.result, "exit_code", 1))
    usage_code = getattr(error, "exit_code", None)
    if isinstance(error, SetupFailed) or usage_code is not None:
        return int(usage_code or 125)
    return 125 if _verb(words) in ("run", "create") else 1


def _complete(engine: Engine, words: Sequence[str]) -> int:
    from containerlab.commands.complete import complete
    from containerlab.engine.names import names

    for candidate in complete(words, lambda kind: names(engine, kind)):
        _print(candidate)
    return 0


def _print_completion(words: Sequence[str]) -> int:
    from containerlab.shell_completion import SCRIPTS

    if len(words) != 1 or words[0] not in SCRIPTS:
        _complain("which shell?", f"one of {', '.join(SCRIPTS)}", "conlab completion bash|zsh|fish")
        return 125
    _print(SCRIPTS[words[0]])
    return 0
