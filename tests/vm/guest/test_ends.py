"""Every way in which a machine can end, or should go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Program, Setup
from containerlab.vm.kernel.kernel import Kernel
from tests.vm.archives import busybox
from tests.vm.guest.machine import Machine, booted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_the_end_of_the_main_program_is_that_of_all(directory: Path, guest_kernel: Kernel) -> None:
    with booted(directory, guest_kernel, busybox()) as machine:
        machine.set_up(Setup("lab"))
        other = machine.started(Program(("sleep", "1000")))
        machine.start(Program(("sh", "-c", "sleep 1000 & echo out; exit 3"), directory="/new/one"), wire.MAIN)
        ended = machine.end(wire.MAIN)
        assert (ended.code, ended.stdout) == (3, b"out\n")
        assert machine.end(other).code == 137
        machine.ping()
        machine.send(wire.POWEROFF)
        machine.wait()


def test_a_machine_that_nobody_listens_to_ends(directory: Path, guest_kernel: Kernel) -> None:
    with booted(directory, guest_kernel, busybox()) as machine:
        machine.set_up(Setup("lab"))
        machine.started(Program(("yes",)))
        machine.hang_up()
        machine.wait()


def test_a_fork_bomb_can_be_ended(directory: Path, guest_kernel: Kernel) -> None:
    with booted(directory, guest_kernel, busybox()) as machine:
        machine.set_up(Setup("lab"))
        machine.started(
            Program(("sh", "-c", "echo 400 >/proc/sys/kernel/pid_max; f() { f | f & }; f; sleep 9999")),
            wire.MAIN,
        )
        _wait_until_full(machine)
        machine.ping()
        machine.signal(wire.MAIN)
        assert machine.end(wire.MAIN).code == 137
        while (ended := machine.run("echo", "over")).code is None:
            assert ended.said["step"] == "fork"  # the killed ones take their time to go
        assert ended.stdout == b"over\n"


def _wait_until_full(machine: Machine) -> None:
    """Wait until the guest has no room for one more process."""
    while (ended := machine.run("true")).code is not None:
        pass
    assert ended.said["step"] == "fork"


def test_want_of_memory_kills_a_program_and_is_told(directory: Path, guest_kernel: Kernel) -> None:
    with booted(directory, guest_kernel, busybox()) as machine:
        machine.set_up(Setup("lab"))
        ended = machine.run("sh", "-c", "x=xxxxxxxxxxxxxxxx; while true; do x=$x$x; done")
        assert (ended.code, ended.said["oom_killed"]) == (137, "1")
        assert machine.run("true").said["oom_killed"] == "0"
