"""Bytes to and from the programs of a guest: none is lost, and nobody waits for others."""

from __future__ import annotations

import pytest

from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Program
from tests.vm.guest.machine import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_gibibyte_of_output_arrives(machine: Machine) -> None:
    stream = machine.started(Program(("dd", "if=/dev/zero", "bs=1M", "count=1024")))
    count = 0
    while (frame := machine.get(stream))[0] != wire.EXITED:
        count += len(frame[1]) if frame[0] == wire.STDOUT else 0
    assert count == 1 << 30


def test_output_that_nobody_fetches_waits(machine: Machine) -> None:
    stream = machine.started(Program(("sh", "-c", "dd if=/dev/zero bs=64k count=400; echo end >&2")))
    ended = machine.end(stream)
    assert len(ended.stdout) == 400 << 16
    assert ended.stderr.endswith(b"end\n")


def test_a_program_that_does_not_read_stops_nobody(machine: Machine) -> None:
    deaf = machine.started(Program(("sleep", "1000"), keeps_stdin=True))
    for _ in range(40):
        machine.send(wire.STDIN, bytes(100_000), deaf)
    machine.ping()
    assert machine.run("echo", "hi").stdout == b"hi\n"
    machine.signal(deaf)
    assert machine.end(deaf).code == 137


def test_what_is_taken_is_told(machine: Machine) -> None:
    stream = machine.started(Program(("wc", "-c"), keeps_stdin=True))
    for _ in range(20):
        machine.send(wire.STDIN, bytes(50_000), stream)
    taken = 0
    while taken < 1_000_000:
        kind, payload = machine.get(stream)
        assert kind == wire.TAKEN
        taken += int(payload)
    machine.send(wire.CLOSE_STDIN, b"", stream)
    assert machine.end(stream).stdout == b"1000000\n"


def test_input_closed_early_still_arrives_whole(machine: Machine) -> None:
    stream = machine.start(Program(("sh", "-c", "sleep 0.2; exec wc -c"), keeps_stdin=True))
    machine.send(wire.STDIN, bytes(900_000), stream)
    machine.send(wire.CLOSE_STDIN, b"", stream)
    assert machine.end(stream).stdout == b"900000\n"


def test_input_for_one_that_has_closed_it_is_dropped(machine: Machine) -> None:
    stream = machine.started(Program(("sh", "-c", "exec <&-; echo closed; sleep 1000"), keeps_stdin=True))
    machine.output_until(stream, lambda found: b"closed" in found)
    machine.send(wire.STDIN, bytes(500_000), stream)
    machine.signal(stream)
    assert machine.end(stream).code == 137


def test_two_hundred_sessions_at_once(machine: Machine) -> None:
    streams = [machine.start(Program(("cat",), keeps_stdin=True)) for _ in range(200)]
    for stream in streams:
        machine.send(wire.STDIN, b"%d" % stream, stream)
        machine.send(wire.CLOSE_STDIN, b"", stream)
    assert [machine.end(stream).stdout for stream in streams] == [b"%d" % stream for stream in streams]


def test_the_number_of_a_stream_that_runs_is_refused(machine: Machine) -> None:
    stream = machine.started(Program(("sleep", "1000")))
    machine.start(Program(("true",)), stream)
    kind, payload = machine.get(stream)
    assert (kind, dict(wire.unpaired(payload))["step"]) == (wire.FAILED, "stream")
    machine.signal(stream)
    machine.end(stream)
    machine.start(Program(("echo", "free again")), stream)
    assert machine.end(stream).stdout == b"free again\n"


def test_frames_for_nobody_are_ignored(machine: Machine) -> None:
    for kind in (wire.STDIN, wire.CLOSE_STDIN, wire.RESIZE, wire.SIGNAL, 99):
        machine.send(kind, b"\x09", 123_456)
    machine.ping()


def test_a_terminal_has_its_size_and_can_be_typed_at(machine: Machine) -> None:
    program = Program(("sh", "-c", "stty size; tty; read line; stty size; echo got $line"), terminal=(31, 97))
    stream = machine.started(program)
    machine.output_until(stream, lambda found: found.endswith(b"\r\n") and b"/dev/pts/" in found)
    machine.send(wire.RESIZE, b"\x00\x20\x00\x50", stream)
    machine.send(wire.STDIN, b"words\n", stream)
    ended = machine.end(stream)
    assert ended.stdout.replace(b"\r\n", b"\n").endswith(b"words\n32 80\ngot words\n")


def test_the_key_for_interruption_reaches_whom_it_should(machine: Machine) -> None:
    stream = machine.started(Program(("sh", "-c", "echo ready; sleep 1000"), terminal=(24, 80)))
    machine.output_until(stream, lambda found: b"ready" in found)
    machine.send(wire.STDIN, b"\x03", stream)
    assert machine.end(stream).code == 130


def test_the_end_of_input_ends_a_shell_at_a_terminal(machine: Machine) -> None:
    stream = machine.started(Program(("sh",), terminal=(24, 80)))
    machine.send(wire.STDIN, b"echo $((6*7))\n", stream)
    machine.output_until(stream, lambda found: b"# " in found.partition(b"42\r\n")[2])
    machine.send(wire.CLOSE_STDIN, b"", stream)
    assert machine.end(stream).code == 0


def test_all_of_a_terminals_output_arrives(machine: Machine) -> None:
    ended = machine.run(
        "sh", "-c", "i=0; while test $i -lt 3000; do i=$((i+1)); echo line $i; done", terminal=(24, 80)
    )
    assert ended.stdout.split(b"\r\n") == [*(b"line %d" % number for number in range(1, 3001)), b""]


def test_memory_and_processor_are_measured(machine: Machine) -> None:
    stream = machine.started(Program(("sleep", "1000")))
    machine.send(wire.MEASURE)
    kind, payload = machine.get()
    assert kind == wire.MEASURED
    found = {key: int(value) for key, value in wire.unpaired(payload)}
    assert 100 << 20 < found["memory_available_bytes"] < found["memory_total_bytes"] < 256 << 20
    assert found["cpu_usec"] > 0
    assert found["processes"] >= 1
    machine.signal(stream)
    machine.end(stream)
