"""%container and %%container: every command of the command line, its value given back as an object."""

from __future__ import annotations

import codecs
import sys
import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand, output_can_be_silenced

import containerlab
from containerlab.commands.complete import complete
from containerlab.commands.confirm import question
from containerlab.commands.help import help_text
from containerlab.commands.parse import Call, HelpWanted, WrongUsage, parse
from containerlab.default import default_engine
from containerlab.engine.logs import Logs
from containerlab.engine.names import Names
from containerlab.engine.result import Interrupted
from containerlab.engine.system import Events
from containerlab.errors import ContainerFailed, LabError
from containerlab.expansion import expand
from containerlab.options.flag import Flag
from containerlab.options.values import text
from containerlab.printing import event_line, lines
from containerlab.views.progress import canvas, notebook_canvas

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["ContainerMagics", "load_ipython_extension", "unload_ipython_extension"]

_FLAGS = {"out": Flag("-o --out", text, "Give the result this name", "NAME")}


@magics_class
class ContainerMagics(Magics):
    """The magics; one instance for a shell."""

    shell: InteractiveShell

    @property
    def engine(self) -> Engine:
        return default_engine()

    @output_can_be_silenced
    @no_var_expand
    @line_cell_magic
    def container(self, line: str, cell: str | None = None) -> Any:
        """Run a containerlab command; `%container --help` lists them.

        %container run --memory 64m --rm lab/base echo hi
        x = %container ps

        In a cell, what follows the first line is the standard input of the program:

        %%container run -i lab/base python3 -
        """
        words = expand(line.strip().removesuffix(";"), self.shell.user_ns)
        with_traceback = words[:1] == ["--traceback"]
        name, words = _taken_name(words[with_traceback:])
        call = _parsed(words)
        if call is None:
            return None
        name = name or call.face.get("out", "")
        try:
            value = self._perform(call, cell)
        except (LabError, Interrupted) as error:
            self._keep(name, getattr(error, "result", None))
            error.hint = _in_a_notebook(error.hint)
            if with_traceback:
                traceback.print_exc()
            raise
        except KeyboardInterrupt:
            raise Interrupted(
                f"stopped {call.command.name}", _AFTERMATHS.get(call.command.name, "")
            ) from None
        self._keep(name, value)
        return None if name else value

    def _keep(self, name: str, value: Any) -> None:
        if value is not None:
            containerlab.last = value
        if name:
            self.shell.user_ns[name] = value

    def _perform(self, call: Call, cell: str | None) -> Any:
        _check_cell(call, cell)
        in_notebook = hasattr(self.shell, "kernel")
        self.engine.canvas = notebook_canvas() if in_notebook else canvas()
        self.engine.face = "notebook" if in_notebook else "terminal"
        values = [self._value(each, cell) for each in call.each()]
        return values[0] if len(values) == 1 else Several(values)

    def _value(self, call: Call, cell: str | None) -> Any:
        if told := question(call):
            raise WrongUsage(f"{told.removesuffix('.')}, and a cell cannot ask whether to", "give --force")
        if call.command.reads and cell is not None:
            named = {"cell": _cell_id(self.shell)} if call.command.names_cell else {}
            return call.on(self.engine, **{call.command.reads: cell}, **named)
        if not call.is_attached:
            return _complete_value(call.on(self.engine))
        if call.command.paths[0][-1] in ("run", "exec"):
            # A cell that fails must stop Run All, and be seen by those who test notebooks.
            call = call._replace(options={"check": True, **call.options})
        screen = Screen()
        try:
            return call.on(self.engine, sink=screen.take, input=cell)
        except ContainerFailed as error:
            if not getattr(error.result, "oom_killed", False):
                error.hint = ""  # it repeats the last line of what the cell shows already
            raise
        finally:
            screen.close()


class Word(str):
    """A name that a command gave back: a text like any other, shown without quotes."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self)


class Several(list[Any]):
    """What a command gave back for each of several names, shown in lines."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text("\n".join(line for value in self for line in lines(value, {})))


def _parsed(words: list[str]) -> Call | None:
    """Return the call, or None when help was wanted and shown; both are written as in a notebook."""
    try:
        return parse(words, _FLAGS)
    except HelpWanted as wanted:
        print(_in_a_notebook(help_text(wanted.path)))
        return None
    except WrongUsage as wrong:
        wrong.usage = _in_a_notebook(wrong.usage)
        raise


def _cell_id(shell: InteractiveShell) -> str:
    """Return what the front end calls the running cell; most do not say."""
    kernel = getattr(shell, "kernel", None)
    message = kernel.get_parent("shell") if kernel is not None else {}
    return str(message.get("metadata", {}).get("cellId", ""))


