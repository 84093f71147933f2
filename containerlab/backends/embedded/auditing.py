"""Auditing images of the embedded engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.store.images import Images

if TYPE_CHECKING:
    from containerlab.build.audit.finding import Finding

__all__ = ["AuditingVerbs"]


class AuditingVerbs:
    """Does what `optional.Auditing` asks."""

    store: Images

    def audit_image(self, name: str, platform: str | None = None) -> list[Finding]:
        """Return the secrets in an image, the severest first."""
        from containerlab.build.audit.audit import audit

        with self.store.blobs.lease():
            return audit(self.store, self.store.get(name, platform))
