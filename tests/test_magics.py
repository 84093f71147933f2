"""%container in a real kernel: streaming, interrupts, errors, names, completion."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import busybox
from tests.kernel import Notebook

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
IMAGE = busybox.NAME


@pytest.fixture(scope="module")
def notebook(base: Path) -> Iterator[Notebook]:
    with closing(Notebook.with_magics(base / "magics")) as found:
        yield found


def test_output_streams_while_the_program_runs(notebook: Notebook) -> None:
    script = "echo first; while ! test -e /tmp/go; do sleep 0.05; done; echo second"
    notebook.run(f"%container run -d --name streamer {IMAGE} sh -c '{script}'")
    cell = notebook.run(
        "import threading, containerlab as lab\n"
        "container = lab.containers.get('streamer')\n"
        "seen = []\n"
        f"result = lab.run('{IMAGE}', ['sh', '-c', 'echo first; read x; echo second'], input=b'',"
        " sink=lambda stream, chunk: seen.append(chunk), rm=True)\n"
        "seen"
    )
    assert "first" in cell.value
    notebook.run("%container rm -f streamer")


def test_result_is_an_object_with_a_card(notebook: Notebook) -> None:
    cell = notebook.run(f"%container run --rm {IMAGE} echo hi")
    assert cell.streamed() == "hi\n"
    assert cell.value.startswith("exit 0 · ")
    assert [kind for kind, _ in cell.outputs] == ["stream", "execute_result"]
    assert notebook.run(f"x = %container run --rm {IMAGE} echo hi").value == ""
    assert notebook.run("x.stdout").value == "'hi\\n'"
    assert notebook.run("import containerlab; containerlab.last is x").value == "True"


def test_semicolon_silences_and_is_no_argument(notebook: Notebook) -> None:
    cell = notebook.run(f"%container run --rm {IMAGE} echo hi;")
    assert (cell.streamed(), cell.value) == ("hi\n", "")


def test_cell_is_the_programs_standard_input(notebook: Notebook) -> None:
    cell = notebook.run(f"%%container run -o out --rm {IMAGE} sh\necho from the cell\nread x\nmore")
    assert cell.error == []
    assert notebook.run("out.stdout").value == "'from the cell\\n'"


def test_values_of_the_notebook_become_words(notebook: Notebook) -> None:
    cell = notebook.run(
        f"text = 'a  b'\nmany = ['c', 'd']\n%container run --rm {IMAGE} echo {{text}} {{many}} '{{{{x}}}}'"
    )
    assert cell.streamed() == "a  b c d {{x}}\n"


def test_stop_button_asks_first_and_cells_after_it_do_not_run(notebook: Notebook) -> None:
    script = 'trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    cell = notebook.run(
        f"%container run --rm {IMAGE} sh -c '{script}'\nprint('went on')", interrupt_at="ready"
    )
    assert cell.streamed() == "ready\nbye\n"
    assert len(cell.error) == 2
    assert "SIGTERM, exit 5" in cell.error[0]


def test_stop_button_kills_what_does_not_listen(notebook: Notebook) -> None:
    command = f"%container run --rm --stop-timeout 0.2 {IMAGE} sh -c 'echo ready; sleep 1000'"
    assert "SIGKILL, exit 137" in notebook.run(command, interrupt_at="ready").error[0]
    assert notebook.run("len(containerlab.containers.list(all=True))").value == "0"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"run --memry 1 {IMAGE}", "did you mean --memory?"),
        ("run no/such-image", "no such image"),
        (f"run --rm {IMAGE} false", "exit code 1"),
        ("run {no_such_name}", "is not defined"),
        ("rmm", "did you mean"),
        ("df", "did you mean system df?"),
        ("run --memry 1 x", "usage: %container run"),
        (f"run --rm {IMAGE} nosuch", "cannot execute nosuch: executable file not found"),
    ],
)
def test_errors_are_real_and_short(notebook: Notebook, line: str, told: str) -> None:
    cell = notebook.run(f"%container {line}")
    assert 1 <= len(cell.error) <= 2
    assert told in "\n".join(cell.error)
    assert "Traceback" not in str(cell.outputs)


def test_last_words_are_not_said_twice(notebook: Notebook) -> None:
    cell = notebook.run(f"%container run --rm {IMAGE} sh -c 'echo oh >&2; exit 3'")
    assert cell.streamed("stderr") == "oh\n"
    assert cell.error == ["ContainerFailed: 'sh -c echo oh >&2; exit 3' ended with exit code 3"]


@pytest.mark.parametrize("line", ["logs -f talker", "events --follow --since 1h", "attach talker"])
def test_stop_button_ends_watching_and_containers_go_on(notebook: Notebook, line: str) -> None:
    script = "while :; do echo talker; sleep 0.05; done"
    notebook.run(f"%container run -d --name talker {IMAGE} sh -c '{script}'")
    cell = notebook.run(f"%container {line}", interrupt_at="talker")
    assert cell.error == [f"Interrupted: stopped {line.split()[0]}", "  containers go on"]
    assert notebook.run("containerlab.containers.get('talker').status").value == "'running'"
    notebook.run("%container rm -f talker")


def test_names_are_shown_as_names(notebook: Notebook) -> None:
    notebook.run(f"%container create --name one {IMAGE}\n%container create --name two {IMAGE}")
    assert notebook.run("%container start two").value == "two"
    notebook.run("%container wait two")
    assert notebook.run("gone = %container rm one two\ngone").value == "one\ntwo"
    assert notebook.run("gone == ['one', 'two']").value == "True"
    assert "cannot ask" in "".join(notebook.run("%container system prune").error)
    assert notebook.run("%container system prune --force").value == "freed 0 B"


def test_help_is_written_for_a_notebook(notebook: Notebook) -> None:
    shown = notebook.run("%container run --help").streamed()
    assert "usage: %container run" in shown
    assert "conlab" not in shown


def test_failure_is_no_error_when_asked(notebook: Notebook) -> None:
    assert notebook.run(f"%container run --rm --no-check {IMAGE} false").value.startswith("exit 1")


def test_tables_are_objects(notebook: Notebook) -> None:
    cell = notebook.run("%container images")
    assert "text/html" in cell.outputs[0][1]["data"]
    assert (
        notebook.run("t = %container images\nt[0].name, len(t.to_frame())").value == f"('{IMAGE}:latest', 1)"
    )


def test_long_output_is_cut_on_the_screen_only(notebook: Notebook) -> None:
    cell = notebook.run(f"y = %container run --rm {IMAGE} seq 2000")
    assert "\n500\n" in cell.streamed()
    assert "\n1000\n" not in cell.streamed()
    assert "1500 more lines" in cell.streamed()
    assert notebook.run("len(y.stdout.splitlines())").value == "2000"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("%container ru", "%container run"),
        ("%container run --me", "%container run --memory"),
        ("x = %container run --na", "x = %container run --name"),
        ("%%container ex", "%%container exec"),
        ("%container run test/b", f"%container run {IMAGE}:latest"),
        ("%container run test/busy:la", f"%container run {IMAGE}:latest"),
    ],
)
def test_tab_completes(notebook: Notebook, typed: str, expected: str) -> None:
    assert expected in notebook.complete(typed)


def test_unloading_takes_it_away(notebook: Notebook) -> None:
    notebook.run("%unload_ext containerlab")
    try:
        assert "not found" in str(notebook.run("%container ps").outputs)
        assert "%container run --memory" not in notebook.complete("%container run --me")
    finally:
        notebook.run("%load_ext containerlab")
