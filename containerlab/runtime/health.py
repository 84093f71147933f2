"""The health of a container: when it is checked, and what the checks say of it.

Loaded only by monitors of containers that have a health check. As Docker has it: `starting` until a check
succeeds, `unhealthy` after so many failures in a row, and failures in the start period do not count.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from containerlab.linux import namespaces
from containerlab.linux.cgroups import control as cgroups
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.runtime import steps
from containerlab.runtime.launch import HealthOrders
from containerlab.runtime.probe import Probe, Result
from containerlab.runtime.steps import Join

__all__ = ["Health", "beginning"]

_KEPT_RESULTS = 5


def beginning(earlier: dict[str, Any] | None) -> dict[str, Any]:
    """Return the state of a run that begins; the results of the one before are kept."""
    return {"status": "starting", "failing_streak": 0, "log": earlier["log"] if earlier else []}


class Health:
    """Has one run of a container checked; whoever polls asks it what to wait for and until when.

    pid: the container's first process; group: its cgroup, to see whether it is paused.
    state: as `beginning` returns it; changed by each check, for `tell` to write down.
    """

    def __init__(
        self,
        orders: tuple[Any, ...],
        pid: int,
        group: CgroupPlan | None,
        state: dict[str, Any],
        tell: Callable[[bool], None],
    ) -> None:
        """Raises: ProcessLookupError or FileNotFoundError when the container has ended already."""
        self._orders = HealthOrders(*orders)
        self._container = os.pidfd_open(pid)
        joins = (Join("", namespaces.foreign(pid)),)
        self._plan = steps.unpack(self._orders.plan)._replace(joins=joins)
        self._group = group
        self._tell = tell
        self._began_at = time.monotonic()
        self._probe: Probe | None = None
        self.state = state
        self.due_at = self._began_at + self._interval_s

    @property
    def answer(self) -> int:
        """The descriptor to wait for, -1 while no check is under way."""
        return self._probe.answer if self._probe else -1

    def serve(self, ready: set[int]) -> None:
        """Begin a check that is due, hear what the one under way says, or give it up."""
        is_due = time.monotonic() >= self.due_at
        if self._probe is None:
            if is_due:
                self._begin()
        elif self._probe.answer in ready:
            if result := self._probe.hear():
                self._take(result, self._probe.began_at)
        elif is_due:
            self._take(self._probe.give_up(), self._probe.began_at)

    def _begin(self) -> None:
        if self._is_paused:
            self._await_next()
            return
        self._probe = Probe(self._plan, self._container, self._orders.timeout_s)
        self.due_at = self._probe.overdue_at

    def _take(self, result: Result, began_at: float) -> None:
        self._probe = None
        if not self._is_paused:  # or it says nothing but that
            before = self.state["status"]
            self._judge(result, began_at)
            self._tell(self.state["status"] != before)
        self._await_next()

    def _judge(self, result: Result, began_at: float) -> None:
        state = self.state
        state["log"] = [*state["log"], _entry(result)][-_KEPT_RESULTS:]
        if result.exit_code == 0:
            state["failing_streak"] = 0
            state["status"] = "healthy"
        elif state["status"] != "starting" or not self._is_in_start_period(began_at):
            state["failing_streak"] += 1
            if state["failing_streak"] >= self._orders.retries:
                state["status"] = "unhealthy"

    def _is_in_start_period(self, moment_s: float) -> bool:
        return moment_s - self._began_at < self._orders.start_period_s

    @property
    def _interval_s(self) -> float:
        is_starting = self.state["status"] == "starting" and self._is_in_start_period(time.monotonic())
        return self._orders.start_interval_s if is_starting else self._orders.interval_s

    def _await_next(self) -> None:
        self.due_at = time.monotonic() + self._interval_s

    @property
    def _is_paused(self) -> bool:
        return self._group is not None and cgroups.is_frozen(self._group)

    def end(self) -> None:
        """Give up the check under way: its container has ended."""
        if self._probe:
            self._probe.give_up()
            self._probe = None
        os.close(self._container)


def _entry(result: Result) -> dict[str, Any]:
    return {
        "start": result.started_at,
        "end": result.finished_at,
        "exit_code": result.exit_code,
        "output": result.output.decode(errors="replace"),
    }
