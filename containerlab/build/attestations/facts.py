"""What is known of a build that its provenance can tell."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from containerlab.build.record import StepRecord
from containerlab.oci.platform import Platform

__all__ = ["Facts", "Material"]


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """Something from outside that went into the image: a base image, a git repository, a download."""

    uri: str
    """A package URL for an image, else where it came from."""
    digest: str = ""
    """algorithm:digits; for git sha1: and the commit."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A build as it was asked for and as it went; secret values are not among it."""

    ref: str
    """The build's id; empty to say none, so that the same build gives the same bytes."""
    started_at: float
    """Seconds since the epoch."""
    finished_at: float
    platform: Platform
    dockerfile: str = "Dockerfile"
    """Its name."""
    source: str = ""
    """Its text."""
    target: str = ""
    build_args: Mapping[str, str] = {}
    labels: Mapping[str, str] = {}
    frontend_args: Mapping[str, str] = {}
    """Other options that steer the result, by BuildKit's names: no-cache, force-network-mode, …"""
    materials: tuple[Material, ...] = ()
    are_materials_complete: bool = False
    """Whether nothing else can have come in: no RUN had a network."""
    context: Material | None = None
    """Where the context came from, when it is not a local directory."""
    secrets: tuple[str, ...] = ()
    """Ids, not values."""
    ssh: tuple[str, ...] = ()
    steps: tuple[StepRecord, ...] = ()
