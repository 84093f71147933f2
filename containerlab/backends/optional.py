"""What only some backends can: optional protocols, asked for by `isinstance`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, runtime_checkable

import msgspec

from containerlab.backends.base import (
    Change,
    DiskSize,
    Facility,
    HistoryEntry,
    ImageInfo,
    Pruned,
    RootInfo,
    StepInfo,
    VolumeInfo,
)

if TYPE_CHECKING:
    from containerlab.build.audit.finding import Finding
    from containerlab.build.building import Outcome
    from containerlab.build.cache.kept import CacheEntry
    from containerlab.build.layered import Lines
    from containerlab.build.order import Order
    from containerlab.build.record import LintWarning, Watcher
    from containerlab.build.sbom.catalogue import Catalogue
    from containerlab.build.sbom.subject import Subject
    from containerlab.distribution.transfer.progress import Watcher as TransferWatcher
    from containerlab.distribution.transfer.pull import Pulled, PullOrder
    from containerlab.distribution.transfer.push import Pushed, PushOrder
    from containerlab.options.container import RunOptions
    from containerlab.store.drafts import Draft, Entry

__all__ = [
    "Auditing",
    "Building",
    "Cataloguing",
    "Distributing",
    "Explaining",
    "FileAccess",
    "HostFacts",
    "ImageMaker",
    "ListKeeping",
    "Measuring",
    "Pausable",
    "Repairing",
    "Reworked",
    "Reworking",
    "Sizing",
    "Updatable",
    "VolumeKeeper",
]


@runtime_checkable
class Building(Protocol):
    """Builds images from Dockerfiles."""

    def build(self, order: Order, watch: Watcher | None, provide: Callable[[str, str], None]) -> Outcome:
        """Build what is asked; `provide` is told of each base image first, and may get it.

        It takes name and platform.
        """

    def check_dockerfile(self, order: Order) -> tuple[LintWarning, ...]:
        """Look for what should not be in a Dockerfile."""

    def build_cache(self) -> list[CacheEntry]:
        """Return what builds left for later ones."""

    def prune_build_cache(self, *, every: bool, unused_s: float, keep_bytes: int) -> Pruned:
        """Remove of it what no image needs, or with `every` all."""

    def export_cache_mounts(self, directory: str, ids: Sequence[str]) -> list[str]:
        """Write folders of cache mounts to a directory; return their ids."""

    def import_cache_mounts(self, directory: str) -> list[str]:
        """Make the folders of cache mounts that a directory has; return the ids of those that are new."""

    def made_of(self, name: str) -> tuple[Lines, ...]:
        """Return the lines that made an image a few at a time."""

    def keep_made(self, name: str, made: Sequence[Lines]) -> None:
        """Keep the lines that made an image."""


@runtime_checkable
class Pausable(Protocol):
    """Can hold all processes of a container."""

    def pause(self, name: str) -> None: ...
    def unpause(self, name: str) -> None: ...


@runtime_checkable
class Updatable(Protocol):
    """Can change the limits of a running container."""

    def update(self, name: str, options: RunOptions) -> None: ...
    def rename(self, name: str, new_name: str) -> None: ...


@runtime_checkable
class FileAccess(Protocol):
    """Can reach into a container's file system, running or not. Archives are tar streams."""

    def get_archive(
        self, name: str, path: str, output: BinaryIO, *, follow: bool = False, alone: bool = False
    ) -> None:
        """Write what a path names; follow: a link too; alone: without what is mounted in the container."""

    def put_archive(self, name: str, path: str, source: BinaryIO) -> None: ...
    def is_directory(self, name: str, path: str) -> bool: ...
    def changes(self, name: str) -> list[Change]: ...
    def commit(self, name: str, target: str, changes: Mapping[str, Any]) -> ImageInfo: ...


@runtime_checkable
class Explaining(Protocol):
    """Can tell how it would set a container up, from the very plan that it performs."""

    def explain(self, image: str, command: Sequence[str], options: RunOptions) -> list[StepInfo]: ...


@runtime_checkable
class Sizing(Protocol):
    """Can measure what containers and images take on disk."""

    def sizes(self, ids: Sequence[str]) -> Mapping[str, DiskSize]:
        """Measure containers by their full ids; one that is gone is left out."""

    def image_sizes(self) -> Mapping[str, DiskSize]:
        """Measure images by the digests that their names lead to; `written` is what no other image has."""

    def images_bytes(self, digests: Collection[str]) -> int:
        """Return what images take together: what several have counts once."""


