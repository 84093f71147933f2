"""One measured number with all that is needed to judge it: a line of the tidy frame."""

from __future__ import annotations

import msgspec

__all__ = ["Row"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one contestant gave in one round of one experiment."""

    claim: str
    """start, performance, footprint, recovery, lifecycle or delivery."""
    experiment: str
    subject: str
    """As legends show it, accelerator of a machine included."""
    kind: str
    """process, container, vm, or for delivery: layers, disk."""
    tier: str = ""
    round: int
    """From 0; warm-up rounds are not kept."""
    metric: str
    """What was measured, with its unit as the end of its name: ready_s, rate_bytes_per_s, pss_bytes."""
    value: float | None
    """None when it could not be measured; `note` says why."""
    instances: int = 1
    """How many instances there were at once."""
    note: str = ""
    pressure_before_pct: float = 0.0
    """Time that something waited for a processor in the moments before the round, per cent of the wall."""
    pressure_after_pct: float = 0.0
    """The same over the round itself."""
    load: float = 0.0
    """Processes that ran or waited for a processor, averaged over the minute before the round."""
    is_noisy: bool = False
    """Others kept the processors busy; it is kept in the frame and left out of medians."""
    at: float = 0.0
    """Seconds since the epoch."""
    facts: dict[str, str] = {}
    """Of the subject: engine, version, accelerator, guest_kernel, filesystem, network; a column each."""
