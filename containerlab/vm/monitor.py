"""The monitor: one process that looks after one virtual machine, and that everybody talks to it through.

It starts QEMU, carries frames between the guest and clients, writes the program's output to the log, the
state to disk before it tells anybody, starts again by policy, and ends. While it lives it holds a lock in the
machine's directory; when it is killed the kernel kills QEMU too (PR_SET_PDEATHSIG).

Only the standard library.
"""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from containerlab.linux import locks, procfs
from containerlab.linux.files import remove_tree
from containerlab.runtime.logfile import LogWriter
from containerlab.runtime.restarts import Backoff, Policy
from containerlab.vm import control
from containerlab.vm.boot import Boot, Listener
from containerlab.vm.children import Ended
from containerlab.vm.clients import Client, Clients, Streams
from containerlab.vm.ending import Ending, ending_of
from containerlab.vm.guest import answers, wire
from containerlab.vm.journal import Journal
from containerlab.vm.launch import Launch
from containerlab.vm.loop import Loop
from containerlab.vm.saving import Saving

__all__ = ["main"]

_KILL_LIMIT_S = 1.0
_GOODBYE_LIMIT_S = 5.0
_OUTPUT = {wire.STDOUT: 1, wire.STDERR: 2}


def main(words: Sequence[str]) -> int:
    """Look after the machine that the client at the other end of standard input says in its first frame."""
    sock = socket.socket(fileno=os.dup(0))
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    reader = wire.FrameReader()
    launch, rest = _receive_launch(sock, reader)
    procfs.rename(b"conlab-machine")
    monitor = Monitor(launch, sock, reader)
    try:
        monitor.run(rest)
    except Exception as error:
        monitor.complain(error)
        raise
    return 0


def _receive_launch(
    sock: socket.socket, reader: wire.FrameReader
) -> tuple[Launch, list[tuple[int, int, bytes]]]:
    """Return what to do, and what the client has said already beside."""
    while data := sock.recv(1 << 16):
        if found := list(reader.feed(data)):
            return Launch(*marshal.loads(found[0][2])), found[1:]
    raise ConnectionError("whoever wanted a machine has gone")


