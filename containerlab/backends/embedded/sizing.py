"""What containers take on disk."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from containerlab.backends.base import DiskSize
from containerlab.backends.embedded.ground import Ground
from containerlab.errors import CorruptContent, NotFound
from containerlab.store.records import Record

__all__ = ["SizingVerbs"]


class SizingVerbs(Ground):
    """Implements `optional.Sizing`."""

    def sizes(self, ids: Sequence[str]) -> Mapping[str, DiskSize]:
        """Measure containers by walking their files, each layer once; one that is gone is left out."""
        records = {}
        for container_id in ids:
            with contextlib.suppress(NotFound, CorruptContent):
                records[container_id] = self.records.record(container_id)
        paths = {path for record in records.values() for path in self._trees(record)}
        measured = self._measure([path for path in paths if os.path.isdir(path)])
        return {
            container_id: DiskSize(
                written_bytes=measured.get(self._written(record), 0),
                all_bytes=sum(measured.get(path, 0) for path in self._trees(record)),
            )
            for container_id, record in records.items()
        }

    def _measure(self, paths: list[str]) -> dict[str, int]:
        if not paths:
            return {}
        from containerlab.store import trees

        found = trees.perform(self.host.idmap, "containerlab.store.tree_size", paths).split()
        return dict(zip(paths, map(int, found), strict=True))

    def _trees(self, record: Record) -> tuple[str, ...]:
        """Return the directories whose files make up its root file system; a copy has all in one."""
        written = self._written(record)
        if record.snapshot == "copy":
            return (written,)
        return (written, *(str(self.layers.path(diff_id)) for diff_id in record.layers))

    def _written(self, record: Record) -> str:
        """Return the directory that holds what it wrote."""
        return f"{self.records.directory(record.id)}/{'root' if record.snapshot == 'copy' else 'upper'}"
