"""Pictures of claims: what is drawn and said; how they look is for eyes."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from containerlab.errors import InvalidInput
from containerlab.experiments.pictures.gallery import picture_of_all, picture_of_claim
from containerlab.experiments.pictures.palette import style
from containerlab.experiments.pictures.performance import NOT_COMPARABLE
from containerlab.experiments.pictures.summaries import summaries
from containerlab.experiments.row import Row
from containerlab.options.comparison import CLAIMS
from containerlab.views.plot import INK
from tests.experiments.made_up import BARE, CRUN, DOCKER, OURS, machines, rows

ROWS = rows()
MACHINE = "Linux 6.18 · 2 × Made-up CPU"
SUBJECTS = (BARE, OURS, CRUN, "runc", DOCKER, "podman", *machines("tcg").values())


def _texts(figure: Figure) -> str:
    import matplotlib.text

    return " | ".join(text.get_text() for text in figure.findobj(matplotlib.text.Text) if text.get_text())


def _titles(figure: Figure) -> list[str]:
    return [ax.get_title(loc="left") for ax in _panels(figure)]


def _panels(figure: Figure) -> list[Axes]:
    return [ax for ax in figure.findobj(Axes) if ax.get_visible()]


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS)
def test_picture_names_subjects_accelerator_rounds_and_machine(claim: str) -> None:
    picture = picture_of_claim(claim, ROWS, MACHINE)
    texts = _texts(picture.figure)
    assert MACHINE in texts
    assert "Medians of" in texts
    assert "95 % interval" in texts
    for summed in summaries(row for row in ROWS if row.claim == claim):
        assert summed.subject in texts or summed.kind == "process"
    assert "(tcg)" in texts or claim == "delivery"


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS)
def test_picture_says_in_words_what_it_shows(claim: str) -> None:
    words = picture_of_claim(claim, ROWS, MACHINE).words
    assert words.startswith(f"{claim}, ")
    assert ("layers" if claim == "delivery" else "containerlab") in words


@pytest.mark.slow
@pytest.mark.parametrize("claim", CLAIMS)
def test_ground_is_transparent_and_ink_of_middle_tone(claim: str) -> None:
    figure = picture_of_claim(claim, ROWS, MACHINE).figure
    assert figure.patch.get_alpha() == 0
    assert {ax.get_facecolor()[3] for ax in _panels(figure)} == {0}
    assert {label.get_color() for ax in _panels(figure) for label in ax.get_xticklabels()} == {INK}


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_was_not_measured_is_said(claim: str) -> None:
    picture = picture_of_claim(claim, [], MACHINE)
    assert picture.words == f"{claim}: not measured."
    assert "not measured" in _texts(picture.figure)


def test_wrong_claim_names_the_nearest() -> None:
    with pytest.raises(InvalidInput, match="no such claim: strat") as raised:
        picture_of_claim("strat", ROWS, MACHINE)
    assert raised.value.hint == "did you mean start?"


def test_no_two_subjects_look_the_same() -> None:
    looks = [style(subject, "vm" if subject.startswith("vm") else "container") for subject in SUBJECTS]
    assert len({(look.color, look.marker) for look in looks}) == len(SUBJECTS)
    assert len({look.marker for look in looks}) == len(SUBJECTS)


def test_a_subject_looks_the_same_whatever_its_accelerator() -> None:
    assert style("vm microvm (tcg)", "vm") == style("vm microvm (kvm)", "vm")


@pytest.mark.parametrize(("accelerator", "title"), [("tcg", NOT_COMPARABLE), ("kvm", "Machines beside it")])
def test_emulated_machines_stand_apart_and_are_called_so(accelerator: str, title: str) -> None:
    own = [row for row in rows(accelerator, rounds=4, claims="performance") if row.tier != "image"]
    left, right = _panels(picture_of_claim("performance", own, MACHINE).figure)
    assert right.get_title(loc="left") == title
    assert len(left.get_lines()) > len(right.get_lines())


def test_noisy_rounds_are_left_out_and_counted() -> None:
    own = [row for row in rows(rounds=4, claims="recovery") if row.subject == OURS]
    (summed,) = summaries(own)
    assert len(summed.values) == 3
    assert "1 value of noisy rounds left out" in _texts(picture_of_claim("recovery", own, MACHINE).figure)


def test_noisy_rounds_are_better_than_none() -> None:
    own = [msgspec.structs.replace(row, is_noisy=True) for row in ROWS if row.claim == "recovery"]
    (first, *_) = summaries(own)
    assert first.is_noisy
    assert "No quiet round" in _texts(picture_of_claim("recovery", own, MACHINE).figure)


def test_what_could_not_be_measured_is_no_number() -> None:
    failed = [msgspec.structs.replace(row, value=None, note="no such thing") for row in ROWS]
    assert summaries(failed) == []


def test_no_axis_of_speed_reaches_below_nothing() -> None:
    wide = [
        msgspec.structs.replace(row, value=row.value and row.value * (1 + 3 * (row.round % 2)))
        for row in ROWS
        if row.claim == "performance"
    ]
    assert all(ax.get_xlim()[0] >= 0 for ax in _panels(picture_of_claim("performance", wide, MACHINE).figure))


def test_line_of_growth_is_fitted_and_its_slope_named() -> None:
    own = [_instances(count, 30.0 * (1 << 20) + count * (100 << 20)) for count in (1, 2, 5)]
    assert "vm microvm (tcg): 100 MiB" in _texts(picture_of_claim("footprint", own, MACHINE).figure)


def _instances(count: int, value: float) -> Row:
    return Row(
        claim="footprint",
        experiment="idle",
        subject="vm microvm (tcg)",
        kind="vm",
        tier="microvm",
        round=0,
        metric="pss_bytes",
        value=value,
        instances=count,
    )


@pytest.mark.slow
def test_overview_has_a_panel_for_each_claim_with_its_verdict() -> None:
    picture = picture_of_all(ROWS, {"start": "held in part", "delivery": "held"}, MACHINE)
    assert len(_titles(picture.figure)) == 6
    texts = _texts(picture.figure)
    assert "held in part" in texts
    assert NOT_COMPARABLE in texts
    assert "start: held in part" in picture.words


def test_overview_of_nothing_says_so() -> None:
    assert _texts(picture_of_all([], {}, MACHINE).figure).count("not measured") == 6


@pytest.mark.slow
@pytest.mark.parametrize("claim", ["", *CLAIMS])
def test_nothing_is_cut_off_and_no_mark_of_an_axis_touches_the_next(claim: str) -> None:
    picture = picture_of_claim(claim, ROWS, MACHINE) if claim else picture_of_all(ROWS, {}, MACHINE)
    figure = picture.figure
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for ax in _panels(figure):
        places = [
            label.get_window_extent(renderer)
            for label in ax.get_xticklabels()
            if label.get_text() and ax.get_xlim()[0] <= label.get_position()[0] <= ax.get_xlim()[1]
        ]
        for left, right in pairwise(places):
            assert left.x1 < right.x0, [label.get_text() for label in ax.get_xticklabels()]
        for place in places:
            assert place.y0 >= 0
