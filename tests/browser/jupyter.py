"""A JupyterLab of our own, and a notebook in it as its user sees it through chromium."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.request import ProxyHandler, Request, build_opener

from tests.browser.sight import faint_texts

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

__all__ = ["DARK", "LIGHT", "Lab", "Notebook", "browser", "lab"]

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PATIENCE_MS = 60_000
_PANEL = "[...window.jupyterapp.shell.widgets('main')].find(w => w.context && w.content && w.content.widgets)"
_IS_IDLE = f"""() => {{
  const kernel = window.jupyterapp && {_PANEL}?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
}}"""
_IS_DONE = f"""() => {{
  const panel = {_PANEL};
  const cells = panel.content.widgets.filter(
    cell => cell.model.type === 'code' && cell.model.sharedModel.source.trim());
  const failed = cells.some(
    cell => cell.model.outputs.toJSON().some(output => output.output_type === 'error'));
  return (failed || cells.every(cell => cell.model.executionCount !== null))
    && panel.sessionContext.session.kernel.status === 'idle';
}}"""
_ERRORS = f"""() => {_PANEL}.content.widgets
  .filter(cell => cell.model.type === 'code').flatMap(cell => cell.model.outputs.toJSON())
  .filter(output => output.output_type === 'error').map(output => output.traceback.join('\\n'))"""
_IS_TOO_WIDE = """() => [document.documentElement, document.querySelector('.jp-WindowedPanel-outer')]
  .some(element => element.scrollWidth > element.clientWidth + 1)"""
_open = build_opener(ProxyHandler({})).open
"""Whatever proxy the environment names, our own server is not behind it."""


class Lab(NamedTuple):
    """A server that runs."""

    address: str
    token: str
    directory: Path

    def write(self, name: str, cells: list[str]) -> None:
        """Put a notebook with these cells where the server finds it."""
        (self.directory / name).write_text(json.dumps(_notebook(cells)))

    def end_kernels(self) -> None:
        """End what the notebooks that were open ran in."""
        address = f"{self.address}/api/sessions"
        for session in json.load(_open(f"{address}?token={self.token}")):
            _open(Request(f"{address}/{session['id']}?token={self.token}", method="DELETE")).close()


def _notebook(cells: list[str]) -> dict[str, Any]:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": source,
            }
            for number, source in enumerate(cells)
        ],
    }


@contextlib.contextmanager
def lab(directory: Path, home: Path) -> Iterator[Lab]:
    """Start a server whose settings, kernels' files and containers all rest below these directories."""
    notebooks = directory / "notebooks"
    notebooks.mkdir(parents=True)
    _quieten(directory / "config")
    token, port = secrets.token_hex(16), _free_port()
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}"),
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = {**os.environ, **_places(directory), "CONTAINERLAB_HOME": str(home)}
    with (
        open(directory / "server.log", "wb") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True) as server,
    ):
        try:
            found = Lab(f"http://127.0.0.1:{port}", token, notebooks)
            _wait_for(found, server, directory / "server.log")
            yield found
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE_MS / 1000)


def _places(directory: Path) -> dict[str, str]:
    jupyter = {f"JUPYTER_{kind}_DIR": str(directory / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    return {**jupyter, "IPYTHONDIR": str(directory / "ipython")}


def _quieten(config: Path) -> None:
    """No news and no asking for updates: they cover a corner of the page, and reach into the network."""
    settings = config / "lab/user-settings/@jupyterlab"
    for name, value in {
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
        # Cells outside the window are otherwise not in the page at all.
        "notebook-extension/tracker": '{"windowingMode": "none"}',
    }.items():
        file = settings / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(server: Lab, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            _open(f"{server.address}/api/status?token={server.token}", timeout=2).read()
            return
        time.sleep(0.1)
    raise RuntimeError(f"JupyterLab does not answer:\n{log.read_text()[-2000:]}")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start chromium with a fresh profile."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), headless=True, args=list(FLAGS)
        )
        yield running
        running.close()


class Notebook:
    """An open notebook; its cells are counted from 0."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    def open(cls, server: Lab, page: Page, name: str, theme: str = LIGHT) -> Notebook:
        """Open a notebook, and wait for its kernel."""
        page.set_default_timeout(PATIENCE_MS)
        address = f"{server.address}/lab/tree/{name}?reset&token={server.token}"
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_function(_IS_IDLE)
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
        return cls(page)

    def run_all(self) -> None:
        """Press Run All; does not wait for what it does."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def stop(self) -> None:
        """Press the stop button."""
        self.page.locator("[data-command='notebook:interrupt-kernel']").first.click()

    def wait_until_done(self) -> None:
        """Wait until every cell has run, or one has failed, and the kernel has nothing more to do."""
        self.page.wait_for_function(_IS_DONE)

    def wait_until_idle(self) -> None:
        """Wait until the kernel has nothing more to do, whichever cells have run."""
        self.page.wait_for_function(_IS_IDLE)

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-CodeCell").nth(number)

    def output(self, number: int) -> Locator:
        """All that a cell shows."""
        return self.cell(number).locator(".jp-OutputArea").first

    def errors(self) -> list[str]:
        """Return the errors that cells ended with, as they are shown."""
        found: list[str] = self.page.evaluate(_ERRORS)
        return found

    def type(self, number: int, text: str) -> None:
        """Put the cursor into a cell and type."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.type(text)

    def is_wider_than_its_window(self) -> bool:
        """Say whether the page, or the notebook as a whole, would have to be scrolled sideways."""
        return bool(self.page.evaluate(_IS_TOO_WIDE))

    def faint_texts(self) -> list[str]:
        """Return texts of outputs whose contrast is below 4.5 to 1. Source: WCAG 2.2, 1.4.3."""
        return faint_texts(self.page, ".jp-OutputArea-output")
