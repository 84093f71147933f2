"""`conlab vm` from outside, as root and as ordinary users: exit codes, signals, a client that is killed."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import machines
from tests.containers import is_gone, until
from tests.machines import IMAGE
from tests.users import User

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200), pytest.mark.system(*machines.PACKAGES)]


class Conlab:
    """The command line on one home."""

    def __init__(self, home: Path) -> None:
        self.words = [sys.executable, "-m", "containerlab", "--home", str(home), "vm"]

    def __call__(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.words, *words], input=stdin, capture_output=True, timeout=90, check=False
        )

    def text(self, *words: str) -> str:
        done = self(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*self.words, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(scope="module")
def conlab(base: Path) -> Iterator[Conlab]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    home = base / "vm-cli"
    with machines.engine(home):
        conlab = Conlab(home)
        yield conlab
        assert conlab.text("ps", "-aq") == ""


def test_a_run_has_the_exit_code_and_the_streams_of_its_program(conlab: Conlab) -> None:
    done = conlab(
        "run", "--rm", "-i", "--tier", "resume", IMAGE, "sh", "-c", "cat; echo e >&2; exit 3", stdin=b"in"
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, b"in", b"e\n")


@pytest.mark.parametrize(("word", "code"), [("no-such-program", 127), ("/etc", 126)])
def test_what_cannot_run_has_dockers_exit_code(conlab: Conlab, word: str, code: int) -> None:
    assert conlab("run", "--rm", "--tier", "resume", IMAGE, word).returncode == code


def test_a_machine_in_the_background_outlives_its_client(conlab: Conlab) -> None:
    script = "echo up; read line; echo got $line; exit 5"
    id_ = conlab.text(
        "run", "-d", "-i", "--name", "kept", "--tier", "resume", IMAGE, "sh", "-c", script
    ).strip()
    try:
        assert conlab.text("ps", "-q", "--no-trunc").strip() == id_
        assert conlab.text("exec", "kept", "echo", "hi") == "hi\n"
        attached = conlab("attach", "kept", stdin=b"word\n")
        assert (attached.returncode, attached.stdout) == (5, b"got word\n")
        assert conlab.text("wait", "kept") == "5\n"
        assert conlab.text("logs", "kept") == "up\ngot word\n"
    finally:
        conlab("rm", "-f", "kept")


def test_a_killed_client_takes_its_machine_along(conlab: Conlab) -> None:
    with conlab.start(
        "run", "--name", "lost", "--tier", "resume", IMAGE, "sh", "-c", "echo up; sleep 1000"
    ) as client:
        assert client.stdout.readline() == b"up\n"
        qemu = int(conlab.text("inspect", "-f", "{{.State.Pid}}", "lost"))
        client.kill()
        client.wait()
        until(lambda: is_gone(qemu))
    assert "Exited (137)" in conlab.text("ps", "-a")
    conlab.text("rm", "lost")


def test_a_killed_monitor_takes_its_machine_along_and_is_found_out(conlab: Conlab) -> None:
    conlab.text("run", "-d", "--name", "orphan", "--tier", "resume", IMAGE, "sleep", "1000")
    qemu = int(conlab.text("inspect", "-f", "{{.State.Pid}}", "orphan"))
    monitor = int(Path(f"/proc/{qemu}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(monitor, signal.SIGKILL)
    until(lambda: is_gone(qemu))
    assert "dead" in conlab.text("ps", "-a", "--format", "{{.State}}")
    assert b"its monitor was killed" in conlab("inspect", "orphan").stdout
    conlab.text("rm", "orphan")


def test_an_interrupt_ends_the_program_in_order(conlab: Conlab) -> None:
    script = "trap 'exit 7' INT; echo up; while :; do sleep 0.1; done"
    with conlab.start("run", "--rm", "--tier", "resume", IMAGE, "sh", "-c", script) as client:
        assert client.stdout.readline() == b"up\n"
        client.send_signal(signal.SIGINT)
        assert client.wait(60) == 7


def test_a_terminal_is_one_inside(conlab: Conlab) -> None:
    ours, theirs = pty.openpty()
    words = [*conlab.words, "run", "--rm", "-t", "--tier", "resume", IMAGE, "tty"]
    done = subprocess.run(words, stdin=theirs, stdout=theirs, stderr=theirs, timeout=90, check=False)
    os.close(theirs)
    assert done.returncode == 0
    assert b"/dev/" in os.read(ours, 1000)
    os.close(ours)


def test_without_root_it_is_the_same(anyone: User) -> None:
    machines.equip(anyone)
    words = ("vm", "run", "--name", "mine", "--tier", "microvm", "-p", "80", IMAGE)
    done = anyone.conlab(*words, "sh", "-c", "id -u; hostname; exit 3")
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[0] == "0"
    assert anyone.conlab("vm", "rm", "mine").returncode == 0
    restored = anyone.conlab("vm", "run", "--rm", "--tier", "resume", "-u", "5", IMAGE, "id", "-u")
    assert restored.stdout == "5\n", restored.stderr
