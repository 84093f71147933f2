"""An upstream that misbehaves as it is told: a registry of one image over plain HTTP, for one test each."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Literal

from containerlab import errors
from containerlab.oci.image import Descriptor
from tests import http_server
from tests.image_layouts import Layout

__all__ = ["Mischief", "Upstream", "upstream"]

Mischief = Literal[
    "", "wrong bytes", "short", "long", "cut off", "error", "missing", "redirect", "forbidden", "hang"
]
_PATIENCE_S = 30.0


class Upstream:
    """Serves a layout; counts what it was asked."""

    def __init__(self, layout: Layout, tag: str, root: Descriptor) -> None:
        self.layout, self.tag, self.root = layout, tag, root
        self.blobs: Mischief = ""
        self.manifests: Mischief = ""
        self.elsewhere = ""
        self.asked: list[str] = []
        self.tokens: list[str] = []
        self.starts: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.half = threading.Event()
        """A client has got half of a blob."""
        self.host = ""

    def count(self, words: str) -> int:
        return sum(each.startswith(words) for each in self.asked)


@contextlib.contextmanager
def upstream(layout: Layout, tag: str, root: Descriptor, address: str = "127.0.0.1") -> Iterator[Upstream]:
    """Run one."""
    found = Upstream(layout, tag, root)
    with http_server.serving(_handler(found), address) as port:
        found.host = f"{address}:{port}"
        try:
            yield found
        finally:
            found.gate.set()


def _handler(what: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            what.asked.append(f"{self.command} {self.path}")
            what.tokens.append(self.headers.get("Authorization", ""))
            kind, name = self.path.split("/")[-2:] if self.path != "/v2/" else ("", "")
            mischief = what.manifests if kind == "manifests" else what.blobs
            with contextlib.suppress(OSError):
                self._answer(kind, name, mischief)

        def _answer(self, kind: str, name: str, mischief: Mischief) -> None:
            digest = what.root.digest if name == what.tag else name
            if not kind:
                self._send(200, b"{}")
            elif mischief == "hang":
                what.gate.wait(_PATIENCE_S)
            elif mischief in ("error", "missing", "forbidden"):
                self._send({"error": 500, "missing": 404, "forbidden": 403}[mischief], b"{}")
            elif mischief == "redirect":
                self._send(307, b"", Location=f"{what.elsewhere}{self.path}")
            else:
                self._content(digest, mischief)

        def _content(self, digest: str, mischief: Mischief) -> None:
            try:
                data = what.layout.read(digest)
            except (FileNotFoundError, errors.InvalidInput):
                self._send(404, b"{}")
                return
            start = int(self.headers.get("Range", "bytes=0-")[6:-1])
            what.starts.append(start)
            if mischief == "wrong bytes":
                data = bytes(len(data))
            elif mischief == "short":
                data = data[: len(data) // 2]
            elif mischief == "long":
                data += b"more"
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", what.root.media_type)
            self.send_header("Docker-Content-Digest", digest)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if self.command == "HEAD":
                return
            half = (len(data) - start) // 2
            self.wfile.write(data[start : start + half])
            self.wfile.flush()
            what.half.set()
            if mischief == "cut off":
                self.close_connection = True
                return
            what.gate.wait(_PATIENCE_S)
            self.wfile.write(data[start + half :])

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
