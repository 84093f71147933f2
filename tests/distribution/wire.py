"""HTTP as it is: one request, its answer, nothing followed, repeated or made right.

Every answer is held against what all answers of a registry must be; tests say only what is theirs.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, get_args

from containerlab.oci import digest as digests
from containerlab.oci.distribution import Challenge, Code, challenges
from containerlab.oci.image import DOCKER_INDEX, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.registries import Registry

__all__ = ["Answer", "Body", "Client", "Repository", "connected"]

Body = bytes | Sequence[bytes] | None
"""Bytes are sent with their length, a sequence of them chunked."""
_TIMEOUT_S = 60.0
_CODES = frozenset(get_args(Code))
_REPOSITORY = re.compile(r"/v2/(.+)/(?:blobs|manifests|tags|referrers)/")
_TYPES = ", ".join((OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
_ACTIONS = "pull,push,delete"
_WARNING = re.compile(r'299 - "(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Answer:
    """Status, headers (by whatever case), body."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The codes of the errors in the body."""
        return [each["code"] for each in self.json["errors"]]

    def __getitem__(self, header: str) -> str | None:
        return self.headers.get(header)

    def __str__(self) -> str:
        return f"{self.status} {dict(self.headers)} {self.body[:300]!r}"


class Client:
    """Speaks to one registry with one connection for each thread; close it."""

    def __init__(self, registry: Registry, credentials: tuple[str, str] | bool | None = True) -> None:
        """credentials: a user's and its password, None for nobody, True for the registry's own."""
        self.registry = registry
        self.credentials = registry.credentials if credentials is True else credentials or None
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []
        self._tokens: dict[tuple[str, ...], str] = {}

    def __call__(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str | None] = {},
        body: Body = None,
        authorization: str | None = None,
        is_full: bool = False,
    ) -> Answer:
        """Ask; `path` may be a Location. An authorization that is given is sent instead of the usual one.

        Manifests are asked for in all types, as clients do; a header that is None is not sent. is_full: the
        disk is, so that the registry may say that it has no room.
        """
        path = self._local_path(path)
        if authorization is None:
            authorization = self.authorization(path)
        usual = {"Authorization": authorization or None, "Accept": _TYPES if "/manifests/" in path else None}
        sent = {name: value for name, value in {**usual, **headers}.items() if value is not None}
        answer = self._send(method, path, sent, body)
        assert answer.status < 500 or (is_full and answer.status in (503, 507)), str(answer)
        if path.startswith(("/v2/", "/token")):
            self._check(method, path, answer)
        return answer

    def drain(self, path: str) -> tuple[int, str]:
        """Read a blob of any size; return its length and its digest."""
        authorization = self.authorization(path)
        connection = self._connection()
        connection.request("GET", path, headers={"Authorization": authorization} if authorization else {})
        answer, hasher = connection.getresponse(), digests.Hasher("sha256")
        while piece := answer.read(1 << 20):
            hasher.update(piece)
        return hasher.size, hasher.digest()

    def _local_path(self, path: str) -> str:
        """Cut the registry's own address off a Location."""
        base = urllib.parse.urlsplit(self.registry.url)
        found = urllib.parse.urlsplit(path)
        assert found.netloc in ("", base.netloc), f"{path} leads away from {base.netloc}"
        return f"{found.path}?{found.query}" if found.query else found.path

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Body) -> Answer:
        is_chunked = body is not None and not isinstance(body, bytes)
        fields = dict(headers)
        if body is None and method in ("POST", "PUT", "PATCH"):
            fields.setdefault("Content-Length", "0")
        connection = self._connection()
        try:
            try:
                connection.request(
                    method, path, iter(body) if is_chunked else body, fields, encode_chunked=is_chunked
                )
            except (BrokenPipeError, ConnectionResetError):
                if connection.sock is None:
                    raise
                # It may have answered before it hung up.
            found = connection.getresponse()
            answer = Answer(found.status, found.headers, found.read())
        except BaseException:
            connection.close()
            raise
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = connect(self.registry)
            self._open.append(self._local.connection)
        found: http.client.HTTPConnection = self._local.connection
        return found

    def _check(self, method: str, path: str, answer: Answer) -> None:
        """Hold an answer against what all must be."""
        about = f"{method} {path}: {answer.status} {dict(answer.headers)} {answer.body[:300]!r}"
        assert method != "HEAD" or not answer.body, about
        for warning in answer.headers.get_all("Warning") or []:
            assert _WARNING.fullmatch(warning), about
        is_plain = self.registry.kind == "debian" and answer["Content-Type"] == "text/plain; charset=utf-8"
        is_bare = answer.status == 416 and not answer.body  # none of the codes says it
        if answer.status >= 400 and method != "HEAD" and not is_plain and not is_bare:
            assert (answer["Content-Type"] or "").partition(";")[0] == "application/json", about
            errors = answer.json["errors"]
            assert errors, about
            for error in errors:
                assert error["code"] in _CODES, about
                assert error.keys() <= {"code", "message", "detail"}, about
                assert isinstance(error.get("message", ""), str), about

    def authorization(self, path: str) -> str:
        """Return what the registry wants to see in a request for `path`; empty for nothing."""
        if self.registry.auth == "none":
            return ""
        if self.registry.auth == "basic":
            return _basic(self.credentials) if self.credentials else ""
        return f"Bearer {self.token(*_scopes(path))}"

    def token(self, *scopes: str) -> str:
        """Fetch a token, or return the one that was fetched for the same."""
        if scopes not in self._tokens:
            realm = self.challenge()
            pairs = [("service", realm.parameters["service"]), *(("scope", each) for each in scopes)]
            where = f"{realm.parameters['realm']}?{urllib.parse.urlencode(pairs)}"
            headers = {"Authorization": _basic(self.credentials)} if self.credentials else {}
            answer = self._send("GET", self._local_path(where), headers, None)
            assert answer.status == 200, answer
            self._tokens[scopes] = answer.json["token"]
        return self._tokens[scopes]

    def forget_tokens(self) -> None:
        """Fetch new ones from now on."""
        self._tokens.clear()

    def challenge(self) -> Challenge:
        """Return how the registry wants to be asked."""
        answer = self._send("GET", "/v2/", {}, None)
        assert answer.status == 401, answer
        return challenges(answer.headers.get_all("WWW-Authenticate") or [])[0]

    def repository(self, name: str) -> Repository:
        """Return a repository, which need not exist."""
        return Repository(self, name)

    def close(self) -> None:
        """Close all connections; those that are used again open again."""
        for connection in self._open:
            connection.close()


