"""SIGKILL for everybody who has a part in a container: nothing is lost unnoticed, nothing is left over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from tests.containers import IMAGE, is_gone, until

pytestmark = pytest.mark.root

_CLIENT = """
import sys
from containerlab.engine.engine import Engine
containers = Engine(sys.argv[1]).containers
if sys.argv[2] == "run":
    containers.run("{image}", ["sleep", "1000"], name="victim", rm=True, stop_timeout=0.1)
elif sys.argv[2] == "start":
    containers.start("{image}", ["sleep", "1000"], name="victim")
else:
    backend = containers._engine.backend
    backend.create("{image}", ["sleep", "1000"], {{"name": "victim", "rm": True}}, ephemeral=True)
print("ready", flush=True)
sys.stdin.read()
"""


def _client(engine: Engine, verb: str) -> subprocess.Popen:
    words = [sys.executable, "-c", _CLIENT.format(image=IMAGE), str(engine.backend.home.root), verb]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _kill(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _monitor(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _cgroups(containers: Containers, name: str) -> list[str]:
    return list(containers.info(name).detail["cgroup"].values())


def _statuses(containers: Containers) -> dict[str, str]:
    return {info.name: info.status for info in containers.list(all=True)}


def test_an_attached_container_ends_with_its_client(engine: Engine, containers: Containers) -> None:
    client = _client(engine, "run")
    until(lambda: _statuses(containers).get("victim") == "running")
    pid, cgroups = containers.info("victim").pid, _cgroups(containers, "victim")
    _kill(client)
    until(lambda: "victim" not in _statuses(containers))
    assert is_gone(pid)
    assert [path for path in cgroups if os.path.exists(path)] == []


def test_a_detached_container_survives_its_client(engine: Engine, containers: Containers) -> None:
    client = _client(engine, "start")
    client.stdout.readline()
    _kill(client)
    assert _statuses(containers)["victim"] == "running"
    assert containers.exec("victim", ["echo", "here"]).stdout == "here\n"


def test_what_was_made_to_be_started_goes_with_its_maker(engine: Engine, containers: Containers) -> None:
    client = _client(engine, "create")
    client.stdout.readline()
    assert _statuses(containers)["victim"] == "created"
    _kill(client)
    assert "victim" not in _statuses(containers)


def test_a_killed_monitor_is_noticed_and_its_container_is_never_up(containers: Containers) -> None:
    container = containers.start(IMAGE, ["sleep", "1000"], name="lonely")
    cgroups = _cgroups(containers, "lonely")
    os.kill(_monitor(container.info.pid), signal.SIGKILL)
    until(lambda: is_gone(container.info.pid))
    found = containers.info("lonely")
    assert (found.status, found.exit_code) == ("dead", 137)
    assert "lost" in found.error
    assert [path for path in cgroups if os.path.exists(path)] == []
    assert containers.wait("lonely") == 137
    containers.remove("lonely")
    assert "lonely" not in _statuses(containers)


def test_a_killed_monitor_s_container_can_be_started_again(containers: Containers) -> None:
    container = containers.start(IMAGE, ["sleep", "1000"], name="again")
    os.kill(_monitor(container.info.pid), signal.SIGKILL)
    until(lambda: is_gone(container.info.pid))
    containers.resume("again")
    assert containers.info("again").status == "running"


def test_a_killed_first_process_is_137_and_removal_leaves_nothing(containers: Containers) -> None:
    container = containers.start(IMAGE, ["sleep", "1000"], name="shot")
    directory, cgroups = containers.info("shot").detail["directory"], _cgroups(containers, "shot")
    os.kill(container.info.pid, signal.SIGKILL)
    assert containers.wait("shot") == 137
    containers.remove("shot")
    assert [path for path in (directory, *cgroups) if os.path.exists(path)] == []


def test_a_killed_launcher_takes_no_container_along(containers: Containers) -> None:
    container = containers.start(IMAGE, ["sleep", "1000"], name="orphan")
    launcher = _monitor(_monitor(container.info.pid))
    os.kill(launcher, signal.SIGKILL)
    assert containers.run(IMAGE, ["echo", "on"], rm=True).stdout == "on\n"
    assert containers.info("orphan").status == "running"


def test_a_paused_container_dies_of_sigkill(containers: Containers) -> None:
    containers.start(IMAGE, ["sleep", "1000"], name="frozen")
    containers.pause("frozen")
    containers.kill("frozen")
    assert containers.wait("frozen") == 137


def test_of_two_that_start_a_container_one_wins(engine: Engine, containers: Containers) -> None:
    containers.create(IMAGE, ["sleep", "1000"], name="contested")
    words = [sys.executable, "-m", "containerlab", "start", "contested"]
    environment = {**os.environ, "CONTAINERLAB_HOME": str(engine.backend.home.root)}
    racers = [
        subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in "ab"
    ]
    assert sorted(racer.wait() == 0 for racer in racers) == [False, True]
    assert containers.info("contested").status == "running"
