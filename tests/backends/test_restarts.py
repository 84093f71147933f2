"""Restart policies: while the machine runs, and over its reboots.

A reboot is made of a kill of all monitors, and of another boot id in the files of the home.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict
from containerlab.linux import locks
from containerlab.runtime.restarts import Backoff
from tests import containers as applets
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
FOREVER = ["sleep", "1000"]
QUICK = ["sh", "-c", "echo x; exit 3"]


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    return base / "restarts"


@pytest.fixture(scope="module")
def engine(home: Path) -> Iterator[Engine]:
    """Yield an engine whose store has the image."""
    with applets.engine(home) as engine:
        yield engine


def restarts(containers: Containers, name: str) -> int:
    return int(containers.inspect(name)[0]["RestartCount"])


def test_backoff_doubles_up_to_a_minute_and_forgets_after_a_steady_run() -> None:
    backoff = Backoff()
    waits = [backoff.after(0.0) for _ in range(12)]
    assert waits[:3] == [0.1, 0.2, 0.4]
    assert waits[-3:] == [51.2, 60.0, 60.0]
    assert [backoff.after(11.0), backoff.after(9.0)] == [0.1, 0.2]


# while the machine runs


def test_a_policy_can_be_taken_from_a_running_container(containers: Containers) -> None:
    made = containers.start(IMAGE, FOREVER, restart="always")
    made.update(restart="no")
    os.kill(made.pid, signal.SIGKILL)
    assert made.wait(timeout=20).exit_code == 137
    assert made.reload().status == "exited"


def test_a_policy_can_be_given_to_a_running_container(containers: Containers) -> None:
    made = containers.start(IMAGE, FOREVER)
    made.update(restart="on-failure:1")
    first = made.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: made.reload().status == "running" and made.pid != first)
    assert restarts(containers, made.id) == 1
    os.kill(made.pid, signal.SIGKILL)
    assert made.wait(timeout=20).exit_code == 137


def test_a_policy_that_is_taken_away_ends_the_waiting(containers: Containers) -> None:
    made = containers.start(IMAGE, QUICK, restart="always")
    until(lambda: made.reload().status == "restarting" and restarts(containers, made.id) > 2)
    made.update(restart="no")
    assert made.wait(timeout=20).exit_code == 3
    assert made.reload().status == "exited"


def test_what_will_start_again_is_never_called_exited(containers: Containers, home: Path) -> None:
    made = containers.start(IMAGE, QUICK, restart="always")
    state = home / "containers" / made.id / "state.json"
    seen = set()
    while (found := json.loads(state.read_bytes()))["restarts"] < 5:
        seen.add(found["status"])
    assert seen <= {"running", "restarting"}
    made.remove(force=True)


def test_a_container_that_is_to_be_removed_gets_no_policy(containers: Containers) -> None:
    made = containers.start(IMAGE, FOREVER, rm=True)
    with pytest.raises(Conflict, match="--rm"):
        made.update(restart="always")


def test_limits_that_were_changed_hold_after_a_restart(containers: Containers) -> None:
    made = containers.start(IMAGE, FOREVER, restart="always", memory="64m")
    made.update(memory="96m")
    first = made.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: made.reload().status == "running" and made.pid != first)
    assert made.stats().memory_limit_bytes == 96 << 20


def test_a_start_again_that_fails_leaves_what_has_ended(containers: Containers) -> None:
    script = ["sh", "-c", "cp /bin/busybox /once; rm -f /bin/busybox; exit 3"]
    made = containers.start(IMAGE, script, restart="always")
    until(lambda: made.reload().info.exit_code == 127)
    assert made.status == "exited"
    assert "find_program" in made.info.error
    assert made.info.started_at


def test_restart_begins_the_count_anew(containers: Containers) -> None:
    made = containers.start(IMAGE, QUICK, restart="always")
    until(lambda: made.reload().status == "restarting" and restarts(containers, made.id) > 2)
    made.restart(timeout=0)
    assert restarts(containers, made.id) <= 2
    made.remove(force=True)


@pytest.mark.parametrize(("policy", "code"), [("on-failure", 0), ("on-failure:1", 3)])
def test_on_failure_ends_by_itself(containers: Containers, policy: str, code: int) -> None:
    made = containers.start(IMAGE, ["sh", "-c", f"exit {code}"], restart=policy)
    assert made.wait(timeout=20).exit_code == code
    assert made.reload().status == "exited"


# over a reboot


def kill_monitors(home: Path, container: str = "*") -> None:
    """Kill those who hold the locks of containers, and wait until nobody does."""
    held = {str(path) for path in home.glob(f"containers/{container}/lock")}
    until(lambda: not any(map(_kill_holders, held)))


def _kill_holders(lock: str) -> bool:
    if is_held := locks.is_held(lock):
        for name in filter(str.isdigit, os.listdir("/proc")):
            if int(name) != os.getpid() and lock in _opened(name):
                with suppress(ProcessLookupError):
                    os.kill(int(name), signal.SIGKILL)
    return is_held


def _opened(name: str) -> Iterator[str]:
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{name}/fd"):
            with suppress(FileNotFoundError):
                yield os.readlink(f"/proc/{name}/fd/{fd}")


def reboot(home: Path) -> None:
    kill_monitors(home)
    for path in home.glob("containers/*/state.json"):
        state = json.loads(path.read_bytes())
        until(lambda state=state: not state.get("pid") or not Path(f"/proc/{state['pid']}/exe").exists())
        path.write_text(json.dumps({**state, "boot": "another"}))
    (home / "boot").write_text("another")


def statuses(engine: Engine) -> dict[str, str]:
    return {each.name: each.status for each in engine.containers.list(all=True)}


def test_after_a_reboot_policies_bring_back_what_is_to_run(
    engine: Engine, containers: Containers, home: Path
) -> None:
    for name, policy in {
        "always": "always",
        "unless": "unless-stopped",
        "failing": "on-failure",
        "never": "no",
        "always-stopped": "always",
        "unless-stopped": "unless-stopped",
    }.items():
        containers.start(IMAGE, FOREVER, name=name, restart=policy)
    containers.create(IMAGE, FOREVER, name="created", restart="always")
    containers.start(IMAGE, FOREVER, name="temporary", rm=True)
    containers.stop("always-stopped", timeout=0)
    containers.stop("unless-stopped", timeout=0)
    reboot(home)
    with Engine(home) as after:
        lying = dict.fromkeys(("always", "unless", "failing", "never"), "dead")
        stopped = dict.fromkeys(("always-stopped", "unless-stopped"), "exited")
        assert statuses(after) == {**lying, **stopped, "created": "created"}
        assert "machine" in after.containers.get("never").info.error
        after.containers.run(IMAGE, ["true"], rm=True)
        running = dict.fromkeys(("always", "unless", "failing", "always-stopped"), "running")
        wanted = {"never": "dead", "unless-stopped": "exited", "created": "created", **running}
        assert statuses(after) == wanted
        assert after.containers.get("always").info.detail["restarts"] == 0
    containers.stop("always", timeout=0)
    with Engine(home) as later:
        later.containers.run(IMAGE, ["true"], rm=True)
        assert statuses(later)["always"] == "exited"


def test_what_waited_for_its_restart_comes_back(engine: Engine, containers: Containers, home: Path) -> None:
    made = containers.start(IMAGE, QUICK, name="again", restart="unless-stopped")
    until(lambda: made.reload().status == "restarting" and restarts(containers, made.id) > 2)
    reboot(home)
    assert made.reload().status == "dead"
    assert made.info.exit_code == 3
    shown = made.logs().stdout
    with Engine(home) as after:
        assert ("again", "started again: --restart unless-stopped") in [*after.system.check()]
    until(lambda: len(made.logs().stdout) > len(shown))


def test_what_ended_with_its_client_does_not_come_back(containers: Containers, home: Path) -> None:
    with suppress(Exception):
        containers.run(IMAGE, FOREVER, name="attached", restart="always", timeout=0.05, stop_timeout=0)
    containers.create(IMAGE, FOREVER, name="bound", restart="always")
    session = containers._backend.start_attached("bound")
    reboot(home)
    with Engine(home) as after:
        after.containers.run(IMAGE, ["true"], rm=True)
        assert statuses(after)["bound"] == "dead"
    session.detach()


def test_the_container_that_is_started_is_started_once(containers: Containers, home: Path) -> None:
    made = containers.start(IMAGE, FOREVER, name="named", restart="always")
    reboot(home)
    with Engine(home) as after:
        after.containers.resume("named")
    assert made.reload().status == "running"


def test_one_that_cannot_come_back_hinders_no_other(containers: Containers, home: Path, base: Path) -> None:
    source = base / "gone-at-boot"
    source.mkdir()
    mount = [f"type=bind,source={source},target=/data"]
    broken = containers.start(IMAGE, FOREVER, name="broken", restart="always", mount=mount)
    made = containers.start(IMAGE, FOREVER, name="whole", restart="always")
    source.rmdir()
    reboot(home)
    with Engine(home) as after:
        done = dict([*after.system.check()])
    assert "could not be started again" in done["broken"]
    assert made.reload().status == "running"
    source.mkdir()
    with Engine(home) as again:
        assert "started again" in dict([*again.system.check()])["broken"]
    assert broken.reload().status == "running"
    broken.remove(force=True)
    source.rmdir()


def test_check_starts_again_what_lost_its_monitor(containers: Containers, home: Path) -> None:
    made = containers.start(IMAGE, FOREVER, name="lost", restart="on-failure")
    before = time.time()
    (home / "boot").unlink(missing_ok=True)
    with Engine(home) as first:
        first.containers.run(IMAGE, ["true"], rm=True)
    kill_monitors(home, made.id)
    until(lambda: made.reload().status == "dead")
    with Engine(home) as engine:
        engine.containers.run(IMAGE, ["true"], rm=True)
        assert made.reload().status == "dead"
        engine.system.check()
    assert made.reload().status == "running"
    assert made.info.started_at > before
