"""What a backend is: values go in, values come out.

A backend holds images and runs containers. The engine's sugar (`run`, `stop`, `restart`, `prune`) stands
above it and knows nothing else. What only some can do stands in `optional`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, Protocol

import msgspec

from containerlab import units
from containerlab.options.container import ExecOptions, RunOptions
from containerlab.views import html

__all__ = [
    "Backend",
    "Change",
    "ContainerInfo",
    "DiskSize",
    "Event",
    "ExitStatus",
    "Facility",
    "HistoryEntry",
    "ImageInfo",
    "LogLine",
    "Process",
    "Pruned",
    "Session",
    "Sink",
    "StepInfo",
    "Usage",
    "VolumeInfo",
]

Sink = Callable[[str, bytes], None]
"""Takes ("stdout" or "stderr", chunk) as it arrives."""


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a container used from its start to its end."""

    cpu_s: float = 0.0
    """CPU time of all its processes."""
    peak_memory_bytes: int | None = None
    """Most memory at once, page cache included where the cgroup counted; None when nothing could count."""
    throttled_s: float = 0.0
    """Time it was held back by its cpu limit."""
    source: str = "cgroup"
    """Who counted: "cgroup", or "rusage" (largest single process) without a cgroup."""

    def __str__(self) -> str:
        facts = [f"cpu {units.format_seconds(self.cpu_s)}"]
        if self.peak_memory_bytes is not None:
            facts.append(f"peak {units.format_size(self.peak_memory_bytes)}")
        if self.throttled_s:
            facts.append(f"throttled {units.format_seconds(self.throttled_s)}")
        return " · ".join(facts)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


class ExitStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a container or an exec session ended."""

    exit_code: int
    """As Docker's: the program's, 128 + signal, 126 or 127 when it could not be executed, 125 otherwise."""
    oom_killed: bool = False
    started_at: float = 0.0
    """Seconds since the epoch."""
    finished_at: float = 0.0
    usage: Usage = Usage()
    error: str = ""
    """Why it could not be started, else empty."""


class ImageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the store, for one platform."""

    id: str
    """Digest of the image configuration, as Docker's image id."""
    digest: str
    """Digest of the manifest, or of the index that the name points to."""
    names: tuple[str, ...]
    created: float | None
    """Seconds since the epoch."""
    size_bytes: int
    """Sum of the layers as they are stored (compressed)."""
    platform: str
    """As linux/amd64 or linux/arm64/v8."""
    layers: tuple[str, ...]
    """diff ids, lowest first."""
    config: dict[str, Any]
    """The image configuration as JSON: Entrypoint, Cmd, Env, WorkingDir, User, Labels, StopSignal, …"""
    dangling: bool = False
    author: str = ""
    comment: str = ""
    """What was said when its last layer was made."""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an image's history, newest first in listings."""

    created: float | None
    created_by: str
    size_bytes: int
    comment: str = ""
    layer: str = ""
    """diff id, empty for a line that made no layer."""


class ContainerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A container as it is now."""

    id: str
    """64 hexadecimal digits."""
    name: str
    image: str
    image_id: str
    command: tuple[str, ...]
    """What is executed: entry point and command."""
    created: float
    status: str
    """created, running, paused, restarting, exited, dead (its monitor died; the code is lost) or damaged (its
    files cannot be read)."""
    pid: int = 0
    """On the host; 0 when not running."""
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: float = 0.0
    finished_at: float = 0.0
    error: str = ""
    health: str = ""
    """starting, healthy or unhealthy; empty when it is not checked."""
    labels: dict[str, str] = {}
    notices: tuple[str, ...] = ()
    """What was asked and could not be given, a sentence each."""
    detail: dict[str, Any] = {}
    """What `inspect` shows beside: options, mounts, namespaces, cgroup paths, limits as written, security."""


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a container's output; `partial` when the line goes on in the next piece."""

    time: float
    stream: str
    text: bytes
    partial: bool = False


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """A process of a container, as the host sees it."""

    pid: int
    ppid: int
    uid: int
    started_at: float
    cpu_s: float
    rss_bytes: int
    command: str


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A path that a container added (A), changed (C) or deleted (D)."""

    kind: str
    path: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a container, an image or a volume."""

    time: float
    kind: str
    """container, image or volume."""
    action: str
    """create, start, die, oom, exec, pause, unpause, kill, stop, destroy, rename, update, tag, untag, …"""
    id: str
    attributes: dict[str, str] = {}


