"""A picture for each resource: what was used, its limit, when it was held back, when something was killed.

Frames are those of `metrics.Series.to_frame`. The ground is transparent and the ink of middle tone, so that a
picture reads on light and on dark pages; colours are Okabe and Ito's, which the colour-blind tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["RESOURCES", "alt", "available", "figure", "plot"]

INK = "#7a7a7a"
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_OFF_SCALE = 4.0
"""A limit so many times above what was used is named at the upper edge instead of flattening the curve."""


class _Line(NamedTuple):
    column: str
    label: str
    color: str
    dash: str = "-"
    filled: bool = False


class _Picture(NamedTuple):
    title: str
    lines: tuple[_Line, ...]
    kind: str
    """What the numbers are: cores, bytes, bytes/s, count or %."""
    limit: str = ""
    """Column of the limit."""


_PICTURES = {
    "cpu": _Picture("CPU", (_Line("cpu_cores", "used", BLUE, filled=True),), "cores", "cpu_limit_cores"),
    "memory": _Picture(
        "Memory",
        (
            _Line("memory_bytes", "used", BLUE, filled=True),
            _Line("memory_anon_bytes", "without cache", PURPLE, "--"),
        ),
        "bytes",
        "memory_limit_bytes",
    ),
    "pids": _Picture(
        "Processes and threads", (_Line("pids", "now", BLUE, filled=True),), "count", "pids_limit"
    ),
    "io": _Picture(
        "Block I/O",
        (
            _Line("io_read_bytes_per_s", "read", BLUE, filled=True),
            _Line("io_write_bytes_per_s", "written", VERMILLION, "--"),
        ),
        "bytes/s",
    ),
    "pressure": _Picture(
        "Pressure (time spent waiting)",
        (
            _Line("pressure_cpu_some_pct", "cpu", BLUE, filled=True),
            _Line("pressure_memory_some_pct", "memory", PURPLE, "--"),
            _Line("pressure_io_some_pct", "io", GREEN, ":"),
        ),
        "%",
    ),
}
RESOURCES = tuple(_PICTURES)


def available(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the resources about which the frame holds numbers other than zero."""
    return tuple(name for name, picture in _PICTURES.items() if _largest(frame, picture) > 0)


def plot(
    frame: pd.DataFrame, resource: str, limits: Mapping[str, float] | None = None, ax: Axes | None = None
) -> Axes:
    """Draw one resource of RESOURCES.

    limits: the limit of a resource in cores, bytes or processes; default: the last one in the frame.
    """
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=(8, 2.6), layout="constrained")[1]
        ax.figure.patch.set_alpha(0)
    picture = _PICTURES[resource]
    limit = _limit(frame, resource, limits)
    scale = _scale(frame, picture, limit)
    _bare(ax, frame, scale.unit)
    if picture.kind == "count":
        ax.locator_params(axis="y", integer=True)
    _set_height(ax, _largest(frame, picture) / scale.factor, limit and limit / scale.factor)
    labels = [_draw(ax, frame[line.column].dropna(), line, scale, picture) for line in picture.lines]
    labels.append(_draw_limit(ax, limit, scale))
    _put_labels(ax, [label for label in labels if label])
    if resource == "cpu":
        _shade_throttling(ax, frame)
    if resource == "memory":
        _mark_kills(ax, frame)
    ax.set_title(picture.title, loc="left", color=INK, fontsize=10, fontweight="bold")
    ax.set_title(_summary(frame, resource, limit), loc="right", color=INK, fontsize=9)
    return ax


def figure(
    frame: pd.DataFrame, resources: Sequence[str] = (), limits: Mapping[str, float] | None = None
) -> Figure:
    """Return one picture with a panel for each resource (default: those with numbers)."""
    from containerlab.errors import wanted

    names = tuple(resources) or available(frame)
    size = (8, 2.1 * len(names))
    made: Figure = wanted("matplotlib.figure", "a picture").Figure(figsize=size, layout="constrained")
    panels = made.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(panels, names, strict=True):
        plot(frame, name, limits, ax).label_outer()
    return made


# --- numbers ------------------------------------------------------------------------------------


class _Scale(NamedTuple):
    factor: float
    unit: str

    def text(self, value: float) -> str:
        """Three digits are enough to read a picture."""
        number = value / self.factor
        return f"{number:{',.0f' if number >= 100 else '.3g'}} {self.unit}".rstrip()


_BYTES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))


