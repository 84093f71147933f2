"""Ask whoever uses this, in a terminal or in a notebook, whose kernel asks in the browser."""

from __future__ import annotations

import builtins
import contextlib
import os
import sys
from collections.abc import Iterator

from containerlab import errors

__all__ = ["ask", "ask_secret", "check_somebody_is_there"]


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
