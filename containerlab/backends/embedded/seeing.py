"""Seeing through it: measures, plans in words, what the host allows."""

from __future__ import annotations

from containerlab.backends.embedded.ground import Ground

__all__ = ["SeeingVerbs"]


class SeeingVerbs(Ground):
    """Implements `base.Measuring`, `base.Explaining` and `base.HostFacts`."""
