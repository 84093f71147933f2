"""One JupyterLab and one chromium for the module that looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import busybox, system_packages
from tests.browser import jupyter
from tests.needs import require_packages

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from containerlab.engine.engine import Engine

LIST = Path(__file__).parent / "system-packages.txt"
WIDE, NARROW = 1280, 700

Open = Callable[..., jupyter.Notebook]


@pytest.fixture(scope="module", autouse=True)
def _programs() -> None:
    require_packages(system_packages.missing(LIST))


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    """The engine whose home the kernels use too."""
    found = busybox.engine(base / "browser-home")
    yield found
    for container in found.containers.list(all=True):
        container.remove(force=True)
    found.close()


@pytest.fixture(scope="module")
def lab(base: Path, engine: Engine) -> Iterator[jupyter.Lab]:
    with jupyter.lab(base / "jupyter", base / "browser-home") as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with jupyter.browser() as running:
        yield running


@pytest.fixture
def notebook(lab: jupyter.Lab, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open a notebook with these cells, after one that loads the extension."""
    context = browser.new_context(viewport={"width": WIDE, "height": 1000})

    def open_(*cells: str, theme: str = jupyter.LIGHT, width: int = WIDE) -> jupyter.Notebook:
        name = f"{request.node.name}-{width}.ipynb".replace("/", "-").replace(" ", "-")
        lab.write(name, ["%load_ext containerlab", *cells])
        page = context.new_page()
        page.set_viewport_size({"width": width, "height": 1000})
        return jupyter.Notebook.open(lab, page, name, theme)

    yield open_
    context.close()
    lab.end_kernels()
