"""A build as JSON, one object a line, with the fields that BuildKit's clients know.

Source: moby/buildkit client/graph.go, SolveStatus; `docker buildx build --progress rawjson`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Sequence
from typing import Any, TextIO

from containerlab.views.build.display import Finding, Step

__all__ = ["RawJsonDisplay"]

_STREAMS = {"stdout": 1, "stderr": 2}


class RawJsonDisplay:
    """Steps are vertexes, named by a digest; moments are UTC, data is base64."""

    def __init__(self, stream: TextIO, dockerfile: str = "Dockerfile") -> None:
        self._stream = stream
        self._dockerfile = dockerfile
        self._began_at = time.time()
        self._vertexes: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def planned(self, steps: Sequence[Step]) -> None:
        digests = {step.id: _digest(step) for step in steps}
        for step in steps:
            inputs = [digests[each] for each in step.inputs if each in digests]
            vertex = {"digest": digests[step.id], "inputs": inputs, "name": step.name}
            self._vertexes[step.id] = {name: value for name, value in vertex.items() if value}
        self._write("vertexes", *self._vertexes.values())

    def started(self, step: int, time_s: float) -> None:
        self._vertexes[step]["started"] = self._moment(time_s)
        self._write("vertexes", self._vertexes[step])

    def output(self, step: int, stream: str, data: bytes, time_s: float) -> None:
        vertex, moment = self._vertexes[step]["digest"], self._moment(time_s)
        encoded = base64.b64encode(data).decode("ascii")
        self._write(
            "logs", {"vertex": vertex, "stream": _STREAMS[stream], "data": encoded, "timestamp": moment}
        )

    def finished(self, step: int, status: str, time_s: float, error: str) -> None:
        vertex = self._vertexes[step]
        if status == "canceled" and "started" not in vertex:
            return
        moment = self._moment(time_s)
        vertex.setdefault("started", moment)
        vertex["completed"] = moment
        if status == "cached":
            vertex["cached"] = True
        if error or status == "canceled":
            vertex["error"] = error or "context canceled"
        self._write("vertexes", vertex)

    def warned(self, finding: Finding) -> None:
        place = {"line": finding.line}
        self._write(
            "warnings",
            {
                "level": 1,
                "short": _encoded(f"{finding.rule}: {finding.message} (line {finding.line})"),
                "detail": [_encoded(finding.text)] if finding.text else [],
                "url": finding.url,
                "sourceInfo": {"filename": self._dockerfile},
                "range": [{"start": place, "end": place}] if finding.line else [],
            },
        )

    def open(self) -> None:
        """Nothing is written before something happens."""

    def close(self) -> None:
        """All is written already."""

    def _moment(self, time_s: float) -> str:
        """Write a moment as Go does. Source: RFC 3339."""
        moment = self._began_at + time_s
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(moment))}.{int(moment % 1 * 1e9):09}Z"

    def _write(self, kind: str, *items: dict[str, Any]) -> None:
        if items:
            with self._lock:
                self._stream.write(f"{json.dumps({kind: items})}\n")
                self._stream.flush()


def _digest(step: Step) -> str:
    return f"sha256:{hashlib.sha256(f'{step.id} {step.name}'.encode()).hexdigest()}"


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
