"""Rows by hand, as the protocol would have kept them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from containerlab.experiments.row import Row

_TIERS = ("resume", "microvm", "image", "classic")


def rows(
    claim: str, metric: str, values: Mapping[str, Iterable[float]], accelerator: str = "tcg"
) -> list[Row]:
    """Make the rows of a metric: subjects and what they gave, a value a round.

    `bare` is the bare process, a tier's name a machine of that tier, all else an engine of containers.
    """
    return [
        row(claim, metric, subject, value, number, accelerator)
        for subject, given in values.items()
        for number, value in enumerate(given)
    ]


def row(
    claim: str, metric: str, subject: str, value: float | None, number: int = 0, accelerator: str = "tcg"
) -> Row:
    tier = subject if subject in _TIERS else ""
    kind = "vm" if tier else "process" if subject == "bare" else "container"
    return Row(
        claim=claim,
        experiment="by hand",
        subject=f"vm {tier} ({accelerator})" if tier else subject,
        kind=kind,
        tier=tier,
        round=number,
        metric=metric,
        value=value,
        facts={"accelerator": accelerator} if tier else {},
    )


def noisy(given: Sequence[Row]) -> list[Row]:
    """Return the same, measured while others kept the processors busy."""
    return [msgspec.structs.replace(each, is_noisy=True) for each in given]


def failed(claim: str, subject: str, note: str) -> Row:
    """Return the row of a round that came to nothing."""
    return msgspec.structs.replace(row(claim, "", subject, None), note=note)
