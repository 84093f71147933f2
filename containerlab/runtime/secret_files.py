"""Secrets that a container's process is given, and how they become steps of its plan.

Their values are in a plan, which crosses the processes in memory, and nowhere else: not in config.json, in
no record, and not in what a plan is explained as or shown by in a traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from containerlab.errors import InvalidInput
from containerlab.runtime.steps import Step, step

__all__ = ["SHOWN", "Hidden", "SecretFile", "files", "variables"]

SHOWN = "<secret>"
"""What stands for a value wherever it would be printed."""


class Hidden(bytes):
    """Bytes that no traceback or message shows; `marshal` writes them as any other."""

    def __repr__(self) -> str:
        return SHOWN

    __str__ = __repr__


class SecretFile(NamedTuple):
    """A file that only this container's processes see, and that goes with them.

    target: an absolute path in the container. uid, gid: as in the container.
    """

    target: str
    content: bytes
    mode: int = 0o400
    uid: int = 0
    gid: int = 0

    def __repr__(self) -> str:
        return f"SecretFile({self.target!r}, {SHOWN})"


def files(wanted: Sequence[SecretFile]) -> Iterator[Step]:
    """Yield the step that shows files in the container.

    Raises: InvalidInput for a target that is no absolute path.
    """
    for each in wanted:
        if not each.target.startswith("/") or each.target.endswith("/"):
            raise InvalidInput(f"a secret's file needs an absolute path, not {each.target!r}")
    if wanted:
        plain = tuple((f.target, Hidden(f.content), f.mode, f.uid, f.gid) for f in wanted)
        yield step("show_secrets", (plain,))


def variables(wanted: Sequence[tuple[bytes, bytes]]) -> Iterator[Step]:
    """Yield the step that adds variables to the environment of the program, and of nothing else."""
    if wanted:
        yield step("add_variables", (tuple((name, Hidden(value)) for name, value in wanted),))