def _bytes_scale(largest: float, suffix: str = "") -> _Scale:
    factor, unit = next(((f, u) for f, u in _BYTES if largest >= f), _BYTES[-1])
    return _Scale(factor, unit + suffix)


def _scale(frame: pd.DataFrame, picture: _Picture, limit: float | None) -> _Scale:
    largest = max(_largest(frame, picture), limit or 0)
    if picture.kind.startswith("bytes"):
        return _bytes_scale(largest, picture.kind.removeprefix("bytes"))
    return _Scale(1, {"cores": "cores", "%": "%"}.get(picture.kind, ""))


def _largest(frame: pd.DataFrame, picture: _Picture) -> float:
    values = frame[[line.column for line in picture.lines]].max().max()
    return float(values) if values == values else 0.0


def _limit(frame: pd.DataFrame, resource: str, limits: Mapping[str, float] | None) -> float | None:
    if limits and resource in limits:
        return limits[resource]
    column = _PICTURES[resource].limit
    known = frame[column].dropna() if column else None
    return float(known.iloc[-1]) if known is not None and len(known) else None


def _span_s(frame: pd.DataFrame) -> float:
    return float(frame.index[-1] - frame.index[0]) if len(frame) > 1 else 0.0


def _grown(frame: pd.DataFrame, column: str) -> float:
    """How much a counter grew from the first row to the last."""
    known = frame[column].dropna()
    return float(known.iloc[-1] - known.iloc[0]) if len(known) else 0.0


# --- words --------------------------------------------------------------------------------------


def _summary(frame: pd.DataFrame, resource: str, limit: float | None) -> str:
    return "; ".join(part for part in _SUMMARIES[resource](frame, limit) if part)


def _of(limit: float | None, scale: _Scale) -> str:
    return f" of {scale.text(limit)}" if limit else ", no limit"


def _cpu_words(frame: pd.DataFrame, limit: float | None) -> Sequence[str]:
    seconds, span_s = _grown(frame, "cpu_s"), _span_s(frame)
    mean = seconds / span_s if span_s else 0.0
    held_s = _grown(frame, "cpu_throttled_s")
    throttled = f"throttled {_grown(frame, 'throttled_periods'):.0f} times, {held_s:.3g} s" if held_s else ""
    return f"mean {mean:.2f}{_of(limit, _Scale(1, 'cores'))}", throttled


def _memory_words(frame: pd.DataFrame, limit: float | None) -> Sequence[str]:
    peak = frame[["memory_bytes", "memory_peak_bytes"]].max().max()
    peak = 0.0 if peak != peak else float(peak)
    kills = _grown(frame, "oom_kills")
    scale = _bytes_scale(max(peak, limit or 0))
    return f"peak {scale.text(peak)}{_of(limit, scale)}", f"{kills:.0f} killed (OOM)" if kills else ""


def _pids_words(frame: pd.DataFrame, limit: float | None) -> Sequence[str]:
    return (f"most {_largest(frame, _PICTURES['pids']):.0f}{_of(limit, _Scale(1, ''))}",)


def _io_words(frame: pd.DataFrame, limit: float | None) -> Sequence[str]:
    read, written = _grown(frame, "io_read_bytes"), _grown(frame, "io_write_bytes")
    if not read and not written:
        return ("nothing read or written",)
    return f"{_bytes_scale(read).text(read)} read", f"{_bytes_scale(written).text(written)} written"


def _pressure_words(frame: pd.DataFrame, limit: float | None) -> Sequence[str]:
    lines = _PICTURES["pressure"].lines
    return tuple(
        f"{line.label} up to {min(frame[line.column].max(), 100):.0f} %"
        for line in lines
        if _has(frame, line)
    )


def _has(frame: pd.DataFrame, line: _Line) -> bool:
    return bool(frame[line.column].notna().any())


_SUMMARIES: dict[str, Callable[[pd.DataFrame, float | None], Sequence[str]]] = {
    "cpu": _cpu_words,
    "memory": _memory_words,
    "pids": _pids_words,
    "io": _io_words,
    "pressure": _pressure_words,
}


def alt(frame: pd.DataFrame, resource: str, limits: Mapping[str, float] | None = None) -> str:
    """Return what the picture says as one sentence, for those who do not see it."""
    summary = _summary(frame, resource, _limit(frame, resource, limits))
    return f"{_PICTURES[resource].title} over {_span_s(frame):.1f} s: {summary}."


# --- strokes ------------------------------------------------------------------------------------


class _Label(NamedTuple):
    y: float
    text: str
    color: str
    mark: str = "●"


