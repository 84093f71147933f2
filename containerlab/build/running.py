"""What the builder asks of whoever runs the program of a RUN, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from containerlab.oci.runtime import MountPoint
from containerlab.runtime.secret_files import SecretFile
from containerlab.store.layer_writer import Committed

__all__ = ["Ended", "Program", "Runner"]


class Program(NamedTuple):
    """One RUN, with nothing left to be resolved.

    layers: of its root file system, lowest first; lowers: where they are unpacked, topmost first.
    secret_environment: names and values that are written nowhere. options: as of `run`.
    """

    layers: tuple[Committed, ...]
    lowers: Sequence[Path]
    words: tuple[str, ...]
    environment: tuple[str, ...]
    directory: str
    user: str
    network: str
    is_insecure: bool = False
    mounts: tuple[MountPoint, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    secret_environment: tuple[tuple[bytes, bytes], ...] = ()
    options: tuple[tuple[str, object], ...] = ()


class Ended(Protocol):
    """A program that has ended, with what it changed; gone at the end of the block that gave it."""

    exit_code: int
    is_oom_killed: bool

    def commit(
        self, compression: str, newest_s: int | None, watch: Callable[[bytes], object] | None
    ) -> Committed:
        """Pack what it changed as a layer; `watch` sees the tar stream."""

    def adopt(self, layer: Committed) -> None:
        """Let what was packed be the unpacked layer; nothing can be packed any more."""


class Runner(Protocol):
    """Runs programs of builds; safe for several threads."""

    def run(self, program: Program, sink: Callable[[str, bytes], None]) -> AbstractContextManager[Ended]: ...
    def stop(self) -> None:
        """Kill all programs that run, and those that would begin."""
