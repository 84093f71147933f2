"""The schedule of a build: every vertex as soon as those that it needs are done, as many at once as may be.

Workers perform; the caller's thread waits, hands events on, and notices an interrupt. The first failure stops
what runs, and nothing more is begun.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import msgspec

from containerlab.build.files.selection import Source
from containerlab.build.ops import Vertex, inputs
from containerlab.build.record import Event, Finished, Output, Planned, Started, Step, StepRecord, Watcher
from containerlab.errors import LabError, of_the_system
from containerlab.store.layer_writer import Committed

__all__ = [
    "Done",
    "Performer",
    "Reporter",
    "State",
    "StepFailed",
    "needed",
    "ordered",
    "solve",
]

_LOG_LINES = 200
_DEFAULT_JOBS = 64

State = tuple[Committed, ...] | Source
"""A file system as a stack of layers, lowest first; or files outside of the store."""


class Done(NamedTuple):
    """What came of a vertex. missed: why it was not found in the cache, if it was sought there."""

    state: State
    is_cached: bool
    missed: str = ""


class Performer(Protocol):
    """Does one vertex. Called by several threads."""

    def perform(
        self, vertex: Vertex, states: Mapping[Vertex, State], say: Callable[[str, bytes], None]
    ) -> Done: ...
    def stop(self) -> None:
        """End what runs; nothing begins any more."""


class StepFailed(Exception):
    """A step failed; `error` says why, `log` has what it wrote last."""

    def __init__(self, vertex: Vertex, error: LabError, log: str) -> None:
        super().__init__(str(error))
        self.vertex = vertex
        self.error = error
        self.log = log


def ordered(targets: Sequence[Vertex]) -> list[Vertex]:
    """Return all that the targets need, each after what it needs itself."""
    found: dict[Vertex, None] = {}
    for target in targets:
        pending = [(target, iter(inputs(target)))]
        while pending:
            vertex, rest = pending[-1]
            below = next((each for each in rest if each not in found), None)
            if below is not None:
                pending.append((below, iter(inputs(below))))
            else:
                found.setdefault(vertex)
                pending.pop()
    return list(found)


def needed(targets: Sequence[Vertex]) -> frozenset[Vertex]:
    """Return the vertices whose file systems others look into."""
    return frozenset(below for vertex in ordered(targets) for below in inputs(vertex))


def _steps_of(vertices: Sequence[Vertex]) -> dict[Vertex, Step]:
    """Describe vertices for those who watch."""
    numbers = {vertex: number for number, vertex in enumerate(vertices, 1)}
    return {
        vertex: Step(
            id=number,
            name=vertex.name,
            stage=vertex.stage,
            kind=vertex.kind,
            inputs=tuple(dict.fromkeys(numbers[each] for each in inputs(vertex))),
            line=vertex.place.first if vertex.place else 0,
        )
        for vertex, number in numbers.items()
    }


class Reporter:
    """Gathers events from all threads; the thread that calls `drain` hands them on, and keeps the record."""

    def __init__(self, began: float, watch: Watcher | None) -> None:
        self._began = began
        self._watch = watch
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._records: dict[int, StepRecord] = {}
        self._logs: dict[int, bytearray] = {}

    def now(self) -> float:
        """Return the seconds since the build began."""
        return time.monotonic() - self._began

    def plan(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._records[step.id] = StepRecord(step=step, status="waiting")
        self.tell(Planned(tuple(record.step for record in self._records.values())))

    @contextlib.contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Tell of a planned step that the calling thread does."""
        step = next(record.step.id for record in self._records.values() if record.step.name == name)
        self._hand_on(Started(step, self.now()))
        try:
            yield
        except BaseException as error:
            self._hand_on(Finished(step, "failed", self.now(), str(error)))
            raise
        self._hand_on(Finished(step, "done", self.now()))

    def tell(self, event: Event) -> None:
        """Add an event, from any thread."""
        self._events.put(event)

    def wake(self) -> None:
        """Let `drain` return to its caller."""
        self._events.put(None)

    def drain(self, until: Callable[[], bool]) -> None:
        """Hand events on until a condition holds, and then what is left of them."""
        while not until():
            self._hand_on(self._events.get())
        while not self._events.empty():
            self._hand_on(self._events.get())

    def _hand_on(self, event: Event | None) -> None:
        if event is None:
            return
        self._keep(event)
        if self._watch is not None:
            self._watch(event)

    def _keep(self, event: Event) -> None:
        if isinstance(event, Started):
            self._change(event.step, status="running", started_s=event.time_s)
        elif isinstance(event, Output):
            self._logs.setdefault(event.step, bytearray()).extend(event.data)
        elif isinstance(event, Finished):
            self._change(
                event.step,
                status=event.status,
                finished_s=event.time_s,
                error=event.error,
                missed=event.missed,
                log=self.log(event.step),
            )

    def _change(self, step: int, **fields: object) -> None:
        self._records[step] = msgspec.structs.replace(self._records[step], **fields)

    def log(self, step: int) -> str:
        """Return the last lines that a step wrote."""
        lines = self._logs.get(step, bytearray()).decode(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def records(self) -> tuple[StepRecord, ...]:
        return tuple(self._records.values())


def solve(
    targets: Sequence[Vertex],
    performer: Performer,
    reporter: Reporter,
    jobs: int = 0,
    afterwards: Sequence[str] = (),
) -> dict[Vertex, State]:
    """Do all that the targets need; return the states of all vertices.

    jobs: how many steps at once; 0 for as many as are ready. afterwards: names of what the caller will do
    with the result, planned as the last steps and told by `Reporter.during`.

    Raises: StepFailed for the first that failed; KeyboardInterrupt. Nothing runs any more then.
    """
    vertices = ordered(targets)
    steps = _steps_of(vertices)
    last = tuple(steps[target].id for target in targets)
    reporter.plan([*steps.values(), *_final_steps(afterwards, len(steps), last)])
    with ThreadPoolExecutor(jobs or min(_DEFAULT_JOBS, max(1, len(vertices)))) as pool:
        schedule = _Schedule(vertices, steps, performer, reporter, pool)
        try:
            schedule.begin()
            reporter.drain(schedule.is_over)
        except BaseException:
            schedule.cancel()
            performer.stop()
            raise
        finally:
            pool.shutdown()
            reporter.drain(lambda: True)
    schedule.raise_failure(reporter)
    return schedule.states


def _final_steps(names: Sequence[str], count: int, inputs: tuple[int, ...]) -> Iterator[Step]:
    """Describe what the caller does at last, after so many other steps."""
    for number, name in enumerate(names, count + 1):
        yield Step(id=number, name=name, stage="", kind="export", inputs=inputs)


class _Schedule:
    def __init__(
        self,
        vertices: Sequence[Vertex],
        steps: Mapping[Vertex, Step],
        performer: Performer,
        reporter: Reporter,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.states: dict[Vertex, State] = {}
        self._steps, self._performer, self._reporter, self._pool = steps, performer, reporter, pool
        self._lock = threading.Lock()
        self._missing = {vertex: len(set(inputs(vertex))) for vertex in vertices}
        self._users: dict[Vertex, list[Vertex]] = {vertex: [] for vertex in vertices}
        for vertex in vertices:
            for needed in set(inputs(vertex)):
                self._users[needed].append(vertex)
        self._running = 0
        self._failure: tuple[Vertex, BaseException] | None = None
        self._is_canceled = False

    def begin(self) -> None:
        with self._lock:
            for vertex, missing in self._missing.items():
                if missing == 0:
                    self._submit(vertex)

    def is_over(self) -> bool:
        with self._lock:
            return self._running == 0

    def cancel(self) -> None:
        """Begin nothing more."""
        with self._lock:
            self._is_canceled = True

    def raise_failure(self, reporter: Reporter) -> None:
        if self._failure is None:
            return
        vertex, error = self._failure
        if not isinstance(error, LabError):
            raise error
        raise StepFailed(vertex, error, reporter.log(self._steps[vertex].id)) from error

    def _submit(self, vertex: Vertex) -> None:
        self._running += 1
        self._pool.submit(self._do, vertex).add_done_callback(self._surface)

    def _surface(self, future: Future[None]) -> None:
        """Let a defect of this code be seen instead of waiting for ever."""
        if future.cancelled() or future.exception() is None:
            return
        with self._lock:
            self._running = 0
            self._is_canceled = True
        self._reporter.wake()

    def _do(self, vertex: Vertex) -> None:
        step, reporter = self._steps[vertex].id, self._reporter
        if self._is_canceled:
            self._finish(vertex, None, Finished(step, "canceled", reporter.now()))
            return
        reporter.tell(Started(step, reporter.now()))
        try:
            done = self._performer.perform(
                vertex,
                self.states,
                lambda stream, data: reporter.tell(Output(step, stream, data, reporter.now())),
            )
        except BaseException as error:
            self._fail(vertex, error)
            return
        status = "cached" if done.is_cached else "done"
        self._finish(vertex, done, Finished(step, status, reporter.now(), missed=done.missed))

    def _fail(self, vertex: Vertex, error: BaseException) -> None:
        if isinstance(error, OSError) and not isinstance(error, LabError):
            error = of_the_system(error, "build")
        with self._lock:
            is_first, self._is_canceled = not self._is_canceled, True
            if is_first:
                self._failure = (vertex, error)
        status = "failed" if is_first else "canceled"
        if is_first:
            self._performer.stop()
        message = str(error) if is_first else ""
        self._finish(vertex, None, Finished(self._steps[vertex].id, status, self._reporter.now(), message))

    def _finish(self, vertex: Vertex, done: Done | None, event: Finished) -> None:
        self._reporter.tell(event)
        with self._lock:
            if done is not None:
                self.states[vertex] = done.state
                for user in self._users[vertex]:
                    self._missing[user] -= 1
                    if self._missing[user] == 0 and not self._is_canceled:
                        self._submit(user)
            self._running -= 1
        self._reporter.wake()
