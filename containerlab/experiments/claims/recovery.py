"""Claim 4: recovery and availability come from quick redeployment."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator, Sequence

from containerlab.errors import TimedOut, Unavailable
from containerlab.experiments.claims import paces
from containerlab.experiments.claims.instances import contestants, free_port, patience_s, started
from containerlab.experiments.claims.knocking import answered_at
from containerlab.experiments.experiment import Contestant, Experiment, Measurement, Stage, Verdict
from containerlab.experiments.row import Row
from containerlab.experiments.subject import Subject

__all__ = ["Killed", "Recovery"]

_DEATH_S = 10.0


class Killed:
    """How long nobody answers when the workload is killed and a restart policy brings it back.

    Each round has an instance of its own: policies wait longer for what dies again and again.
    """

    name = "killed"
    rounds, quick_rounds, warm_ups = 3, 1, 0

    def contestants(self, stage: Stage) -> Sequence[Contestant]:
        return contestants(stage, _kill_and_wait)


def _kill_and_wait(subject: Subject) -> Iterator[Measurement]:
    port = free_port()
    patience = patience_s(subject)
    with started(subject, ["serve", str(port)], port=port, restarts=True) as instance:
        answered_at(instance.address(), patience)
        killed_at = _kill(instance.workload_pid())
        yield Measurement("recovered_s", answered_at(instance.address(), patience) - killed_at)


def _kill(pid: int) -> float:
    """Kill a process and wait until it is dead, so that nothing of it answers; return when it was asked."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:  # none that lives, or none at all
        raise Unavailable(f"the workload, process {pid}, was dead before it was killed") from error
    try:
        killed_at = time.monotonic()
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        if not select.select([pidfd], [], [], _DEATH_S)[0]:
            raise TimedOut(f"process {pid} did not die within {_DEATH_S:.0f} s of being killed")
        return killed_at
    finally:
        os.close(pidfd)


class Recovery:
    """See `Claim`."""

    name = "recovery"
    sentence = "Recovery and availability come from quick redeployment."
    experiments: Sequence[Experiment] = (Killed(),)

    def judge(self, rows: Sequence[Row]) -> Sequence[Verdict]:
        return paces.judge(self.name, rows, _PACE)


_PACE = paces.Pace(
    metric="recovered_s",
    does="answers again",
    needs="after its workload was killed",
    is_about_machines=False,
)
