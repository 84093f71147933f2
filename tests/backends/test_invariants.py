"""What holds whatever is killed at whatever moment. After each kill the next command repairs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, LabError
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
TRIES = 12
FOREVER = ["sleep", "1000"]
CLIENT = """
import sys
from containerlab.engine.engine import Engine
engine = Engine(sys.argv[1])
print("open", flush=True)
while True:
    engine.containers.run(sys.argv[2], ["true"], rm=True)
"""


def cgroups_of(ids: set[str]) -> list[str]:
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path) in ids]


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_there(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    return False


@pytest.fixture
def ids(engine: Engine, containers: Containers, base: Path) -> Iterator[set[str]]:
    """Collect the ids that a test made; at its end nothing of them may be left."""
    made: set[str] = set()
    yield made
    home = base / "containers"
    for container in containers.list(all=True).rows:
        containers.remove(container.id, force=True)
    until(lambda: not cgroups_of(made))
    until(lambda: not os.listdir(home / "containers") and not list(home.glob("names/*")))
    until(lambda: engine.backend.check() is not None and not os.listdir(home / "tmp"))
    assert not [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(home) in line]


def new_ids(base: Path) -> set[str]:
    return {name for name in os.listdir(base / "containers" / "containers") if len(name) == 64}


def client(base: Path, source: str = CLIENT) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", source, str(base / "containers"), IMAGE]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "open\n"
    return process


def test_a_client_killed_at_any_moment_leaves_nothing(
    engine: Engine, containers: Containers, base: Path, ids: set[str]
) -> None:
    for seed in range(TRIES):
        with client(base) as process:
            seen: set[str] = set()
            moment = random.Random(seed).randrange(1, 40)
            for _ in range(moment):
                seen |= new_ids(base)
                os.sched_yield()
            process.kill()
        ids |= seen | new_ids(base)

        def is_clean() -> bool:
            engine.backend.check()
            return not containers.list(all=True).rows and not new_ids(base)

        until(is_clean)


def test_a_killed_monitor_is_noticed_and_never_up_or_success(containers: Containers, ids: set[str]) -> None:
    for number in range(TRIES):
        made = containers.start(IMAGE, ["sh", "-c", "sleep 1000 & sleep 1001; :"], name="up", memory="64m")
        ids.add(made.id)
        os.kill(parent_of(made.pid), signal.SIGKILL)
        look = (
            lambda: containers.get("up").info,
            lambda: containers.list(all=True).rows[0].info,
        )[number % 2]
        info = until(lambda look=look: (found := look()) and found.status != "running" and found)
        assert (info.status, info.exit_code) == ("dead", 137)
        assert "lost" in info.error
        until(lambda pid=made.pid: not is_there(pid))
        assert not cgroups_of({made.id})
        assert containers.wait("up") == 137
        containers.remove("up")


def test_with_a_killed_monitor_every_verb_answers_at_once(containers: Containers, ids: set[str]) -> None:
    def dead() -> None:
        made = containers.start(IMAGE, FOREVER, name="up")
        ids.add(made.id)
        os.kill(parent_of(made.pid), signal.SIGKILL)

    dead()
    containers.remove("up", force=True)
    dead()
    until(lambda: containers.get("up").status == "dead")
    containers.remove("up")
    dead()
    assert containers.wait("up", timeout=10) == 137
    containers.resume("up")
    assert containers.get("up").status == "running"
    containers.remove("up", force=True)
    dead()
    containers.stop("up", timeout=1)
    with pytest.raises(LabError):
        containers.exec("up", ["true"])
    with pytest.raises(LabError):
        containers.kill("up")
    assert containers.logs("up").stdout == ""
    containers.remove("up", force=True)


def test_a_monitor_killed_while_it_sets_up_leaves_nothing_running(
    engine: Engine, containers: Containers, base: Path, ids: set[str]
) -> None:
    stop = threading.Event()
    killed: list[int] = []

    def hunt() -> None:
        chooser = random.Random(1)
        while not stop.is_set():
            for pid in _monitors():
                if chooser.random() < 0.02:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed.append(pid)

    hunter = threading.Thread(target=hunt)
    hunter.start()
    try:
        for number in range(TRIES * 2):
            with suppress(LabError):
                ids.add(containers.create(IMAGE, FOREVER, name=f"c{number}").id)
                containers.resume(f"c{number}")
    finally:
        stop.set()
        hunter.join()
    assert killed
    for container in containers.list(all=True).rows:
        containers.remove(container.id, force=True)
    until(lambda: not _container_processes(base))


def _monitors() -> list[int]:
    """Return the monitors of all launchers that this process has now."""
    launchers = [pid for pid in children_of(os.getpid()) if b"launcher" in command_of(pid)]
    return [pid for launcher in launchers for pid in children_of(launcher)]


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, path.read_text().split())
    return found


def command_of(pid: int) -> bytes:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _container_processes(base: Path) -> list[int]:
    ours = os.stat("/proc/self/ns/mnt").st_ino
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            elsewhere = os.stat(f"/proc/{name}/ns/mnt").st_ino != ours
            if elsewhere and base.name in Path(f"/proc/{name}/mountinfo").read_text() and is_there(int(name)):
                found.append(int(name))
    return found


def test_a_killed_first_process_is_137_and_its_output_complete(containers: Containers, ids: set[str]) -> None:
    for _ in range(TRIES):
        made = containers.start(IMAGE, ["sh", "-c", "echo complete; sleep 1000; :"], name="up")
        ids.add(made.id)
        until(lambda: containers.logs("up").stdout)
        os.kill(made.pid, signal.SIGKILL)
        assert containers.wait("up", timeout=10) == 137
        assert (containers.get("up").status, containers.logs("up").stdout) == ("exited", "complete\n")
        containers.remove("up")


def test_a_killed_launcher_takes_nothing_along(engine: Engine, containers: Containers, ids: set[str]) -> None:
    made = containers.start(IMAGE, FOREVER, name="up")
    ids.add(made.id)
    launcher = parent_of(parent_of(made.pid))
    assert b"launcher" in Path(f"/proc/{launcher}/cmdline").read_bytes()
    os.kill(launcher, signal.SIGKILL)
    until(lambda: not is_there(launcher))
    assert containers.get("up").status == "running"
    assert containers.run(IMAGE, ["echo", "on"], rm=True).stdout == "on\n"
    assert containers.exec("up", ["echo", "on"]).stdout == "on\n"


def test_a_detached_container_outlives_its_client_and_an_attached_one_does_not(
    containers: Containers, base: Path, ids: set[str]
) -> None:
    source = CLIENT.split("print")[0] + (
        "engine.containers.start(sys.argv[2], ['sleep', '1000'], name='stays')\n"
        "print('open', flush=True)\n"
        "ending = {'stop_timeout': 0.05, 'restart': 'always'}\n"
        "engine.containers.run(sys.argv[2], ['sleep', '1000'], name='goes', **ending)\n"
    )
    with client(base, source) as process:
        try:
            until(lambda: {each.name for each in containers.list().rows} == {"stays", "goes"})
            ids |= new_ids(base)
        finally:
            process.kill()
    until(lambda: containers.get("goes").status == "exited")
    assert containers.get("stays").status == "running"


def test_eight_threads_run_at_once(containers: Containers, ids: set[str]) -> None:
    def one(number: int) -> str:
        return containers.run(IMAGE, ["echo", str(number)], rm=True).stdout

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(32))) == [f"{number}\n" for number in range(32)]
    assert not containers.list(all=True).rows


def test_of_many_that_start_one_container_exactly_one_wins(containers: Containers, ids: set[str]) -> None:
    for number in range(5):
        ids.add(containers.create(IMAGE, ["sh", "-c", "echo once; sleep 1000; :"], name=f"c{number}").id)
        outcomes: list[str] = []

        def start(name: str = f"c{number}", outcomes: list[str] = outcomes) -> None:
            try:
                containers.resume(name)
                outcomes.append("won")
            except Conflict:
                outcomes.append("lost")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: start(), range(4)))
        assert sorted(outcomes) == ["lost", "lost", "lost", "won"]
        until(lambda name=f"c{number}": containers.logs(name).stdout)
        assert containers.logs(f"c{number}").stdout == "once\n"
        assert containers.exec(f"c{number}", ["true"]).exit_code == 0
        containers.remove(f"c{number}", force=True)


def test_the_exit_code_is_on_disk_before_anybody_is_told(engine: Engine, containers: Containers) -> None:
    for _ in range(TRIES):
        made = containers.start(IMAGE, ["sh", "-c", "exit 5"], name="over")
        assert containers.wait("over") == 5
        state = json.loads(Path(made.info.detail["directory"], "state.json").read_text())
        assert (state["status"], state["exit_code"]) == ("exited", 5)
        containers.remove("over")


def test_output_is_drained_to_its_end(containers: Containers) -> None:
    script = "head -c 3000000 /dev/zero; printf tail"
    result = containers.run(IMAGE, ["sh", "-c", script], name="big")
    assert result.stdout_bytes == bytes(3000000) + b"tail"
    logged = b"".join(line.text for line in containers.logs("big"))
    assert logged == bytes(3000000) + b"tail"


def test_what_outlives_the_first_process_in_the_hosts_namespace_is_ended(containers: Containers) -> None:
    result = containers.run(IMAGE, ["sh", "-c", "yes & echo x; exit 3"], pid="host", rm=True, timeout=10)
    assert result.exit_code == 3


def test_output_of_a_container_survives_follow_tail_and_rotation(containers: Containers) -> None:
    containers.run(IMAGE, ["sh", "-c", "printf a; printf b >&2; sleep 0.01; echo c; echo d"], name="log")
    assert "".join(line.text.decode() for line in containers.logs("log", tail=1)) == "d\n"
    assert containers.logs("log", follow=True).stdout == "ac\nd\n"
    script = "for i in $(seq 2000); do echo line $i; done"
    containers.run(IMAGE, ["sh", "-c", script], name="turned", log_opt={"max-size": "10k", "max-file": "99"})
    assert containers.logs("turned").stdout == "".join(f"line {number}\n" for number in range(1, 2001))
