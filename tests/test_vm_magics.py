"""%container vm in a real kernel: output while it runs, the stop button, a kernel that is killed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import kernels, machines
from tests.containers import until
from tests.kernel import Notebook
from tests.machines import IMAGE

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.timeout(200),
    pytest.mark.system(*machines.PACKAGES),
]
RUN = f"%container vm run --rm --tier resume {IMAGE}"


@pytest.fixture(scope="module")
def notebook(base: Path) -> Iterator[Notebook]:
    home = base / "vm-magics"
    with closing(Notebook.with_magics(home)) as found:
        kernels.seed(home)
        found.run("import containerlab as lab")
        yield found


def test_a_result_is_an_object_whose_card_names_the_machine(notebook: Notebook) -> None:
    cell = notebook.run(f"{RUN} echo hi")
    assert cell.streamed() == "hi\n", cell.error
    assert cell.value.startswith("exit 0 · ")
    assert " · vm resume · " in cell.value
    assert " · first output after " in cell.value


def test_a_cell_is_the_programs_standard_input(notebook: Notebook) -> None:
    cell = notebook.run(f"%{RUN.replace(' vm run', ' vm run -o told')} sh\necho from the cell")
    assert cell.error == []
    assert notebook.run("told.stdout, told.tier").value == "('from the cell\\n', 'resume')"


def test_a_program_that_fails_stops_run_all(notebook: Notebook) -> None:
    assert "exit code 1" in notebook.run(f"{RUN} false").error[0]


def test_the_stop_button_asks_and_then_takes_the_power(notebook: Notebook) -> None:
    listens = "trap 'echo bye; exit 5' TERM; echo ready; while true; do sleep 0.1; done"
    asked = notebook.run(f'{RUN} sh -c "{listens}"', interrupt_at="ready")
    assert "SIGTERM, exit 5" in asked.error[0]
    assert asked.streamed() == "ready\nbye\n"
    deaf = "trap '' TERM; echo ready; while true; do sleep 0.1; done"
    line = f'{RUN.replace(" --rm", " --rm --stop-timeout 0.2")} sh -c "{deaf}"'
    assert "SIGKILL, exit 137" in notebook.run(line, interrupt_at="ready").error[0]
    assert notebook.run("len(lab.machines.list(all=True))").value == "0"


def test_names_complete(notebook: Notebook) -> None:
    notebook.run(f"%container vm create --name sleeper {IMAGE} sleep 100")
    assert notebook.complete("%container vm rm sl") == ["%container vm rm sleeper"]
    assert notebook.complete("%container vm run --tier mi") == ["%container vm run --tier microvm"]
    notebook.run("%container vm rm sleeper")


def test_a_killed_kernel_leaves_no_machine(notebook: Notebook, base: Path) -> None:
    script = (
        "import os, signal, containerlab as lab\n"
        "def die(stream, chunk):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        f"lab.machines.run('{IMAGE}', ['sh', '-c', 'echo up; sleep 1000'],"
        " tier='resume', sink=die, name='lost')\n"
    )
    with closing(Notebook(base / "vm-magics")) as other:
        other.client.execute(script, allow_stdin=False)
        until(lambda: not other.manager.is_alive())
    look = "[(each.name, each.status) for each in lab.machines.list(all=True)]"
    until(lambda: notebook.run(look).value == "[('lost', 'exited')]")
    notebook.run("%container vm rm lost")
