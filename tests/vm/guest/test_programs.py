"""A program in a guest begins and ends as Docker's users expect it."""

from __future__ import annotations

import errno
import re
import signal

import pytest

from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Program
from tests.vm.guest.machine import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_output_and_errors_are_apart(machine: Machine) -> None:
    ended = machine.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ended.code, ended.stdout, ended.stderr) == (7, b"out\n", b"err\n")


def test_bytes_of_all_values_pass(machine: Machine) -> None:
    everything = bytes(range(256)) * 300
    stream = machine.start(Program(("cat",), keeps_stdin=True))
    machine.send(wire.STDIN, everything, stream)
    machine.send(wire.CLOSE_STDIN, b"", stream)
    ended = machine.end(stream)
    assert (ended.code, ended.stdout) == (0, everything)


def test_an_argument_and_a_variable_pass_as_they_are(machine: Machine) -> None:
    odd = 'a b\n"\u00e4\udcff\\'
    ended = machine.run("sh", "-c", 'printf "%s|%s" "$1" "$V"', "sh", odd, environment=(f"V={odd}",))
    assert ended.stdout == b"|".join([odd.encode(errors="surrogateescape")] * 2)


def test_the_environment_is_the_given_one_and_home(machine: Machine) -> None:
    assert machine.run("env", environment=("A=1", "B=")).stdout.decode().split() == [
        "A=1",
        "B=",
        "HOME=/root",
    ]
    assert machine.run("env", environment=("HOME=/x",)).stdout == b"HOME=/x\n"


def test_a_huge_environment_and_many_arguments_pass(machine: Machine) -> None:
    ended = machine.run(
        "sh", "-c", "echo ${#BIG} $#", "sh", *["word"] * 10_000, environment=("BIG=" + "x" * 130_000,)
    )
    assert ended.stdout == b"130000 10000\n"


def test_a_variable_that_the_kernel_refuses_is_too_big(machine: Machine) -> None:
    ended = machine.run("true", environment=("BIG=" + "x" * 140_000,))
    assert (ended.code, ended.said["step"], ended.said["errno"]) == (None, "program", str(errno.E2BIG))


def test_a_missing_program_is_told(machine: Machine) -> None:
    assert machine.run("nope").said == {"step": "program", "errno": str(errno.ENOENT), "text": "nope"}
    assert machine.run("/tmp").said["errno"] == str(errno.EACCES)
    assert machine.run("bad").said["errno"] == str(errno.ENOENT)
    assert machine.run().said["errno"] == str(errno.ENOENT)


def test_the_path_of_its_own_environment_is_searched(machine: Machine) -> None:
    machine.shell(
        "mkdir -p /opt/mine; printf '#!/bin/sh\\necho mine' >/opt/mine/tool; chmod 755 /opt/mine/tool"
    )
    assert machine.run("tool").code is None
    assert machine.run("tool", environment=("PATH=/nowhere:/opt/mine",)).stdout == b"mine\n"


def test_a_script_without_an_interpreter_is_the_shells(machine: Machine) -> None:
    assert machine.run("bare", "x").stdout == b"bare: /bin/bare x\n"


def test_standard_input_is_empty_if_not_kept(machine: Machine) -> None:
    assert machine.run("cat").code == 0


def test_the_directory_is_the_given_one(machine: Machine) -> None:
    assert machine.run("pwd", directory="/etc").stdout == b"/etc\n"
    assert machine.run("pwd").stdout == b"/\n"
    missing = machine.run("pwd", directory="/no/where").said
    assert missing == {"step": "directory", "errno": str(errno.ENOENT), "text": "/no/where"}


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups", "home"),
    [
        ("ann", 1000, 1001, "1001 2000", "/home/ann"),
        ("1000", 1000, 1001, "1001 2000", "/home/ann"),
        ("ann:play", 1000, 2000, "2000", "/home/ann"),
        ("77:88", 77, 88, "88", "/"),
        ("", 0, 0, "0", "/root"),
    ],
)
def test_the_user_is_looked_up_in_the_guest(
    machine: Machine, user: str, uid: int, gid: int, groups: str, home: str
) -> None:
    said = machine.shell("id -u; id -g; id -G; echo $HOME", user=user).splitlines()
    assert said == [str(uid), str(gid), groups, home]


def test_more_groups_can_be_given(machine: Machine) -> None:
    assert set(machine.shell("id -G", user="ann", groups=(5, 6)).split()) == {"1001", "2000", "5", "6"}


def test_an_unknown_user_is_told(machine: Machine) -> None:
    assert machine.run("true", user="eve").said == {"step": "user", "errno": str(errno.ENOENT), "text": "eve"}
    assert machine.run("true", user="ann:eve").said["step"] == "user"


def test_root_has_all_capabilities_and_others_have_none(machine: Machine) -> None:
    script = "while read -r key value; do case $key in CapEff:) echo $value;; esac; done </proc/self/status"
    assert int(machine.shell(script), 16) == (1 << 41) - 1
    assert int(machine.shell(script, user="ann"), 16) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGRTMAX])
def test_a_signal_ends_it(machine: Machine, number: int) -> None:
    stream = machine.started(Program(("sleep", "1000")))
    machine.signal(stream, number)
    assert machine.end(stream).code == 128 + number


def test_a_signal_can_be_caught_and_none_is_blocked(machine: Machine) -> None:
    script = "trap 'echo caught; exit 3' TERM; echo ready; while true; do sleep 0.01; done"
    stream = machine.start(Program(("sh", "-c", script)))
    assert machine.get(stream)[0] == wire.STARTED
    machine.output_until(stream, lambda found: b"ready" in found)
    machine.signal(stream, signal.SIGTERM)
    ended = machine.end(stream)
    assert (ended.code, ended.stdout) == (3, b"caught\n")
    status = machine.run("cat", "/proc/self/status").stdout.decode()
    assert set(re.findall(r"^Sig(?:Blk|Ign):\t0*(.*)$", status, re.M)) == {""}


def test_it_inherits_no_descriptors_and_usual_limits(machine: Machine) -> None:
    assert machine.shell("cd /proc/self/fd; echo *").split()[:3] == ["0", "1", "2"]
    assert len(machine.run("ls", "/proc/self/fd").stdout.split()) == 4  # with that of the directory
    assert machine.shell("ulimit -n; ulimit -Hn").split() == ["1024", "524288"]


def test_what_it_used_is_told(machine: Machine) -> None:
    said = machine.run("sh", "-c", "i=0; while test $i -lt 2000; do i=$((i+1)); done").said
    assert int(said["cpu_usec"]) > 1000
    assert 100_000 < int(said["peak_rss_bytes"]) < 50_000_000
    assert said["oom_killed"] == "0"


def test_a_child_of_its_own_stays_when_it_ends(machine: Machine) -> None:
    stream = machine.start(
        Program(("sh", "-c", "sh -c 'sleep 0.3; echo late; touch /tmp/late' & echo early"))
    )
    ended = machine.end(stream)
    assert (ended.code, ended.stdout) == (0, b"early\n")
    machine.shell("until test -e /tmp/late; do sleep 0.05; done")
