"""A picture in a notebook: the same in pixels and in words."""

from __future__ import annotations

from containerlab.metrics.sample import Sample
from containerlab.metrics.series import Series
from containerlab.views.chart import Chart

FRAME = Series(
    Sample(time=second, clock_s=second, cpu_s=second / 4, cpu_limit_cores=0.25) for second in range(4)
).to_frame()


def test_notebook_gets_a_picture_with_words_for_those_who_do_not_see_it() -> None:
    bundle = Chart(FRAME, "cpu")._repr_mimebundle_()
    assert bundle["text/plain"] == "CPU over 3.0 s: mean 0.25 of 0.25 cores."
    assert 'alt="CPU over 3.0 s: mean 0.25 of 0.25 cores."' in bundle["text/html"]
    assert bundle["image/png"].startswith(b"\x89PNG")