class Monitor:
    """The state of one monitor; `run` is its life."""

    def __init__(self, launch: Launch, first: socket.socket, reader: wire.FrameReader) -> None:
        self.launch = launch
        self.loop = Loop()
        self.lock = locks.hold(f"{launch.directory}/lock")
        if self.lock < 0:
            raise FileExistsError("another monitor has this machine")
        self.journal = Journal(launch.directory, launch.begun_at)
        self.log = LogWriter(launch.directory, launch.log_most_bytes, launch.log_most_files)
        self.clients = Clients(self.loop, launch.directory, self._take_from_client, self._lose_client)
        self.streams = Streams()
        self.backoff = Backoff()
        self.boot: Boot | None = None
        self.ending = Ending()
        self.is_over = self.is_stopping = False
        self.first = self.clients.add(first, reader)
        self.first.is_attached = True
        self.first.is_bound = launch.is_foreground

    def run(self, said: list[tuple[int, int, bytes]]) -> None:
        """Start, watch, and start again while the policy says so."""
        self._heed_signals()
        self.journal.write()
        self._begin()
        for kind, stream, payload in said:
            self._take_from_client(self.first, kind, stream, payload)
        while not self.is_over:
            self.loop.turn()
        self._leave()

    def complain(self, error: Exception) -> None:
        """Leave word of an error of our own; QEMU ends with this process."""
        import traceback  # costly, and only needed here

        with open(f"{self.launch.directory}/monitor-failed", "w") as file:
            traceback.print_exception(error, file=file)
        said = f"its monitor failed: {type(error).__name__}: {error}"
        self.journal.write(status="exited", pid=0, exit_code=125, error=said, finished_at=time.time())

    def _heed_signals(self) -> None:
        """Let SIGTERM stop the machine."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: None)
        signal.set_wakeup_fd(writer)

        def heed(events: int) -> None:
            os.read(reader, 64)
            self._stop(self.launch.stop_signal, self.launch.stop_timeout_s)

        self.loop.watch(reader, heed)

    # --- a boot ---------------------------------------------------------------------------------

    def _begin(self) -> None:
        self.ending = Ending()
        self.saving: Saving | None = None
        self.early: list[tuple[int, bytes]] = []  # what clients told a program that does not run yet
        listener = Listener(self._take_from_guest, self._heed_qemu, self._end_boot)
        self.boot = Boot(self.launch, self.loop, listener)
        self.journal.mark("qemu")
        self.journal.write(pid=self.boot.qemu.pid)
        self.loop.at("boot", self.launch.boot_limit_s, self._give_up)

    def _give_up(self) -> None:
        self.ending.is_silent = True
        self._kill()

    def _kill(self) -> None:
        if self.boot:
            self.boot.kill()

    def _heed_qemu(self, event: str, data: dict[str, Any]) -> None:
        if event == "RESUME" and self._is_incoming and not self.ending.is_set_up:
            self._set_up()
        elif event in ("STOP", "RESUME") and self.journal.state["status"] in ("running", "paused"):
            if not self.saving:
                self._change(status="paused" if event == "STOP" else "running")
        elif event == "MIGRATION" and self.saving:
            self.saving.heed(data.get("status", ""))

    @property
    def _is_incoming(self) -> bool:
        return bool(self.launch.state) and self.launch.until == "exit"

    def _set_up(self) -> None:
        """Tell the guest what it is, and what to run, in one go."""
        assert self.boot
        self.ending.is_set_up = True
        if not self.launch.setup:  # it was saved while its program ran
            self._note_started({})
            return
        clock = (("clock_usec", str(time.time_ns() // 1000)), ("seed", os.urandom(32).hex()))
        self.boot.send(wire.SETUP, self.launch.setup + wire.pairs(clock))
        self.boot.send(wire.EXEC, self.launch.exec, wire.MAIN)
        for kind, payload in self.early:
            self.boot.send(kind, payload, wire.MAIN)
        self.early = []

    def _greet(self, said: dict[str, str]) -> None:
        """Go on with a guest that has answered, for the first time."""
        if self.ending.is_greeted or self.ending.is_set_up:
            return
        self.ending.is_greeted = True
        self.journal.mark("hello")
        self.journal.state["guest"] = said
        if self.launch.until == "hello":
            self._finish()
        elif self.launch.until == "snapshot":
            self.loop.cancel("boot")
            self._save(self.launch.state, self._note_saved)
        else:
            self._set_up()

    def _finish(self) -> None:
        self.ending.is_done = True
        self._kill()

    def _note_saved(self, failure: str) -> None:
        self.ending.error = failure
        self._finish()

    def _note_started(self, said: dict[str, str]) -> None:
        self.loop.cancel("boot")
        self.journal.mark("started")
        self.ending.is_started = True
        self.journal.state["guest"] |= said
        self._change(status="running", started_at=time.time())
        if self.is_stopping:  # somebody stopped it while it booted
            self._stop(self.launch.stop_signal, self.launch.stop_timeout_s)

    def _change(self, **changes: Any) -> None:
        self.journal.write(**changes)
        self.clients.tell_attached(control.STATE, self.journal.as_bytes())

    # --- what the guest says --------------------------------------------------------------------

    def _take_from_guest(self, kind: int, stream: int, payload: bytes) -> None:
        """Heed a frame. Raises: ValueError for what no guest of ours says."""
        answers.refuse_unknown(kind, stream)
        said = answers.understood(kind, payload)
        plain = wire.pairs(said.items()) if said else payload
        if kind == wire.TAKEN:
            self._hand_taken(stream, answers.count(payload))
        elif stream == wire.MAIN:
            self._take_from_program(kind, plain, said)
        elif stream:
            self._hand_on(kind, stream, plain)
        else:
            self._take_from_machine(kind, plain, said)

    def _take_from_machine(self, kind: int, payload: bytes, said: dict[str, str]) -> None:
        if kind == wire.HELLO:
            self._greet(said)
        elif kind == wire.READY:
            self.journal.mark("ready")
        elif kind == wire.FAILED:
            self.ending.failure = said | {"step": "setup"}
            self._kill()
        else:
            waiting = self.streams.pings if kind == wire.PONG else self.streams.measures
            if waiting:
                client, number = waiting.popleft()
                client.send(kind, payload, number)

    def _take_from_program(self, kind: int, payload: bytes, said: dict[str, str]) -> None:
        if kind in _OUTPUT:
            self.journal.mark("output")
            self.log.write(_OUTPUT[kind], payload)
        elif self.ending.is_leaving:  # a second end would put the first one off
            return
        elif kind == wire.STARTED:
            if self.ending.is_started:
                return
            self._note_started(said)
        else:
            self.ending.exited, self.ending.failure = (said, {}) if kind == wire.EXITED else ({}, said)
            self.journal.mark("exited")
            self._power_off()
            return  # told when all of it is over
        self.clients.tell_attached(kind, payload, wire.MAIN)

    def _hand_on(self, kind: int, stream: int, payload: bytes) -> None:
        if owner := self.streams.owner(stream):
            owner.client.send(kind, payload, owner.stream)
        if kind in (wire.EXITED, wire.FAILED):
            self.streams.drop(stream)

    def _hand_taken(self, number: int, count: int) -> None:
        owner = self.streams.owner(number)
        for client, part in self.streams.note_taken(number, count):
            client.send(wire.TAKEN, b"%d" % part, owner.stream if owner else wire.MAIN)

    def _power_off(self) -> None:
        if self.boot:
            self.boot.send(wire.POWEROFF)
            self.loop.cancel("boot")
            self.loop.cancel("stop")
            self.loop.at("off", self.launch.off_limit_s, self._kill)

    # --- what clients say -----------------------------------------------------------------------

    def _take_from_client(self, client: Client, kind: int, stream: int, payload: bytes) -> None:
        if kind in (wire.STDIN, wire.CLOSE_STDIN, wire.RESIZE, wire.SIGNAL):
            self._hand_to_process(client, kind, stream, payload)
        elif kind == wire.EXEC:
            self._exec(client, stream, payload)
        elif kind in (wire.PING, wire.MEASURE):
            self._ask_guest(client, kind, stream, payload)
        elif kind == control.ATTACH:
            client.is_attached = True
            client.send(control.STATE, self.journal.as_bytes())
        elif kind == control.DETACH:
            self._detach(client, stream)
        elif kind == control.STATE:
            client.send(control.STATE, self.journal.as_bytes(), stream)
        elif kind == control.STOP:
            said = dict(wire.unpaired(payload))
            number = int(said.get("signal") or self.launch.stop_signal)
            self._stop(number, float(said.get("timeout_s") or self.launch.stop_timeout_s))
        elif kind == control.KILL:
            self._end_now()
        elif kind in (control.QMP, control.SNAPSHOT):
            self._ask_qemu(client, kind, stream, payload)

    def _hand_to_process(self, client: Client, kind: int, stream: int, payload: bytes) -> None:
        number = self.streams.number(client, stream)
        if not number or not self.boot:
            return
        if self.ending.is_set_up:
            self.boot.send(kind, payload, number)
        else:
            self.early.append((kind, payload))
        if kind == wire.STDIN:
            self.streams.note_input(number, client, len(payload))

    def _exec(self, client: Client, stream: int, payload: bytes) -> None:
        if not self.boot or not self.ending.is_set_up or stream <= wire.MAIN:
            client.send(control.UNDONE, b"the machine does not run", stream)
            return
        self.boot.send(wire.EXEC, payload, self.streams.add(client, stream))

    def _ask_guest(self, client: Client, kind: int, stream: int, payload: bytes) -> None:
        if not self.boot:
            client.send(control.UNDONE, b"the machine does not run", stream)
            return
        self.streams.note_question(client, stream, is_ping=kind == wire.PING)
        self.boot.send(kind, payload)

    def _ask_qemu(self, client: Client, kind: int, stream: int, payload: bytes) -> None:
        if not self.boot:
            client.send(control.UNDONE, b"the machine does not run", stream)
        elif self.saving:
            client.send(control.UNDONE, b"the machine is being saved: try again when that is done", stream)
        elif kind == control.QMP:
            self._ask_qmp(client, stream, payload)
        else:
            self._save(os.fsdecode(payload), lambda failure: self._answer_saved(client, stream, failure))

    def _ask_qmp(self, client: Client, stream: int, payload: bytes) -> None:
        assert self.boot

        def answer(outcome: Any) -> None:
            if isinstance(outcome, Exception):
                client.send(control.UNDONE, str(outcome).encode(), stream)
            else:
                client.send(control.QMP, json.dumps(outcome).encode(), stream)

        try:
            self.boot.qmp.ask(json.loads(payload), answer)
        except (ValueError, TypeError):
            client.send(control.UNDONE, b"this is no command of QMP", stream)

    def _save(self, path: str, then: Callable[[str], None]) -> None:
        assert self.boot
        apart = self.launch.are_pages_apart and self.launch.until == "snapshot"
        self.saving = Saving(self.boot.qmp, path, then, are_pages_apart=apart)
        self.saving.begin()

    def _answer_saved(self, client: Client, stream: int, failure: str) -> None:
        self.saving = None
        if self.boot and self.journal.state["status"] != "paused":
            self.boot.qmp.command("cont")
        if failure:
            client.send(control.UNDONE, failure.encode(), stream)
        else:
            client.send(control.SNAPSHOT, b"", stream)

    def _detach(self, client: Client, stream: int) -> None:
        if stream:
            self.streams.drop(self.streams.number(client, stream))
        else:
            client.is_bound = client.is_attached = False

    def _lose_client(self, client: Client) -> None:
        if client.is_bound:
            self._end_now()
        for number in self.streams.of(client):
            if self.boot:
                self.boot.send(wire.SIGNAL, bytes([signal.SIGKILL]), number)
            self.streams.drop(number)

    # --- the end --------------------------------------------------------------------------------

    def _stop(self, number: int, timeout_s: float) -> None:
        """Signal the program, and power off when it has not ended in time; at once when it does not run."""
        self.is_stopping = True
        if self.boot is None:
            self._give_up_restart()
        elif not self.ending.is_set_up:
            self._end_now()
        elif not self.ending.is_leaving:
            if self.journal.state["status"] == "paused":
                self.boot.qmp.command("cont")
            self.boot.send(wire.SIGNAL, bytes([number]), wire.MAIN)
            self.loop.at("stop", timeout_s, self._stop_hard)

    def _stop_hard(self) -> None:
        if self.boot:
            self.boot.send(wire.SIGNAL, bytes([signal.SIGKILL]), wire.MAIN)
            self.loop.at("stop", _KILL_LIMIT_S, self._end_now)

    def _end_now(self) -> None:
        self.is_stopping = True
        self.ending.is_killed = True
        self._kill()
        if self.boot is None:
            self._give_up_restart()

    def _give_up_restart(self) -> None:
        self.loop.cancel("restart")
        self.journal.write(status="exited")
        self.is_over = True

    def _end_boot(self, ended: Ended) -> None:
        """Write down how it ended; start again, or leave."""
        boot, self.boot = self.boot, None
        if boot is None:  # it could not even be started
            return
        for name in ("boot", "stop", "off"):
            self.loop.cancel(name)
        if self.saving:
            self.saving.fail("QEMU ended while the machine was saved")
        self.journal.mark("off")
        end = ending_of(self.ending, ended, boot, self.launch)
        self.journal.state.update(pid=0, finished_at=time.time(), **end)
        wants = self._wants_restart(end["exit_code"])
        self._forget_streams()
        if wants:
            self._wait_for_restart()
        else:
            self.journal.write(status="exited")
            self.is_over = True

    def _wants_restart(self, exit_code: int) -> bool:
        if self.is_stopping or self.launch.until != "exit":
            return False
        if not self.journal.state["started_at"]:  # it would fail for ever
            return False
        policy = Policy(self.launch.restart, self.launch.retries)
        return policy.wants(exit_code, self.journal.state["restarts"])

    def _forget_streams(self) -> None:
        """Tell whoever has a process in the guest that it is gone."""
        gone = wire.pairs([("code", "137"), ("cpu_usec", "0"), ("peak_rss_bytes", "0"), ("oom_killed", "0")])
        for client in list(self.clients.all):
            for number in self.streams.of(client):
                if owner := self.streams.owner(number):
                    client.send(wire.EXITED, gone, owner.stream)
                self.streams.drop(number)
        self.streams = Streams()

    def _wait_for_restart(self) -> None:
        state = self.journal.state
        ran_s = state["finished_at"] - state["started_at"]
        self._change(status="restarting", restarts=state["restarts"] + 1)
        self.loop.at("restart", self.backoff.after(ran_s), self._restart)

    def _restart(self) -> None:
        self.journal.forget_boot()
        self._begin()

    def _leave(self) -> None:
        """Let others at the machine, and tell clients how it was."""
        self.log.close()
        directory = self.launch.directory
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{directory}/{control.SOCKET}")
        if self.ending.exited:
            items = [(key, str(value)) for key, value in self.ending.exited.items()]
            self.clients.tell_attached(wire.EXITED, wire.pairs(items), wire.MAIN)
        elif self.ending.failure:
            self.clients.tell_attached(wire.FAILED, wire.pairs(self.ending.failure.items()), wire.MAIN)
        if self.launch.remove:
            remove_tree(directory)
        os.close(self.lock)
        self.clients.say_goodbye(self.journal.as_bytes(), _GOODBYE_LIMIT_S)
