"""The monitor of a machine: what it says, keeps and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.linux import locks
from containerlab.linux.procfs import Identity, identify, is_alive
from containerlab.vm import connection, control, journal
from containerlab.vm.connection import Connection
from containerlab.vm.guest import wire
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import plan
from tests import containers
from tests.users import REPOSITORY
from tests.vm.machines import LIMIT_S, Bench, executing, output, pids_of, until

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.slow,
    pytest.mark.system("qemu-system-x86", "busybox-static"),
]


def running(bench: Bench, launch: Launch) -> Connection:
    """Start a machine and wait for its program."""
    found = bench.start(launch)
    until(found, lambda frame: found.state.get("status") in ("running", "exited"))
    assert found.state["status"] == "running", found.state
    return found


def ended(pids: list[int] | list[Identity]) -> None:
    """Wait until processes have ended."""
    deadline = time.monotonic() + 10
    known = [pid if isinstance(pid, Identity) else identify(pid) for pid in pids]
    while any(map(is_alive, known)):
        assert time.monotonic() < deadline, known


def test_a_program_runs_and_says_how_it_ended(bench: Bench) -> None:
    launch = bench.launch(bench.machine(), "sh", "-c", "echo out; echo err >&2; exit 3")
    with bench.start(launch) as found:
        frames = until(found, lambda frame: False)
        assert (wire.STDOUT, wire.MAIN, b"out\n") in frames
        assert (wire.STDERR, wire.MAIN, b"err\n") in frames
        kinds = [kind for kind, _, _ in frames]
        assert kinds[-2:] == [wire.EXITED, control.STATE]
        assert found.state["exit_code"] == 3
        assert found.state == journal.read(launch.directory)
    order = ("monitor", "qemu", "hello", "ready", "started", "output", "exited", "off")
    times = [found.state["times"][name] for name in order]
    assert times == sorted(times)
    assert found.state["usage"]["host_cpu_s"] > 0
    assert found.state["guest"]["release"] == bench.kernel.release


def test_a_pc_runs_a_program_too(bench: Bench) -> None:
    with bench.start(bench.launch(bench.machine("image"), "echo", "hi")) as found:
        assert output(found) == b"hi\n"


def test_a_restored_machine_runs_a_program(bench: Bench) -> None:
    for _ in range(2):
        with bench.start(bench.quick("cat", "/etc/hostname")) as found:
            assert output(found) == b"guest\n"


def test_the_log_has_what_was_written(bench: Bench) -> None:
    launch = bench.quick("sh", "-c", "echo out; echo err >&2")
    with bench.start(launch) as found:
        found.wait()
    lines = Path(launch.directory, "log").read_text().splitlines()
    assert sorted(line.split(" ", 1)[1] for line in lines) == ["stderr F err", "stdout F out"]


def test_input_goes_to_the_program_however_slow_it_is(bench: Bench) -> None:
    content = os.urandom(1 << 20)
    with bench.start(bench.quick("cat", stdin=True)) as found:
        found.write(content)
        found.send(wire.CLOSE_STDIN, stream=wire.MAIN)
        assert output(found) == content


def test_a_program_that_is_not_there_is_said(bench: Bench) -> None:
    with bench.start(bench.quick("/nothing")) as found:
        kinds = [kind for kind, _, _ in until(found, lambda frame: False)]
    assert wire.FAILED in kinds
    assert found.state["exit_code"] == 127
    assert "/nothing" in found.state["error"]
    assert not found.state["started_at"]


def test_arguments_that_no_frame_holds_are_refused(bench: Bench) -> None:
    with pytest.raises(errors.InvalidInput, match="longer than 1 MB"):
        bench.start(bench.quick("echo", "x" * (1 << 20)))


def test_a_machine_has_one_monitor(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as found:
        with bench.start(launch) as second:
            assert second.wait() == {}
        assert found.ask(wire.PING, b"x") == b"x"
        found.send(control.KILL)
        found.wait()


# --- others at the machine ----------------------------------------------------------------------


def test_others_connect_and_run_programs(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as first, connection.connect(launch.directory) as other:
        other.send(wire.EXEC, executing(["sh", "-c", "cat; exit 5"], stdin=True), 7)
        other.write(b"words", 7)
        other.send(wire.CLOSE_STDIN, stream=7)
        frames = until(other, lambda frame: frame[0] == wire.EXITED)
        assert (wire.STDOUT, 7, b"words") in frames
        assert dict(wire.unpaired(frames[-1][2]))["code"] == "5"
        assert wire.unpaired(other.ask(wire.MEASURE))
        assert other.ask(wire.PING, b"word") == b"word"
        assert json.loads(other.ask(control.STATE))["status"] == "running"
        first.send(control.KILL)
        first.wait()


def test_all_that_are_attached_see_the_output(bench: Bench) -> None:
    launch = bench.quick("cat", stdin=True)
    with running(bench, launch) as first, connection.connect(launch.directory) as other:
        other.send(control.ATTACH)
        until(other, lambda frame: frame[0] == control.STATE)
        other.write(b"to all")
        other.send(wire.CLOSE_STDIN, stream=wire.MAIN)
        assert output(first) == output(other) == b"to all"
        assert other.state["status"] == "exited"


def test_a_slow_client_holds_up_nobody_and_loses_nothing(bench: Bench) -> None:
    launch = bench.quick("sh", "-c", "yes | head -c 3000000")
    with bench.start(launch) as slow:
        until(slow, lambda frame: frame[0] == wire.STARTED)
        with connection.connect(launch.directory) as other:
            assert other.ask(wire.PING, b"still there", timeout_s=LIMIT_S) == b"still there"
            containers.until(lambda: journal.read(launch.directory)["status"] == "exited")
        assert len(output(slow)) == 3_000_000
    assert Path(launch.directory, "log").read_bytes().count(b"stdout") >= 1_500_000 - 1


def test_a_client_that_sends_rubbish_is_hung_up_on(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as first, connection.connect(launch.directory) as other:
        with socket.socket(fileno=os.dup(other.fileno())) as raw:
            raw.sendall(b"\xff" * 64)
            assert raw.recv(1) == b""
        assert first.ask(wire.PING, b"x") == b"x"
        first.send(control.KILL)
        first.wait()


def test_a_program_that_was_executed_ends_with_its_client(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as first:
        before = _processes(first)
        with connection.connect(launch.directory) as other:
            other.send(wire.EXEC, executing(["sleep", "1000"]), 2)
            until(other, lambda frame: frame[0] == wire.STARTED)
            assert _processes(first) == before + 1
        containers.until(lambda: _processes(first) == before)
        first.send(control.KILL)
        first.wait()


def _processes(found: Connection) -> int:
    return int(dict(wire.unpaired(found.ask(wire.MEASURE)))["processes"])


def test_pause_is_known_however_it_was_done(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as found:
        found.ask(control.QMP, b'{"execute": "stop"}')
        containers.until(lambda: journal.read(launch.directory)["status"] == "paused")
        found.ask(control.QMP, b'{"execute": "cont"}')
        containers.until(lambda: journal.read(launch.directory)["status"] == "running")
        with pytest.raises(errors.Conflict, match="QEMU refused"):
            found.ask(control.QMP, b'{"execute": "nothing"}')
        with pytest.raises(errors.Conflict, match="no command"):
            found.ask(control.QMP, b"nothing")
        found.send(control.KILL)
        found.wait()


def test_a_machine_is_saved_and_goes_on_from_there(bench: Bench) -> None:
    machine = bench.machine("resume")
    launch = bench.launch(machine, "sh", "-c", "read line; echo got $line", stdin=True)
    saved = f"{launch.directory}/saved"
    with running(bench, launch) as found:
        found.ask(control.SNAPSHOT, os.fsencode(saved))
        with pytest.raises(errors.Conflict, match="cannot save"):
            found.ask(control.SNAPSHOT, os.fsencode(saved))
        found.write(b"first\n")
        assert output(found) == b"got first\n"
    again = bench.launch(machine._replace(is_restored=True), state=saved, setup=b"", exec=b"")
    with running(bench, again) as found:
        found.write(b"second\n")
        assert output(found) == b"got second\n"


# --- the end ------------------------------------------------------------------------------------


def test_stop_signals_the_program(bench: Bench) -> None:
    launch = bench.quick("sh", "-c", "trap 'exit 9' TERM; echo heeds; while :; do sleep 0.01; done")
    with running(bench, launch) as found:
        until(found, lambda frame: frame[2] == b"heeds\n")
        found.send(control.STOP)
        assert found.wait()["exit_code"] == 9


def test_stop_ends_a_program_that_ignores_it(bench: Bench) -> None:
    launch = bench.quick("sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done")
    with running(bench, launch) as found:
        until(found, lambda frame: frame[2] == b"deaf\n")
        found.send(control.STOP, wire.pairs([("timeout_s", "0.1")]))
        assert found.wait()["exit_code"] == 137


def test_stop_ends_a_machine_that_is_paused(bench: Bench) -> None:
    with running(bench, bench.quick("sleep", "1000")) as found:
        found.ask(control.QMP, b'{"execute": "stop"}')
        found.send(control.STOP)
        assert found.wait()["exit_code"] == 143


def test_a_foreground_machine_ends_with_its_client(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch):
        pids = [identify(pid) for pid in pids_of(launch.directory)]
        assert pids
    ended(pids)
    containers.until(lambda: not locks.is_held(f"{launch.directory}/lock"))
    assert journal.read(launch.directory)["exit_code"] == 137
    assert _left(launch) == {"log", "console", "state.json", "lock"}


def _left(launch: Launch) -> set[str]:
    return {path.name for path in Path(launch.directory).iterdir()}


def test_a_machine_that_was_let_go_stays(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as found:
        found.send(control.DETACH)
    with connection.connect(launch.directory) as other:
        assert other.ask(wire.PING, b"x") == b"x"
        other.send(control.STOP)
        assert other.wait()["exit_code"] == 143
    containers.until(lambda: not locks.is_held(f"{launch.directory}/lock"))
    with pytest.raises(errors.Conflict, match="does not run"):
        connection.connect(launch.directory)


def test_its_directory_goes_if_so_wanted(bench: Bench) -> None:
    launch = bench.quick("true", remove=True)
    with bench.start(launch) as found:
        assert found.wait()["exit_code"] == 0
        assert not Path(launch.directory).exists()


def test_sigterm_stops_the_machine(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as found:
        os.kill(_monitor_of(found), signal.SIGTERM)
        assert found.wait()["exit_code"] == 143


def _monitor_of(found: Connection) -> int:
    status = Path(f"/proc/{found.state['pid']}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


def test_qemu_ends_when_the_monitor_is_killed(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000")
    with running(bench, launch) as found:
        qemu = identify(found.state["pid"])
        os.kill(_monitor_of(found), signal.SIGKILL)
        assert found.wait() == {}
    ended([qemu])
    assert not locks.is_held(f"{launch.directory}/lock")


@pytest.mark.parametrize("delay_s", [0, 0.002, 0.005, 0.02, 0.05, 0.1, 0.15, 0.2])
@pytest.mark.parametrize("victim", ["client", "monitor"])
def test_kills_at_any_moment_leave_nothing(bench: Bench, delay_s: float, victim: str) -> None:
    launch = bench.quick("sleep", "1000")
    found = bench.start(launch)
    deadline = time.monotonic() + delay_s
    while time.monotonic() < deadline:
        found.receive(deadline - time.monotonic())
    pids = []
    for pid in pids_of(launch.directory):
        try:
            pids.append(identify(pid))
        except OSError:
            continue
    if victim == "monitor" and pids:
        os.kill(int(Path(f"/proc/{pids[0].pid}/status").read_text().partition("PPid:")[2].split()[0]), 9)
    found.close()
    ended(pids)
    containers.until(lambda: not locks.is_held(f"{launch.directory}/lock") and not pids_of(launch.directory))


def test_a_killed_client_takes_its_machine_along(bench: Bench, tmp_path: Path) -> None:
    launch = bench.quick("sleep", "1000")
    script = (
        "import marshal, sys, os\n"
        "from containerlab.linux import idmap\n"
        "from containerlab.store.workshop import Workshop\n"
        "from containerlab.vm import connection\n"
        "from containerlab.vm.launch import Launch\n"
        "launch = Launch(*marshal.load(sys.stdin.buffer))\n"
        "found = connection.start(Workshop(idmap.HOST), launch)\n"
        "while found.state.get('status') != 'running': found.receive()\n"
        "print(found.state['pid'], flush=True)\n"
        "found.wait()\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY
    )
    assert client.stdin
    assert client.stdout
    import marshal

    with client:
        client.stdin.write(marshal.dumps(tuple(launch)))
        client.stdin.close()
        qemu = identify(int(client.stdout.readline()))
        client.kill()
    ended([qemu])
    containers.until(lambda: not locks.is_held(f"{launch.directory}/lock"))
    assert journal.read(launch.directory)["status"] == "exited"


# --- restarts -----------------------------------------------------------------------------------


def test_a_killed_qemu_is_an_exit_code(bench: Bench) -> None:
    with running(bench, bench.quick("sleep", "1000")) as found:
        os.kill(found.state["pid"], signal.SIGKILL)
        state = found.wait()
    assert state["exit_code"] == 137
    assert state["error"] == "QEMU was killed by signal 9"


def test_a_machine_is_started_again_when_its_policy_says_so(bench: Bench) -> None:
    launch = bench.quick("sleep", "1000", restart="always", is_foreground=False)
    with running(bench, launch) as found:
        first = found.state["pid"]
        os.kill(first, signal.SIGKILL)
        until(found, lambda frame: found.state["status"] == "restarting")
        until(found, lambda frame: found.state["status"] == "running")
        assert found.state["pid"] != first
        assert found.state["restarts"] == 1
        assert found.ask(wire.PING, b"x") == b"x"
        found.send(control.STOP)
        assert found.wait()["exit_code"] == 143


def test_failures_are_tried_again_so_often_and_no_more(bench: Bench) -> None:
    with bench.start(bench.quick("sh", "-c", "exit 4", restart="on-failure", retries=2)) as found:
        state = found.wait()
    assert state["restarts"] == 2
    assert state["exit_code"] == 4


def test_a_machine_that_waits_for_its_restart_can_be_stopped(bench: Bench) -> None:
    launch = bench.quick("sh", "-c", "exit 4", restart="always", is_foreground=False)
    with bench.start(launch) as found:
        until(found, lambda frame: found.state.get("restarts", 0) >= 3)
        found.send(control.STOP)
        assert found.wait()["status"] == "exited"


# --- what goes wrong ----------------------------------------------------------------------------


def test_a_wrong_word_for_qemu_is_said(bench: Bench) -> None:
    with bench.start(bench.launch(bench.machine(extra=("-nonsense",)), "true")) as found:
        state = found.wait()
    assert state["exit_code"] == 125
    assert "-nonsense: invalid option" in state["error"]


def test_a_qemu_that_is_not_there_is_said(bench: Bench) -> None:
    launch = bench.launch(bench.machine(), "true")
    with bench.start(launch._replace(qemu=("/nothing", *launch.qemu[1:]))) as found:
        state = found.wait()
    assert state["error"] == "QEMU ended: /nothing: No such file or directory"


def test_a_port_that_is_taken_is_said(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        forward = plan.parse_forward(f"127.0.0.1:{server.getsockname()[1]}:80")
        with bench.start(bench.launch(bench.machine(forwards=(forward,)), "true")) as found:
            state = found.wait()
    assert "Could not set up host forwarding" in state["error"]
    assert "taken" in state["hint"]


def test_too_little_memory_is_a_panic_with_the_last_lines_of_the_console(bench: Bench) -> None:
    with bench.start(bench.launch(bench.machine(memory_bytes=72 << 20), "true")) as found:
        state = found.wait()
    assert state["exit_code"] == 125
    assert state["error"].startswith("the guest's kernel panicked: ")
    assert "Kernel panic" in state["console"]
    assert "more memory" in state["hint"]


def test_a_panic_of_a_running_machine_is_said(bench: Bench) -> None:
    command = ("sh", "-c", "echo c > /proc/sysrq-trigger")
    with bench.start(bench.quick(*command)) as found:
        state = found.wait()
    assert state["exit_code"] == 137
    assert state["error"] == "the guest's kernel panicked: sysrq triggered crash"


def test_a_guest_that_does_not_answer_is_given_up(bench: Bench) -> None:
    machine = bench.machine(kernel_extra=("rdinit=/nothing", "panic=0"))
    with bench.start(bench.launch(machine, "true", boot_limit_s=0.2)) as found:
        state = found.wait()
    assert state["error"] == "the guest did not answer within 0.2 s"
    assert state["exit_code"] == 125


def test_a_guest_that_goes_off_by_itself_is_said(bench: Bench) -> None:
    with bench.start(bench.quick("reboot", "-f")) as found:
        state = found.wait()
    assert state["error"] == "the guest went off before its program had ended"


def test_a_state_that_cannot_be_restored_is_said(bench: Bench, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"no state of a machine")
    with bench.start(bench.quick("true", state=str(damaged))) as found:
        state = found.wait()
    assert state["exit_code"] == 125
    assert state["error"].startswith("QEMU ended: ")
    assert "migration" in state["error"]


# --- the network --------------------------------------------------------------------------------


def test_a_forwarded_port_answers(bench: Bench) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    machine = bench.machine("image", forwards=(plan.Forward("tcp", "127.0.0.1", port, 80),))
    with running(bench, bench.launch(machine, "nc", "-l", "-p", "80", "-e", "echo", "served")) as found:
        containers.until(lambda: _said_at(port) == b"served\n")
        found.send(control.KILL)
        found.wait()


def _said_at(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as client:
            return client.makefile("rb").read()
    except OSError:
        return b""
