"""What create, pause, resume, snapshot and delete take: a panel for each verb, the same rows in all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from containerlab.experiments.pictures import canvas
from containerlab.experiments.pictures.scales import SECONDS, set_log
from containerlab.experiments.pictures.summaries import Summary, of_metric
from containerlab.views.plot import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]

VERBS = {
    "create_s": "create",
    "ready_s": "create to ready",
    "pause_s": "pause",
    "resume_s": "resume",
    "snapshot_s": "snapshot",
    "delete_s": "delete",
}


def draw(summed: Sequence[Summary]) -> Figure:
    """Draw a bar for each verb and subject; a verb that a subject cannot do has none."""
    shown = of_metric(summed, *VERBS)
    verbs = [verb for verb in VERBS if of_metric(shown, verb)]
    subjects = list(dict.fromkeys(each.subject for each in shown))
    columns = 3 if len(verbs) > 3 else max(len(verbs), 1)
    lines = -(-len(verbs) // columns) or 1
    figure = canvas.made(0.6 + lines * (0.6 + 0.27 * max(len(subjects), 3)))
    panels = figure.subplots(lines, columns, squeeze=False, sharey=True).ravel()
    for ax, verb in zip(panels, verbs, strict=False):
        _panel(ax, of_metric(shown, verb), subjects, shown)
        canvas.heading(ax, VERBS[verb])
    for ax in panels[len(verbs) :]:
        ax.set_visible(False)
    if not verbs:
        canvas.says_nothing(panels[0])
    return figure


def _panel(ax: Axes, shown: Sequence[Summary], subjects: Sequence[str], every: Sequence[Summary]) -> None:
    canvas.bare(ax)
    canvas.named_rows(ax, subjects)
    set_log(ax, [value for each in every for value in each.values], SECONDS, room=0.3, most=3)
    canvas.bars(ax, [subjects.index(each.subject) for each in shown], shown, SECONDS)
    for place, subject in enumerate(subjects):
        if subject not in {each.subject for each in shown}:
            ax.text(0.02, place, "–", transform=ax.get_yaxis_transform(), va="center", color=INK, fontsize=9)