def connect(registry: Registry) -> http.client.HTTPConnection:
    """Return a connection of its own; the caller closes it."""
    address = urllib.parse.urlsplit(registry.url)
    if not registry.authority:
        return http.client.HTTPConnection(address.netloc, timeout=_TIMEOUT_S)
    context = ssl.create_default_context(cafile=registry.authority)
    return http.client.HTTPSConnection(address.netloc, timeout=_TIMEOUT_S, context=context)


@contextmanager
def connected(registry: Registry, credentials: tuple[str, str] | bool | None = True) -> Iterator[Client]:
    """Give a client and close it."""
    client = Client(registry, credentials)
    try:
        yield client
    finally:
        client.close()


def _basic(credentials: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(credentials).encode()).decode()


def _scopes(path: str) -> list[str]:
    """Return what a client asks for before it sends a request for `path`."""
    place, _, query = path.partition("?")
    if place.startswith("/v2/_catalog"):
        return ["registry:catalog:*"]
    if place.startswith("/api/"):
        return ["registry:api:*"]
    match = _REPOSITORY.match(place)
    if not match:
        return []
    sources = urllib.parse.parse_qs(query).get("from", [])
    return [f"repository:{match[1]}:{_ACTIONS}", *(f"repository:{each}:pull" for each in sources)]


class Repository:
    """One repository at a registry: the steps that most tests begin with."""

    def __init__(self, client: Client, name: str) -> None:
        self.client, self.name = client, name

    def __call__(self, method: str, path: str, **options: Any) -> Answer:
        """Ask for a path below the repository: `blobs/…`, `manifests/…`, `tags/list`."""
        return self.client(method, f"/v2/{self.name}/{path}", **options)

    def start(self) -> str:
        """Open an upload session and return its Location."""
        answer = self("POST", "blobs/uploads/")
        assert answer.status == 202, answer
        assert answer["Location"], answer
        return str(answer["Location"])

    def finish(self, location: str, digest: str, body: Body = None, **headers: str) -> Answer:
        """Close an upload session."""
        fields = {"Content-Type": "application/octet-stream", **headers}
        return self.client("PUT", with_digest(location, digest), body=body, headers=fields)

    def push_blob(self, data: bytes, digest: str = "") -> str:
        """Push a blob in two requests; return its digest."""
        digest = digest or digests.of(data)
        answer = self.finish(self.start(), digest, data)
        assert answer.status == 201, answer
        return digest

    def put(self, reference: str, raw: bytes, media_type: str | None, **options: Any) -> Answer:
        """Put a manifest."""
        headers = {"Content-Type": media_type} if media_type else {}
        return self("PUT", f"manifests/{reference}", body=raw, headers=headers, **options)

    def tags(self, query: str = "") -> list[str]:
        """Return the tags of one page."""
        answer = self("GET", f"tags/list{query}")
        assert answer.status == 200, answer
        assert answer.json["name"] == self.name
        return list(answer.json["tags"] or [])


def with_digest(location: str, digest: str) -> str:
    """Add the digest to a Location whose query is kept."""
    return f"{location}{'&' if '?' in location else '?'}digest={urllib.parse.quote(digest, safe='')}"
