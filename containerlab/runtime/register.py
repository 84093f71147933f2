"""The containers that `conlab runtime` made: one directory each, below the directory that --root names.

<root>/<id>/state.json     what is known of it
<root>/<id>/config.json    the specification as it was when the container was created
<root>/<id>/exec.fifo      where its first process waits; gone once it is started
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec

from containerlab.errors import AlreadyExists, Conflict, InvalidInput, NotFound
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.linux.files import remove_tree, write_atomically
from containerlab.linux.procfs import Identity, identify, is_alive
from containerlab.oci import runtime as oci
from containerlab.runtime.steps import plain

__all__ = ["Entry", "Register", "default_root"]

_ID = re.compile(r"[A-Za-z0-9_+.-]{1,1024}")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A container; `pid` is 0 as long as it is being created."""

    id: str
    bundle: str
    rootfs: str
    created: float
    annotations: dict[str, str] = {}
    pid: int = 0
    start_ticks: int = 0
    boot: str = ""
    cgroup: Any = None
    """A plan of linux/cgroups, as tuples."""

    @property
    def identity(self) -> Identity:
        """Its first process, recognisable after its pid is used again."""
        return Identity(self.pid, self.start_ticks, self.boot)

    @property
    def group(self) -> CgroupPlan | None:
        """Its cgroup, if it has one."""
        return CgroupPlan.restore(self.cgroup) if self.cgroup else None

    def with_group(self, group: CgroupPlan | None) -> Entry:
        """Return this entry with another cgroup."""
        return msgspec.structs.replace(self, cgroup=plain(group) if group else None)

    def with_process(self, pid: int) -> Entry:
        """Return this entry with its first process."""
        found = identify(pid)
        return msgspec.structs.replace(self, pid=pid, start_ticks=found.start_ticks, boot=found.boot)


def default_root() -> str:
    """Return where containers are registered when nobody says it."""
    if os.geteuid() == 0:
        return "/run/containerlab"
    return f"{os.environ.get('XDG_RUNTIME_DIR') or f'/tmp/containerlab-{os.geteuid()}'}/containerlab"


class Register:
    """All containers below one directory."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)

    def path(self, container_id: str) -> Path:
        """Return a container's directory, whether it is there or not.

        Raises: InvalidInput for what is no id.
        """
        if not _ID.fullmatch(container_id) or container_id in (".", ".."):
            raise InvalidInput(f"invalid container id {container_id!r}", "use letters, digits and _ + - .")
        return Path(self.root, container_id)

    def claim(self, container_id: str) -> Path:
        """Make the directory of a new container.

        Raises: AlreadyExists.
        """
        path = self.path(container_id)
        os.makedirs(self.root, mode=0o700, exist_ok=True)
        try:
            path.mkdir(mode=0o711)
        except FileExistsError as error:
            raise AlreadyExists(f"container {container_id} exists already", "choose another id") from error
        return path

    def write(self, entry: Entry) -> None:
        """Note what is known of a container."""
        write_atomically(str(self.path(entry.id) / "state.json"), msgspec.json.encode(entry))

    def entry(self, container_id: str) -> Entry:
        """Return what is known of a container.

        Raises: NotFound.
        """
        path = self.path(container_id)
        try:
            return msgspec.json.decode((path / "state.json").read_bytes(), type=Entry)
        except (FileNotFoundError, msgspec.DecodeError) as error:
            if path.is_dir():  # killed between two lines of `create`, or damaged
                return Entry(id=container_id, bundle="", rootfs="", created=time.time())
            raise NotFound(f"container {container_id} does not exist", "see `conlab runtime list`") from error

    def spec(self, container_id: str) -> oci.Spec:
        """Return the specification that a container was created from."""
        return oci.decode((self.path(container_id) / "config.json").read_bytes())

    def entries(self) -> list[Entry]:
        """Return all containers, by id."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []
        return [self.entry(name) for name in names if (Path(self.root, name) / "state.json").exists()]

    def status(self, entry: Entry) -> str:
        """Return creating, created, running, paused or stopped."""
        if not entry.pid:
            return "creating"
        if not is_alive(entry.identity):
            return "stopped"
        if (self.path(entry.id) / "exec.fifo").exists():
            return "created"
        group = entry.group
        return "paused" if group and control.is_frozen(group) else "running"

    def require(self, container_id: str, *wanted: str) -> Entry:
        """Return a container in one of the states that are wanted.

        Raises: NotFound; Conflict when it is in another state.
        """
        entry = self.entry(container_id)
        status = self.status(entry)
        if status not in wanted:
            # containerd and podman look for these very words.
            says = "container not running" if "running" in wanted else f"container is {status}"
            raise Conflict(f"{says}: {container_id} is {status}, not {' or '.join(wanted)}")
        return entry

    def forget(self, container_id: str) -> None:
        """Remove a container's directory."""
        remove_tree(str(self.path(container_id)))
