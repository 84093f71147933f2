"""The verbs that change what a machine does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

from containerlab.backends.base import ExitStatus
from containerlab.backends.embedded.machines import repair
from containerlab.backends.embedded.machines.ground import Ground, await_end
from containerlab.backends.embedded.machines.session import state_of, status_of
from containerlab.errors import Conflict, TimedOut
from containerlab.vm import control
from containerlab.vm.guest import wire
from containerlab.vm.records import Machine

__all__ = ["StateVerbs"]

_ANSWER_LIMIT_S = 30.0
_SNAPSHOT_LIMIT_S = 300.0
_LOOK_AGAIN_S = 0.01
_NEVER_S = 365 * 86400.0


class StateVerbs(Ground):
    """Signals, stops, pauses and saves machines, and waits for them."""

    def signal(self, name: str, number: int) -> None:
        """Send its program a signal; KILL powers the machine off."""
        machine_id = self.records.find(name)
        record = self.records.record(machine_id)
        if not self.records.is_supervised(machine_id):
            self._running(name)
        with self._connected(machine_id) as connection:
            if number == signal.SIGKILL:
                connection.send(control.KILL)
                await_end(connection)
            else:
                connection.send(wire.SIGNAL, bytes([number]), wire.MAIN)
                connection.ask(control.STATE, timeout_s=_ANSWER_LIMIT_S)  # it has been handed on then
        self._emit(record, "kill", signal=str(int(number)))

    def stop(self, name: str, number: int | None = None, timeout_s: float | None = None) -> None:
        """Ask its program to end, power it off after the timeout, and wait for that."""
        machine_id = self.records.find(name)
        record = self.records.record(machine_id)
        if not self.records.is_supervised(machine_id):
            repair.repair(self.records, machine_id)
            return
        wanted = {"signal": number, "timeout_s": _patience(timeout_s, record)}
        told = [(key, str(value)) for key, value in wanted.items() if value is not None]
        with contextlib.suppress(Conflict), self._connected(machine_id) as connection:
            connection.send(control.STOP, wire.pairs(told))
            await_end(connection)
        self._emit(record, "stop")

    def wait(self, name: str, timeout_s: float | None = None) -> ExitStatus:
        """Wait for a machine's end. Raises: TimedOut."""
        machine_id = self.records.find(name)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while self.records.is_supervised(machine_id):
            try:
                with self._connected(machine_id) as connection:
                    if await_end(connection, until) and connection.state.get("status") == "exited":
                        return status_of(state_of(connection.state))
            except Conflict:  # its monitor does not listen yet, or no more
                time.sleep(_LOOK_AGAIN_S)
            if until is not None and time.monotonic() >= until:
                raise TimedOut(f"machine {name} still runs after {timeout_s:g} s")
        repair.repair(self.records, machine_id)
        return status_of(self.records.state(machine_id))

    def pause(self, name: str) -> None:
        """Hold the processors of a machine."""
        self._hold(name, "stop", "paused")

    def unpause(self, name: str) -> None:
        """Let the processors of a machine go on."""
        self._hold(name, "cont", "running")

    def _hold(self, name: str, command: str, wanted: str) -> None:
        machine_id, state = self._running(name)
        if state.status == wanted:
            raise Conflict(f"machine {name} is {'paused already' if wanted == 'paused' else 'not paused'}")
        with self._connected(machine_id) as connection:
            connection.send(control.ATTACH)
            connection.ask(control.QMP, json.dumps({"execute": command}).encode(), _ANSWER_LIMIT_S)
            while connection.is_open and connection.state.get("status") != wanted:
                if not connection.receive(_ANSWER_LIMIT_S):
                    break
        if connection.state.get("status") != wanted:
            raise Conflict(f"machine {name} is not {wanted} now: it is {connection.state.get('status')}")
        self._emit(self.records.record(machine_id), "pause" if wanted == "paused" else "unpause")

    def snapshot(self, name: str) -> int:
        """Save memory and devices into the machine's directory; return the bytes on disk."""
        machine_id, _ = self._running(name)
        path = f"{self.records.directory(machine_id)}/snapshot"
        with self.records.held(machine_id), self._connected(machine_id) as connection:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            connection.ask(control.SNAPSHOT, os.fsencode(path), _SNAPSHOT_LIMIT_S)
        self._emit(self.records.record(machine_id), "snapshot")
        return os.stat(path).st_blocks * 512


def _patience(timeout_s: float | None, record: Machine) -> float | None:
    """Return how long to wait."""
    wanted = record.stop_timeout_s if timeout_s is None else timeout_s
    return wanted if wanted >= 0 else _NEVER_S
