"""The instructions of a Dockerfile, typed; variables are not expanded yet.

Source: Dockerfile reference, syntax 1.x.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Add",
    "Arg",
    "Cmd",
    "Command",
    "Copy",
    "Dockerfile",
    "Entrypoint",
    "Env",
    "Expose",
    "From",
    "HealthTest",
    "Healthcheck",
    "Heredoc",
    "Instruction",
    "Label",
    "Maintainer",
    "Onbuild",
    "Place",
    "Run",
    "Shell",
    "Stage",
    "StopSignal",
    "User",
    "Volume",
    "Workdir",
]


class Place(msgspec.Struct, frozen=True):
    """Where an instruction stands: its first and its last line, from 1, a heredoc's lines included."""

    first: int
    last: int


class Heredoc(msgspec.Struct, frozen=True, kw_only=True):
    """A document in the Dockerfile: `<<NAME`, its lines, `NAME`."""

    name: str
    content: str
    """With its last newline; with `<<-` without leading tabs."""
    expands: bool = True
    """Whether variables in it count: not when its name is quoted."""
    descriptor: int = 0
    """The number before `<<`, 0 if none."""
    source: str = ""
    """Its lines as they stand in the Dockerfile: for a shell that reads the document itself."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What RUN, CMD, ENTRYPOINT and HEALTHCHECK execute."""

    words: tuple[str, ...]
    """In exec form the words; in shell form one string, as it is written, lines joined."""
    is_shell: bool
    heredocs: tuple[Heredoc, ...] = ()


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """What all instructions have."""

    place: Place
    text: str
    """As it is written, continued lines joined, keyword as written: for history, messages, progress."""
    keyword: str
    """As it is written: lint looks at its case."""


class From(Instruction, frozen=True, kw_only=True):
    image: str
    platform: str = ""
    name: str = ""
    """As written after AS; stage names are compared without case."""
    name_keyword: str = ""
    """`AS` as it is written."""


class Arg(Instruction, frozen=True, kw_only=True):
    pairs: tuple[tuple[str, str | None], ...]


class Env(Instruction, frozen=True, kw_only=True):
    pairs: tuple[tuple[str, str], ...]
    """Names and values with their quotes: expansion takes those away."""
    is_legacy: bool = False
    """Written without `=`."""


class Label(Env, frozen=True, kw_only=True):
    pass


class Run(Instruction, frozen=True, kw_only=True):
    command: Command
    mounts: tuple[str, ...] = ()
    """Values of --mount, unexpanded; see `run_mounts`."""
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[str, ...] = ()


class Copy(Instruction, frozen=True, kw_only=True):
    sources: tuple[str, ...]
    """Without those that are heredocs."""
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    """Sources that stand in the Dockerfile itself: files named as the heredoc."""
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    is_link: bool = False
    keeps_parents: bool = False
    excludes: tuple[str, ...] = ()


class Add(Copy, frozen=True, kw_only=True):
    checksum: str = ""
    keeps_git_dir: bool | None = None
    unpacks: bool | None = None
    """None: local archives are unpacked, remote ones are not."""


class Workdir(Instruction, frozen=True, kw_only=True):
    path: str


class User(Instruction, frozen=True, kw_only=True):
    user: str


class Expose(Instruction, frozen=True, kw_only=True):
    ports: tuple[str, ...]
    """Sorted as text, as BuildKit keeps them."""


class Volume(Instruction, frozen=True, kw_only=True):
    paths: tuple[str, ...]


class Cmd(Instruction, frozen=True, kw_only=True):
    command: Command


class Entrypoint(Instruction, frozen=True, kw_only=True):
    command: Command


class HealthTest(msgspec.Struct, frozen=True, kw_only=True):
    """Durations are nanoseconds, 0 means inherited."""

    command: Command
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Healthcheck(Instruction, frozen=True, kw_only=True):
    test: HealthTest | None
    """None for HEALTHCHECK NONE."""


class StopSignal(Instruction, frozen=True, kw_only=True):
    signal: str


class Shell(Instruction, frozen=True, kw_only=True):
    words: tuple[str, ...]


class Onbuild(Instruction, frozen=True, kw_only=True):
    trigger: str
    """What stands after ONBUILD, as the image's configuration keeps it; parsed to be checked."""


class Maintainer(Instruction, frozen=True, kw_only=True):
    name: str


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A FROM and what follows it."""

    index: int
    from_: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str:
        """Its name in lower case, or its number."""
        return self.from_.name.lower() or str(self.index)


class Dockerfile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file, parsed."""

    name: str
    """Its path as the user gave it, for messages."""
    text: str
    directives: dict[str, str] = {}
    """syntax, escape, check."""
    global_args: tuple[Arg, ...] = ()
    stages: tuple[Stage, ...] = ()

    @property
    def escape(self) -> str:
        return self.directives.get("escape", "\\")
