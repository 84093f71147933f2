"""Builds to be seen: what the builder would tell, and what it would know afterwards."""

from __future__ import annotations

from containerlab.build.record import (
    BuildRecord,
    Event,
    Finished,
    LintWarning,
    Output,
    Planned,
    Started,
    Step,
    StepRecord,
    Warned,
)

__all__ = ["FAILING", "STEPS", "WARNING", "WELL", "many", "record"]

STEPS = (
    Step(id=0, name="[compile 1/3] FROM lab/base", stage="compile", kind="source"),
    Step(id=1, name="[compile 2/3] COPY . /src", stage="compile", kind="copy", inputs=(0,), line=2),
    Step(id=2, name="[compile 3/3] RUN make", stage="compile", kind="run", inputs=(1,), line=3),
    Step(id=3, name="[1 1/2] RUN true", stage="1", kind="run", inputs=(0,), line=6),
    Step(id=4, name="[1 2/2] COPY --from=compile /a /a", stage="1", kind="copy", inputs=(3, 2), line=7),
    Step(id=5, name="exporting", stage="", kind="export", inputs=(4,)),
)
WARNING = LintWarning(
    rule="StageNameCasing",
    message="Stage name 'Compile' should be lowercase",
    line=1,
    url="https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
    text="FROM lab/base AS Compile",
)
_BEGINNING: tuple[Event, ...] = (
    Planned(STEPS),
    Warned(WARNING),
    Finished(0, "cached", 0.0),
    Started(1, 0.0),
    Started(3, 0.1),
    Finished(1, "done", 0.5, missed="the content of ."),
    Started(2, 0.5),
    Output(2, "stdout", b"\x1b[32mgcc\x1b[0m -c m", 0.8),
    Output(2, "stdout", b"ain.c\n10 %\r", 0.812),
    Output(2, "stdout", b"100 %\nlink", 0.9),
)
WELL: tuple[Event, ...] = (
    *_BEGINNING,
    Finished(3, "done", 1.0),
    Finished(2, "done", 1.25),
    Started(4, 1.25),
    Finished(4, "done", 1.3),
    Started(5, 1.3),
    Finished(5, "done", 1.4),
)
FAILING: tuple[Event, ...] = (
    *_BEGINNING,
    Finished(2, "failed", 1.25, error="exit code 2"),
    Finished(3, "canceled", 1.25),
    Finished(4, "canceled", 1.25),
    Finished(5, "canceled", 1.25),
)


def record(events: tuple[Event, ...] = WELL, steps: tuple[Step, ...] = STEPS) -> BuildRecord:
    """Return what is known after such events."""
    began = {event.step: event.time_s for event in events if isinstance(event, Started)}
    ended = {event.step: event for event in events if isinstance(event, Finished)}
    return BuildRecord(
        id="b1",
        dockerfile="Dockerfile",
        target="1",
        started_at=1.7e9,
        wall_s=max(end.time_s for end in ended.values()),
        steps=tuple(
            StepRecord(
                step=step,
                status=ended[step.id].status,
                started_s=began.get(step.id, ended[step.id].time_s),
                finished_s=ended[step.id].time_s,
                error=ended[step.id].error,
                missed=ended[step.id].missed,
            )
            for step in steps
        ),
        warnings=(WARNING,),
        names=("test/app:latest",),
        digest="sha256:" + "1" * 64,
        image_id="sha256:" + "2" * 64,
        jobs=4,
    )


def many(stages: int, length: int) -> tuple[Event, ...]:
    """Return a build of stages that run side by side, each so many steps long, and one that gathers."""
    steps, events = [Step(id=0, name="FROM lab/base", stage="", kind="source")], [Finished(0, "cached", 0.0)]
    last = []
    for stage in range(stages):
        for number in range(length):
            below = steps[-1].id if number else 0
            name = f"[part{stage} {number + 1}/{length}] RUN make part-{stage} && sleep {number}"
            steps.append(
                Step(
                    id=len(steps),
                    name=name,
                    stage=f"part{stage}",
                    kind="run",
                    inputs=(below,),
                    line=len(steps),
                )
            )
            events.append(_one(steps[-1].id, number * 1.5 + stage * 0.1, 1.2 + stage * 0.05, stage == 1))
        last.append(steps[-1].id)
    for number, source in enumerate(last):
        name = (
            f"[app {number + 1}/{len(last)}] COPY --from=part{number} /out/part-{number} /app/part-{number}"
        )
        below = steps[-1].id if number else 0
        steps.append(Step(id=len(steps), name=name, stage="app", kind="copy", inputs=(below, source)))
        events.append(_one(steps[-1].id, length * 1.5 + stages * 0.1 + number * 0.2, 0.2, False))
    steps.append(Step(id=len(steps), name="exporting", stage="", kind="export", inputs=(steps[-1].id,)))
    events.append(_one(steps[-1].id, length * 1.5 + stages * 0.3, 0.4, False))
    return (
        Planned(tuple(steps)),
        *(event for pair in events for event in (pair if isinstance(pair, tuple) else (pair,))),
    )


def _one(step: int, start_s: float, length_s: float, is_cached: bool) -> tuple[Event, ...]:
    if is_cached:
        return (Finished(step, "cached", start_s / 10),)
    return Started(step, start_s), Finished(step, "done", start_s + length_s)
