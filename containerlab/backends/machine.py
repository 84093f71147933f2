"""What a backend that runs virtual machines is: the verbs of containers, for machines.

Machines and containers have the same verbs under the same names, so that what stands above can stop, follow
and list either. Names are names, ids or unique beginnings of ids; errors are `errors.*`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from containerlab.backends.base import ContainerInfo, ExitStatus, LogLine, Session, StepInfo
from containerlab.options.machine import VmExecOptions, VmRunOptions

__all__ = [
    "Boot",
    "KernelInfo",
    "MachineBackend",
    "MachineInfo",
    "MachineSample",
    "MachineSession",
    "Virtual",
]

Say = Callable[[str], None]
"""Takes a line that says what is being done."""


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine came up. Times are None until then."""

    tier: str
    accelerator: str = ""
    """kvm, hvf or tcg (emulated); empty before the first start."""
    kernel: str = ""
    """Release, as `uname -r` prints it in the guest."""
    boot_s: float | None = None
    """From the start of QEMU until the guest's first process answered."""
    ready_s: float | None = None
    """From the request until the guest was set up and began the program."""


class MachineInfo(ContainerInfo, frozen=True, kw_only=True):
    """A virtual machine as it is now. pid: QEMU's process on the host."""

    boot: Boot
    memory_bytes: int = 0
    cpus: int = 1


class MachineSample(msgspec.Struct, frozen=True, kw_only=True):
    """One reading of a machine, by the host and by the guest. None: nobody could tell."""

    clock_s: float
    """The host's monotonic clock."""
    cpu_s: float
    """CPU time of QEMU and the processes that it needs."""
    memory_bytes: int
    """Their memory, what they share with others counted in part (PSS)."""
    pids: int
    """How many they are."""
    guest_cpu_s: float | None = None
    """CPU time of all processors of the guest that were not idle."""
    guest_memory_bytes: int | None = None
    """What the guest has in use."""
    guest_memory_limit_bytes: int | None = None
    guest_processes: int | None = None


class KernelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A guest kernel that is in the cache."""

    release: str
    architecture: str
    digest: str
    """Of the uncompressed kernel."""
    path: str
    size_bytes: int
    source: str = ""
    """Where it came from."""


class MachineSession(Session, Protocol):
    """The program of a machine, with somebody attached."""

    info: MachineInfo

    @property
    def boot(self) -> Boot:
        """How the machine came up, as far as it is known now."""


class MachineBackend(Protocol):
    """Keeps and runs virtual machines."""

    def create(
        self,
        image: str,
        command: Sequence[str],
        options: VmRunOptions,
        *,
        ephemeral: bool = False,
        say: Say = ...,
    ) -> str:
        """Make a machine and all that it needs (kernel, root file system) and return its id.

        ephemeral: whoever calls is about to start it, so it need not outlive him.
        """

    def start(self, name: str) -> None:
        """Start a machine in the background; return when its program runs."""

    def start_attached(self, name: str, begun_at: float = 0.0) -> MachineSession:
        """Start a machine that ends with its caller. begun_at: monotonic clock when it was asked for."""

    def attach(self, name: str) -> MachineSession: ...
    def exec(self, name: str, command: Sequence[str], options: VmExecOptions) -> Session: ...
    def signal(self, name: str, number: int) -> None:
        """Send its program a signal; KILL powers the machine off."""

    def stop(self, name: str, number: int | None = None, timeout_s: float | None = None) -> None:
        """Ask its program to end, power it off after the timeout, and wait for that."""

    def wait(self, name: str, timeout_s: float | None = None) -> ExitStatus: ...
    def inspect(self, name: str) -> MachineInfo: ...
    def logs(
        self, name: str, *, follow: bool = False, since: float = 0.0, until: float = 0.0, tail: int = -1
    ) -> Iterator[LogLine]: ...
    def console(self, name: str) -> bytes:
        """Return what the guest's kernel printed."""

    def pause(self, name: str) -> None: ...
    def unpause(self, name: str) -> None: ...
    def snapshot(self, name: str) -> int:
        """Save memory and devices into the machine's directory; return the bytes on disk."""

    def sample(self, name: str) -> MachineSample: ...
    def disk_bytes(self, name: str) -> int:
        """Return what a machine takes on disk, beside what machines of its image share."""

    def remove(self, name: str, *, force: bool = False) -> None: ...
    def explain(self, image: str, command: Sequence[str], options: VmRunOptions) -> list[StepInfo]:
        """Return the steps of a start, QEMU's command line among them."""

    def snapshot_sizes(self) -> list[int]:
        """Return the bytes of each snapshot that machines of the resume tier are restored from."""

    def drop_snapshots(self) -> int:
        """Remove them; return the bytes freed. They are made again when they are needed."""

    def kernels(self) -> list[KernelInfo]: ...
    def pull_kernel(self, suite: str = "", say: Say = ...) -> KernelInfo:
        """Get Debian's newest kernel into the cache, of a release of Debian if one is named."""

    def remove_kernel(self, release: str) -> None: ...
    def list(self) -> list[MachineInfo]: ...


@runtime_checkable
class Virtual(Protocol):
    """Can run images as virtual machines."""

    @property
    def machines(self) -> MachineBackend: ...
