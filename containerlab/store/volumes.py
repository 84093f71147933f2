"""Named volumes: directories that outlive containers.

volumes/<name>/volume.json   when and with which labels it was made
volumes/<name>/_data/        what containers see
volumes/<name>/held          whoever changes it holds a lock on this file
volumes/<name>/filling       there while the content of an image is copied in; then it is done again
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from containerlab import errors
from containerlab.linux import idmap as idmaps
from containerlab.linux.files import sync_directory, write_file
from containerlab.linux.idmap import IdMap
from containerlab.store import trees
from containerlab.store.home import Home

__all__ = ["Volume", "Volumes"]

_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}"

InUse = Callable[[str], Sequence[str]]
"""Returns the names of the containers that have a volume."""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a volume."""

    name: str
    created: float
    """Seconds since the epoch."""
    labels: dict[str, str] = {}


class Volumes:
    """The volumes of a home; safe for many processes."""

    def __init__(self, home: Home, idmap: IdMap | None = None) -> None:
        self._home = home
        self._idmap = idmap

    def path(self, name: str) -> Path:
        """Return the directory that containers see.

        Raises: InvalidInput for what cannot be a name.
        """
        return self._directory(name) / "_data"

    def create(self, name: str, labels: Mapping[str, str] | None = None) -> Volume:
        """Make a volume.

        Raises: AlreadyExists, InvalidInput.
        """
        volume = Volume(name=name, created=time.time(), labels=dict(labels or {}))
        directory = self._directory(name)
        with self._home.scratch("volume-") as scratch:
            fresh = scratch / "new"
            (fresh / "_data").mkdir(parents=True)
            (fresh / "_data").chmod(0o755)
            write_file(f"{fresh}/volume.json", msgspec.json.encode(volume), 0o644, durable=True)
            try:
                fresh.rename(directory)
            except OSError as error:
                raise errors.AlreadyExists(
                    f"there is a volume {name} already", "choose another name"
                ) from error
        sync_directory(str(self._home.volumes))
        return volume

    def ensure(self, name: str) -> Path:
        """Return the directory that containers see, made if there is no such volume yet."""
        path = self.path(name)
        if not path.exists():
            with contextlib.suppress(errors.AlreadyExists):  # somebody else was faster
                self.create(name)
        return path

    def get(self, name: str) -> Volume:
        """Return what is known of a volume.

        Raises: NotFound with the nearest name.
        """
        try:
            raw = (self._directory(name) / "volume.json").read_bytes()
            return msgspec.json.decode(raw, type=Volume)
        except FileNotFoundError:
            raise errors.NotFound.named("volume", name, os.listdir(self._home.volumes)) from None
        except msgspec.MsgspecError as error:
            raise errors.CorruptContent(
                f"volume {name} has a damaged volume.json: {error}", f"its files are in {self.path(name)}"
            ) from error

    def list(self) -> tuple[Volume, ...]:
        """Return all volumes by name."""
        found = []
        for name in sorted(filter(_is_name, os.listdir(self._home.volumes))):
            with contextlib.suppress(errors.NotFound):  # removed meanwhile
                found.append(self._listed(name))
        return tuple(found)

    def _listed(self, name: str) -> Volume:
        """Return a volume; one whose description is damaged still has its files."""
        try:
            return self.get(name)
        except errors.CorruptContent:
            return Volume(name=name, created=os.stat(self._directory(name)).st_mtime)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Return what the files of volumes take on disk, by name; one that is gone meanwhile is left out."""
        paths = {str(self.path(name)): name for name in names if self.path(name).exists()}
        if not paths:
            return {}
        found = trees.perform(self.idmap, "containerlab.store.tree_size", list(paths)).split()
        return dict(zip(paths.values(), map(int, found), strict=True))

    def fill(self, name: str, lowers: Sequence[Path], target: str, idmap: IdMap) -> None:
        """Copy what an image has at a path into an empty volume, owner and mode of the directory too.

        lowers: the image's unpacked layers, topmost first.
        """
        directory = self._directory(name)
        data, filling = directory / "_data", directory / "filling"
        if any(os.scandir(data)) and not filling.exists():
            return
        with self._home.lock_in(str(directory)):
            if any(os.scandir(data)) and not filling.exists():
                return
            filling.touch()
            words = ["content", str(data), target, *map(str, lowers)]
            trees.perform(idmap, "containerlab.store.copy", words)
            filling.unlink()

    def remove(self, name: str, in_use: InUse) -> None:
        """Remove a volume with all that is in it.

        Raises: NotFound; Conflict while a container has it.
        """
        directory = self._directory(name)
        with self._home.lock_in(str(directory)) as is_there:
            if not is_there:
                self.get(name)
            if users := in_use(name):
                raise errors.Conflict(
                    f"volume {name} is in use by {', '.join(users)}", "remove the container first"
                )
            with self._home.scratch("gone-") as scratch:
                directory.rename(scratch / "volume")
                trees.remove(scratch / "volume", self.idmap)

    def prune(self, in_use: InUse) -> tuple[str, ...]:
        """Remove all volumes that no container has, and return their names."""
        removed = []
        for volume in self.list():
            with contextlib.suppress(errors.Conflict, errors.NotFound):
                self.remove(volume.name, in_use)
                removed.append(volume.name)
        return tuple(removed)

    @property
    def idmap(self) -> IdMap:
        """Whose ids the files belong to."""
        if self._idmap is None:
            self._idmap = idmaps.choose()
        return self._idmap

    def _directory(self, name: str) -> Path:
        if not _is_name(name):
            raise errors.InvalidInput(
                f"{name!r} cannot be the name of a volume", "use letters, digits, '_', '.' and '-'"
            )
        return self._home.volumes / name


def _is_name(name: str) -> bool:
    return re.fullmatch(_NAME, name) is not None
