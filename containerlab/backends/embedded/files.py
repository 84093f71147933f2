"""Reaching into containers' file systems, running or not."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from containerlab.backends.base import Change, ImageInfo
from containerlab.backends.embedded import mount_points, repair
from containerlab.backends.embedded.ground import Ground
from containerlab.backends.embedded_images import image_info
from containerlab.errors import LabError, NotFound, Unavailable
from containerlab.linux import idmap as idmaps
from containerlab.linux import namespaces, procfs
from containerlab.linux.cgroups import control
from containerlab.linux.cgroups.plan import Plan
from containerlab.linux.namespaces import CLONE_NEWNS, CLONE_NEWUSER
from containerlab.oci.reference import Reference
from containerlab.store import removal, snapshots, trees
from containerlab.store.layers import PackOptions
from containerlab.store.records import Record, State
from containerlab.store.snapshots import Snapshot

if TYPE_CHECKING:
    import subprocess

    from containerlab.store.layer_writer import Committed
    from containerlab.store.workshop import Worker

__all__ = ["FileVerbs"]

_CHUNK = 1 << 20
_MADE_UP = ("proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue")


class FileVerbs(Ground):
    """Implements `optional.FileAccess`."""

    # --- archives -------------------------------------------------------------------------------

    def get_archive(
        self, name: str, path: str, output: BinaryIO, *, follow: bool = False, alone: bool = False
    ) -> None:
        """Write a file or directory of a container as an archive; with `/.` at the end what is in it.

        follow: a link that the path names. alone: the root file system without what is mounted in it.
        """
        with self._reaching(name, "get", {"path": path, "follow": follow}, alone=alone) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(_CHUNK):
                output.write(chunk)

    def put_archive(self, name: str, path: str, source: BinaryIO) -> None:
        """Unpack an archive, compressed or not, in a directory of a container."""
        from containerlab.store.compression import opened

        with self._reaching(name, "put", {"path": path}) as process, opened(source) as stream:
            assert process.stdin is not None
            _feed(stream, process.stdin)

    def is_directory(self, name: str, path: str) -> bool:
        """Tell whether a path, links followed, is a directory in a container."""
        with self._reaching(name, "is-directory", {"path": path}) as process:
            assert process.stdout is not None
            return bool(process.stdout.read())

    @contextlib.contextmanager
    def _reaching(
        self, name: str, operation: str, request: dict[str, Any], *, alone: bool = False
    ) -> Iterator[subprocess.Popen[bytes] | Worker]:
        """Give the process that does it inside the container, then see whether it could.

        Raises: NotFound, NotPermitted, Conflict and what else it met with.
        """
        container_id = self.records.find(name)
        repair.repair(self.records, container_id)
        request["single"] = self.host.idmap.kind == "single"
        with contextlib.ExitStack() as stack:
            state = self.records.state(container_id)
            if not self.records.is_supervised(container_id):
                stack.enter_context(self.records.held(container_id))
                process = self._mounting_process(container_id, operation, request, alone=alone)
            elif state.status == "running":
                process = self._joining_process(state, operation, request, alone=alone)
            else:
                raise Unavailable(f"container {name} is about to start or to end", "try again")
            yield from _attended(process)

    def _joining_process(
        self, state: State, operation: str, request: dict[str, Any], *, alone: bool
    ) -> subprocess.Popen[bytes] | Worker:
        try:
            pidfd = procfs.open_pidfd(state.identity)
        except ProcessLookupError as error:
            raise Unavailable("the container has just ended", "try again") from error
        try:
            view = {"pidfd": pidfd, "namespaces": _foreign(state.pid), "alone": alone}
            if operation == "get":
                request = {**request, "hidden": _made_up(state.pid)}
            return _process(idmaps.HOST, operation, view, request, pass_fds=(pidfd,))
        finally:
            os.close(pidfd)

    def _mounting_process(
        self, container_id: str, operation: str, request: dict[str, Any], *, alone: bool
    ) -> subprocess.Popen[bytes] | Worker:
        record = self.records.record(container_id)
        snapshot = self._snapshot(record)
        view = {
            "root": str(snapshot.root),
            "sources": snapshot.mounts,
            "binds": [] if alone else self._mounting.binds(record),
            "readonly": bool(record.options.get("read_only")),
        }
        if operation == "get":
            request = {**request, "hidden": []}
        return _process(self.host.idmap, operation, view, request)

    def _snapshot(self, record: Record) -> Snapshot:
        root, upper = self._places(record)
        if upper is None:
            return Snapshot("copy", (), root, None)
        return snapshots.prepare(
            self.home, root.parent, self._lowers(record), idmap=self.host.idmap, kind=record.snapshot
        )

    # --- changes --------------------------------------------------------------------------------

    def changes(self, name: str) -> list[Change]:
        """Return what a container added, changed and deleted, by path."""
        container_id = self.records.find(name)
        with self._staying(container_id):
            return self._changes(self.records.record(container_id))

    @contextlib.contextmanager
    def _staying(self, container_id: str) -> Iterator[None]:
        """Keep others from removing a container; with --rm its monitor may do it all the same.

        Raises: NotFound when it is gone.
        """
        try:
            with self.records.held(container_id):
                yield
        except FileNotFoundError as error:
            if os.path.isdir(self.records.directory(container_id)):
                raise
            raise NotFound.named("container", container_id[:12]) from error

    def _changes(self, record: Record) -> list[Change]:
        from containerlab.store import changes as comparing

        root, upper = self._places(record)
        found = comparing.changes(
            upper, root, self._lowers(record), idmap=self.host.idmap, stubs=mount_points.with_ways(record)
        )
        return [Change(kind=change.kind, path=change.path) for change in found]

    def commit(self, name: str, target: str, changes: Mapping[str, Any]) -> ImageInfo:
        """Make an image of what a container changed; it stands still meanwhile unless `pause` is false."""
        from containerlab.backends.embedded import committing

        fields = dict(changes)
        still = fields.pop("pause", True)
        if target:
            Reference.parse(target)  # a wrong name must not be found out after all the work
        container_id = self.records.find(name)
        record = self.records.record(container_id)
        base = self.store.get(record.image_id)
        draft = committing.draft(base, record, fields)
        with removal.leased(self.store):
            with (
                self._staying(container_id),
                self._frozen(container_id) if still else contextlib.nullcontext(),
            ):
                layer = self._layer(record)
            descriptor = committing.assembled(self.store, base, draft, layer)
            self.store.put(target or None, descriptor)
        self._emit(record, "commit", target=target)
        return image_info(self.store.get(descriptor.digest))

    def _layer(self, record: Record) -> Committed:
        root, upper = self._places(record)
        changed = {change.path for change in self._changes(record)}
        skip = [path.lstrip("/") for path in mount_points.with_ways(record) if path not in changed]
        options = PackOptions(skip=skip, noted=self.noted(record, self._lowers(record)))
        if upper is None:
            return self.layers.commit_copy(root, self._lowers(record), options)
        return self.layers.commit(upper, options)

    @contextlib.contextmanager
    def _frozen(self, container_id: str) -> Iterator[None]:
        """Hold a running container; one that is held already, or has no cgroup, is left as it is."""
        group = repair.cgroup_of(self.records, container_id)
        running = self.records.is_supervised(container_id)
        if not running or group is None or not _freeze(group):
            yield
            return
        try:
            yield
        finally:
            control.thaw(group)

    def _lowers(self, record: Record) -> list[Path]:
        """Return its layers, topmost first; one that comes twice counts where it comes last."""
        return [self.layers.path(diff_id) for diff_id in dict.fromkeys(reversed(record.layers))]

    def _places(self, record: Record) -> tuple[Path, Path | None]:
        directory = Path(self.records.directory(record.id))
        return directory / "root", None if record.snapshot == "copy" else directory / "upper"


def _process(
    idmap: idmaps.IdMap, operation: str, view: Mapping[str, Any], request: Mapping[str, Any], **popen: Any
) -> subprocess.Popen[bytes] | Worker:
    import json  # unlike msgspec, it writes names that are not UTF-8
    import subprocess

    from containerlab.runtime import inside

    words = [operation, json.dumps(view), json.dumps(request)]
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return trees.inside(idmap, inside.__name__, words, **pipes, **popen)


def _attended(
    process: subprocess.Popen[bytes] | Worker,
) -> Iterator[subprocess.Popen[bytes] | Worker]:
    """Give a process to work with, then wait for its end and raise what it complains of."""
    from containerlab.runtime import inside

    with process:
        try:
            yield process
            assert process.stdin is not None
            assert process.stderr is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            complaint = process.stderr.read()
        except BaseException:
            process.kill()
            raise
    if process.returncode == inside.REFUSED:
        raise inside.error_of(complaint)
    if process.returncode:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise Unavailable(f"the process inside the container ended with {process.returncode}: {last}")


def _feed(stream: BinaryIO, pipe: IO[bytes]) -> None:
    """Send all of a stream to a process, or until that has something to say."""
    with contextlib.suppress(BrokenPipeError):
        while chunk := stream.read(_CHUNK):
            pipe.write(chunk)
        pipe.flush()


def _foreign(pid: int) -> int:
    """Return the flags of the mount and user namespace that differ from this process's own."""
    theirs, ours = namespaces.of_pid(pid), namespaces.of_pid("self")
    kinds = (("user", CLONE_NEWUSER), ("mnt", CLONE_NEWNS))
    return sum(flag for file, flag in kinds if theirs[file] != ours[file])


def _made_up(pid: int) -> list[int]:
    """Return the devices of what is mounted in a container and holds no files that could be copied."""
    devices = set()
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            mount, _, source = line.partition(" - ")
            fields = mount.split()
            if source.split()[0] in _MADE_UP or fields[4] == "/dev":
                devices.add(os.makedev(*map(int, fields[2].split(":"))))
    return sorted(devices)


def _freeze(group: Plan) -> bool:
    """Hold the processes of a group; say whether that was done here."""
    if control.is_frozen(group):
        return False
    try:
        control.freeze(group)
    except LabError:
        return False
    return True
