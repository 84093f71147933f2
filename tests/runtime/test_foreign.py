"""Containers whose processes crun or runc makes, with our store, log and exit code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, LabError
from tests import busybox

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


def test_unknown_runtime_is_refused_with_what_is_here(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="containerlab"):
        engine.containers.run(busybox.NAME, ["true"], rm=True, runtime="nothing")
    assert len(engine.containers.list(all=True)) == 0
