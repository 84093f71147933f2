"""What a build gives back: the image, how each step went, and pictures of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from containerlab import units
from containerlab.build.record import BuildRecord, LintWarning, StepRecord
from containerlab.views import html
from containerlab.views.build.order import as_written
from containerlab.views.table import Column, Table

if TYPE_CHECKING:
    import pandas

    from containerlab.views.picture import Picture

__all__ = ["WARNINGS", "BuildResult"]


class BuildResult(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """A build that went well.

    >>> from containerlab.build.record import BuildRecord
    >>> record = BuildRecord(
    ...     id="b", dockerfile="Dockerfile", target="", started_at=0, wall_s=1.25, steps=(), names=("app:1",)
    ... )
    >>> BuildResult(record=record)
    app:1 · built in 1.2 s · 0 steps
    """

    record: BuildRecord
    size_bytes: int | None = None
    """Of the image's layers as they are stored; None when no image was made."""
    layers: int = 0
    outputs: tuple[str, ...] = ()
    """Files and directories that --output wrote."""
    explains_cache: bool = False
    """Whether it shows why steps were not cached."""

    @property
    def image(self) -> str:
        """The image's first name, or its id; empty when no image was made."""
        return self.record.names[0] if self.record.names else self.record.image_id

    @property
    def id(self) -> str:
        """Digest of the image's configuration, by which it can be run."""
        return self.record.image_id

    @property
    def names(self) -> tuple[str, ...]:
        return self.record.names

    @property
    def notices(self) -> tuple[str, ...]:
        """What was asked and is done in another way."""
        return self.record.notices

    @property
    def digest(self) -> str:
        """Of the manifest, or of the index."""
        return self.record.digest

    @property
    def warnings(self) -> Table[LintWarning]:
        """What lint rules found in the Dockerfile."""
        return Table(self.record.warnings, WARNINGS)

    @property
    def steps(self) -> Table[StepRecord]:
        """How each step went, in the order of the Dockerfile."""
        return Table(self._as_written(), _STEP_COLUMNS)

    def _as_written(self) -> list[StepRecord]:
        return as_written(self._own_steps(), lambda record: record.step)

    def _own_steps(self) -> list[StepRecord]:
        """Return the steps of the Dockerfile: writing the image is none."""
        return [step for step in self.record.steps if step.step.kind != "export"]

    @property
    def cached(self) -> int:
        """How many steps were not done again."""
        return sum(step.status == "cached" for step in self._own_steps())

    def explain_cache(self) -> Table[StepRecord]:
        """Say of each step that was done why it was not in the cache."""
        return Table(
            [step for step in self._as_written() if step.missed or step.status == "cached"], _CACHE_COLUMNS
        )

    def timeline(self) -> Picture:
        """Draw a bar for each step over time, and how long one after another would have taken.

        `.figure` of the picture is matplotlib's, to be changed or saved.
        """
        from containerlab.views.build.timeline import timeline

        return timeline(self.record.steps, self.record.wall_s)

    def graph(self) -> Picture:
        """Draw which step needs which, a column for each stage."""
        from containerlab.views.build.graph import graph

        return graph(self._own_steps())

    def to_frame(self) -> pandas.DataFrame:
        """Return a row for each step; times are seconds since the beginning of the build.

        Columns: step, name, stage, kind, line, status, started_s, finished_s, duration_s, missed, inputs.
        """
        return Table(as_written(self.record.steps, lambda record: record.step), _STEP_COLUMNS).to_frame()

    def to_record(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        record: dict[str, Any] = msgspec.to_builtins(self)
        return record

    def card(self) -> list[str]:
        """Return the facts that matter, most important first."""
        record = self.record
        facts = [", ".join(record.names) or self.image.removeprefix("sha256:")[:12] or "no image"]
        facts += [
            f"built in {units.format_seconds(record.wall_s)}",
            units.format_count(len(self._own_steps()), "step"),
        ]
        if self.cached:
            facts.append(f"{self.cached} cached")
        if record.linear_s > record.wall_s * 1.1:
            facts.append(f"one after another {units.format_seconds(record.linear_s)}")
        if self.size_bytes is not None:
            facts.append(
                f"{units.format_size(self.size_bytes)} in {units.format_count(self.layers, 'layer')}"
            )
        facts += [f"wrote {path}" for path in self.outputs]
        return facts + ([units.format_count(len(record.warnings), "warning")] if record.warnings else [])

    def to_text(self) -> str:
        card = " · ".join(self.card())
        return f"{card}\n\n{self.explain_cache().to_text()}" if self.explains_cache else card

    def to_html(self) -> str:
        first, *rest = self.card()
        facts = " · ".join([f"<b>{html.text(first)}</b>", *map(html.text, rest)])
        explained = self.explain_cache().to_html() if self.explains_cache else ""
        notices = "".join(html.line(html.text(notice)) for notice in self.notices)
        return html.line(html.mark(is_good=True) + facts, self.id) + notices + explained

    def __repr__(self) -> str:
        return self.to_text()


_STEP_COLUMNS = (
    Column("step", "STEP", lambda row: row.step.id, "number"),
    Column("name", "NAME", lambda row: row.step.name, "prose"),
    Column("stage", "STAGE", lambda row: row.step.stage, is_visible=False),
    Column("kind", "KIND", lambda row: row.step.kind, is_visible=False),
    Column("line", "LINE", lambda row: row.step.line or None, "number", is_visible=False),
    Column("status", "STATUS", lambda row: row.status, "state"),
    Column("started_s", "STARTED", lambda row: row.started_s, "seconds"),
    Column("finished_s", "FINISHED", lambda row: row.finished_s, "seconds", is_visible=False),
    Column("duration_s", "TOOK", lambda row: row.duration_s, "seconds"),
    Column("missed", "MISSED", lambda row: row.missed, is_visible=False),
    Column("inputs", "INPUTS", lambda row: row.step.inputs, "list", is_visible=False),
)
_CACHE_COLUMNS = (
    Column("status", "STATUS", lambda row: row.status, "state"),
    Column("name", "STEP", lambda row: row.step.name, "prose"),
    Column("missed", "NEW", lambda row: row.missed, "remark"),
)
WARNINGS = (
    Column("rule", "RULE", lambda row: row.rule),
    Column("line", "LINE", lambda row: row.line, "number"),
    Column("message", "MESSAGE", lambda row: row.message, "prose"),
    Column("text", "TEXT", lambda row: row.text, is_visible=False),
    Column("url", "URL", lambda row: row.url, is_visible=False),
)
