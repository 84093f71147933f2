"""Whoever controls a guest controls what its frames say; nobody but that machine may suffer from it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from containerlab.backends.base import ExitStatus
from containerlab.backends.embedded.machines.session import ExecSession, ProgramSession
from containerlab.backends.machine import Boot, MachineInfo
from containerlab.errors import LabError, SetupFailed
from containerlab.linux import idmap
from containerlab.store.workshop import Workshop
from containerlab.vm import connection, control, journal
from containerlab.vm.connection import Connection
from containerlab.vm.guest import wire
from containerlab.vm.loop import Loop, Peer
from containerlab.vm.records import MachineState
from tests.vm import hostile
from tests.vm.hostile import HELLO, STARTED, exited
from tests.vm.machines import until

pytestmark = [pytest.mark.timeout(25), pytest.mark.slow]


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    workshop = Workshop(idmap.HOST)
    yield workshop
    workshop.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "machine"


def state_of(found: Connection, place: Path) -> dict[str, Any]:
    """Wait for the end; return the state, which clients were told and can read."""
    state = found.wait()
    assert state, "the monitor has fallen"
    assert not (place / "monitor-failed").exists()
    assert state == journal.read(str(place))
    msgspec.json.decode((place / "state.json").read_bytes(), type=MachineState)
    assert len((place / "state.json").read_bytes()) < 1 << 15
    return state


def _pairs(kind: int, stream: int = wire.MAIN, **said: str) -> bytes:
    return wire.frame(kind, wire.pairs(said.items()), stream)


@pytest.mark.parametrize(
    "said",
    [
        b"\x01\x00\x00\x01\xff\xff\xff\xff",
        wire.frame(99, b"x", wire.MAIN),
        wire.frame(control.STATE, b"no json", wire.MAIN),
        wire.frame(control.STATE, b"no json"),
        wire.frame(wire.EXITED, b"code\x00", wire.MAIN),
        wire.frame(wire.EXITED, b"code", wire.MAIN) + wire.frame(wire.EXITED, b"", wire.MAIN),
        exited("x"),
        exited("-1"),
        exited("1000"),
        exited("1" + "0" * 30),
        exited("1" * 5000),
        exited(cpu_usec="much"),
        exited(peak_rss_bytes="-5"),
        _pairs(wire.FAILED, step="program", errno="1" + "0" * 30, text="x"),
        _pairs(wire.FAILED, step="program", errno="x", text="x"),
        wire.frame(wire.TAKEN, b"x", wire.MAIN),
        wire.frame(wire.TAKEN, b"-5", wire.MAIN),
        _pairs(wire.MEASURED, 0, processes="x"),
    ],
)
def test_what_is_no_frame_ends_the_machine(workshop: Workshop, place: Path, said: bytes) -> None:
    with connection.start(workshop, hostile.launch(place, "", HELLO + STARTED + said)) as found:
        state = state_of(found, place)
    assert state["status"] == "exited"
    assert state["exit_code"] == 137
    assert state["error"].startswith("the guest sent what is no frame: ")
    assert len(state["error"]) < 200


def test_what_nobody_asked_for_changes_nothing(workshop: Workshop, place: Path) -> None:
    said = [
        HELLO * 2,
        STARTED * 2,
        wire.frame(wire.PONG, b"x"),
        _pairs(wire.MEASURED, 0, processes="3"),
        _pairs(wire.EXITED, 77, code="5"),
        wire.frame(wire.STDOUT, b"x", 78),
        wire.frame(wire.TAKEN, b"9" * 18, 79),
        wire.frame(wire.TAKEN, b"9" * 18, wire.MAIN),
        wire.frame(wire.READY) * 2,
        exited("3"),
        exited("4"),
        STARTED,
    ]
    with connection.start(workshop, hostile.launch(place, "", b"".join(said))) as found:
        state = state_of(found, place)
    assert (state["exit_code"], state["error"]) == (3, "")


def test_a_guest_is_told_once_what_to_run(workshop: Workshop, place: Path) -> None:
    answer = "import time\ntime.sleep(0.3)\nheard = agent.recv(1 << 16)\n" + (
        f"agent.sendall(bytes.fromhex('{STARTED.hex()}'))\n"
        "import struct\n"
        "agent.sendall(bytes((1, 0, 0, 1)) + struct.pack('>I', 1) + b'%d' % heard.count(b'hostname'))\n"
        f"agent.sendall(bytes.fromhex('{exited().hex()}'))"
    )
    with connection.start(workshop, hostile.launch(place, answer, HELLO * 3)) as found:
        frames = until(found, lambda frame: False)
    assert (wire.STDOUT, wire.MAIN, b"1") in frames


@pytest.mark.parametrize("again", [exited(), STARTED])
def test_a_guest_cannot_put_its_end_off(workshop: Workshop, place: Path, again: bytes) -> None:
    end = exited() if again != STARTED else b""
    repeat = (
        f"import time\nwhile True:\n    agent.sendall(bytes.fromhex('{again.hex()}'))\n    time.sleep(0.01)"
    )
    launch = hostile.launch(place, repeat, HELLO + STARTED + end)._replace(stop_timeout_s=0.2)
    with connection.start(workshop, launch) as found:
        until(found, lambda frame: found.state.get("status") == "running")
        found.send(control.STOP)
        assert state_of(found, place)["exit_code"] in (0, 137)


def test_what_a_guest_calls_itself_is_plain_and_short(workshop: Workshop, place: Path) -> None:
    named = [("version", "1"), ("release", "\x1b[2J\udcff" + "x" * 20_000), ("other", "y" * 20_000)]
    said = wire.frame(wire.HELLO, wire.pairs(named)) + _pairs(wire.STARTED, pid="7", more="z") + exited()
    with connection.start(workshop, hostile.launch(place, "", said)) as found:
        guest = state_of(found, place)["guest"]
    assert set(guest) == {"version", "release", "pid"}
    assert guest["release"].isprintable()
    assert len(guest["release"]) < 100


def test_sentences_with_a_guests_words_are_plain(workshop: Workshop, place: Path) -> None:
    failed = _pairs(
        wire.FAILED, step="program", errno="2", text="\x1b]0;owned\x07/bin/\udcffx\n" + "y" * 9000
    )
    with connection.start(workshop, hostile.launch(place, "", HELLO + failed)) as found:
        state = state_of(found, place)
    assert state["exit_code"] == 127
    assert state["error"].isprintable()


def test_the_last_of_a_console_is_plain_and_short(workshop: Workshop, place: Path) -> None:
    console = b"\x1b[31mred\x1b[0m\r\n\x1b]0;owned\x07\x9b2J" + b"x" * 9_000
    console += b"\nKernel panic - not syncing: \x1b[2Jwhy" + b"y" * 9_000 + b"\n"
    launch = hostile.launch(place, "import time\ntime.sleep(0.2)\nsys.exit(1)", console=console)
    with connection.start(workshop, launch) as found:
        state = state_of(found, place)
    assert state["error"].startswith("the guest's kernel panicked: why")
    assert state["error"].isprintable()
    assert all(line.isprintable() for line in state["console"].splitlines())
    assert state["console"].splitlines()[0] == "red"
    assert len(state["console"]) < 8000


def test_a_flood_on_the_console_stays_small(workshop: Workshop, place: Path) -> None:
    flood = "for _ in range(400): console.sendall(b'x' * 65536)\n" + f"agent.sendall({exited()!r})"
    with connection.start(workshop, hostile.launch(place, flood, HELLO + STARTED)) as found:
        state_of(found, place)
    assert (place / "console").stat().st_size < 1 << 20


@pytest.mark.parametrize(
    "said",
    [
        b"no json\n",
        b"[1]\n",
        b"7\n",
        b'{"event": "STOP", "data": 7}\n{"event": "MIGRATION", "data": []}\n{"event": []}\n',
        b'{"return": {}, "id": []}\n',
        b'{"error": 7, "id": 1}\n',
        b"[" * 100_000 + b"\n",
        b"\xff\xff\n",
    ],
)
def test_lies_of_qemu_end_its_machine_only(workshop: Workshop, place: Path, said: bytes) -> None:
    launch = hostile.launch(place, "", HELLO + STARTED, qmp=said)
    with connection.start(workshop, launch) as found:
        until(found, lambda frame: found.state.get("status") in ("running", "exited"))
        with contextlib.suppress(LabError):  # it may have ended before
            found.send(control.KILL)
        assert state_of(found, place)["status"] == "exited"


def test_a_guest_that_never_reads_takes_no_memory(workshop: Workshop, place: Path) -> None:
    idle = "import time\ntime.sleep(1000)"
    with connection.start(workshop, hostile.launch(place, idle, HELLO + STARTED)) as found:
        until(found, lambda frame: found.state.get("status") == "running")
        sent = 0
        while count := found.send_some(b"x" * (1 << 16)):
            sent += count
        assert sent == wire.STDIN_WINDOW_BYTES
        assert json.loads(found.ask(control.STATE, timeout_s=20))["status"] == "running"
        found.send(control.KILL)
        assert state_of(found, place)["exit_code"] == 137


def test_answers_that_are_none_are_refused_by_the_monitor(workshop: Workshop, place: Path) -> None:
    bad = wire.frame(wire.MEASURED, b"processes\x00")
    answer = f"hear({wire.MEASURE})\nagent.sendall({bad!r})"
    with connection.start(workshop, hostile.launch(place, answer, HELLO + STARTED)) as found:
        until(found, lambda frame: found.state.get("status") == "running")
        with pytest.raises(LabError, match="the machine has ended"):
            found.ask(wire.MEASURE, timeout_s=20)
        assert state_of(found, place)["exit_code"] == 137


def _info() -> MachineInfo:
    return MachineInfo(
        id="0" * 64,
        name="guest",
        image="",
        image_id="",
        command=(),
        created=0.0,
        status="running",
        boot=Boot(tier="microvm"),
    )


def test_a_program_is_not_waited_for_when_its_machine_ends(workshop: Workshop, place: Path) -> None:
    """What it wrote before is no reason to wait on."""
    written = wire.frame(wire.STDOUT, b"x", wire.MAIN + 1)
    does = f"hear({wire.EXEC})\nhear({wire.EXEC})\nagent.sendall({written!r})\nsys.exit(1)"
    with connection.start(workshop, hostile.launch(place, does, HELLO + STARTED)) as found:
        until(found, lambda frame: found.state.get("status") == "running")
        session = ExecSession(_info(), connection.connect(str(place)), wire.MAIN + 1)
        session.wait_started(wire.pairs([("arg", "true")]))
        ended = session.pump(lambda stream, chunk: None)
        assert ended
        assert ended.exit_code == 137


def test_what_waits_for_a_client_outlives_the_directory(tmp_path: Path) -> None:
    """With --rm a machine's directory goes before the last that its clients are told."""
    loop = Loop()
    ours, theirs = socket.socketpair()
    with theirs:
        peer = Peer(loop, ours, lambda data: None, lambda: None)
        peer.spool = str(tmp_path / "gone")
        peer.send(b"x" * (1 << 21))
        received = 0
        while received < 1 << 21:
            received += len(theirs.recv(1 << 16))
            peer.flush(0.001)
        assert not peer.pending_bytes
        peer.close()


