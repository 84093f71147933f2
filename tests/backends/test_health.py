"""Health checks, performed by monitors: what they say, and that nothing they meet can harm the monitor."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from containerlab.backends.embedded import healthcheck
from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, InvalidInput, TimedOut
from containerlab.oci.image import Config, Healthcheck
from containerlab.runtime.steps import Plan
from tests import containers as applets
from tests.containers import FILES, IMAGE, root_archive, until
from tests.users import User

FOREVER = ["sleep", "1000"]
OFTEN = {"health_interval": 0.02, "health_retries": 2}
IF_READY = "test -e /ready || { echo not ready; exit 3; }"
container = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    """Yield an engine whose store has the image."""
    with applets.engine(base / "health") as engine:
        yield engine


def health(containers: Containers, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = containers.inspect(name)[0]["State"]["Health"]
    return shown


def log_of(containers: Containers, name: str) -> list[dict[str, Any]]:
    return list(health(containers, name)["Log"])


def status(containers: Containers, name: str) -> str:
    shown = containers.list(all=True, filter=[f"name={name}"])
    return str(shown.to_records()[0]["status"])


# what is asked


def test_what_the_user_says_goes_before_what_the_image_says() -> None:
    of_image = Config(healthcheck=Healthcheck(test=("CMD", "a"), interval=7, retries=4), shell=("/s", "-x"))
    own = {"health_cmd": ("CMD-SHELL", "b c"), "health_timeout": 1.5}
    chosen = healthcheck.choose(own, of_image)
    assert chosen == Healthcheck(test=("CMD-SHELL", "b c"), interval=7, retries=4, timeout=1_500_000_000)
    assert healthcheck.command(chosen, of_image) == ("/s", "-x", "b c")
    assert healthcheck.choose({}, of_image) == of_image.healthcheck
    assert healthcheck.choose({"no_healthcheck": True}, of_image) is None


@pytest.mark.parametrize("test", [(), ("NONE",), ("CMD",), ("CMD-SHELL",), ("SOMETHING", "else")])
def test_an_image_without_a_command_to_check_has_no_check(test: tuple[str, ...]) -> None:
    assert healthcheck.choose({}, Config(healthcheck=Healthcheck(test=test))) is None


@pytest.mark.parametrize(
    "options",
    [
        {"no_healthcheck": True, "health_cmd": ("CMD", "a")},
        {"health_interval": 1.0},
        {"health_cmd": ("CMD", "a"), "health_timeout": 0.0001},
    ],
)
def test_what_contradicts_itself_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="health"):
        healthcheck.choose(options, Config())


def test_times_that_make_no_sense_in_an_image_become_sensible() -> None:
    check = Healthcheck(test=("CMD", "a"), interval=-5, timeout=1, retries=-1)
    orders = healthcheck.orders(check, Plan(0, (), None, None, False, ()))
    assert (orders.interval_s, orders.timeout_s, orders.retries) == (30.0, 0.001, 3)
    assert (orders.start_period_s, orders.start_interval_s) == (0.0, 5.0)


# what is said


class TestChecks:
    pytestmark = container

    def test_health_follows_the_checks(self, engine: Engine, containers: Containers) -> None:
        since = time.time()
        made = containers.start(IMAGE, FOREVER, name="up", health_cmd=IF_READY, **OFTEN)
        assert made.health == "starting"
        assert "(health: starting)" in status(containers, "up")
        until(lambda: made.reload().health == "unhealthy")
        assert "(unhealthy)" in status(containers, "up")
        found = health(containers, "up")
        assert found["FailingStreak"] >= 2
        assert {(entry["ExitCode"], entry["Output"]) for entry in found["Log"]} == {(3, "not ready\n")}
        made.exec(["touch", "/ready"])
        until(lambda: made.reload().health == "healthy")
        assert "(healthy)" in status(containers, "up")
        assert health(containers, "up")["FailingStreak"] == 0
        until(lambda: len(health(containers, "up")["Log"]) == 5)
        made.exec(["rm", "/ready"])
        until(lambda: made.reload().health == "unhealthy")
        wanted = ["unhealthy", "healthy", "unhealthy"]
        until(lambda: told(engine, since) == wanted)
        made.stop(timeout=0.01)
        assert made.reload().health == "unhealthy"

    def test_filters_know_health(self, containers: Containers) -> None:
        containers.start(IMAGE, FOREVER, name="well", health_cmd="true", **OFTEN).wait_healthy(timeout=20)
        containers.start(IMAGE, FOREVER, name="unasked")
        assert [each.name for each in containers.list(filter=["health=healthy"])] == ["well"]
        assert [each.name for each in containers.list(filter=["health=none"])] == ["unasked"]
        with pytest.raises(InvalidInput):
            containers.list(filter=["health=fine"])

    def test_the_images_check_runs_as_its_user_and_there(self, containers: Containers, base: Path) -> None:
        check = {"Test": ["CMD", "sh", "-c", "id -u; pwd; echo $WHO"], "Interval": 20_000_000}
        config = {"Healthcheck": check, "User": "ann", "WorkingDir": "/home/ann", "Env": ["WHO=me"]}
        applets.import_image(base / "health", "test/checked", config=config)
        containers.start("test/checked", FOREVER, name="up").wait_healthy(timeout=20)
        assert health(containers, "up")["Log"][0]["Output"] == "1000\n/home/ann\nme\n"
        unchecked = containers.start("test/checked", FOREVER, no_healthcheck=True)
        assert "Health" not in containers.inspect(unchecked.id)[0]["State"]

    def test_failures_in_the_start_period_do_not_count(self, containers: Containers) -> None:
        patient = {"health_start_period": 1000, "health_start_interval": 0.02, "health_interval": 1000}
        made = containers.start(IMAGE, FOREVER, name="up", health_cmd=IF_READY, health_retries=1, **patient)
        until(lambda: len(health(containers, "up")["Log"]) == 5)
        assert made.reload().health == "starting"
        assert health(containers, "up")["FailingStreak"] == 0
        made.exec(["touch", "/ready"])
        made.wait_healthy(timeout=20)

    def test_a_check_that_cannot_be_executed_fails(self, containers: Containers) -> None:
        made = containers.start(IMAGE, FOREVER, name="up", health_cmd=["no-such"], **OFTEN)
        until(lambda: made.reload().health == "unhealthy")
        entry = health(containers, "up")["Log"][0]
        assert entry["ExitCode"] == -1
        assert "not found" in entry["Output"]

    def test_waiting_for_health_ends_when_there_is_no_hope(self, containers: Containers) -> None:
        with pytest.raises(Conflict, match="no health check"):
            containers.start(IMAGE, FOREVER).wait_healthy()
        with pytest.raises(Conflict, match="not ready"):
            containers.start(IMAGE, FOREVER, health_cmd=IF_READY, **OFTEN).wait_healthy()
        with pytest.raises(Conflict, match="exited"):
            containers.start(IMAGE, ["true"], health_cmd="true").wait_healthy()
        with pytest.raises(TimedOut):
            containers.start(IMAGE, FOREVER, health_cmd="true").wait_healthy(timeout=0.05)


def told(engine: Engine, since: float) -> list[str]:
    actions = [event.action for event in engine.backend.events(since=since)]
    return [action.removeprefix("health_status: ") for action in actions if "health" in action]


# what must not harm


class TestHostileChecks:
    pytestmark = container

    def test_output_without_end_is_cut(self, containers: Containers) -> None:
        flood = "yes & head -c 9000000 /dev/zero | tr '\\0' x"
        made = containers.start(IMAGE, FOREVER, name="up", health_cmd=flood, **OFTEN)
        made.wait_healthy(timeout=20)
        assert len(health(containers, "up")["Log"][0]["Output"]) == 4096 + len("...")
        monitor = parent_of(made.pid)
        assert resident_bytes(monitor) < 64 << 20

    def test_a_check_that_takes_too_long_is_killed_with_its_children(self, containers: Containers) -> None:
        slow = {"health_timeout": 0.3, **OFTEN}
        made = containers.start(
            IMAGE, FOREVER, name="up", health_cmd="echo begun; sleep 2000 & sleep 2001; :", **slow
        )
        until(lambda: made.reload().health == "unhealthy")
        said = "the health check took longer than 0.3 s: begun\n"
        until(lambda: (-1, said) in [(each["ExitCode"], each["Output"]) for each in log_of(containers, "up")])
        made.pause()
        made.unpause()  # no check begins while this is looked at
        until(lambda: sum("sleep 200" in each.command for each in made.top().rows) <= 3)

    def test_the_monitor_goes_on_during_a_check(self, containers: Containers) -> None:
        script = ["sh", "-c", "echo a; until test -e /end; do sleep 0.01; done; echo b; exit 7"]
        made = containers.start(
            IMAGE, script, name="up", health_cmd="touch /begun; sleep 1000", health_interval=0.02
        )
        until(lambda: made.exec(["test", "-e", "/begun"]).exit_code == 0)
        made.exec(["touch", "/end"])
        assert made.wait(timeout=20).exit_code == 7
        assert made.logs().stdout == "a\nb\n"

    def test_a_killed_probe_is_a_failed_check(self, containers: Containers) -> None:
        made = containers.start(
            IMAGE, FOREVER, name="up", health_cmd="test -e /ready || sleep 1000", health_interval=0.02
        )
        monitor = parent_of(made.pid)
        probe = until(lambda: next((pid for pid in children(monitor) if pid != made.pid), 0))
        os.kill(probe, signal.SIGKILL)
        until(lambda: health(containers, "up")["Log"])
        assert health(containers, "up")["Log"][0]["ExitCode"] == -1
        assert "killed" in health(containers, "up")["Log"][0]["Output"]
        made.exec(["touch", "/ready"])
        until(lambda: [os.kill(pid, 9) for pid in children(monitor) if pid != made.pid] or True)
        made.wait_healthy(timeout=20)

    def test_a_killed_monitor_takes_its_probe_along(self, containers: Containers) -> None:
        made = containers.start(IMAGE, FOREVER, name="up", health_cmd="sleep 1000", health_interval=0.02)
        monitor = parent_of(made.pid)
        probe = until(lambda: next((pid for pid in children(monitor) if pid != made.pid), 0))
        program = until(lambda: next(iter(children(probe)), 0))
        os.kill(monitor, signal.SIGKILL)
        until(lambda: not any(is_there(pid) for pid in (probe, program, made.pid)))
        until(lambda: made.reload().status == "dead")
        assert made.health == "unhealthy"

    def test_a_paused_container_is_not_checked(self, containers: Containers) -> None:
        often = {"health_interval": 0.02, "health_retries": 1000, "health_timeout": 0.2}
        made = containers.start(IMAGE, FOREVER, name="up", health_cmd="true", **often)
        made.wait_healthy(timeout=20)
        made.pause()  # perhaps in the middle of a check
        before = health(containers, "up")["Log"][-1]
        monitor = parent_of(made.pid)
        turns = turns_of(monitor) + 5
        until(lambda: turns_of(monitor) > turns)
        assert health(containers, "up")["Log"][-1] == before
        assert made.reload().health == "healthy"
        made.unpause()
        until(lambda: health(containers, "up")["Log"][-1] != before)
        assert made.reload().health == "healthy"

    def test_a_restart_begins_anew(self, containers: Containers) -> None:
        made = containers.start(
            IMAGE, ["sleep", "1000"], name="up", health_cmd=IF_READY, restart="always", **OFTEN
        )
        until(lambda: made.reload().health == "unhealthy")
        made.exec(["touch", "/ready"])
        os.kill(made.pid, signal.SIGKILL)
        until(lambda: made.reload().status == "running" and made.info.detail["restarts"] == 1)
        made.wait_healthy(timeout=20)
        assert made.reload().status == "running"
        assert containers.inspect("up")[0]["RestartCount"] == 1

    def test_a_container_that_ends_in_a_check_is_removed(
        self, engine: Engine, containers: Containers
    ) -> None:
        options = {"health_cmd": "touch /shared/begun; sleep 1000", "health_interval": 0.01}
        script = "until test -e /shared/begun; do sleep 0.01; done; exit 3"
        result = containers.run(
            IMAGE, ["sh", "-c", script], tmpfs=["/shared"], rm=True, timeout=20, **options
        )
        assert result.exit_code == 3
        assert not containers.list(all=True).rows

    @pytest.mark.system("runc")
    def test_containers_of_other_runtimes_are_checked_too(self, containers: Containers) -> None:
        made = containers.start(IMAGE, FOREVER, runtime="runc", health_cmd="echo $$; id -u", **OFTEN)
        made.wait_healthy(timeout=20)
        made.stop(timeout=0.01)


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.system("busybox-static")
def test_everybody_has_health_checks(anyone: User) -> None:
    environment = {**anyone.environment, "CONTAINERLAB_HOME": str(anyone.home / "health-home")}
    conlab = functools.partial(anyone.conlab, env=environment)
    archive = anyone.home / "root.tar"
    archive.write_bytes(root_archive(FILES))
    archive.chmod(0o644)
    assert conlab("import", str(archive), IMAGE).returncode == 0
    words = ("--health-cmd", "id -u", "--health-interval", "20ms")
    started = conlab("run", "-d", "--name", "up", *words, IMAGE, "sleep", "1000")
    assert started.returncode == 0, started.stderr
    try:
        until(lambda: "(healthy)" in conlab("ps").stdout)
    finally:
        conlab("rm", "-f", "up")


def parent_of(pid: int) -> int:
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text[text.rindex(")") + 2 :].split()[1])


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_there(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text[text.rindex(")") + 2] not in "ZX"


def turns_of(pid: int) -> int:
    """Return how often a process has gone to sleep: once in each turn of its loop."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