def _bare(ax: Axes, frame: pd.DataFrame, unit: str) -> None:
    """Only what carries information: no frame, no ground, faint horizontal rules."""
    ax.set_facecolor("none")
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(INK)
    ax.tick_params(colors=INK, labelsize=9, length=3)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=INK, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.locator_params(axis="y", nbins=5)
    ax.set_xlabel("seconds", color=INK, fontsize=9, loc="right", labelpad=1)
    ax.set_ylabel(unit, color=INK, fontsize=9)
    ax.set_xlim(0, float(frame.index[-1]) if len(frame) > 1 else 1.0)


def _set_height(ax: Axes, largest: float, limit: float | None) -> None:
    """From zero, so that heights are amounts."""
    shown = limit if limit and (limit <= _OFF_SCALE * largest or not largest) else 0.0
    ax.set_ylim(0, max(largest, shown) * 1.15 or 1.0)


def _draw(ax: Axes, values: pd.Series[float], line: _Line, scale: _Scale, picture: _Picture) -> _Label | None:
    if values.empty:
        return None
    x, y = values.index.to_numpy(), values.to_numpy() / scale.factor
    counts = picture.kind == "count"
    if picture.kind == "%":
        # The kernel's clock and ours are not read at the same moment: a rate may come out a little higher.
        y = y.clip(max=100)
    ax.plot(x, y, line.dash, color=line.color, linewidth=1.8, drawstyle="steps-post" if counts else "default")
    if line.filled:
        step: Any = "post" if counts else None
        ax.fill_between(x, 0, y, color=line.color, alpha=0.16, linewidth=0, step=step)
    return _Label(float(y[-1]), line.label, line.color)


def _draw_limit(ax: Axes, limit: float | None, scale: _Scale) -> _Label | None:
    if limit is None:
        return None
    y, top = limit / scale.factor, ax.get_ylim()[1]
    if y > top:
        return _Label(top, f"limit {scale.text(limit)}", VERMILLION, "↑")
    ax.axhline(y, color=VERMILLION, linewidth=1.4, linestyle=(0, (6, 3)))
    return _Label(y, f"limit {scale.text(limit)}", VERMILLION, "╌")


def _put_labels(ax: Axes, labels: Sequence[_Label]) -> None:
    """Beside the ends of the lines, pushed apart where they would cover each other."""
    gap, free_from = ax.get_ylim()[1] * 0.12, 0.0
    for label in sorted(labels):
        y = max(label.y, free_from)
        free_from = y + gap
        _note(ax, label.mark, (1, y), ax.get_yaxis_transform(), (5, 0), color=label.color)
        _note(ax, label.text, (1, y), ax.get_yaxis_transform(), (16, 0), color=INK)


def _note(
    ax: Axes, text: str, at: tuple[float, float], frame: Any, offset: tuple[float, float], **style: Any
) -> None:
    """Write so many points beside a place."""
    style = {"fontsize": 9, "va": "center", "annotation_clip": False, **style}
    ax.annotate(text, at, offset, xycoords=frame, textcoords="offset points", **style)


def _shade_throttling(ax: Axes, frame: pd.DataFrame) -> None:
    """Between two samples the shade is as dark as the part of the time that was lost."""
    x, share = frame.index.to_numpy(), (frame["cpu_throttled_pct"].fillna(0) / 100).clip(0, 1).to_numpy()
    spans = [
        (left, right, part) for left, right, part in zip(x, x[1:], share[1:], strict=False) if part > 0.01
    ]
    for left, right, part in spans:
        ax.axvspan(left, right, color=VERMILLION, alpha=0.32 * part, linewidth=0, zorder=0)
    if spans:
        at = (spans[0][0], 1.0)
        _note(ax, "throttled", at, ax.get_xaxis_transform(), (4, -3), va="top", color=VERMILLION)


def _mark_kills(ax: Axes, frame: pd.DataFrame) -> None:
    """Named on the right, where memory has fallen; near the edge on the left, below the rising curve."""
    style: dict[str, Any] = {"color": VERMILLION, "fontweight": "bold"}
    for second in frame.index[frame["oom_kills"].diff() > 0]:
        ax.axvline(second, color=VERMILLION, linewidth=1.6)
        if second < 0.87 * ax.get_xlim()[1]:
            _note(ax, "OOM kill", (second, 0.6), ax.get_xaxis_transform(), (5, 0), ha="left", **style)
        else:
            _note(ax, "OOM kill", (second, 0.15), ax.get_xaxis_transform(), (-5, 0), ha="right", **style)
