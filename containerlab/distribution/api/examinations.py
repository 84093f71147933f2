"""What was found in images: secrets that should not be there, and the packages they consist of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Page, RepositoryName

__all__ = ["Examination", "ExaminationKind", "Examinations", "SecretFound"]

ExaminationKind = Literal["audit", "sbom"]
_Reference = Annotated[
    str, Meta(min_length=1, max_length=256, examples=["v1"], description="A tag or digest.")
]


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """That an image was examined, and the sum of what was found."""

    repository: str
    tags: tuple[str, ...]
    """That lead to it now, directly or as one of several platforms."""
    digest: str
    """Of the manifest of the image."""
    kind: ExaminationKind
    """audit: secrets that should not be in it; sbom: its packages."""
    made: float
    counts: dict[str, int]
    """Of an audit by severity: high, medium, low; of an SBOM: packages."""
    problem: str
    """Why it could not be done; empty when it was."""


class SecretFound(msgspec.Struct, frozen=True, kw_only=True):
    """A secret in an image, with its value masked."""

    kind: str
    """github-token, private-key, env-secret, …"""
    severity: Literal["low", "medium", "high"]
    layer: int
    """From 1, the lowest; 0: not in a layer, but in the configuration or another document."""
    path: str
    """Of the file; for others what names it: `ENV TOKEN`, `history 4`."""
    line: int = 0
    """From 1; 0 in what has no lines."""
    value: str
    """As much as tells which one it is."""
    instruction: str = ""
    """The history line that did it, so far as the image says."""
    note: str = ""
    """As `deleted in layer 3, still in layer 2`."""


class Examinations(Noun):
    """Examinations of images; those that are pushed are examined by themselves when there is time."""

    @operation("POST /repositories/{repository}/examinations", who="read")
    def run(
        self,
        repository: RepositoryName,
        reference: _Reference,
        *,
        kind: ExaminationKind = "audit",
        again: bool = False,
    ) -> Page[Examination]:
        """Examine an image, every platform of it, unless that was done already; `again` does it anyway."""

    @operation("GET /repositories/{repository}/examinations", who="read")
    def list(self, repository: RepositoryName, reference: _Reference | None = None) -> Page[Examination]:
        """List what was examined in a repository, the last ones first."""

    @operation("GET /repositories/{repository}/examinations/{reference}/audit", who="read")
    def audit(self, repository: RepositoryName, reference: _Reference) -> Page[SecretFound]:
        """List the secrets that an audit has found, the severest first."""

    @operation("GET /repositories/{repository}/examinations/{reference}/sbom", who="read")
    def sbom(self, repository: RepositoryName, reference: _Reference) -> dict[str, Any]:
        """Return the packages of an image as an SPDX 2.3 document."""
