"""What somebody sees who uses %container in JupyterLab."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import busybox
from tests.browser.conftest import NARROW, WIDE, Open
from tests.browser.jupyter import DARK, LIGHT, PATIENCE_MS, Lab, Notebook
from tests.users import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from containerlab.engine.engine import Engine

pytestmark = [
    *(pytest.mark.browser, pytest.mark.slow, pytest.mark.root, pytest.mark.timeout(300)),
    pytest.mark.system("busybox-static"),
]
IMAGE = busybox.NAME


def _see(notebook: Notebook, number: int, text: str) -> None:
    """Wait until a cell shows something."""
    notebook.output(number).get_by_text(text).first.wait_for(timeout=PATIENCE_MS)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_everything_can_be_read(notebook: Open, engine: Engine, theme: str, width: int) -> None:
    words = "ps -a,images,stats,info,doctor,ns,caps shown,cgroup shown,inspect shown,diff shown,logs shown"
    lines = [*words.split(","), f"history {IMAGE}", "events --since 1h", f"run --rm {IMAGE} echo hi"]
    lines.append(f"explain 'run --memory 64m {IMAGE} true'")
    with engine.containers.start(IMAGE, ["sleep", "1000"], name="shown", memory="64m") as shown:
        seen = notebook(*(f"%container {line}" for line in lines), theme=theme, width=width)
        seen.run_all()
        seen.wait_until_done()
    assert seen.errors() == []
    assert seen.faint_texts() == []
    assert not seen.is_wider_than_its_window()
    assert seen.output(1).get_by_role("columnheader").all_inner_texts()[0] == "container id"
    assert seen.output(1).get_by_role("rowheader").all_inner_texts()[0] in shown.id


def test_output_comes_while_the_program_runs(notebook: Open, base: Path) -> None:
    signals = base / "signals"
    signals.mkdir()
    script = "echo first; while ! test -e /signals/go; do sleep 0.1; done; echo second"
    seen = notebook(f"%container run --rm -v {signals}:/signals {IMAGE} sh -c '{script}'")
    seen.run_all()
    _see(seen, 1, "first")
    assert "second" not in seen.output(1).inner_text()
    (signals / "go").touch()
    _see(seen, 1, "second")
    _see(seen, 1, "exit 0")


def test_stop_button_ends_the_container_and_run_all(notebook: Open, engine: Engine) -> None:
    script = 'trap "echo bye; exit 5" TERM; echo ready; while :; do sleep 0.1; done'
    seen = notebook(f"%container run --rm {IMAGE} sh -c '{script}'", "print('went on')")
    seen.run_all()
    _see(seen, 1, "ready")
    seen.stop()
    _see(seen, 1, "Interrupted")
    seen.wait_until_idle()
    (error,) = seen.errors()
    assert len(error.splitlines()) == 2
    assert re.match(r"Interrupted: stopped after .* \(SIGTERM, exit 5\)", error)
    assert "ready\nbye" in seen.output(1).inner_text()
    assert seen.cell(2).locator(".jp-OutputArea-output").count() == 0
    assert len(engine.containers.list(all=True)) == 0


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_build_is_seen_while_it_runs(notebook: Open, engine: Engine, theme: str) -> None:
    lines = [f"FROM {IMAGE} AS Part", "RUN echo first step", "RUN echo going on; sleep 1000"]
    seen = notebook("\n".join(["%%container build --no-cache", *lines]), "print('went on')", theme=theme)
    seen.run_all()
    _see(seen, 1, "going on")
    states = seen.output(1).get_by_role("rowheader")
    assert [text.split()[-1] for text in states.all_inner_texts()] == ["cached", "done", "running"]
    assert (
        seen.output(1).get_by_role("progressbar").get_attribute("aria-label").startswith("building · 2 of 3")
    )
    assert seen.faint_texts() == []
    seen.stop()
    _see(seen, 1, "Interrupted: stopped build")
    seen.wait_until_idle()
    assert [text.split()[-1] for text in states.all_inner_texts()] == ["cached", "done", "canceled"]
    assert len(engine.containers.list(all=True)) == 0
    assert seen.cell(2).locator(".jp-OutputArea-output").count() == 0


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("%container ru", "run"),
        ("%container run --memory-s", "--memory-swappiness"),
        ("x = %container run test/", f"{IMAGE}:latest"),
        ("%container logs fi", "findme"),
    ],
)
def test_tab_offers_what_may_come_next(notebook: Open, engine: Engine, typed: str, offered: str) -> None:
    with engine.containers.create(IMAGE, ["true"], name="findme"):
        seen = notebook("")
        seen.run_all()
        seen.wait_until_done()
        seen.type(1, typed)
        seen.page.keyboard.press("Tab")
        # The only way to go on is filled in at once, several are offered in a list.
        seen.page.locator(".cm-content, .jp-Completer-item").filter(has_text=offered).first.wait_for()


def test_errors_are_two_lines(notebook: Open) -> None:
    seen = notebook(f"%container run --memry 64m {IMAGE} true")
    seen.run_all()
    _see(seen, 1, "no such option")
    assert seen.output(1).inner_text().splitlines() == [
        "run: no such option: --memry (did you mean --memory?)",
        "  usage: %container run [OPTIONS] IMAGE [COMMAND [ARG...]]",
    ]
    assert len(seen.errors()) == 1


@pytest.mark.parametrize(
    "name", [path.name for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb"))], ids=str
)
def test_notebooks_run_by_run_all(lab: Lab, browser: Browser, name: str) -> None:
    content = json.loads((REPOSITORY / "notebooks" / name).read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    (lab.directory / name).write_text(json.dumps(content))
    page = browser.new_page(viewport={"width": WIDE, "height": 1000})
    seen = Notebook.open(lab, page, name, DARK)
    seen.run_all()
    seen.wait_until_done()
    assert seen.errors() == []
    assert seen.faint_texts() == []
    assert not seen.is_wider_than_its_window()
    page.close()
    lab.end_kernels()
