"""Manifest lists that are being put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab.store.home import Home
from containerlab.store.images import Images

if TYPE_CHECKING:
    from containerlab.store.drafts import Draft, Drafts, Entry

__all__ = ["ListingVerbs"]


class ListingVerbs:
    """Implements `optional.ListKeeping`."""

    store: Images
    home: Home

    @property
    def _drafts(self) -> Drafts:
        from containerlab.store.drafts import Drafts

        return Drafts(self.home)

    def lists(self) -> list[Draft]:
        """Return all lists, by name."""
        return self._drafts.all()

    def list_called(self, name: str) -> Draft:
        """Find a list."""
        return self._drafts.get(name)

    def keep_list(self, draft: Draft) -> None:
        """Write a list, whatever there was under its name."""
        self._drafts.put(draft)

    def remove_list(self, name: str) -> None:
        """Remove a list."""
        self._drafts.remove(name)

    def entries_of(self, image: str, *, tls_verify: bool | None = None) -> list[Entry]:
        """Describe the images that a name leads to, in the store or else at its registry."""
        from containerlab.distribution.transfer import lists

        return lists.entries(self.store, image, tls_verify)

    def push_list(self, name: str, *, tls_verify: bool | None = None) -> str:
        """Send a list, with what its registry has not of the images; return its digest."""
        from containerlab.distribution.transfer import lists

        return lists.push_list(self.store, self._drafts.get(name), tls_verify)
