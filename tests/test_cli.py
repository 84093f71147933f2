"""`conlab` from outside: real processes, real containers, exit codes as Docker's."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import busybox
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
IMAGE = busybox.NAME


@pytest.fixture(scope="module")
def home(base: Path) -> Iterator[Path]:
    place = base / "cli"
    busybox.engine(place).close()
    yield place
    words = [sys.executable, "-m", "containerlab", "--home", str(place), "ps", "-aq", "--no-trunc"]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout == ""


class Conlab:
    def __init__(self, home: Path) -> None:
        self.words = [sys.executable, "-m", "containerlab", "--home", str(home)]

    def __call__(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.words, *words], input=stdin, capture_output=True, timeout=60, check=False
        )

    def text(self, *words: str) -> str:
        done = self(*words)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()


@pytest.fixture
def conlab(home: Path) -> Conlab:
    return Conlab(home)


@pytest.fixture
def container(conlab: Conlab) -> Iterator[str]:
    name = "sleeper"
    conlab.text("run", "-d", "--name", name, IMAGE, "sh", "-c", "echo out; echo err >&2; sleep 1000")
    yield name
    conlab("rm", "-f", name)


@pytest.mark.parametrize(
    ("words", "code"), [(("run", "--rm", IMAGE, "sh", "-c", "echo hi; exit 3"), 3), (("version",), 0)]
)
def test_it_works_without_standard_streams(conlab: Conlab, words: tuple[str, ...], code: int) -> None:
    closing = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    assert subprocess.run([*closing, *conlab.words, *words], check=False).returncode == code


def test_output_is_exact_to_the_byte_and_streams_stay_apart(conlab: Conlab) -> None:
    data = bytes(range(256)) * 64
    done = conlab("run", "-i", "--rm", IMAGE, "sh", "-c", "cat; echo err >&2", stdin=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"err\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "--rm", IMAGE, "sh", "-c", "exit 3"], 3),
        (["run", "--rm", IMAGE, "no-such-program"], 127),
        (["run", "--rm", IMAGE, "/etc"], 126),
        (["run", "--rm", "no/such-image", "true"], 125),
        (["run", "--no-such-option", IMAGE], 125),
        (["run", "--memory", "lots", IMAGE], 125),
        (["run"], 1),
        (["no-such-command"], 1),
        (["rm", "no-such-container"], 1),
        (["ps", "--no-such-option"], 125),
    ],
)
def test_exit_code_is_dockers_and_nothing_is_left(conlab: Conlab, words: list[str], code: int) -> None:
    done = conlab(*words)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert conlab.text("ps", "-aq") == ""


def test_error_is_one_line_with_a_hint(conlab: Conlab) -> None:
    lines = conlab("run", "--memry", "1m", IMAGE).stderr.decode().splitlines()
    assert lines == [
        "conlab: run: no such option: --memry",
        "  hint: did you mean --memory?",
        "  usage: conlab run [OPTIONS] IMAGE [COMMAND [ARG...]]",
    ]


def test_life_of_a_detached_container(conlab: Conlab, container: str) -> None:
    assert conlab.text("ps", "--format", "{{.Names}} {{.State}}") == f"{container} running\n"
    assert conlab.text("exec", container, "echo", "-n", "inside") == "inside"
    logs = conlab("logs", container)
    assert (logs.stdout, logs.stderr) == (b"out\n", b"err\n")
    assert conlab.text("stop", "-t", "0", container) == f"{container}\n"
    assert conlab.text("wait", container) == "137\n"
    assert (
        conlab.text("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", container)
        == "exited 137\n"
    )
    assert conlab.text("rm", container) == f"{container}\n"


def test_a_failing_name_does_not_keep_others_from_their_turn(conlab: Conlab, container: str) -> None:
    done = conlab("rm", "-f", "no-such-one", container)
    assert done.returncode == 1
    assert done.stdout.decode() == f"{container}\n"
    assert b"no such container: no-such-one" in done.stderr


def test_every_form_of_a_table(conlab: Conlab, container: str) -> None:
    (row,) = json.loads(conlab.text("ps", "--json"))
    assert row["name"] == container
    assert conlab.text("ps", "-q") == row["id"][:12] + "\n"
    assert conlab.text("ps", "-q", "--no-trunc") == row["id"] + "\n"
    assert json.loads(conlab.text("ps", "--format", "json"))["ID"] == row["id"][:12]
    heading, line = conlab.text("ps", "--format", r"table {{.Names}}\t{{.Image}}").splitlines()
    assert heading.split() == ["NAMES", "IMAGE"]
    assert line.split()[0] == container
    assert "\x1b" not in conlab.text("ps")


def test_signals_are_handed_on(conlab: Conlab) -> None:
    script = "trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    words = [*conlab.words, "run", "--rm", IMAGE, "sh", "-c", script]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == b"got it\n"
    assert process.returncode == 7


def test_second_interrupt_stops_what_ignores_the_first(conlab: Conlab) -> None:
    script = "trap 'echo ignored' INT; trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    words = [*conlab.words, "run", "--rm", IMAGE, "sh", "-c", script]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"ignored\n"
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert process.returncode == 9


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, words: list[str]) -> None:
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(words[0], words)
        self.seen = b""

    def expect(self, text: bytes) -> None:
        while text not in self.seen:
            assert select.select([self.master], [], [], 30)[0], self.seen
            self.seen += os.read(self.master, 65536)

    def exit_code(self) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.master)
        return code


def test_terminal_passes_keys_and_detaches(conlab: Conlab) -> None:
    terminal = Terminal([*conlab.words, "run", "-it", "--name", "shell", IMAGE, "sh"])
    try:
        terminal.expect(b"# ")
        os.write(terminal.master, b"echo $((6*7))\n")
        terminal.expect(b"\n42")
        os.write(terminal.master, b"\x10\x11")
        assert terminal.exit_code() == 0
        assert conlab.text("ps", "--format", "{{.Names}}") == "shell\n"
    finally:
        conlab("rm", "-f", "shell")


def test_attach_finds_the_terminal_that_the_container_has(conlab: Conlab) -> None:
    conlab.text("run", "-dit", "--name", "shell", IMAGE, "sh")
    try:
        terminal = Terminal([*conlab.words, "attach", "--detach-keys", "ctrl-a,x", "shell"])
        os.write(terminal.master, b"echo $((6*7))\n")
        terminal.expect(b"\n42")
        os.write(terminal.master, b"\x01x")
        assert terminal.exit_code() == 0
        conlab("pause", "shell")
        assert b"paused" in conlab("attach", "--no-stdin", "shell").stderr
        conlab("unpause", "shell")
        silent = Terminal([*conlab.words, "attach", "--no-stdin", "shell"])
        os.write(silent.master, b"exit 5\n")
        terminal = Terminal([*conlab.words, "attach", "shell"])
        while b"\n43" not in silent.seen:  # once it is attached too
            os.write(terminal.master, b"echo $((6*7+1))\n")
            if select.select([silent.master], [], [], 0.1)[0]:
                silent.seen += os.read(silent.master, 65536)
        os.write(terminal.master, b"exit 6\n")
        assert (terminal.exit_code(), silent.exit_code()) == (6, 6)
    finally:
        conlab("rm", "-f", "shell")


def test_closed_pipe_is_no_error(conlab: Conlab, container: str) -> None:
    command = " ".join([*conlab.words, "ps", "-a", "|", "true"])
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60)
    assert done.stderr == b""


def test_completion_knows_names_and_scripts_are_valid(conlab: Conlab, container: str) -> None:
    assert conlab.text("__complete", "exec", "sl").split() == [container]
    assert f"{IMAGE}:latest" in conlab.text("__complete", "run", "test/").split()
    for shell in ("bash", "zsh", "fish"):
        assert "conlab __complete" in conlab.text("completion", shell)
    subprocess.run(["bash", "-n"], input=conlab.text("completion", "bash"), text=True, check=True)


def test_copy_both_ways(conlab: Conlab, container: str, tmp_path: Path) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "file").write_text("content")
    conlab.text("cp", str(tmp_path / "tree"), f"{container}:/tmp/")
    assert conlab.text("exec", container, "cat", "/tmp/tree/deep/file") == "content"
    conlab.text("cp", f"{container}:/tmp/tree/deep/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "content"
    conlab.text("cp", f"{container}:/tmp/tree/.", str(tmp_path / "whole"))
    assert (tmp_path / "whole" / "deep" / "file").read_text() == "content"


def test_dry_run_does_nothing(conlab: Conlab) -> None:
    shown = conlab.text("run", "--dry-run", "-m", "64m", IMAGE, "true")
    assert "mount" in shown
    assert conlab.text("ps", "-aq") == ""


def test_namespaces_of_a_container_are_its_own(conlab: Conlab, container: str) -> None:
    rows = {row["kind"]: row for row in json.loads(conlab.text("ns", container, "--json"))}
    assert rows["mnt"]["host"].strip() != rows["mnt"][container].strip()
    assert "=" not in rows["pid"][container]


@pytest.mark.parametrize("words", [["ps"], ["--help"], ["completion", "bash"], ["info"]])
def test_a_full_device_is_one_sentence(conlab: Conlab, words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*conlab.words, *words], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "conlab: cannot write standard output: No space left on device",
        "  hint: redirect it to where there is room",
    ]


def test_closed_streams_are_not_taken_by_files_of_the_store(conlab: Conlab) -> None:
    script = (
        f"exec {' '.join(conlab.words)} run --rm -i {IMAGE} sh -c 'echo out; echo err >&2; cat' <&- >&- 2>&-"
    )
    assert subprocess.run(["sh", "-c", script], check=False, timeout=60).returncode == 0
    assert conlab.text("system", "check") is not None
    assert IMAGE in conlab.text("images")


def test_interrupt_ends_with_130_and_without_a_traceback(conlab: Conlab, container: str) -> None:
    words = [*conlab.words, "logs", "-f", container]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"out\n"
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode()
    assert told.removeprefix("err\n") == "conlab: interrupted\n"
    assert process.returncode == 130


def test_prune_asks_on_a_terminal_and_never_hangs_elsewhere(conlab: Conlab) -> None:
    conlab.text("create", "--name", "kept", IMAGE)
    done = conlab("container", "prune")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"hint: give --force" in done.stderr
    for answer, left in ((b"n\n", ["kept"]), (b"y\n", [])):
        terminal = Terminal([*conlab.words, "container", "prune"])
        terminal.expect(b"[y/N] ")
        os.write(terminal.master, answer)
        terminal.exit_code()
        assert conlab.text("ps", "-a", "--format", "{{.Names}}").split() == left


@pytest.mark.parametrize(("variable", "is_bold"), [("", True), ("NO_COLOR", False)])
def test_colours_only_on_a_terminal_that_wants_them(conlab: Conlab, variable: str, is_bold: bool) -> None:
    terminal = Terminal(["/usr/bin/env", *([f"{variable}=1"] if variable else []), *conlab.words, "nonsense"])
    terminal.expect(b"no such command")
    assert (b"\x1b[1m" in terminal.seen) is is_bold
    terminal.exit_code()


def test_long_work_shows_progress_on_a_terminal_only(conlab: Conlab, tmp_path: Path) -> None:
    # A pipe that gives its bytes late stands for work that is long.
    archive = tmp_path / "slow.tar"
    os.mkfifo(archive)
    words = [*conlab.words, "import", str(archive), "test/slow"]
    terminal = Terminal(words)
    with archive.open("wb") as pipe:
        pipe.write(busybox.root_file_system()[:65536])
        pipe.flush()
        select.select([], [], [], 1.1)  # nothing is shown in the first second
        pipe.write(busybox.root_file_system()[65536:])
    terminal.expect(b"test/slow:latest")
    assert b"read slow.tar: " in terminal.seen
    terminal.exit_code()
    assert b"read" not in conlab("save", "test/slow").stderr
    conlab.text("rmi", "test/slow")


BASH = """
PATH={bin}:$PATH
source <(conlab completion bash)
complete_line() {{
    COMP_LINE=$1; COMP_POINT=${{#COMP_LINE}}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    COMPREPLY=(); "$(complete -p conlab | sed 's/.*-F \\([^ ]*\\).*/\\1/')" conlab "${{!#}}" ""
    printf '%s\\n' "${{COMPREPLY[@]}}"
}}
complete_line '{line}' {words}
"""


@pytest.mark.parametrize(
    ("line", "words", "wanted"),
    [
        ("conlab contai", "conlab contai", ["container"]),
        ("conlab exec sl", "conlab exec sl", ["sleeper"]),
        ("conlab run --memory-sw", "conlab run --memory-sw", ["--memory-swap", "--memory-swappiness"]),
        ("conlab run --pid container:sl", "conlab run --pid container : sl", ["sleeper"]),
        ("conlab run --restart=al", "conlab run --restart = al", ["always"]),
        (f"conlab run {IMAGE}:", f"conlab run {IMAGE} :", ["latest"]),
        ("conlab rm ", "conlab rm ''", ["sleeper"]),
    ],
)
def test_bash_completes(
    conlab: Conlab, container: str, tmp_path: Path, line: str, words: str, wanted: list[str]
) -> None:
    """As readline calls it: `:` and `=` are words of their own there, see COMP_WORDBREAKS in bash(1)."""
    program = tmp_path / "conlab"
    program.write_text(f'#!/bin/sh\nexec {" ".join(conlab.words)} "$@"\n')
    program.chmod(0o755)
    script = BASH.format(bin=tmp_path, line=line, words=words)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == wanted


@pytest.mark.system("fish")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [("conlab ru", "run"), ("conlab rm ", "sleeper"), ("conlab run --pid container:sl", "container:sleeper")],
)
def test_fish_completes(conlab: Conlab, container: str, tmp_path: Path, line: str, wanted: str) -> None:
    program = tmp_path / "conlab"
    program.write_text(f'#!/bin/sh\nexec {" ".join(conlab.words)} "$@"\n')
    program.chmod(0o755)
    script = f"set -x PATH {tmp_path} $PATH; conlab completion fish | source; complete -C '{line}'"
    done = subprocess.run(["fish", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [wanted]


def test_what_docker_shows_is_shown_to_ordinary_users_too(ordinary_user: User, tmp_path: Path) -> None:
    def conlab(*words: str, **options: Any) -> str:
        done = ordinary_user.conlab(*words, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    archive = ordinary_user.home / "busy.tar"
    archive.write_bytes(busybox.root_file_system())
    conlab("import", "-c", 'CMD ["sh"]', str(archive), IMAGE)
    script = "head -c 2000000 /dev/zero > /big; echo ready; sleep 1000"
    conlab("run", "-d", "--name", "mine", IMAGE, "sh", "-c", script)
    while "ready" not in conlab("logs", "mine"):
        pass
    assert "1.9 MiB (virtual" in conlab("ps", "--size")
    assert "mine" in conlab("system", "df", "--verbose")
    assert "%" in conlab("stats", "--no-stream", "--format", "{{.CPUPerc}}")
    assert "sleep" in conlab("top", "mine", "-o", "pid,args")
    assert int(conlab("inspect", "--size", "-f", "{{.SizeRw}}", "mine")) >= 2_000_000
    conlab("rm", "-f", "mine")
    conlab("rmi", IMAGE)
