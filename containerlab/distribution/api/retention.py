"""Retention: rules that say which tags and manifests go when."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.values import Number, Page, Patterns, Scope, SomePatterns

__all__ = ["Removal", "Retention", "RetentionReport", "RetentionRule", "Schedule", "Spared"]

Schedule = Literal["manual", "hourly", "daily", "weekly"]
_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Days = Annotated[float, Meta(ge=0, le=36_500)]


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True):
    """What goes from the repositories of a scope."""

    id: int
    scope: str
    """What it is about: an organisation (`lab/`), a repository (`lab/base`), or empty for all."""
    tags: tuple[str, ...]
    """Patterns of the tags that it is about."""
    exceptions: tuple[str, ...]
    """Patterns of tags that it leaves alone."""
    keep_last: int | None
    """So many of the newest tags of each repository stay, however old."""
    older_than_days: float | None
    """Tags that are younger stay, however many."""
    by: Literal["pushed", "pulled"]
    """What the age of a tag is counted from; pulled: from the last push or pull."""
    untagged_days: float | None
    """Manifests that no tag leads to go after so many days."""
    schedule: Schedule
    """When it is carried out by itself."""
    created: float
    ran: float | None
    """When its schedule was carried out last."""


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """A tag or manifest that goes."""

    repository: str
    tag: str = ""
    """Empty: the manifest itself."""
    digest: str
    why: str
    """A sentence."""


class Spared(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that the rules would let go, and that stays."""

    repository: str
    tag: str
    why: str


class RetentionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What retention removed, or would."""

    is_dry_run: bool
    removals: tuple[Removal, ...]
    spared: tuple[Spared, ...]
    """Immutable tags, and those that another rule keeps."""
    freed_bytes: int
    """Of blobs that nothing else has, as far as one sees; to administrators those on the disk."""


class Retention(Noun):
    """Rules about what goes when."""

    @operation("POST /retention", who="manage", status=201)
    def set(
        self,
        scope: Scope,
        *,
        keep_last: _Count | None = None,
        older_than_days: _Days | None = None,
        by: Literal["pushed", "pulled"] = "pushed",
        tags: SomePatterns = ("*",),
        exceptions: Patterns = (),
        untagged_days: _Days | None = None,
        schedule: Schedule = "manual",
    ) -> RetentionRule:
        """Make a rule about which tags go: all but the last so many, those older than so many days, or both.

        With both, a tag goes when it is older and not among the last. Each rule counts for itself in each
        repository; a tag that one rule keeps stays, whatever others say, and so does one that no rule is
        about, or that is immutable. A manifest goes with its last tag, its signatures and other referrers
        with it. Scheduled rules are carried out first when their first hour, day or week is over.
        """

    @operation("GET /retention", who="read")
    def list(self, scope: Scope | None = None) -> Page[RetentionRule]:
        """List the rules of a scope, or all that you may see."""

    @operation("PUT /retention/{id}", who="manage")
    def update(
        self,
        id: Number,
        *,
        keep_last: _Count | None = None,
        older_than_days: _Days | None = None,
        by: Literal["pushed", "pulled"] = "pushed",
        tags: SomePatterns = ("*",),
        exceptions: Patterns = (),
        untagged_days: _Days | None = None,
        schedule: Schedule = "manual",
    ) -> RetentionRule:
        """Replace a rule; its scope stays."""

    @operation("DELETE /retention/{id}", who="manage")
    def remove(self, id: Number) -> None:
        """Take a rule away."""

    @operation("POST /retention/preview", who="manage")
    def preview(
        self,
        scope: Scope,
        *,
        replacing: Number | None = None,
        keep_last: _Count | None = None,
        older_than_days: _Days | None = None,
        by: Literal["pushed", "pulled"] = "pushed",
        tags: SomePatterns = ("*",),
        exceptions: Patterns = (),
        untagged_days: _Days | None = None,
        schedule: Schedule = "manual",
    ) -> RetentionReport:
        """Say what would go now by a rule that is not made yet, or not changed yet; nothing is.

        The other rules of the scope count too: what one of them keeps stays. replacing: the rule in whose
        place it would stand.
        """

    @operation("POST /retention/run", who="manage")
    def run(self, scope: Scope = "", *, dry_run: bool = False) -> RetentionReport:
        """Carry out the rules in the repositories of a scope at once, whatever their schedules.

        With `dry_run` nothing is changed, and the report is what would go and why.
        """
