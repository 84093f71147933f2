"""A Jupyter kernel of our own, and what its cells give."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests import busybox

__all__ = ["Cell", "Notebook"]


class Cell(NamedTuple):
    """What a cell gave: texts by kind of output, in order."""

    outputs: list[tuple[str, Any]]

    def streamed(self, name: str = "stdout") -> str:
        return "".join(
            content["text"] for kind, content in self.outputs if kind == "stream" and content["name"] == name
        )

    @property
    def value(self) -> str:
        return "".join(
            content["data"]["text/plain"] for kind, content in self.outputs if kind == "execute_result"
        )

    @property
    def error(self) -> list[str]:
        return [line for kind, content in self.outputs if kind == "error" for line in content["traceback"]]


class Notebook:
    def __init__(self, home: Path) -> None:
        from jupyter_client.manager import start_new_kernel

        environment = {**os.environ, "CONTAINERLAB_HOME": str(home)}
        self.manager, self.client = start_new_kernel(kernel_name="python3", env=environment)

    @classmethod
    def with_magics(cls, home: Path) -> Notebook:
        """Start a kernel whose home has the usual test image, and which has the magics."""
        busybox.engine(home).close()
        found = cls(home)
        found.run("%load_ext containerlab")
        return found

    def run_answering(self, code: str, *answers: str) -> tuple[Cell, list[str]]:
        """Run a cell that asks for something; return what it gave, and each question, secrets as `***`."""
        left, asked = list(answers), list[str]()
        outputs: list[tuple[str, Any]] = []

        def answer(message: dict[str, Any]) -> None:
            asked.append(message["content"]["prompt"] + "***" * message["content"]["password"])
            self.client.input(left.pop(0))

        def note(message: dict[str, Any]) -> None:
            outputs.append((message["msg_type"], message["content"]))

        self.client.execute_interactive(
            code, allow_stdin=True, stdin_hook=answer, output_hook=note, timeout=60
        )
        return Cell(outputs), asked

    def run(self, code: str, interrupt_at: str = "") -> Cell:
        """Run a cell; press the stop button when its output has come to `interrupt_at`."""
        message_id = self.client.execute(code, allow_stdin=False)
        outputs: list[tuple[str, Any]] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return Cell(outputs)
            if kind in ("stream", "error", "execute_result", "display_data"):
                outputs.append((kind, content))
            if interrupt_at and interrupt_at in Cell(outputs).streamed():
                self.manager.interrupt_kernel()
                interrupt_at = ""
        raise TimeoutError(code)

    def complete(self, code: str) -> list[str]:
        reply = self.client.complete(code, reply=True, timeout=30)["content"]
        start = reply["cursor_start"]
        return [code[:start] + match for match in reply["matches"]]

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
