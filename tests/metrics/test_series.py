"""Samples become a frame with units in its column names."""

from __future__ import annotations

import math

from containerlab.metrics.sample import Pressure, Sample
from containerlab.metrics.series import Series


def sample(clock_s: float, **values: object) -> Sample:
    return Sample(time=1000 + clock_s, clock_s=clock_s, **values)  # type: ignore[arg-type]


def test_rates_are_differences_over_true_durations() -> None:
    waited = [Pressure(some_pct=0, some_s=s, full_pct=0, full_s=0) for s in (0.0, 0.3)]
    series = Series(
        [
            sample(10.0, cpu_s=1.0, cpu_throttled_s=0.0, io_read_bytes=0, pressure_io=waited[0]),
            sample(12.0, cpu_s=2.0, cpu_throttled_s=0.5, io_read_bytes=4096, pressure_io=waited[1]),
        ]
    )
    frame = series.to_frame()
    assert list(frame.index) == [0.0, 2.0]
    last = frame.iloc[-1]
    assert last["cpu_cores"] == 0.5
    assert last["cpu_throttled_pct"] == 25
    assert last["io_read_bytes_per_s"] == 2048
    assert math.isclose(last["pressure_io_some_pct"], 15)


def test_the_first_row_has_no_rate_and_what_nobody_counts_is_nan() -> None:
    frame = Series([sample(1.0, cpu_s=1.0), sample(2.0, cpu_s=3.0)]).to_frame()
    assert math.isnan(frame["cpu_cores"].iloc[0])
    assert frame["memory_bytes"].isna().all()
    assert frame["pressure_cpu_some_pct"].isna().all()


def test_a_counter_that_starts_again_gives_no_rate() -> None:
    frame = Series([sample(1.0, cpu_s=9.0), sample(2.0, cpu_s=0.5), sample(3.0, cpu_s=1.0)]).to_frame()
    assert math.isnan(frame["cpu_cores"].iloc[1])
    assert frame["cpu_cores"].iloc[2] == 0.5


def test_only_the_newest_are_kept() -> None:
    series = Series(kept=3)
    for second in range(5):
        series.append(sample(float(second), pids=second))
    assert [one.pids for one in series] == [2, 3, 4]
    assert series.last is not None
    assert series.last.pids == 4
    assert len(series) == 3


def test_an_empty_series_is_an_empty_frame() -> None:
    frame = Series().to_frame()
    assert len(frame) == 0
    assert "cpu_cores" in frame


def test_one_sample_is_a_frame_of_one_row() -> None:
    assert sample(5.0, pids=3).to_frame()["pids"].tolist() == [3]