@runtime_checkable
class HostFacts(Protocol):
    """Knows what its host allows."""

    def facilities(self) -> list[Facility]: ...


@runtime_checkable
class Measuring(Protocol):
    """Can measure a container; the value is a `metrics.sample.Sample`."""

    def sample(self, name: str) -> Any: ...


@runtime_checkable
class ImageMaker(Protocol):
    """Can make images of other things than registries' and archives'."""

    def history(self, name: str) -> list[HistoryEntry]: ...
    def import_rootfs(self, source: BinaryIO, name: str, config: Mapping[str, Any]) -> ImageInfo: ...
    def from_host(self, name: str, programs: Sequence[str] = (), *, python: bool = True) -> ImageInfo: ...
    def from_debootstrap(
        self,
        name: str,
        suite: str,
        options: Mapping[str, Any],
        *,
        progress: Callable[[str], None] | None = None,
    ) -> ImageInfo:
        """Make an image of a suite; `progress` takes lines that say what is done."""

    def load_directory(self, path: str) -> list[str]: ...
    def save_directory(self, names: Sequence[str], path: str) -> None: ...
    def prune_images(self, *, every: bool = False, among: Collection[str] | None = None) -> Pruned:
        """Remove images without a name, or every one that no container uses; only digests of `among`."""


@runtime_checkable
class RootKeeper(Protocol):
    """Keeps root file systems of virtual machines."""

    def machine_roots(self) -> list[RootInfo]:
        """Return what is kept of each image."""

    def prune_machine_roots(self) -> Pruned:
        """Remove what no machine has; it is made again when it is needed."""


class Reworked(msgspec.Struct, frozen=True):
    """An image that was made of another's layers; notices: sentences about what to look at."""

    info: ImageInfo
    notices: tuple[str, ...] = ()


@runtime_checkable
class Reworking(Protocol):
    """Can make images of the layers of others, without a build. `tag`: empty for the name of the image."""

    def rebase_image(
        self, name: str, tag: str = "", *, onto: str = "", old: str = "", drop: Sequence[str] = ()
    ) -> Reworked:
        """Put the layers above the base `old` on the base `onto`, and take files out of all layers."""

    def squash_image(self, name: str, tag: str = "", *, base: str = "") -> Reworked:
        """Make one layer of those above the base, of all without one."""


@runtime_checkable
class Auditing(Protocol):
    """Can search images for secrets."""

    def audit_image(self, name: str, platform: str | None = None) -> list[Finding]:
        """Return what was found, the severest first."""


@runtime_checkable
class Cataloguing(Protocol):
    """Can list the packages in images."""

    def packages_of_image(self, name: str, platform: str | None = None) -> tuple[Subject, Catalogue]:
        """Return the packages, and which image they are in."""


@runtime_checkable
class ListKeeping(Protocol):
    """Keeps manifest lists until they are pushed."""

    def lists(self) -> list[Draft]: ...
    def list_called(self, name: str) -> Draft: ...
    def keep_list(self, draft: Draft) -> None: ...
    def remove_list(self, name: str) -> None: ...
    def entries_of(self, image: str, *, tls_verify: bool | None = None) -> list[Entry]:
        """Describe the images that a name leads to, in the store or else at its registry."""

    def push_list(self, name: str, *, tls_verify: bool | None = None) -> str:
        """Send a list, with what its registry has not of the images; return its digest."""


@runtime_checkable
class VolumeKeeper(Protocol):
    """Keeps volumes."""

    def volumes(self) -> list[VolumeInfo]: ...
    def volume(self, name: str) -> VolumeInfo: ...
    def create_volume(self, name: str, labels: Mapping[str, str]) -> VolumeInfo: ...
    def remove_volume(self, name: str) -> None: ...


@runtime_checkable
class Repairing(Protocol):
    """Can find and repair what killed processes left; returns (what, what was done)."""

    def check(self) -> list[tuple[str, str]]: ...


@runtime_checkable
class Distributing(Protocol):
    """Moves images to and from registries; `watch` is told how far it is, from any thread."""

    def pull(self, name: str, order: PullOrder, watch: TransferWatcher) -> list[Pulled]:
        """Bring an image, or all of a repository's, into the store, ready to run."""

    def push(self, name: str, order: PushOrder, watch: TransferWatcher) -> list[Pushed]:
        """Send an image, or all of a repository's, to the registry that its name says."""
