"""Ask whoever uses this, in a terminal or in a notebook, whose kernel asks in the browser."""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
from collections.abc import Iterator

from containerlab import errors

__all__ = ["ask", "ask_new_secret", "ask_secret", "check_somebody_is_there", "read_line"]


def check_somebody_is_there(face: str, what: str, instead: str) -> None:
    """Raise InvalidInput where nobody can be asked for `what`; instead: what to do there."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    in_notebook = face == "notebook" or getattr(shell, "kernel", None) is not None
    if not (in_notebook or os.isatty(0)):
        raise errors.InvalidInput(f"cannot ask for {what}: this is no terminal", instead)


def ask(question: str) -> str:
    """Return a line. Raises: InvalidInput when none comes."""
    with _answered(question):
        return builtins.input(question).strip()


def ask_secret(question: str) -> str:
    """Return a line that is not shown while it is typed. Raises: InvalidInput when none comes."""
    import getpass

    with _answered(question):
        return getpass.getpass(question)


def ask_new_secret(question: str) -> str:
    """Return what is typed twice, because nobody sees it. Raises: InvalidInput when that is not the same."""
    first = ask_secret(question)
    if ask_secret(f"{question.rstrip(' :')} again: ") != first:
        raise errors.InvalidInput("the two are not the same", "try again")
    return first


def read_line() -> str:
    """Return a line of standard input, where a secret comes from that no option may show."""
    return sys.stdin.readline().removesuffix("\n").removesuffix("\r")


@contextlib.contextmanager
def _answered(question: str) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise errors.InvalidInput(f"nothing was answered to {question.strip(' :')!r}") from error
    except NotImplementedError as error:  # a kernel's word for a notebook that is run by a program
        raise errors.InvalidInput(
            f"nobody can be asked {question.strip(' :')!r} where a notebook runs by itself",
            "give what is asked for as options",
        ) from error
