"""The life of containers, from create to rm, with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from containerlab.backends.embedded import processes
from containerlab.backends.embedded.backend import Embedded
from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import (
    AlreadyExists,
    CannotExecute,
    CommandNotFound,
    Conflict,
    InvalidInput,
    NotFound,
    SetupFailed,
    TimedOut,
)
from tests.containers import IMAGE, add_image, until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
FOREVER = ["sleep", "1000"]
OBEDIENT = ["sh", "-c", "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 1000 & wait $!; done"]


def status(containers: Containers, name: str) -> str:
    return containers.get(name).status


def shown(containers: Containers, name: str) -> str:
    return containers.logs(name).stdout


# exit codes


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 255", 255),
        ("kill -9 $$; sleep 9", 137),
        ("kill -15 $$; sleep 9", 143),
    ],
)
def test_exit_code_is_the_programs_or_128_and_its_signal(
    containers: Containers, script: str, code: int
) -> None:
    # With --init the shell is not the first process, which would ignore signals to itself.
    result = containers.run(IMAGE, ["sh", "-c", script], init=True, rm=True)
    assert result.exit_code == code


@pytest.mark.parametrize(
    ("command", "error", "code"),
    [
        (["no-such"], CommandNotFound, 127),
        (["/no/such"], CommandNotFound, 127),
        (["/etc/passwd/x"], CommandNotFound, 127),
        (["/etc"], CannotExecute, 126),
        (["/proc/cpuinfo"], CannotExecute, 126),
    ],
)
def test_what_cannot_be_executed_is_an_error_and_leaves_nothing(
    containers: Containers, command: list[str], error: type[SetupFailed], code: int
) -> None:
    for start in (containers.run, containers.start):
        for rm in (False, True):
            with pytest.raises(error) as caught:
                start(IMAGE, command, rm=rm)
            assert caught.value.exit_code == code
    assert not containers.list(all=True).rows


def test_a_wrong_start_of_a_created_container_is_kept_with_its_code(containers: Containers) -> None:
    containers.create(IMAGE, ["no-such"], name="wrong")
    with pytest.raises(CommandNotFound):
        containers.resume("wrong")
    found = containers.get("wrong").info
    assert (found.status, found.exit_code) == ("created", 127)
    assert "no-such" in found.error or "not found" in found.error


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"workdir": "/proc/self/fd/3"}, "working directory"),
        ({"volume": ["/no/such/source/at/all:/x:ro"], "user": "nobody-there"}, "nobody-there"),
        ({"network": "container:no-such"}, "no-such"),
        ({"memory": "100k"}, "memory"),
        ({"sysctl": {"kernel.core_pattern": "x"}}, "sysctl"),
    ],
)
def test_what_cannot_be_set_up_leaves_nothing(
    containers: Containers, options: dict[str, object], word: str
) -> None:
    try:
        with pytest.raises((SetupFailed, InvalidInput, NotFound)):
            containers.run(IMAGE, ["true"], **options)
        assert not containers.list(all=True).rows
    finally:
        if Path("/no/such/source/at/all").exists():
            os.removedirs("/no/such/source/at/all")


def test_a_working_directory_that_is_not_there_is_made(containers: Containers) -> None:
    assert containers.run(IMAGE, ["pwd"], workdir="/new/place", rm=True).stdout == "/new/place\n"


# names and looking


def test_names_ids_and_prefixes_lead_to_a_container(containers: Containers) -> None:
    made = containers.create(IMAGE, FOREVER, name="one")
    assert [containers.get(name).id for name in ("one", made.id, made.id[:7])] == [made.id] * 3
    with pytest.raises(AlreadyExists):
        containers.create(IMAGE, FOREVER, name="one")
    containers.rename("one", "two")
    assert containers.get("two").id == made.id
    with pytest.raises(NotFound):
        containers.get("one")
    containers.create(IMAGE, FOREVER, name="one")
    with pytest.raises(AlreadyExists):
        containers.rename("one", "two")
    assert containers.get("two").id == made.id


def test_rename_keeps_a_running_container_and_its_removal(containers: Containers) -> None:
    containers.start(IMAGE, OBEDIENT, name="old", rm=True)
    containers.rename("old", "new")
    containers.stop("new", timeout=10)
    assert not containers.list(all=True).rows
    containers.create(IMAGE, FOREVER, name="new")
    containers.create(IMAGE, FOREVER, name="old")


def test_list_tells_what_runs_and_filters(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="up", label={"a": "1"})
    containers.create(IMAGE, FOREVER, name="made", label={"a": "2"})
    containers.run(IMAGE, ["sh", "-c", "exit 4"], name="over")

    def names(**options: object) -> list[str]:
        return sorted(each.name for each in containers.list(**options).rows)

    assert names() == ["up"]
    assert names(all=True) == ["made", "over", "up"]
    assert names(all=True, filter=["status=exited"]) == ["over"]
    assert names(all=True, filter=["exited=4"]) == ["over"]
    assert names(all=True, filter=["label=a=2"]) == ["made"]
    assert names(all=True, filter=["label=a"]) == ["made", "up"]
    assert names(all=True, filter=["name=ad"]) == ["made"]


def test_inspect_tells_what_was_asked_and_translated(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="up", memory="64m", cpus=0.5, pids_limit=20, label={"a": "1"})
    info = containers.get("up").info
    assert (info.status, info.labels["a"], info.command) == ("running", "1", tuple(FOREVER))
    assert info.pid > 1
    assert info.started_at <= time.time()
    written = {write["controller"] for write in info.detail["limits"]}
    assert {"memory", "cpu", "pids"} <= written
    document = containers.inspect("up").documents[0]
    assert document["State"]["Running"] is True
    assert document["HostConfig"]["Memory"] == 64 << 20


def test_top_reads_the_hosts_proc(containers: Containers) -> None:
    containers.start(IMAGE, ["sh", "-c", "sleep 1000 & sleep 1001; :"], name="up")
    wanted = {"sh -c sleep 1000 & sleep 1001; :", "sleep 1000", "sleep 1001"}
    until(lambda: {process.command for process in containers.top("up").rows} == wanted)


def test_one_that_ended_while_it_was_looked_at_has_no_processes() -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    assert processes.of_container(ended.pid) == []


def test_events_tell_the_life_of_a_container(engine: Engine, containers: Containers) -> None:
    since = time.time()
    name = containers.start(IMAGE, FOREVER, name="told").name
    containers.pause(name)
    containers.unpause(name)
    containers.exec(name, ["true", "not UTF-8: \udcff"])
    containers.rename(name, "renamed")
    containers.kill("renamed")
    containers.wait("renamed")
    containers.remove("renamed")
    actions = [event.action for event in engine.backend.events(since=since)]
    wanted = ["create", "start", "pause", "unpause", "exec_start", "rename", "kill", "die", "destroy"]
    assert [action for action in actions if action in wanted] == wanted


# stopping


def test_stop_sends_the_stop_signal_and_the_code_is_the_programs(containers: Containers) -> None:
    containers.start(IMAGE, OBEDIENT, name="up")
    until(lambda: "ready" in shown(containers, "up"))
    containers.stop("up")
    assert (status(containers, "up"), containers.get("up").info.exit_code) == ("exited", 7)
    assert shown(containers, "up") == "ready\nbye\n"
    containers.stop("up")


def test_stop_kills_what_does_not_listen(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="deaf")
    containers.stop("deaf", timeout=0.05)
    assert containers.get("deaf").info.exit_code == 137


def test_stop_can_wait_for_ever_and_for_weeks(containers: Containers) -> None:
    for patience in (-1, 3_000_000):
        containers.start(IMAGE, OBEDIENT, name="up", stop_timeout=patience)
        until(lambda: "ready" in shown(containers, "up"))
        assert containers.inspect("up")[0]["Config"]["StopTimeout"] == patience
        containers.stop("up")
        assert containers.get("up").info.exit_code == 7
        containers.remove("up")


def test_stop_takes_the_images_patience(engine: Engine, containers: Containers) -> None:
    assert isinstance(engine.backend, Embedded)
    add_image(engine.backend, "test/impatient", config={"StopTimeout": 0})
    containers.start("test/impatient", FOREVER, name="up")
    containers.stop("up")
    assert containers.get("up").info.exit_code == 137


def test_stop_uses_the_signal_that_was_asked_for(containers: Containers) -> None:
    script = "trap 'exit 9' USR1; echo ready; while :; do sleep 1000 & wait $!; done"
    containers.start(IMAGE, ["sh", "-c", script], name="up", stop_signal="USR1")
    until(lambda: "ready" in shown(containers, "up"))
    containers.stop("up")
    assert containers.get("up").info.exit_code == 9


def test_kill_sends_any_signal(containers: Containers) -> None:
    script = "trap 'echo hup' HUP; echo ready; while :; do sleep 1000 & wait $!; done"
    containers.start(IMAGE, ["sh", "-c", script], name="up")
    until(lambda: "ready" in shown(containers, "up"))
    containers.kill("up", signal="HUP")
    until(lambda: "hup" in shown(containers, "up"))
    assert status(containers, "up") == "running"
    containers.kill("up")
    assert containers.wait("up") == 137


def test_a_paused_container_stands_still_and_goes_on(containers: Containers) -> None:
    script = "while :; do echo x; sleep 0.01; done"
    containers.start(IMAGE, ["sh", "-c", script], name="up")
    until(lambda: shown(containers, "up"))
    containers.pause("up")
    assert status(containers, "up") == "paused"
    with pytest.raises(Conflict):
        containers.pause("up")
    with pytest.raises(Conflict):
        containers.exec("up", ["true"])
    before = len(shown(containers, "up"))
    containers.unpause("up")
    until(lambda: len(shown(containers, "up")) > before)
    with pytest.raises(Conflict):
        containers.unpause("up")


def test_a_paused_container_can_be_stopped_killed_and_removed(containers: Containers) -> None:
    for end in (
        lambda: containers.stop("up", timeout=0.05),
        lambda: containers.kill("up"),
        lambda: containers.remove("up", force=True),
    ):
        containers.start(IMAGE, FOREVER, name="up")
        containers.pause("up")
        end()
        if containers.list(all=True).rows:
            assert containers.wait("up", timeout=10) == 137
            containers.remove("up")


def test_remove_wants_force_for_what_runs(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="up")
    with pytest.raises(Conflict):
        containers.remove("up")
    containers.remove("up", force=True)
    with pytest.raises(NotFound):
        containers.get("up")


def test_restart_starts_the_same_container_again(containers: Containers) -> None:
    containers.start(IMAGE, ["sh", "-c", "echo run >> /runs; wc -l < /runs; sleep 1000"], name="up")
    until(lambda: shown(containers, "up") == "1\n")
    containers.restart("up", timeout=0.05)
    until(lambda: shown(containers, "up") == "1\n2\n")
    assert status(containers, "up") == "running"


def test_starting_what_runs_is_a_conflict(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="up")
    with pytest.raises(Conflict):
        containers.resume("up")
    assert status(containers, "up") == "running"


def test_wait_gives_up_after_its_timeout(containers: Containers) -> None:
    containers.start(IMAGE, FOREVER, name="up")
    with pytest.raises(TimedOut):
        containers.wait("up", timeout=0.05)
    containers.kill("up")
    assert containers.wait("up", timeout=10) == 137
    assert containers.wait("up") == 137


def test_run_can_be_given_a_timeout(containers: Containers) -> None:
    with pytest.raises(TimedOut):
        containers.run(IMAGE, FOREVER, rm=True, timeout=0.05, stop_timeout=0.05)
    assert not containers.list(all=True).rows


# restart policies


def test_on_failure_tries_as_often_as_said(containers: Containers) -> None:
    containers.start(IMAGE, ["sh", "-c", "echo x; exit 3"], name="bad", restart="on-failure:2")
    assert containers.wait("bad", timeout=20) == 3
    assert shown(containers, "bad") == "x\nx\nx\n"
    assert containers.get("bad").info.detail["restarts"] == 2


def test_on_failure_leaves_success_alone(containers: Containers) -> None:
    containers.start(IMAGE, ["echo", "x"], name="good", restart="on-failure")
    assert containers.wait("good", timeout=20) == 0
    assert shown(containers, "good") == "x\n"


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_stop_ends_what_is_always_restarted(containers: Containers, policy: str) -> None:
    containers.start(IMAGE, ["sh", "-c", "echo x; sleep 0.01"], name="again", restart=policy)
    until(lambda: len(shown(containers, "again")) >= 4)
    containers.stop("again", timeout=5)
    assert status(containers, "again") == "exited"
    seen = shown(containers, "again")
    containers.resume("again")
    until(lambda: len(shown(containers, "again")) >= len(seen) + 4)
    containers.remove("again", force=True)


@pytest.mark.parametrize("end", ["stop", "remove", "kill"])
def test_what_waits_for_its_restart_can_be_ended(containers: Containers, end: str) -> None:
    containers.start(IMAGE, ["false"], name="again", restart="always")
    until(
        lambda: (
            status(containers, "again") == "restarting"
            and containers.get("again").info.detail["restarts"] > 2
        )
    )
    if end == "stop":
        containers.stop("again", timeout=5)
    elif end == "kill":
        containers.kill("again")
        containers.wait("again", timeout=10)
    else:
        containers.remove("again", force=True)
        return
    assert status(containers, "again") == "exited"


# --rm


@pytest.mark.parametrize("command", [["true"], ["sh", "-c", "exit 3"]])
def test_rm_leaves_nothing(engine: Engine, containers: Containers, command: list[str], base: Path) -> None:
    home = base / "containers"
    containers.run(IMAGE, command, rm=True)
    containers.start(IMAGE, command, rm=True)
    until(lambda: not os.listdir(home / "containers"))
    assert not os.listdir(home / "names")
    until(lambda: not [name for name in os.listdir(home / "tmp") if "gone" in name])


def test_a_signal_to_a_stopped_container_is_a_conflict(containers: Containers) -> None:
    containers.run(IMAGE, ["true"], name="over")
    with pytest.raises(Conflict):
        containers.kill("over", signal=signal.SIGTERM)


# --init


def test_init_reaps_orphans(containers: Containers) -> None:
    script = "for i in 1 2 3; do (sleep 0 &) ; done; echo ready; sleep 1000; :"
    containers.start(IMAGE, ["sh", "-c", script], name="up", init=True)
    until(lambda: "ready" in shown(containers, "up"))
    until(lambda: len(containers.top("up").rows) == 3)
    script = "ps -o stat,pid,args"
    assert "Z" not in [line.split()[0][0] for line in containers.exec("up", script).stdout.splitlines()]


def test_init_hands_signals_on(containers: Containers) -> None:
    containers.start(IMAGE, OBEDIENT, name="up", init=True)
    until(lambda: "ready" in shown(containers, "up"))
    assert "1 root" not in containers.exec("up", ["cat", "/proc/1/comm"]).stdout
    containers.stop("up")
    assert containers.get("up").info.exit_code == 7


def test_without_init_the_program_is_the_first_process(containers: Containers) -> None:
    assert containers.run(IMAGE, ["sh", "-c", "echo $$"], rm=True).stdout == "1\n"
