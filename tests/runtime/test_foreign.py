"""Containers whose processes crun or runc makes, with our store, log and exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, LabError
from tests import busybox
from tests.containers import is_gone, monitor_of, until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    with busybox.engine(base / "foreign") as found:
        yield found


def _run(engine: Engine, runtime: str, *command: str) -> tuple[int, str]:
    """Run a container, or skip with the runtime's own words where it refuses this host's cgroups."""
    try:
        result = engine.containers.run(busybox.NAME, list(command), rm=True, runtime=runtime)
    except LabError as error:
        if "become_runtime" in str(error) and "cgroup" in str(error):
            pytest.skip(str(error))
        raise
    return result.exit_code, str(result.stdout)


@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("crun", marks=pytest.mark.system("crun")),
        pytest.param("runc", marks=pytest.mark.system("runc")),
    ],
)
class TestRuntime:
    def test_output_and_exit_code_pass_through(self, engine: Engine, runtime: str) -> None:
        assert _run(engine, runtime, "sh", "-c", "echo $$ out; exit 3") == (3, "1 out\n")

    def test_missing_program_keeps_its_exit_code(self, engine: Engine, runtime: str) -> None:
        _run(engine, runtime, "true")
        with pytest.raises(LabError, match="not found") as caught:
            _run(engine, runtime, "nothing-of-this-name")
        assert getattr(caught.value, "exit_code", 0) == 127

    def test_exec_enters_and_stop_ends_it(self, engine: Engine, runtime: str) -> None:
        _run(engine, runtime, "true")
        container = engine.containers.start(busybox.NAME, ["sleep", "60"], runtime=runtime)
        try:
            assert container.exec(["cat", "/proc/1/cmdline"]).stdout == "sleep\x0060\x00"
            container.stop(timeout=0)
            assert container.status == "exited"
        finally:
            container.remove(force=True)


class Conlab(NamedTuple):
    """The command line in a mount namespace of its own; containers' cgroups are below one of their own."""

    home: str
    runtime: str
    parent: str

    def __call__(self, verb: str, *words: str) -> str:
        """Run a command; return what it prints."""
        hide = "for file in /sys/fs/cgroup/unified/cgroup.controllers; do "
        hide += '[ -e $file ] && mount --bind /dev/null $file; done; exec "$@"'
        if verb == "run":
            words = ("--runtime", self.runtime, "--cgroup-parent", self.parent, *words)
        command = [
            "unshare",
            "-m",
            "sh",
            "-c",
            hide,
            "sh",
            sys.executable,
            "-m",
            "containerlab",
            verb,
            *words,
        ]
        return subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "CONTAINERLAB_HOME": self.home},
        ).stdout

    def cgroups(self) -> list[str]:
        """Return every directory that is left of the containers, in whichever hierarchy."""
        return [path for path, _, _ in os.walk("/sys/fs/cgroup") if self.parent in path]


@pytest.fixture(params=["crun", "runc"])
def accepted(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Conlab]:
    """Yield a way to use another runtime where it does not see the v2 controllers, which crun 1.8 refuses."""
    parent = f"conlab-test-{os.getpid()}"
    yield Conlab(str(engine.backend.home.root), request.param, parent)
    for container in engine.containers.list(all=True):
        container.remove(force=True)


@pytest.mark.system("crun", "runc")
class TestCgroups:
    def test_none_is_left_in_any_hierarchy(self, accepted: Conlab) -> None:
        assert accepted("run", "--rm", busybox.NAME, "echo", "hi") == "hi\n"
        assert accepted.cgroups() == []

    def test_none_is_left_by_a_killed_monitor(self, accepted: Conlab, engine: Engine) -> None:
        accepted("run", "-d", "--name", "victim", busybox.NAME, "sleep", "1000")
        found = engine.containers.info("victim")
        assert accepted.cgroups()
        os.kill(monitor_of(found.detail["directory"]), signal.SIGKILL)
        until(lambda: engine.containers.info("victim").status == "dead")
        assert accepted.cgroups() == []
        assert is_gone(found.pid)


def test_unknown_runtime_is_refused_with_what_is_here(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="containerlab"):
        engine.containers.run(busybox.NAME, ["true"], rm=True, runtime="nothing")
    assert len(engine.containers.list(all=True)) == 0
