"""The verbs of what virtual machines start from: root file systems, made of images and kept."""

from __future__ import annotations

from collections.abc import Callable

from containerlab.backends.base import Pruned, RootInfo
from containerlab.store.images import Images
from containerlab.vm.rootfs import cache

__all__ = ["RootVerbs"]


class RootVerbs:
    """Implements `optional.RootKeeper`."""

    def __init__(self, images: Images, of_machines: Callable[[], set[str]]) -> None:
        self._root_images = images
        self._of_machines = of_machines

    def machine_roots(self) -> list[RootInfo]:
        """Return what is kept of each image, and last what is of none."""
        used = self._used()
        return [
            RootInfo(image_id=each.image_id, size_bytes=each.size_bytes, is_used=each.image_id in used)
            for each in cache.kept(self._root_images.home)
        ]

    def prune_machine_roots(self) -> Pruned:
        """Remove what no machine has."""
        gone = cache.drop(self._root_images.home, self._used())
        removed = tuple(f"root file system: {each.image_id}" for each in gone if each.image_id)
        return Pruned(removed=removed, freed_bytes=sum(each.size_bytes for each in gone))

    def drop_roots(self) -> int:
        """Remove what is kept of images that are gone; return of how many."""
        home = self._root_images.home
        if not cache.image_ids(home):
            return 0
        return len(cache.drop(home, {*self._root_images.ids(), *self._of_machines(), cache.OF_NONE}))

    def _used(self) -> set[str]:
        """Return the ids of images of machines; while there is one, what is of none is of use too."""
        used = self._of_machines()
        return {*used, cache.OF_NONE} if used else set()
