"""`top` with options of ps: the host's own ps shows the processes of a container, as Docker has it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Collection, Sequence

from containerlab.errors import InvalidInput, Unsupported
from containerlab.views.table import Column, Table

__all__ = ["by_ps"]

Line = tuple[str, ...]


def by_ps(pids: Collection[int], options: Sequence[str]) -> Table[Line]:
    """Return what ps says about processes.

    Raises: Unsupported without ps on the host, InvalidInput when it does not take the options.
    """
    program = shutil.which("ps")
    if program is None:
        raise Unsupported("options of ps need the host's ps", "install the package procps, or give no option")
    heading, *lines = _said(program, pids, options)
    titles = heading.split()
    if "PID" not in titles:
        raise InvalidInput(
            "ps shows no PID, so nobody can tell whose lines these are", "add pid: -o pid,comm"
        )
    place = titles.index("PID")
    rows = [tuple(line.split(None, len(titles) - 1)) for line in lines]
    kept = [row for row in rows if len(row) > place and row[place].isdecimal() and int(row[place]) in pids]
    return Table(kept, [Column(title, title, _cell(number)) for number, title in enumerate(titles)])


def _cell(number: int) -> Callable[[Line], str]:
    return lambda row: row[number] if number < len(row) else ""


def _said(program: str, pids: Collection[int], options: Sequence[str]) -> list[str]:
    """Ask for these processes only; some options do not go with that, and then for those they name."""
    chosen = ",".join(map(str, pids))
    complaint = ""
    for words in ([f"-q{chosen}", *options], list(options)):
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, check=False, errors="replace"
        )
        if done.returncode == 0 and done.stdout:
            return done.stdout.splitlines()
        complaint = done.stderr.strip().partition("\n")[0]
    raise InvalidInput(f"ps does not take {' '.join(options)}: {complaint}", "see `man ps`")
