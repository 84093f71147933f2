"""The mounts of a RUN: stages and contexts, cache folders, memory, secrets, agents of SSH."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.build.ops import Mounted, Run
from containerlab.build.run_mounts import RunMount
from containerlab.build.secrets import Secret
from containerlab.build.selection import Source
from containerlab.linux.idmap import IdMap
from containerlab.oci.runtime import MountPoint
from containerlab.runtime.secret_files import SecretFile
from containerlab.store import merged, trees
from containerlab.store.home import Home

__all__ = ["Mounting", "Mounts", "cache_folder"]

_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent"
_MOST_PRIVATE = 1000


class Mounts(NamedTuple):
    """What a RUN's container gets because of its mounts."""

    points: tuple[MountPoint, ...] = ()
    secrets: tuple[SecretFile, ...] = ()
    environment: tuple[str, ...] = ()
    secret_environment: tuple[tuple[bytes, bytes], ...] = ()


class Mounting:
    """Makes mounts; `secrets` and `agents` (sockets) are what the user lets builds have, by id."""

    def __init__(
        self,
        home: Home,
        idmap: IdMap,
        secrets: Mapping[str, Secret],
        agents: Mapping[str, str],
        overlays: bool,
    ) -> None:
        self._home = home
        self._idmap = idmap
        self._secrets = secrets
        self._agents = agents
        self._overlays = overlays

    @contextlib.contextmanager
    def mounted(self, run: Run, sources: Mapping[Mounted, Source]) -> Iterator[Mounts]:
        """Give the mounts of a RUN, as long as it runs.

        Raises: NotFound for a secret or a file that is not there, Unsupported.
        """
        with contextlib.ExitStack() as stack:
            mounts = Mounts()
            for number, each in enumerate(run.mounts):
                mounts = self._add(mounts, each, sources.get(each), number, stack)
            yield mounts

    def _add(
        self,
        mounts: Mounts,
        mounted: Mounted,
        source: Source | None,
        number: int,
        stack: contextlib.ExitStack,
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
                return _with(mounts, self._cache(mount, source, stack))
        assert source is not None
        return _with(mounts, self._bind(mount, source, stack))

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

    def _cache(self, mount: RunMount, source: Source | None, stack: contextlib.ExitStack) -> MountPoint:
        name = mount.id
        folder = cache_folder(self._home, name)
        path = self._chosen(folder, mount.sharing or "shared", stack)
        if not path.exists():
            (folder / "id").write_text(name)
            self._make(path, mount, source)
        os.utime(folder)
        options = ("rbind", "rprivate", *(("ro",) if mount.is_read_only else ()))
        return MountPoint(destination=mount.target, type="bind", source=str(path), options=options)

    def _chosen(self, folder: Path, sharing: str, stack: contextlib.ExitStack) -> Path:
        """Return the one folder that all share, maybe in turns, or one that nobody else has now."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = folder.name[:40]
        if sharing != "private":
            stack.enter_context(self._home.lock(f"mount-{name}", shared=sharing == "shared"))
            return folder / "0"
        for number in range(_MOST_PRIVATE):
            with contextlib.suppress(errors.Conflict):
                stack.enter_context(self._home.lock(f"mount-{name}-{number}", wait=False))
                return folder / str(number)
        raise errors.Unavailable(f"{_MOST_PRIVATE} builds use this cache folder", "try again later")

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
                trees.own(fresh, self._idmap, (mount.uid or 0, mount.gid or 0), mode)
            with contextlib.suppress(FileExistsError, OSError):  # another build was faster
                trees.rename(fresh, path, self._idmap)

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
        if not self._overlays:
            raise errors.Unsupported(
                "this mount needs overlayfs, which this host refuses", "COPY the files instead"
            )
        upper: list[str] = []
        if not mount.is_read_only:
            scratch = stack.enter_context(self._home.scratch("mount-"))
            (scratch / "upper").mkdir(mode=0o755)
            (scratch / "work").mkdir()
            upper = [f"upperdir={scratch}/upper", f"workdir={scratch}/work"]
        elif len(directories) == 1:
            directories = [*directories, *directories]
        extra = ["userxattr"] if self._idmap.kind != "none" else []
        options = (f"lowerdir={':'.join(directories)}", *upper, *extra)
        return MountPoint(destination=mount.target, type="overlay", source="overlay", options=options)


def cache_folder(home: Home, name: str) -> Path:
    """Return where the cache mounts of an id are: the id in a file, and folders `0`, `1`, … ."""
    return home.cache / "build-mounts" / hashlib.sha256(name.encode()).hexdigest()


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
