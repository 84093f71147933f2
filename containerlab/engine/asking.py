"""Ask whoever uses this, in a terminal or in a notebook, whose kernel asks in the browser."""

from __future__ import annotations

import builtins
import os
import sys

from containerlab import errors

__all__ = ["ask", "ask_secret", "check_somebody_is_there"]


def check_somebody_is_there(face: str, what: str, instead: str) -> None:
    """Raise InvalidInput where nobody can be asked for `what`; instead: what to do there."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    in_notebook = face == "notebook" or getattr(shell, "kernel", None) is not None
    if not (in_notebook or os.isatty(0)):
        raise errors.InvalidInput(f"cannot ask for {what}: this is no terminal", instead)


def ask(question: str) -> str:
    """Return a line."""
    return builtins.input(question).strip()


def ask_secret(question: str) -> str:
    """Return a line that is not shown while it is typed."""
    import getpass

    return getpass.getpass(question)
