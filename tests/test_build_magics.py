"""%%container build and %%container layer in a real kernel."""

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
    with closing(Notebook.with_magics(base / "build-magics")) as found:
        yield found


def test_cell_is_a_dockerfile(notebook: Notebook) -> None:
    cell = notebook.run(f"%%container build -t test/cell\nFROM {IMAGE}\nRUN echo hi > /hi")
    kinds = [kind for kind, _ in cell.outputs]
    assert kinds == ["display_data", "execute_result"]
    assert cell.outputs[0][1]["data"]["text/plain"].splitlines()[0].startswith("built · 3 steps")
    assert cell.value.startswith("test/cell · built in")
    assert notebook.run("%container run --rm test/cell cat /hi").streamed() == "hi\n"


def test_failed_build_shows_its_log_and_a_short_error(notebook: Notebook) -> None:
    cell = notebook.run(f"%%container build\nFROM {IMAGE}\nRUN echo oh; exit 3")
    assert "failed" in cell.outputs[0][1]["data"]["text/html"]
    assert "exit code 3" in cell.error[0]
    assert "Traceback" not in str(cell.outputs)


def test_build_that_cannot_begin_shows_only_why(notebook: Notebook) -> None:
    cell = notebook.run("%%container build\nFROM no/such/image\nRUN true")
    assert [kind for kind, _ in cell.outputs] == ["error"]
    assert "no such image" in cell.error[0]


def test_image_grows_cell_by_cell(notebook: Notebook) -> None:
    notebook.run(f"%%container layer -t test/grown --from {IMAGE} --progress quiet\nRUN echo 1 > /one")
    notebook.run("%%container layer -t test/grown --progress quiet\nRUN echo 2 > /two")
    assert notebook.run("%container run --rm test/grown cat /one /two").streamed() == "1\n2\n"
    shown = notebook.run("%container dockerfile test/grown").value
    assert shown == f"FROM {IMAGE}\nRUN echo 1 > /one\n\nRUN echo 2 > /two\n"
    assert "layer needs a cell" in notebook.run("%container layer -t test/grown").error[0]
    assert "ps does not read a cell" in notebook.run("%%container ps\nx").error[0]


def test_where_nobody_looks_on_there_is_no_progress(notebook: Notebook) -> None:
    code = (
        "from containerlab.views.progress import Bar, notebook_canvas\nbar = Bar('x', 2, notebook_canvas())"
    )
    code += "\nbar._next_draw = 0\nbar.update(1)\ntype(bar._canvas).__name__"
    cell = notebook.run(code)
    assert [kind for kind, _ in cell.outputs] == ["execute_result"]
