"""The six claims in a table: measured figures, their ratio, a verdict, for the whole and for each tier."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from containerlab.experiments.claims.judging import EMULATED, NOT_MEASURED
from containerlab.experiments.experiment import Figure, Verdict
from containerlab.experiments.pictures.scales import scale_of
from containerlab.views.layout import terminal_width
from containerlab.views.table import Column, Table, aligned

__all__ = ["Judged", "VerdictTable", "ratio_text"]

_WHOLE = "as a whole"
_INDENT = "  "


class Judged(NamedTuple):
    """A verdict beside the words of its claim."""

    claim: str
    """Number, name and sentence."""
    verdict: Verdict

    @property
    def container(self) -> Figure | None:
        """The figure of the first container, or of layers."""
        others = self._others
        return others[0] if others and not others[0].subject.startswith("vm ") else None

    @property
    def is_emulated(self) -> bool:
        """Whether its machine's figures say nothing about machines that a processor runs itself."""
        return EMULATED in self.verdict.sentence

    @property
    def _others(self) -> list[Figure]:
        return [figure for figure in self.verdict.figures if figure.subject != "bare process"]

    @property
    def machine(self) -> Figure | None:
        """The figure of the first machine, or the last one of disk images."""
        if self.verdict.claim == "delivery":
            return self._others[-1] if len(self._others) > 1 else None
        return next((figure for figure in self._others if figure.subject.startswith("vm ")), None)


def ratio_text(ratio: float) -> str:
    """Write how many times as much.

    >>> ratio_text(66.27), ratio_text(1.004), ratio_text(2169.0)
    ('66×', '1×', '2,169×')
    """
    return f"{ratio:,.0f}×" if ratio >= 9.95 else f"{ratio:.2g}×"


def _as_value(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else figure._asdict()


def _as_text(figure: Mapping[str, Any]) -> str:
    return scale_of(figure["metric"]).text(figure["median"])


_COLUMNS = (
    Column("claim", "CLAIM", lambda row: row.claim, "group"),
    Column("tier", "TIER", lambda row: row.verdict.tier or _WHOLE, "name"),
    Column("container", "CONTAINER", lambda row: _as_value(row.container), "number", text=_as_text),
    Column("machine", "MACHINE", lambda row: _as_value(row.machine), "number", text=_as_text),
    Column("ratio", "RATIO", lambda row: row.verdict.ratio, "number", text=ratio_text),
    Column("verdict", "VERDICT", lambda row: row.verdict.word, "name"),
    Column("measured", "MEASURED", lambda row: row.verdict.sentence, "prose"),
    Column("source", "SOURCE", lambda row: row.verdict.source, "remark"),
)
_BESIDE = ("tier", "container", "machine", "ratio", "verdict")


class VerdictTable(Table[Judged]):
    """The verdicts, those of a claim below its own words."""

    def __init__(self, rows: Sequence[Judged], title: str = "") -> None:
        super().__init__(rows, _COLUMNS, title)

    def to_text(self, full: bool = False) -> str:
        """Write each claim's figures, and below them what was measured; `full` says it of each tier too.

        Without `full` there is still why tiers were not measured, and what others measured where
        emulation forbids a verdict.
        """
        head, *lines = self._beside()
        texts = [*_wrapped(self.title, ""), head]
        for number, (row, line) in enumerate(zip(self.rows, lines, strict=True)):
            is_first = number == 0 or self.rows[number - 1].claim != row.claim
            is_last = number + 1 == len(self.rows) or self.rows[number + 1].claim != row.claim
            texts += ["", *_wrapped(row.claim, "")] if is_first else []
            texts.append(line)
            texts += _told(row) if full else []
            texts += self._in_short(row.claim) if is_last and not full else []
        return "\n".join(texts)

    def to_html(self) -> str:
        """Write it as `to_text`, with the sentences of all tiers, and each source once a claim."""
        return Table(_once(self.rows), self.columns, self.title).to_html()

    def _beside(self) -> list[str]:
        """Return the heading and a line of figures for each row, all aligned."""
        columns = [column for column in self.columns if column.key in _BESIDE]
        cells = [[_cell(column, row) for column in columns] for row in self.rows]
        text = aligned([column.title for column in columns], cells, [column.is_right for column in columns])
        return [f"{_INDENT}{line}" for line in text.splitlines()]

    def _in_short(self, claim: str) -> Iterator[str]:
        whole, *tiers = (row for row in self.rows if row.claim == claim)
        yield from _told(whole)
        forbidden = (row for row in tiers if row.is_emulated and row.verdict.word == NOT_MEASURED)
        if (first := next(forbidden, None)) is not None:
            yield from _told(first)
        for reason, names in _reasons(tiers).items():
            yield from _wrapped(f"{', '.join(names)}: {reason}", _INDENT * 2)


def _reasons(tiers: Sequence[Judged]) -> dict[str, list[str]]:
    """Return which tiers were not measured, by what kept them from it; not where emulation did."""
    found: dict[str, list[str]] = {}
    for row in tiers:
        if row.verdict.word == NOT_MEASURED and not row.is_emulated:
            reason = row.verdict.sentence.partition(": ")[2] or row.verdict.sentence
            found.setdefault(reason, []).append(row.verdict.tier)
    return found


def _cell(column: Column, row: Judged) -> str:
    if column.key == "ratio" and row.is_emulated and row.verdict.ratio is None:
        return "emulated"
    return column.show(row)


def _once(rows: Sequence[Judged]) -> list[Judged]:
    """Leave out a source that stands below a later row of the claim too."""
    last = {(row.claim, row.verdict.source): row for row in rows}
    return [
        row
        if last[row.claim, row.verdict.source] is row
        else row._replace(verdict=row.verdict._replace(source=""))
        for row in rows
    ]


def _told(row: Judged) -> Iterator[str]:
    source = f". Source: {row.verdict.source}" if row.verdict.source else ""
    yield from _wrapped(row.verdict.sentence + source, _INDENT * 2)


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, terminal_width(), initial_indent=indent, subsequent_indent=indent or _INDENT)