def test_a_monitor_that_falls_before_the_program_ran_is_told(workshop: Workshop, place: Path) -> None:
    """There was nothing but an exit code."""
    launch = hostile.launch(place, "")._replace(state=str(place / "gone"))
    found = connection.start(workshop, launch)
    lost = ExitStatus(exit_code=125, error="its monitor failed: no such file")
    with pytest.raises(SetupFailed, match="machine guest: its monitor failed: no such file"):
        ProgramSession(_info(), found, lambda: lost).wait_started()


def test_a_guest_that_prints_nothing_has_no_last_lines(workshop: Workshop, place: Path) -> None:
    launch = hostile.launch(place, "")._replace(boot_limit_s=0.1)
    with connection.start(workshop, launch) as found:
        state = state_of(found, place)
    assert state["error"] == "the guest did not answer within 0.1 s"
    assert "--boot-timeout" in state["hint"]


@pytest.mark.parametrize(("number", "word"), [(7, "the disk is full"), (9, "short of memory")])
def test_a_signal_that_ends_qemu_is_explained(
    workshop: Workshop, place: Path, number: int, word: str
) -> None:
    """QEMU is ended by SIGBUS when its memory's file finds no room."""
    launch = hostile.launch(place, f"import os\nos.kill(os.getpid(), {number})")
    with connection.start(workshop, launch) as found:
        state = state_of(found, place)
    assert state["error"] == f"QEMU was killed by signal {number}"
    assert word in state["hint"]
