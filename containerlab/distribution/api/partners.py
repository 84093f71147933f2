"""Other registries, as replications and upstreams name them, and who this one is there."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

__all__ = ["Host", "PartnerPassword", "PartnerUser", "Prefix"]

Host = Annotated[str, Meta(min_length=1, max_length=255, examples=["registry.example:5000"])]
Prefix = Annotated[str, Meta(max_length=200, examples=["mirror"])]
"""The beginning of names of repositories."""
PartnerUser = Annotated[str, Meta(max_length=255)]
PartnerPassword = Annotated[str, Meta(max_length=4096)]
