"""An HTTP server on loopback, and repositories to fetch from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests import http_server

__all__ = ["Server", "commit", "git", "serving"]


class Server:
    """What is served: path → content; `headers` go with each, `said` are the requests with conditions."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.redirects: dict[str, str] = {}
        self.said: list[str] = []
        self.authorizations: list[str | None] = []
        self.folder: Path | None = None
        self.is_cut_off = False

    def content(self, path: str) -> bytes | None:
        if path in self.files:
            return self.files[path]
        place = self.folder / path.lstrip("/") if self.folder else None
        return place.read_bytes() if place and place.is_file() else None


@contextmanager
def serving() -> Iterator[Server]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _answer(self, server)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    with http_server.serving(Handler) as port:
        server = Server(port)
        yield server


def _answer(request: BaseHTTPRequestHandler, server: Server) -> None:
    path = request.path.partition("?")[0]
    asked = [
        request.headers[name] for name in ("If-None-Match", "If-Modified-Since") if request.headers[name]
    ]
    server.said.append(" ".join([path, *asked]))
    server.authorizations.append(request.headers["Authorization"])
    content = server.content(path)
    if path in server.redirects:
        request.send_response(HTTPStatus.FOUND)
        request.send_header("Location", server.redirects[path])
        content = b""
    elif content is None:
        request.send_response(HTTPStatus.NOT_FOUND)
        content = b""
    elif asked and asked[0] in (server.headers.get("ETag"), server.headers.get("Last-Modified")):
        request.send_response(HTTPStatus.NOT_MODIFIED)
        content = b""
    else:
        request.send_response(HTTPStatus.OK)
    for name, value in server.headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2] if server.is_cut_off else content)


def git(folder: Path, *words: str) -> str:
    """Run git in a folder and return what it printed."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    settings = ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, message: str = "all") -> str:
    """Commit all that is in a folder, a repository from then on; return the commit."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    git(folder, "update-server-info")
    return git(folder, "rev-parse", "HEAD")
