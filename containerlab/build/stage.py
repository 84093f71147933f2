"""A stage while its instructions are evaluated: what the next one finds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from containerlab.build.language.instructions import Command
from containerlab.build.ops import Vertex
from containerlab.oci.image import Config, History
from containerlab.oci.platform import Platform

__all__ = ["COMMENT", "Line", "Stage", "describe", "with_shell"]

_DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
COMMENT = "buildkit.dockerfile.v0"
"""What tells tools how to read the lines of history."""
_SHELL = ("/bin/sh", "-c")


class Line(NamedTuple):
    """A line of history, and the vertex whose layer it tells of; `entry` when it is of a base image."""

    text: str
    vertex: Vertex | None = None
    entry: History | None = None


class Stage:
    """What is known after some instructions of a stage.

    vertex: the file system so far, None for nothing. config: what a container would get. arguments: the
    build arguments in scope, None for those without a value. variables: what expansion and RUN see. lines:
    the history, that of the base image first.
    """

    def __init__(self, name: str, vertex: Vertex | None, config: Config, platform: Platform) -> None:
        self.name = name
        self.vertex = vertex
        self.config = config
        self.platform = platform
        self.arguments: dict[str, str | None] = {}
        self.variables: dict[str, str] = {}
        self.lines: list[Line] = []
        self.author = ""
        self.has_command = False
        self.done = 0
        self.total = 0
        self.is_uncached = False

    def inherit(self, base: Stage) -> None:
        """Go on where another stage ended."""
        self.arguments = dict(base.arguments)
        self.variables = dict(base.variables)
        self.lines = list(base.lines)
        self.author = base.author

    def begin(self) -> None:
        """Let the configuration that was inherited count: its variables, and a PATH if it has none."""
        if not any(entry.startswith("PATH=") for entry in self.config.env):
            self.change(env=(*self.config.env, _DEFAULT_PATH))
        self.variables |= dict(_pair(entry) for entry in self.config.env)

    def change(self, **fields: object) -> None:
        """Replace fields of the configuration."""
        self.config = msgspec.structs.replace(self.config, **fields)

    def set_variables(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Set variables in the configuration and for what follows."""
        known = dict(_pair(entry) for entry in self.config.env)
        for name, value in pairs:
            known[name] = value
            self.variables[name] = value
        self.change(env=tuple(f"{name}={value}" for name, value in known.items()))

    def note(self, text: str, vertex: Vertex | None = None) -> None:
        """Add a line of history."""
        self.lines.append(Line(text, vertex))

    def grow(self, vertex: Vertex, text: str) -> None:
        """Stand on a new vertex, and tell of it in the history."""
        self.vertex = vertex
        self.note(text, vertex)

    def argument_values(self) -> dict[str, str]:
        """Return the build arguments as a RUN sees them: a variable of the same name wins."""
        return {name: self.variables.get(name, value or "") for name, value in self.arguments.items()}


def _pair(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value


def with_shell(config: Config, command: Command) -> tuple[str, ...]:
    """Return the words to execute: those of the exec form, or of the shell that reads the shell form."""
    if not command.is_shell:
        return command.words
    return (*(config.shell or _SHELL), " ".join(command.words))


def describe(environment: Mapping[str, str]) -> str:
    """Write build arguments as the history of a RUN has them: `|2 A=1 B=2 `."""
    if not environment:
        return ""
    return f"|{len(environment)} " + "".join(f"{name}={value} " for name, value in environment.items())
