"""What an experiment is done with, whatever it is: a process, a container, a virtual machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

__all__ = ["DISK", "PROBE", "Instance", "Subject"]

PROBE = "/conlab-probe"
"""Where the measuring program lies in the root file system of every subject: the same static bytes."""
DISK = "/conlab-disk"
"""A directory that every subject has on what it calls its disk; words that a program is given may name it."""


class Instance(Protocol):
    """One of its kind, made and not started yet. What a kind cannot do raises Unsupported."""

    def start(self) -> None:
        """Start its program; returns as soon as the request is made."""

    def first_output_at(self, timeout_s: float) -> float:
        """Wait for the program's own first byte; return when it came, as `time.monotonic` counts.

        Raises: TimedOut.
        """

    def address(self) -> tuple[str, int]:
        """Return host and port at which its port is reached from this host."""

    def execute(self, words: Sequence[str], timeout_s: float) -> str:
        """Run another program inside to its end, and return what it printed.

        Raises: ContainerFailed with its words; TimedOut.
        """

    def pids(self) -> list[int]:
        """Return the host's processes for this instance alone: its own, runtime, shim, monitor, QEMU."""

    def workload_pid(self) -> int:
        """Return the host's process whose death is the workload's: the program itself, or QEMU."""

    def memory_bytes(self) -> int | None:
        """Return what its cgroup counts, None where none does."""

    def disk_bytes(self) -> int:
        """Return what this instance takes on disk, beside what all of its image share."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def snapshot(self) -> int:
        """Keep its state (a container's files, a machine's memory and devices); return the bytes."""

    def delete(self) -> None:
        """Stop it if it runs, and remove all of it."""


class Subject(Protocol):
    """A kind of thing that runs an image.

    name: as legends show it: "bare process", "containerlab", "docker", "vm microvm (tcg)". kind: process,
    container or vm. tier: of a vm, else empty. facts: columns of every row: engine, version, accelerator,
    guest_kernel, filesystem, network, seccomp, cpu_shares, restarts.
    """

    name: str
    kind: str
    tier: str
    facts: Mapping[str, str]

    def create(self, words: Sequence[str], *, port: int = 0, restarts: bool = False) -> Instance:
        """Make an instance that runs these words of the image, the probe's or others of its programs.

        port: of the guest or container, to be reached from this host. restarts: it is started again when
        its workload dies.
        """

    def close(self) -> None:
        """Remove what it holds."""