class Pruned(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """What a prune took away."""

    removed: tuple[str, ...]
    freed_bytes: int

    def to_text(self) -> str:
        return "\n".join([*self.removed, f"freed {units.format_size(self.freed_bytes)}"])


class VolumeInfo(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A named place for files that outlives containers."""

    name: str
    path: str
    created: float = 0.0
    labels: dict[str, str] = {}
    size_bytes: int | None = None
    is_anonymous: bool = False
    """Made for one container, without a name given by anybody."""
    used_by: tuple[str, ...] = ()
    """Ids of the containers that have it."""

    def to_text(self) -> str:
        return f"{self.name} · {self.path}"


class DiskSize(msgspec.Struct, frozen=True, kw_only=True):
    """What something takes on disk."""

    written_bytes: int
    """What would be free if it were removed: of a container, all that it wrote."""
    all_bytes: int
    """With what it shares with others: of a container, the layers of its image."""


class RootInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What virtual machines of an image start from, kept on disk."""

    image_id: str
    """Empty for what those of all images have."""
    size_bytes: int
    is_used: bool
    """Whether a machine has it, running or not."""


class StepInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One step of setting a container up, as `explain` shows it."""

    number: int
    call: str
    """The system call with its arguments, or what is done if it is none."""
    why: str
    who: str = ""
    """Which process does it: client, launcher, monitor or init."""


class Facility(msgspec.Struct, frozen=True, kw_only=True):
    """Something that this host may or may not allow, as `doctor` shows it."""

    name: str
    available: bool
    reason: str = ""
    """What was tried and what the kernel answered."""
    costs: str = ""
    """What one goes without if it is missing."""
    how: str = ""
    """How to get it."""


class Session(Protocol):
    """A process that somebody is attached to: a container's first one, or one made by `exec`."""

    info: ContainerInfo
    """The container as it was when the session began; with --rm nothing else tells of it afterwards."""

    def pump(self, sink: Sink, timeout_s: float | None = None) -> ExitStatus | None:
        """Hand output to `sink` until the process has ended and its output is drained, then say how.

        Returns None when `timeout_s` passed first; call again to go on. Interruptible (KeyboardInterrupt).
        """

    def write(self, data: bytes) -> None:
        """Send to standard input."""

    def close_stdin(self) -> None:
        """End standard input."""

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal's size."""

    def signal(self, number: int) -> None:
        """Send a signal to the process."""

    def detach(self) -> None:
        """Let go; the process goes on if its container is detached."""


class Backend(Protocol):
    """What every backend can do. Names are names, ids or unique id prefixes; errors are `errors.*`."""

    name: str

    # images
    def images(self) -> list[ImageInfo]: ...
    def image(self, name: str, platform: str | None = None) -> ImageInfo: ...
    def load(self, source: BinaryIO) -> list[str]: ...
    def save(
        self, names: Sequence[str], output: BinaryIO, archive_format: str = "docker-archive"
    ) -> None: ...
    def tag(self, name: str, target: str) -> None: ...
    def remove_image(self, name: str, *, force: bool = False) -> list[str]: ...

    # containers
    def create(
        self, image: str, command: Sequence[str], options: RunOptions, *, ephemeral: bool = False
    ) -> str:
        """Make a container; `ephemeral`: whoever calls is about to start it, so it need not outlive him."""

    def start(self, name: str) -> None: ...
    def start_attached(self, name: str) -> Session: ...
    def attach(self, name: str) -> Session: ...
    def exec(self, name: str, command: Sequence[str], options: ExecOptions) -> Session: ...
    def signal(self, name: str, number: int) -> None: ...
    def wait(self, name: str, timeout_s: float | None = None) -> ExitStatus: ...
    def inspect(self, name: str) -> ContainerInfo: ...
    def logs(
        self, name: str, *, follow: bool = False, since: float = 0.0, until: float = 0.0, tail: int = -1
    ) -> Iterator[LogLine]: ...
    def remove(self, name: str, *, force: bool = False, volumes: bool = False) -> None: ...
    def processes(self, name: str) -> list[Process]: ...
    def events(self, *, since: float = 0.0, until: float = 0.0, follow: bool = False) -> Iterator[Event]: ...
    def list(self) -> list[ContainerInfo]: ...
