"""The verbs of virtual machines: real guests, few boots, shared where they can be."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from containerlab.engine.engine import Engine
from containerlab.engine.machine import Machine
from containerlab.engine.machines import Machines
from containerlab.engine.result import Interrupted
from containerlab.errors import (
    AlreadyExists,
    CannotExecute,
    CommandNotFound,
    Conflict,
    ContainerFailed,
    SetupFailed,
    TimedOut,
)
from containerlab.linux import procfs
from tests import machines
from tests.containers import is_gone, until
from tests.machines import IMAGE

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(200),
    pytest.mark.system(*machines.PACKAGES),
]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    with machines.engine(base / "engine-vm") as engine:
        yield engine


@pytest.fixture(scope="module")
def vm(engine: Engine) -> Machines:
    return engine.machines


@pytest.fixture(scope="module")
def shared(base: Path) -> Path:
    place = base / "shared-with-machines"
    place.mkdir()
    (place / "word").write_text("from the host\n")
    return place


@pytest.fixture(scope="module")
def machine(vm: Machines, shared: Path) -> Iterator[Machine]:
    """A machine that answers at port 80, and that tests change nothing of."""
    serve = "echo ready; while :; do echo from the guest | nc -l -p 80; done"
    with vm.start(
        IMAGE,
        ["sh", "-c", serve],
        tier="microvm",
        name="served",
        publish=["80"],
        env={"COLOUR": "green"},
        label={"kind": "test"},
        volume=[f"{shared}:/shared:ro"],
    ) as machine:
        yield machine


# --- run -----------------------------------------------------------------------------------------


def test_a_run_is_a_result_that_tells_of_the_machine(vm: Machines) -> None:
    seen: list[tuple[str, bytes]] = []
    result = vm.run(
        IMAGE,
        ["sh", "-c", "cat; echo $COLOUR; pwd; echo wrong >&2; exit 3"],
        input="told\n",
        sink=lambda stream, chunk: seen.append((stream, chunk)),
        tier="microvm",
        env={"COLOUR": "blue"},
        workdir="/tmp",
        name="once",
    )
    assert (result.exit_code, result.stdout, result.stderr) == (3, "told\nblue\n/tmp\n", "wrong\n")
    assert b"".join(chunk for stream, chunk in seen if stream == "stdout") == result.stdout_bytes
    assert (result.tier, result.name) == ("microvm", "once")
    assert result.accelerator in ("kvm", "hvf", "tcg")
    assert result.kernel.startswith("6.")
    assert 0 < result.boot_s < result.ready_s <= result.wall_s
    assert f"vm microvm · {result.accelerator}" in result.to_text()
    assert result.to_record()["ready_s"] == result.ready_s
    with pytest.raises(ContainerFailed):
        result.check()
    assert vm.get("once").status == "exited"
    assert vm.logs("once").stdout == result.stdout
    vm.remove("once")


@pytest.mark.root
def test_a_root_is_shared_beside_a_volume(vm: Machines, shared: Path) -> None:
    script = "cat /shared/word; touch /etc/mark && stat -f -c %T / /shared"
    volume = [f"{shared}:/shared:ro"]
    result = vm.run(
        IMAGE, ["sh", "-c", script], tier="microvm", filesystem="virtiofs", volume=volume, rm=True
    )
    assert result.stdout.splitlines()[0] == "from the host", result.output
    assert result.exit_code == 0


def test_of_much_output_the_last_is_kept_when_the_log_is_bounded(vm: Machines) -> None:
    bounds = {"max-size": "64k", "max-file": "2"}
    count = ["seq", "100000", "140000"]
    printed = vm.run(IMAGE, count, tier="microvm", name="talker", log_opt=bounds).stdout
    directory = Path(vm.get("talker").info.detail["directory"])
    kept = vm.logs("talker").stdout
    assert len(printed.splitlines()) == 40001
    assert kept
    assert kept != printed
    assert printed.endswith(kept)
    assert {path.name for path in directory.glob("log*")} == {"log", "log.1"}
    vm.remove("talker")


def test_what_a_machine_writes_is_thrown_away(vm: Machines) -> None:
    written = vm.run(IMAGE, ["sh", "-c", "test ! -e /mark && touch /mark && ls /mark"], name="writer")
    assert written.stdout == "/mark\n"
    assert vm.resume_attached("writer").exit_code == 0
    vm.remove("writer")


def test_modules_of_the_kernel_are_loaded_when_asked(vm: Machines) -> None:
    script = """
        mkdir /m && mount -t tmpfs none /m && cd /m && mkdir low high work both
        mount -t overlay none both -o lowerdir=low,upperdir=high,workdir=work && echo laid
    """
    result = vm.run(IMAGE, ["sh", "-c", script], tier="microvm", module=["overlay"], rm=True)
    assert result.stdout == "laid\n"


def test_restored_machines_are_not_each_other(vm: Machines) -> None:
    look = ["sh", "-c", "hostname; head -c 8 /dev/urandom | od -An -x"]
    first, second = (vm.run(IMAGE, look, tier="resume", rm=True) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.output
    assert set(first.stdout.splitlines()).isdisjoint(second.stdout.splitlines())


def test_machines_run_at_once(vm: Machines) -> None:
    def run(number: int) -> str:
        return vm.run(IMAGE, ["echo", str(number)], tier="resume", rm=True).stdout

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == ["0\n", "1\n", "2\n", "3\n"]
    assert [machine.name for machine in vm.list(all=True) if machine.status != "running"] == []


def test_an_interrupt_asks_the_program_to_end(vm: Machines) -> None:
    def press(stream: str, chunk: bytes) -> None:
        if b"up" in chunk:
            raise KeyboardInterrupt

    script = "trap 'echo asked; exit 7' TERM; echo up; while :; do sleep 0.1; done"
    with pytest.raises(Interrupted) as stopped:
        vm.run(IMAGE, ["sh", "-c", script], tier="resume", rm=True, sink=press)
    assert stopped.value.result.exit_code == 7
    assert "asked" in stopped.value.result.stdout


def test_a_kernel_that_panics_under_its_program_is_told_with_its_console(vm: Machines) -> None:
    crash = ["sh", "-c", "echo c > /proc/sysrq-trigger"]
    with pytest.raises(SetupFailed, match="the guest's kernel panicked: sysrq triggered crash") as told:
        vm.run(IMAGE, crash, tier="microvm", rm=True)
    assert "the last of its console:" in told.value.hint
    assert "Kernel panic" in told.value.hint


def test_a_program_that_takes_too_long_is_powered_off(vm: Machines) -> None:
    with pytest.raises(TimedOut, match="SIGKILL"):
        vm.run(
            IMAGE,
            ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"],
            tier="resume",
            rm=True,
            timeout=0.5,
            stop_timeout=0.2,
        )
    assert not [each for each in vm.list() if each.boot.tier == "resume"]


@pytest.mark.parametrize(
    ("words", "options", "kind", "sentence"),
    [
        (["no-such-program"], {}, CommandNotFound, "cannot execute no-such-program: No such file"),
        (["/etc"], {}, CannotExecute, "cannot execute /etc: "),
        (["true"], {"user": "nobody-here"}, SetupFailed, "no user 'nobody-here'"),
    ],
)
def test_a_program_that_cannot_run_is_told_in_a_sentence(
    vm: Machines, words: list[str], options: dict, kind: type, sentence: str
) -> None:
    with pytest.raises(kind, match=sentence) as failed:
        vm.run(IMAGE, words, tier="resume", **options)
    assert "console" not in failed.value.hint
    assert [each.name for each in vm.list(all=True) if each.status == "exited"] == []


def test_a_guest_that_never_answers_is_told_in_bounded_time(vm: Machines) -> None:
    with pytest.raises(SetupFailed, match=r"did not answer within 0\.01 s") as failed:
        vm.run(IMAGE, ["true"], tier="microvm", boot_timeout=0.01, rm=True)
    assert "--boot-timeout" in failed.value.hint


# --- a machine that runs -------------------------------------------------------------------------


def test_a_port_of_the_host_leads_into_the_guest(vm: Machines, machine: Machine) -> None:
    address, port, guest = machine.ports[0].split(":")
    assert guest == "80/tcp"
    assert vm.port(machine.name).to_text().split() == ["GUEST", "PORT", "HOST", guest, f"{address}:{port}"]

    def answers() -> bool:
        with socket.create_connection((address, int(port)), timeout=60) as connection:
            return connection.recv(100) == b"from the guest\n"

    until(answers)


def test_other_programs_run_beside_the_first(machine: Machine) -> None:
    told = machine.exec(["sh", "-c", "echo $COLOUR; cat; exit 4"], input=b"given\n")
    assert (told.exit_code, told.stdout) == (4, "green\ngiven\n")
    with pytest.raises(CommandNotFound):
        machine.exec(["no-such-program"])
    assert machine.exec(["id", "-u"], user="42").stdout == "42\n"


def test_much_input_and_output_pass_unchanged(machine: Machine) -> None:
    data = os.urandom(1 << 20)
    assert machine.exec(["cat"], input=data).stdout_bytes == data


def test_a_directory_of_the_host_is_shared(machine: Machine, shared: Path) -> None:
    assert machine.exec(["cat", "/shared/word"]).stdout == "from the host\n"
    assert machine.exec(["touch", "/shared/mark"]).exit_code != 0
    assert not (shared / "mark").exists()


def test_it_is_measured_from_outside_and_inside(vm: Machines, machine: Machine) -> None:
    sample = machine.stats()
    assert sample.memory_bytes > 20 << 20
    assert sample.pids >= 2
    assert 0 < sample.guest_memory_bytes < sample.guest_memory_limit_bytes
    (row,) = vm.stats("served").to_records()
    assert row["accelerator"] == machine.boot.accelerator or "emulated" in row["accelerator"]


def test_it_is_listed_and_found(vm: Machines, machine: Machine) -> None:
    assert [each.name for each in vm.list(filter={"label": "kind=test"})] == ["served"]
    assert vm.get(machine.id[:6]).id == machine.id
    document = vm.inspect("served").documents[0]
    assert (document["State"]["Status"], document["Boot"]["Tier"]) == ("running", "microvm")
    assert json.dumps(vm.inspect("served").to_records())


def test_its_log_and_its_console_are_apart(machine: Machine) -> None:
    assert machine.logs(tail=1).stdout == "ready\n"
    assert b"ready" not in machine.logs(console=True)


def test_its_processors_can_be_held(machine: Machine) -> None:
    assert machine.pause().status == "paused"
    with pytest.raises(Conflict, match="is paused"):
        machine.exec(["true"])
    assert machine.stats().guest_memory_bytes is None
    assert machine.unpause().status == "running"
    assert machine.exec(["true"]).exit_code == 0


def test_its_image_and_its_name_are_kept(engine: Engine, machine: Machine) -> None:
    with pytest.raises(Conflict, match="served"):
        engine.images.remove(IMAGE)
    with pytest.raises(AlreadyExists, match="machine"):
        engine.machines.create(IMAGE, name="served")
    with pytest.raises(Conflict, match="is running"):
        engine.machines.remove("served")


def test_what_happened_is_told(engine: Engine, machine: Machine) -> None:
    told = [event.action for event in engine.backend.events() if event.id == machine.id]
    assert told[:2] == ["create", "start"]


# --- the end -------------------------------------------------------------------------------------


def test_a_machine_is_stopped_started_saved_and_killed(vm: Machines) -> None:
    script = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"
    with vm.start(IMAGE, ["sh", "-c", script], tier="resume") as machine:
        until(lambda: machine.logs().stdout == "up\n")
        assert machine.stop().info.exit_code == 9
        assert machine.wait().exit_code == 9
        assert machine.start().status == "running"
        assert machine.snapshot().size_bytes > 1 << 20
        pid = machine.pid
        assert machine.kill().info.exit_code == 137
        assert is_gone(pid)
    assert machine.name not in [each.name for each in vm.list(all=True)]


def test_a_machine_is_started_again_when_its_power_goes(vm: Machines) -> None:
    with vm.start(IMAGE, ["sleep", "1000"], tier="resume", restart="always") as machine:
        os.kill(machine.pid, 9)
        until(lambda: machine.reload().info.detail["restarts"] == 1 and machine.status == "running")
        machine.stop(timeout=0.1)
        assert machine.status == "exited"


def test_the_steps_of_a_start_are_told(vm: Machines) -> None:
    before = len(vm.list(all=True))
    told = vm.plan(IMAGE, ["true"], tier="microvm").to_text()
    assert "qemu-system-" in told
    assert "EXEC arg=true" in told
    assert len(vm.list(all=True)) == before


def test_what_machines_take_is_shown_and_pruned(engine: Engine, vm: Machines) -> None:
    with vm.start(IMAGE, ["sleep", "1000"], tier="resume") as machine:
        vm.create(IMAGE, name="idle", tier="resume")
        rows = {row["kind"]: row for row in engine.system.df().to_records()}
        assert rows["Virtual Machines"]["total"] == rows["Virtual Machines"]["active"] + 1
        assert rows["Machine Snapshots"]["size_bytes"] > 1 << 20
        engine.system.prune()
        assert "idle" not in [each.name for each in vm.list(all=True)]
        assert "Machine Snapshots" not in {row["kind"] for row in engine.system.df().to_records()}
        assert machine.exec(["echo", "still here"]).stdout == "still here\n"


def test_a_machine_that_another_process_is_starting_is_not_pruned(engine: Engine, vm: Machines) -> None:
    """What `run` had just made was removed below its hands, and the root of its image too."""
    sleeper = subprocess.Popen(["sleep", "1000"])
    made = vm.create(IMAGE, ["true"], tier="microvm", name="coming")
    record = Path(engine.home, "machines", made.id, "record.json")
    creator = msgspec.to_builtins(procfs.identify(sleeper.pid))
    record.write_text(json.dumps({**json.loads(record.read_text()), "creator": creator}))
    try:
        assert made.id not in vm.prune().removed
        with pytest.raises(Conflict, match="is just being started"):
            vm.remove("coming")
    finally:
        sleeper.kill()
        sleeper.wait()
    vm.remove("coming")
