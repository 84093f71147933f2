"""A browser without scripts: follows links, sends forms, keeps cookies."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import msgspec
import uvicorn

from containerlab.distribution.server.registry import Registry
from containerlab.distribution.server.serving import app
from containerlab.oci.image import Descriptor
from tests.distribution.server.grounds import PASSWORD, basic
from tests.image_layouts import Layout

__all__ = ["Answer", "Visitor", "push", "served"]


@contextmanager
def served(registry: Registry) -> Iterator[str]:
    """Serve a registry as its process does, in a thread, and give the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app.create(registry), log_level="critical", lifespan="off", loop="asyncio")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self) -> str:
        """The page as it is written."""
        return self.body.decode()

    @property
    def words(self) -> str:
        """What is to be read on it."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text.replace("<wbr>", ""))).split())

    @property
    def location(self) -> str:
        return self.headers["Location"] or ""

    @property
    def elements(self) -> list[tuple[str, dict[str, str]]]:
        """All start tags with their attributes."""
        reader = _Reader()
        reader.feed(self.text)
        return reader.found

    @property
    def token(self) -> str:
        """What forms of this page bring along."""
        return next(
            attributes["value"] for name, attributes in self.elements if attributes.get("name") == "csrf"
        )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


class Visitor:
    """Somebody with a browser."""

    def __init__(self, site: str) -> None:
        self.host = urlsplit(site).netloc
        self.cookies: SimpleCookie = SimpleCookie()

    def get(self, path: str, headers: Mapping[str, str] = {}) -> Answer:
        """Open a page; a redirection is not followed."""
        return self.send("GET", path, b"", headers)

    def post(self, path: str, token: str | None = None, **fields: str) -> Answer:
        """Send a form; its token is taken from the page where `login` would be, unless one is given."""
        fields = {"csrf": self.token() if token is None else token, **fields}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, urlencode(fields).encode(), headers)

    def token(self) -> str:
        """Return the token of this visitor's forms."""
        return self.get("/ui/login").token if not self.is_signed_in else self.get("/ui/").token

    @property
    def is_signed_in(self) -> bool:
        return "Sign out" in self.get("/ui/").words

    def signed_in(self, name: str, password: str = PASSWORD) -> Visitor:
        """Sign in."""
        answer = self.post("/ui/login", name=name, password=password)
        assert answer.status == 303, answer.words
        return self

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] = {}) -> Answer:
        """Send any request."""
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.request(method, path, body, {**({"Cookie": cookies} if cookies else {}), **headers})
            answer = connection.getresponse()
            found = Answer(answer.status, answer.msg, answer.read())
        finally:
            connection.close()
        for line in found.headers.get_all("Set-Cookie") or ():
            self._keep(SimpleCookie(line))
        return found

    def _keep(self, cookies: SimpleCookie) -> None:
        for name, morsel in cookies.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value


def push(site: str, layout: Layout, image: Descriptor, name: str, tag: str = "") -> None:
    """Push an image or an index with all it needs, as the administrator."""
    document = json.loads(layout.read(image.digest))
    for child in document.get("manifests", ()):
        push(site, layout, msgspec.convert(child, Descriptor), name)
    for blob in filter(None, [document.get("config"), *document.get("layers", ())]):
        digest = blob["digest"]
        _send(site, "POST", f"/v2/{name}/blobs/uploads/?digest={digest}", layout.read(digest))
    _send(
        site,
        "PUT",
        f"/v2/{name}/manifests/{tag or image.digest}",
        layout.read(image.digest),
        image.media_type,
    )


def _send(
    site: str, method: str, path: str, body: bytes, media_type: str = "application/octet-stream"
) -> None:
    headers = {"Authorization": basic("admin", PASSWORD), "Content-Type": media_type}
    answer = Visitor(site).send(method, path, body, headers)
    assert answer.status == 201, answer.text
