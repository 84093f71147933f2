"""Logarithmic axes with ticks that people read: 10 ms, 1 s; 1 KiB, 10 KiB, 1 MiB."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from containerlab import units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator

__all__ = ["BYTES", "COUNT", "SECONDS", "Scale", "scale_of", "set_log"]


class Scale(NamedTuple):
    """How a kind of number is written, and where ticks may stand."""

    text: Callable[[float], str]
    candidates: tuple[float, ...]


def _seconds(value: float) -> str:
    """Write a duration with two or three digits, as they matter beside each other.

    >>> _seconds(0.0032), _seconds(1.45), _seconds(16.5), _seconds(0.0000019)
    ('3.2 ms', '1.45 s', '16.5 s', '1.9 µs')
    """
    factor, unit = next(((f, u) for f, u in ((1, "s"), (1e3, "ms")) if value * f >= 0.9995), (1e6, "µs"))
    number = value * factor
    return (
        f"{number:.{0 if number >= 99.5 else 3 if unit == 's' else 2}{'f' if number >= 99.5 else 'g'}} {unit}"
    )


def _per_second(value: float) -> str:
    """Write how many times a second.

    >>> _per_second(1.9e9), _per_second(520_300), _per_second(12.5)
    ('1.9 G/s', '520 k/s', '12.5 /s')
    """
    factor, prefix = next(((f, p) for f, p in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= f), (1.0, ""))
    return f"{value / factor:.3g} {prefix}/s"


_MAGNITUDES = tuple(10.0**power for power in range(-9, 13))
SECONDS = Scale(_seconds, _MAGNITUDES)
BYTES = Scale(units.format_size, tuple(1024.0**k * 10.0**j for k in range(5) for j in range(3)))
RATE = Scale(_per_second, _MAGNITUDES)
BYTE_RATE = Scale(lambda value: f"{units.format_size(value)}/s", BYTES.candidates)
COUNT = Scale(lambda value: f"{value:,.3g}" if value < 1000 else f"{value:,.0f}", _MAGNITUDES)


def scale_of(metric: str) -> Scale:
    """Return how a metric is written, by the unit at the end of its name, or before `each`.

    >>> scale_of("ready_s").text(0.032), scale_of("pss_bytes").text(60_000)
    ('32 ms', '58.6 KiB')
    """
    metric = metric.removesuffix("_each")
    if metric.endswith("_per_s"):
        return BYTE_RATE if metric.endswith("_bytes_per_s") else RATE
    return SECONDS if metric.endswith("_s") else BYTES if metric.endswith("_bytes") else COUNT


def set_log(
    ax: Axes, values: Iterable[float], scale: Scale, axis: str = "x", room: float = 0.06, most: int = 6
) -> None:
    """Make an axis logarithmic around values.

    room: the share of it to leave free at the end. most: so many ticks have room.
    """
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    span = max(high - low, 1.0)
    start, end = low - 0.12 * span, high + span * room / (1 - room) + 0.03 * span
    limits = 10**start, 10**end
    ticks = _ticks(*limits, scale, most)
    if axis == "x":
        ax.set_xscale("log")
        ax.set_xlim(limits)
        ax.set_xticks(ticks, [scale.text(tick) for tick in ticks])
        ax.xaxis.set_minor_locator(_no_ticks())
    else:
        ax.set_yscale("log")
        ax.set_ylim(limits)
        ax.set_yticks(ticks, [scale.text(tick) for tick in ticks])
        ax.yaxis.set_minor_locator(_no_ticks())


def _no_ticks() -> Locator:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _ticks(low: float, high: float, scale: Scale, most: int) -> Sequence[float]:
    within = [tick for tick in scale.candidates if low <= tick <= high]
    if len(within) < 2:
        within = sorted(
            tick * part for tick in scale.candidates for part in (1, 2, 5) if low <= tick * part <= high
        )
    step = math.ceil(len(within) / most) or 1
    return within[::step]
