"""The mounts of a RUN: stages and contexts, cache folders, memory, secrets, agents of SSH."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.build.cache.mounts import CacheFolders
from containerlab.build.files.selection import Source
from containerlab.build.language.run_mounts import RunMount
from containerlab.build.ops import Mounted, Run
from containerlab.build.secrecy.secrets import Secret
from containerlab.linux.files import write_atomically
from containerlab.linux.idmap import IdMap
from containerlab.oci.runtime import MountPoint
from containerlab.runtime.secret_files import SecretFile
from containerlab.store import merged, snapshots, trees
from containerlab.store.home import Home

__all__ = ["Mounting", "Mounts"]

_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent"


class Mounts(NamedTuple):
    """What a RUN's container gets because of its mounts."""

    points: tuple[MountPoint, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    environment: tuple[str, ...] = ()
    secret_environment: tuple[tuple[bytes, bytes], ...] = ()


class _Held(NamedTuple):
    """What a RUN has while it runs: the folders of its cache mounts by id, and more that goes with it."""

    folders: Mapping[str, Path]
    stack: contextlib.ExitStack


class Mounting:
    """Makes mounts; `secrets` and `agents` (sockets) are what the user lets builds have, by id.

    has_overlay: whether overlayfs works here. stopped: ends the waiting for cache folders.
    """

    def __init__(
        self,
        home: Home,
        idmap: IdMap,
        secrets: Mapping[str, Secret],
        agents: Mapping[str, str],
        has_overlay: bool,
        stopped: threading.Event,
    ) -> None:
        self._home = home
        self._idmap = idmap
        self._folders = CacheFolders(home, stopped)
        self._secrets = secrets
        self._agents = agents
        self._has_overlay = has_overlay

    @contextlib.contextmanager
    def mounted(self, run: Run, sources: Mapping[Mounted, Source]) -> Iterator[Mounts]:
        """Give the mounts of a RUN, as long as it runs.

        Raises: NotFound for a secret or a file that is not there, Unsupported.
        """
        caches = [each.mount for each in run.mounts if each.mount.type == "cache"]
        wanted = ((mount.id, mount.sharing or "shared") for mount in caches)
        with self._folders.taken(wanted) as folders, contextlib.ExitStack() as stack:
            held = _Held(folders, stack)
            mounts = Mounts()
            for number, each in enumerate(run.mounts):
                mounts = self._add(mounts, each, sources.get(each), number, held)
            yield mounts

    def _add(
        self,
        mounts: Mounts,
        mounted: Mounted,
        source: Source | None,
        number: int,
        held: _Held,
    ) -> Mounts:
        mount = mounted.mount
        match mount.type:
            case "tmpfs":
                return _with(mounts, _tmpfs(mount))
            case "secret":
                return self._secret(mounts, mount)
            case "ssh":
                return self._agent(mounts, mount, number)
            case "cache":
                return _with(mounts, self._cache(mount, source, held.folders[mount.id]))
        assert source is not None
        return _with(mounts, self._bind(mount, source, held.stack))

    def _secret(self, mounts: Mounts, mount: RunMount) -> Mounts:
        name = _secret_id(mount)
        secret = self._secrets.get(name)
        if secret is None:
            if mount.is_required:
                raise errors.NotFound(f"no such secret: {name}", f"build with --secret id={name},src=FILE")
            return mounts
        if mount.variable:
            pair = (mount.variable.encode(), secret.value)
            mounts = mounts._replace(secret_environment=(*mounts.secret_environment, pair))
            if not mount.target:
                return mounts
        target = mount.target or f"{_SECRETS}/{name}"
        file = SecretFile(
            target,
            secret.value,
            mount.mode if mount.mode is not None else 0o400,
            mount.uid or 0,
            mount.gid or 0,
        )
        return mounts._replace(secrets=(*mounts.secrets, file))

    def _agent(self, mounts: Mounts, mount: RunMount, number: int) -> Mounts:
        name = mount.id or "default"
        if name not in self._agents:
            if mount.is_required:
                raise errors.NotFound(f"no SSH agent {name}", f"build with --ssh {name}")
            return mounts
        target = mount.target or f"{_AGENT}.{number}"
        point = MountPoint(destination=target, type="bind", source=self._agents[name], options=("bind",))
        environment = (*mounts.environment, f"SSH_AUTH_SOCK={target}")
        return _with(mounts, point)._replace(environment=environment)

    # --- cache folders ---------------------------------------------------------------------------

    def _cache(self, mount: RunMount, source: Source | None, path: Path) -> MountPoint:
        # One at a time: to rename onto a folder that another has just got, still empty, would replace it.
        lock = f"build-mount-{path.parent.name[:40]}"
        with self._home.lock(lock):
            if not path.exists():
                write_atomically(str(path.parent / "id"), mount.id.encode(errors="surrogateescape"), 0o600)
                self._make(path, mount, source)
            os.unlink(self._home.root / "locks" / lock)
        os.utime(path.parent)
        options = ("rbind", "rprivate", *(("ro",) if mount.is_read_only else ()))
        return MountPoint(destination=mount.target, type="bind", source=str(path), options=options)

    def _make(self, path: Path, mount: RunMount, source: Source | None) -> None:
        """Make a folder, with what a `from` has as its first content."""
        with self._home.scratch("mount-") as scratch:
            fresh = scratch / "new"
            fresh.mkdir(mode=0o755)
            if source is not None:
                words = ["content", str(fresh), mount.source, *source.roots]
                trees.perform(self._idmap, "containerlab.store.copy", words)
            if source is None or mount.mode is not None:
                mode = 0o755 if mount.mode is None else mount.mode
                # Where there is one id only, whoever runs is the owner of everything.
                owner = (0, 0) if self._idmap.kind == "single" else (mount.uid or 0, mount.gid or 0)
                trees.own(fresh, self._idmap, owner, mode)
            try:
                trees.rename(fresh, path, self._idmap)
            except (OSError, errors.NotPermitted):
                if not path.exists():  # else another build was faster
                    raise

    # --- binds -----------------------------------------------------------------------------------

    def _bind(self, mount: RunMount, source: Source, stack: contextlib.ExitStack) -> MountPoint:
        with merged.opened([Path(root) for root in source.roots]) as (roots, keep):
            found = merged.find(roots, mount.source or "/", keep)
            if found is None:
                raise errors.NotFound(f"nothing to mount at {mount.source!r}", "check the path after source=")
            match, name = found
            if match.status is not None:
                return _shown(mount, os.path.join(_path_of(match.parent), os.fsdecode(name)))
            directories = [_path_of(directory) for directory in match.directories]
        if len(directories) == 1 and mount.is_read_only:
            return _shown(mount, directories[0])
        return self._overlaid(mount, directories, stack)

    def _overlaid(self, mount: RunMount, directories: list[str], stack: contextlib.ExitStack) -> MountPoint:
        """Mount several directories as one; what is written goes to a place that is removed with the RUN."""
        if not self._has_overlay:
            raise errors.Unsupported(
                "this mount needs overlayfs, which this host refuses", "COPY the files instead"
            )
        upper = None
        if not mount.is_read_only:
            scratch = stack.enter_context(self._home.scratch("mount-"))
            upper = scratch / "upper"
            upper.mkdir(mode=0o755)
            (scratch / "work").mkdir()
        elif len(directories) == 1:
            directories = [*directories, *directories]
        made = snapshots.overlay(self._home, list(map(Path, directories)), upper, self._idmap)
        return MountPoint(
            destination=mount.target, type="overlay", source=str(self._home.root), options=made.options
        )


def _with(mounts: Mounts, point: MountPoint) -> Mounts:
    return mounts._replace(points=(*mounts.points, point))


def _secret_id(mount: RunMount) -> str:
    return mount.id or mount.target.rpartition("/")[2]


def _tmpfs(mount: RunMount) -> MountPoint:
    size = (f"size={mount.size_bytes}",) if mount.size_bytes else ()
    options = ("nosuid", "nodev", "mode=1777", *size)
    return MountPoint(destination=mount.target, type="tmpfs", source="tmpfs", options=options)


def _shown(mount: RunMount, path: str) -> MountPoint:
    return MountPoint(destination=mount.target, type="bind", source=path, options=("rbind", "rprivate", "ro"))


def _path_of(directory: int) -> str:
    return os.readlink(f"/proc/self/fd/{directory}")
