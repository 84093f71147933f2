"""The verbs of builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from containerlab.backends.base import Pruned
from containerlab.backends.embedded.containers import ContainerVerbs
from containerlab.backends.embedded_images import EmbeddedImages

if TYPE_CHECKING:
    from containerlab.build.building import Outcome, Site
    from containerlab.build.cache.kept import CacheEntry
    from containerlab.build.layered import Lines
    from containerlab.build.order import Order
    from containerlab.build.record import LintWarning, Watcher
    from containerlab.oci.platform import Platform
    from containerlab.store.images import Image

__all__ = ["BuildingVerbs"]


class BuildingVerbs(ContainerVerbs, EmbeddedImages):
    """Implements `optional.Building`."""

    def build(self, order: Order, watch: Watcher | None, provide: Callable[[str, str], None]) -> Outcome:
        """Build what is asked; `provide` is told of each base image first, and may get it."""
        from containerlab.build.building import build

        return build(order, self._site(provide), watch)

    def check_dockerfile(self, order: Order) -> tuple[LintWarning, ...]:
        """Look for what should not be in a Dockerfile."""
        from containerlab.build.building import check

        return check(order, self._site(lambda name, platform: None))

    def build_cache(self) -> list[CacheEntry]:
        """Return what builds left for later ones."""
        from containerlab.build.cache import kept

        return kept.entries(self.store, self.layers)

    def prune_build_cache(self, *, every: bool, unused_s: float, keep_bytes: int) -> Pruned:
        """Remove of it what no image needs, or with `every` all."""
        from containerlab.build.cache import kept

        gone = kept.prune(self.store, self.layers, every=every, unused_s=unused_s, keep_bytes=keep_bytes)
        self.drop_layers()
        freed_bytes = sum(entry.size_bytes for entry in gone if not entry.is_shared)
        return Pruned(removed=tuple(entry.text for entry in gone), freed_bytes=freed_bytes)

    def export_cache_mounts(self, directory: str, ids: Sequence[str]) -> list[str]:
        """Write folders of cache mounts to a directory; return their ids."""
        from containerlab.build.cache import kept

        return kept.export_mounts(self.store, self.layers, directory, ids)

    def import_cache_mounts(self, directory: str) -> list[str]:
        """Make the folders of cache mounts that a directory has; return the ids of those that are new."""
        from containerlab.build.cache import kept

        return kept.import_mounts(self.store, self.layers, directory)

    def made_of(self, name: str) -> tuple[Lines, ...]:
        """Return the lines that made an image a few at a time."""
        from containerlab.build import layered

        return layered.read(self.home, name)

    def keep_made(self, name: str, made: Sequence[Lines]) -> None:
        """Keep the lines that made an image."""
        from containerlab.build import layered

        layered.keep(self.home, name, made)

    def _site(self, provide: Callable[[str, str], None]) -> Site:
        from containerlab.backends.embedded import failed_step
        from containerlab.backends.embedded.step_runner import StepRunner
        from containerlab.build.building import Site

        def find(name: str, platform: Platform) -> Image:
            provide(name, str(platform))
            return self.store.get(name, str(platform))

        self._repair()
        return Site(
            self.store,
            self.layers,
            StepRunner(self),
            find,
            lambda run, layers: failed_step.keep(self, run, layers),
        )