def _check_cell(call: Call, cell: str | None) -> None:
    """Raise WrongUsage for a cell that would not be read, and for one that is missing."""
    name = call.command.name
    if cell is not None and not (call.is_attached or call.command.reads):
        raise WrongUsage(f"{name} does not read a cell", "write it in one line with %container")
    if cell is None and call.command.needs_text:
        raise WrongUsage(f"{name} needs a cell", f"write it below a first line of %%container {name}")


def _in_a_notebook(text: str) -> str:
    """Write the commands that a text names as they are written in a cell."""
    return text.replace("conlab ", "%container ")


_AFTERMATHS = dict.fromkeys(("attach", "logs", "wait", "events"), "containers go on")
"""What an interrupt leaves, where that is a question."""


def _taken_name(words: list[str]) -> tuple[str, list[str]]:
    """Take `-o NAME` from before the command, where no command has an option of that name."""
    if words[:1] and words[0] in ("-o", "--out") and len(words) > 1:
        return words[1], words[2:]
    return "", words


def _complete_value(value: Any) -> Any:
    """Show what goes on until it is interrupted; give back anything else."""
    if isinstance(value, Events):
        return _watched(value) if value.follows else value.table()
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return Several(value)
    if isinstance(value, str):
        return Word(value)
    if isinstance(value, Logs) and value.follows:
        screen = Screen()
        try:
            for stream, chunk in value.pieces():
                screen.take(stream, chunk)
        finally:
            screen.close()
        return None
    return value


def _watched(events: Events) -> None:
    for event in events:
        print(event_line(event), flush=True)


class Screen:
    """Shows output in the cell while it comes: so many lines, then the last ones.

    ipykernel gathers what is written and sends it five times a second, so nothing is gathered here.
    """

    SHOWN_LINES = 500
    LAST_LINES = 10

    def __init__(self) -> None:
        new_decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {"stdout": new_decoder("replace"), "stderr": new_decoder("replace")}
        self._lines = 0
        self._hidden: deque[str] = deque(maxlen=self.LAST_LINES)
        self._hidden_lines = 0

    def take(self, stream: str, chunk: bytes) -> None:
        """Show a chunk."""
        self._show(stream, self._decoders[stream].decode(chunk))

    def _show(self, stream: str, decoded: str) -> None:
        room = self.SHOWN_LINES - self._lines
        if room <= 0:
            self._hide(decoded)
            return
        lines = decoded.splitlines(keepends=True)
        self._lines += decoded.count("\n")
        target = sys.stdout if stream == "stdout" else sys.stderr
        target.write("".join(lines[:room]))
        target.flush()
        self._hide("".join(lines[room:]))

    def _hide(self, decoded: str) -> None:
        self._hidden_lines += decoded.count("\n")
        self._hidden.extend(decoded.splitlines())

    def close(self) -> None:
        """Show what is left."""
        for stream, decoder in self._decoders.items():
            self._show(stream, decoder.decode(b"", final=True))
        if self._hidden:
            last = "\n".join(self._hidden)
            print(f"… {self._hidden_lines} more lines, all are in the result; the last:\n{last}")


def matcher(names: Names) -> Any:
    """Make what completes `%container …`; names of images and containers come from `names`."""

    @context_matcher()  # type: ignore[untyped-decorator]  # IPython has no types
    def container_matcher(context: CompletionContext) -> SimpleMatcherResult:
        words = _words_before(context.text_until_cursor)
        if words is None:
            return {"completions": [], "suppress": False}
        # IPython replaces its token only: what stands before it in the word is there already.
        before = words[-1][: len(words[-1]) - len(context.token)] if words[-1].endswith(context.token) else ""
        found = [candidate for candidate in complete(words, names) if candidate.startswith(before)]
        completions = [SimpleCompletion(candidate[len(before) :], type="param") for candidate in found]
        return {"completions": completions, "suppress": bool(found), "matched_fragment": context.token}

    container_matcher.matcher_identifier = "containerlab"
    return container_matcher


def _words_before(typed: str) -> list[str] | None:
    """Return the words of the magic up to the cursor, the last one unfinished; None elsewhere."""
    line = typed.split("\n")[-1]
    before, found, words = line.partition("%container ")
    if not found or (before.strip(" %") and not before.rstrip(" %").endswith(("=", "("))):
        return None
    return [*words.split(), ""] if not words or words[-1].isspace() else words.split()


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add the magics and their completion: `%load_ext containerlab`."""
    shell.register_magics(ContainerMagics)
    _forget_matcher(shell)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(matcher(Names(default_engine())))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take away what loading added."""
    _forget_matcher(shell)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("container", None)


def _forget_matcher(shell: InteractiveShell) -> None:
    if shell.Completer is not None:
        kept = [
            each
            for each in shell.Completer.custom_matchers
            if getattr(each, "matcher_identifier", "") != "containerlab"
        ]
        shell.Completer.custom_matchers = kept
