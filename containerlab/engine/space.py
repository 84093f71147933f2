"""What images, containers and volumes take on disk: `system df`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from containerlab import units
from containerlab.backends import base, optional
from containerlab.backends.base import ContainerInfo, DiskSize, ImageInfo, RootInfo, VolumeInfo
from containerlab.backends.machine import Virtual
from containerlab.engine.columns import BUILD_CACHE
from containerlab.views import html
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    from containerlab.build.cache.kept import CacheEntry

__all__ = ["Details", "Space", "details", "summary"]


class Space(NamedTuple):
    """What one kind of thing takes on disk."""

    kind: str
    total: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


class _Found(NamedTuple):
    images: list[ImageInfo]
    image_sizes: dict[str, DiskSize]
    containers: list[ContainerInfo]
    container_sizes: dict[str, DiskSize]
    volumes: list[VolumeInfo]
    build_cache: list[CacheEntry]
    machine_roots: list[RootInfo]

    @classmethod
    def of(cls, backend: base.Backend) -> _Found:
        containers = backend.list()
        sizing = backend if isinstance(backend, optional.Sizing) else None
        return cls(
            list({info.digest: info for info in backend.images()}.values()),
            dict(sizing.image_sizes()) if sizing else {},
            containers,
            dict(sizing.sizes([info.id for info in containers])) if sizing else {},
            backend.volumes() if isinstance(backend, optional.VolumeKeeper) else [],
            backend.build_cache() if isinstance(backend, optional.Building) else [],
            backend.machine_roots() if isinstance(backend, optional.RootKeeper) else [],
        )

    def image_size(self, info: ImageInfo) -> DiskSize:
        unknown = DiskSize(written_bytes=info.size_bytes, all_bytes=info.size_bytes)
        return self.image_sizes.get(info.digest, unknown)

    def written_bytes(self, info: ContainerInfo) -> int:
        size = self.container_sizes.get(info.id)
        return size.written_bytes if size else 0


def summary(backend: base.Backend) -> Table[Space]:
    """Return a line for each kind."""
    found = _Found.of(backend)
    kinds = [_images(backend, found), _containers(found), _volumes(found.volumes)]
    machine_roots = [_machine_roots(found.machine_roots)] if found.machine_roots else []
    machines = _machines(backend) if isinstance(backend, Virtual) else []
    return Table([*kinds, _build_cache(found.build_cache), *machines, *machine_roots], _SPACE)


def _images(backend: base.Backend, found: _Found) -> Space:
    """Layers that several images have count once, and are free when none of them is used."""
    used = {info.image_id for info in found.containers}
    if isinstance(backend, Virtual):
        used |= {info.image_id for info in backend.machines.list()}
    busy = [info for info in found.images if info.id in used]
    all_bytes, busy_bytes = (_together(backend, infos) for infos in (found.images, busy))
    return Space("Images", len(found.images), len(busy), all_bytes, all_bytes - busy_bytes)


def _together(backend: base.Backend, infos: Sequence[ImageInfo]) -> int:
    if isinstance(backend, optional.Sizing):
        return backend.images_bytes([info.digest for info in infos])
    return sum(info.size_bytes for info in infos)


def _containers(found: _Found) -> Space:
    running = {info.id for info in found.containers if info.status in ("running", "paused", "restarting")}
    sizes = {info.id: found.written_bytes(info) for info in found.containers}
    idle_bytes = sum(size for id_, size in sizes.items() if id_ not in running)
    return Space("Containers", len(sizes), len(running), sum(sizes.values()), idle_bytes)


def _volumes(volumes: Sequence[VolumeInfo]) -> Space:
    total_bytes = sum(volume.size_bytes or 0 for volume in volumes)
    idle_bytes = sum(volume.size_bytes or 0 for volume in volumes if not volume.used_by)
    active = sum(bool(volume.used_by) for volume in volumes)
    return Space("Local Volumes", len(volumes), active, total_bytes, idle_bytes)


def _build_cache(entries: Sequence[CacheEntry]) -> Space:
    """What an image has too would stay, whatever is pruned."""
    idle_bytes = sum(entry.size_bytes for entry in entries if not entry.is_shared)
    shared = sum(entry.is_shared for entry in entries)
    return Space("Build Cache", len(entries), shared, sum(entry.size_bytes for entry in entries), idle_bytes)


def _machines(backend: Virtual) -> list[Space]:
    """Return machines, and what those of the resume tier come from, where there are any."""
    found = []
    if infos := backend.machines.list():
        sizes = [backend.machines.disk_bytes(info.id) for info in infos]
        busy = [info.status in _RUNNING for info in infos]
        idle_bytes = sum(size for size, is_busy in zip(sizes, busy, strict=True) if not is_busy)
        found.append(Space("Virtual Machines", len(infos), sum(busy), sum(sizes), idle_bytes))
    if kept := backend.machines.snapshot_sizes():
        found.append(Space("Machine Snapshots", len(kept), 0, sum(kept), sum(kept)))
    return found


_RUNNING = ("running", "paused", "restarting")


def _machine_roots(infos: Sequence[RootInfo]) -> Space:
    """What virtual machines start from; it can be made again of their images."""
    active = sum(info.is_used for info in infos)
    idle_bytes = sum(info.size_bytes for info in infos if not info.is_used)
    return Space("Machine Roots", len(infos), active, sum(info.size_bytes for info in infos), idle_bytes)


class Details(html.Shown):
    """A table for each kind, under a heading."""

    def __init__(self, tables: dict[str, Table[Any]]) -> None:
        self.tables = tables

    def __getitem__(self, kind: str) -> Table[Any]:
        return self.tables[kind]

    def to_records(self) -> dict[str, list[dict[str, Any]]]:
        return {kind: table.to_records() for kind, table in self.tables.items()}

    def to_text(self) -> str:
        return "\n\n".join(f"{kind} space usage:\n\n{table.to_text()}" for kind, table in self.tables.items())

    def to_html(self) -> str:
        return "".join(f"<h4>{html.text(kind)}</h4>{table.to_html()}" for kind, table in self.tables.items())

    def __repr__(self) -> str:
        return self.to_text()


def details(backend: base.Backend) -> Details:
    """Return a line for each image, container, volume and step of a build."""
    found = _Found.of(backend)
    users = Counter(info.image_id for info in found.containers)
    images = [(info, found.image_size(info), users[info.id]) for info in found.images]
    containers = [(info, found.written_bytes(info)) for info in found.containers]
    return Details(
        {
            "Images": Table(images, _IMAGES),
            "Containers": Table(containers, _CONTAINERS),
            "Local Volumes": Table(found.volumes, _VOLUMES),
            "Build Cache": Table(found.build_cache, BUILD_CACHE),
        }
    )


def _reclaimable(value: Sequence[int]) -> str:
    part_bytes, all_bytes = value
    percent = f" ({part_bytes * 100 // all_bytes}%)" if all_bytes else ""
    return f"{units.format_size(part_bytes)}{percent}"


_SPACE = (
    Column("kind", "TYPE", lambda row: row.kind, "name", "Type"),
    Column("total", "TOTAL", lambda row: row.total, "number", "TotalCount"),
    Column("active", "ACTIVE", lambda row: row.active, "number", "Active"),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size"),
    Column(
        "reclaimable",
        "RECLAIMABLE",
        lambda row: (row.reclaimable_bytes, row.size_bytes),
        "text",
        "Reclaimable",
        text=_reclaimable,
    ),
    Column(
        "reclaimable_bytes",
        "RECLAIMABLE BYTES",
        lambda row: row.reclaimable_bytes,
        "number",
        is_visible=False,
    ),
)
_IMAGES = (
    Column("name", "IMAGE", lambda row: row[0].names[0] if row[0].names else "<none>", "name", "Name"),
    Column("id", "IMAGE ID", lambda row: row[0].id, "id", "ID"),
    Column("created", "CREATED", lambda row: row[0].created, "age", "CreatedSince"),
    Column("size_bytes", "SIZE", lambda row: row[1].all_bytes, "size", "Size"),
    Column(
        "shared_bytes",
        "SHARED SIZE",
        lambda row: row[1].all_bytes - row[1].written_bytes,
        "size",
        "SharedSize",
    ),
    Column("unique_bytes", "UNIQUE SIZE", lambda row: row[1].written_bytes, "size", "UniqueSize"),
    Column("containers", "CONTAINERS", lambda row: row[2], "number", "Containers"),
)
_CONTAINERS = (
    Column("id", "CONTAINER ID", lambda row: row[0].id, "id", "ID"),
    Column("image", "IMAGE", lambda row: row[0].image, "text", "Image"),
    Column("command", "COMMAND", lambda row: row[0].command, "command", "Command"),
    Column("size_bytes", "SIZE", lambda row: row[1], "size", "Size"),
    Column("created", "CREATED", lambda row: row[0].created, "age", "RunningFor"),
    Column("status", "STATUS", lambda row: row[0].status, "state", "Status"),
    Column("name", "NAMES", lambda row: row[0].name, "name", "Names"),
)
_VOLUMES = (
    Column("name", "VOLUME NAME", lambda row: row.name, "name", "Name"),
    Column("links", "LINKS", lambda row: len(row.used_by), "number", "Links"),
    Column("size_bytes", "SIZE", lambda row: row.size_bytes, "size", "Size"),
)
