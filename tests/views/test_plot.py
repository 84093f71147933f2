"""Pictures: what is drawn, said, and seen on light and dark ground."""

from __future__ import annotations

import io

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from containerlab.metrics.sample import Pressure, Sample
from containerlab.metrics.series import Series
from containerlab.views import plot
from containerlab.views.picture import png_of

MIB = 1 << 20


@pytest.fixture
def frame() -> pd.DataFrame:
    """Return ten seconds of a container that is throttled, then killed for its memory."""
    samples = []
    for second in range(11):
        pressure = Pressure(some_pct=0, some_s=second * 0.2, full_pct=0, full_s=0)
        samples.append(
            Sample(
                time=float(second),
                clock_s=float(second),
                cpu_s=second * 0.5,
                cpu_limit_cores=0.5,
                cpu_throttled_s=max(0, second - 4) * 0.4,
                throttled_periods=max(0, second - 4) * 10,
                memory_bytes=min(second * 10, 64) * MIB,
                memory_peak_bytes=min(second * 10, 64) * MIB,
                memory_limit_bytes=64 * MIB,
                memory_anon_bytes=second * MIB,
                oom_kills=int(second >= 8),
                pids=second,
                pids_limit=1000,
                io_read_bytes=second * MIB,
                io_write_bytes=0,
                pressure_cpu=pressure,
                pressure_memory=pressure,
                pressure_io=pressure,
            )
        )
    return Series(samples).to_frame()


def panel() -> Axes:
    return Figure().subplots()


def words(ax: Axes) -> str:
    titles = [ax.get_title(loc="left"), ax.get_title(loc="right"), ax.get_ylabel(), ax.get_xlabel()]
    return " | ".join([*titles, *(text.get_text() for text in ax.texts)])


def test_cpu_shows_limit_throttled_time_and_unit(frame: pd.DataFrame) -> None:
    ax = panel()
    assert plot.plot(frame, "cpu", ax=ax) is ax
    said = words(ax)
    assert "limit 0.5 cores" in said
    assert "throttled 60 times, 2.4 s" in said
    assert "seconds" in said
    shaded = [patch for patch in ax.patches if patch.get_alpha()]
    assert len(shaded) == 6
    heights = [float(np.ravel(line.get_ydata())[0]) for line in ax.lines]
    assert heights[-1] == 0.5


def test_memory_shows_its_limit_and_where_something_was_killed(frame: pd.DataFrame) -> None:
    ax = plot.plot(frame, "memory", ax=panel())
    said = words(ax)
    assert "MiB" in said
    assert "limit 64 MiB" in said
    assert "OOM kill" in said
    assert [8.0, 8.0] in [list(np.ravel(line.get_xdata())) for line in ax.lines]


def test_a_far_away_limit_is_named_and_does_not_flatten_the_curve(frame: pd.DataFrame) -> None:
    ax = plot.plot(frame, "pids", ax=panel())
    assert ax.get_ylim()[1] < 20
    assert "↑ | limit 1,000" in words(ax)


def test_a_given_limit_wins_over_that_of_the_frame(frame: pd.DataFrame) -> None:
    assert "limit 2 cores" in words(plot.plot(frame, "cpu", {"cpu": 2}, panel()))


def test_alt_says_the_numbers(frame: pd.DataFrame) -> None:
    assert plot.alt(frame, "memory") == "Memory over 10.0 s: peak 64 MiB of 64 MiB; 1 killed (OOM)."
    assert plot.alt(frame, "io") == "Block I/O over 10.0 s: 10 MiB read; 0 B written."
    assert plot.alt(frame, "pressure").endswith("cpu up to 20 %; memory up to 20 %; io up to 20 %.")


@pytest.mark.parametrize("resource", plot.RESOURCES)
def test_a_frame_without_numbers_is_drawn_empty(resource: str) -> None:
    ax = plot.plot(Series().to_frame(), resource, ax=panel())
    assert ax.get_title(loc="left")
    assert plot.alt(Series().to_frame(), resource)


def test_only_resources_with_numbers_are_in_the_figure(frame: pd.DataFrame) -> None:
    assert plot.available(frame) == plot.RESOURCES
    assert plot.available(frame.assign(pids=np.nan, io_read_bytes_per_s=0.0)) == (
        "cpu",
        "memory",
        "pressure",
    )


@pytest.mark.slow
def test_png_is_transparent_and_every_stroke_is_seen_on_white_and_on_black(frame: pd.DataFrame) -> None:
    png = png_of(plot.figure(frame, ("cpu", "memory")), dpi=72)
    pixels = matplotlib.image.imread(io.BytesIO(png), format="png")
    alpha = pixels[..., 3]
    assert alpha[0, 0] == 0
    assert (alpha == 0).mean() > 0.3
    solid = pixels[alpha == 1][:, :3]
    brightness = solid @ np.array([0.2126, 0.7152, 0.0722])
    assert len(solid) > 500
    assert brightness.min() > 0.15
    assert brightness.max() < 0.8


def test_processes_are_counted_in_whole_numbers(frame: pd.DataFrame) -> None:
    few = frame.assign(pids=frame["pids"].clip(upper=3), pids_limit=10.0)
    ticks = plot.plot(few, "pids", ax=panel()).get_yticks()
    assert all(float(tick).is_integer() for tick in ticks)


def test_nobody_waits_more_than_all_the_time(frame: pd.DataFrame) -> None:
    jittery = frame.assign(pressure_cpu_some_pct=104.0)
    ax = plot.plot(jittery, "pressure", ax=panel())
    assert "cpu up to 100 %" in words(ax)
    assert max(line.get_ydata().max() for line in ax.lines) == 100
