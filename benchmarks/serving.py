"""How much a registry serves, and what that costs it: blobs, manifests, pushes, and its start.

The load comes from this process, on the same cores; so what a server is asked for by bytes is held against
its own processor time, which the client does not change. Manifests are a rate: connections that wait for
each answer before they ask again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from benchmarks import registries
from benchmarks.arena import Arena
from benchmarks.measure import Contestant, Samples, alternate, timed
from benchmarks.registries import Server
from benchmarks.rows import Figure, Row, beside, milliseconds, reaching, within

__all__ = ["servers"]

_PEER, _EMPTY = "docker-registry", "itself, empty"
_BLOB_BYTES, _AT_ONCE = 100 << 20, 64
_GETS = 2000
_PUSHERS, _PUSHES, _LAYER_BYTES = 8, 10, 256 << 10
_TAGS = 10_000
_PIECE = 1 << 20
_TYPE = "application/vnd.oci.image.manifest.v1+json"
_MOST_MIB = 100
_NOISE = random.Random(4).randbytes(_BLOB_BYTES)

_Start = Callable[[Path], AbstractContextManager[Server]]


def servers(arena: Arena) -> list[Row]:
    """Measure ours and docker-registry in turns."""
    starts: dict[str, _Start] = {"ours": registries.ours}
    found = registries.version()
    if found:
        starts[_PEER] = registries.docker_registry
        arena.tools[_PEER] = found
    else:
        arena.absent[_PEER] = "install the package docker-registry"
    places = {name: arena.directory / f"serving-{name}" for name in starts}
    with ExitStack() as stack:
        running: dict[str, Server] = {}
        for name, start in starts.items():
            running[name] = stack.enter_context(start(places[name]))
        rows = [*_blobs(arena, running), *_manifests(arena, running), *_pushes(arena, running)]
        rows += _memory(running)
        for server in running.values():
            _fill_with_tags(server)
    return [*rows, *_restarts(arena, starts, places)]


# what is measured


def _blobs(arena: Arena, running: dict[str, Server]) -> list[Row]:
    digests = {name: _push_blob(server, "bench/blob", _NOISE) for name, server in running.items()}

    def get(server: Server, digest: str) -> float:
        """Return the processor time of the server."""
        before = server.cpu_s()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            each = functools.partial(_drain, server, f"/v2/bench/blob/blobs/{digest}")
            assert set(pool.map(lambda _: each(), range(_AT_ONCE))) == {_BLOB_BYTES}
        return server.cpu_s() - before

    taken = _in_turns(
        arena.counts.serve, {name: functools.partial(get, running[name], digests[name]) for name in running}
    )
    moved_mb = _AT_ONCE * _BLOB_BYTES / 1e6
    figures = {name: Figure(moved_mb / each.median_s, "MB/CPU-s", each.times) for name, each in taken.items()}
    return [beside("64 GETs at once of a blob of 100 MiB", figures["ours"], _PEER, figures.get(_PEER), 1)]


def _manifests(arena: Arena, running: dict[str, Server]) -> list[Row]:
    for server in running.values():
        _push_image(server, "bench/manifest", "one", 0)
    rows = []
    for count in (1, 8):

        def get(server: Server, count: int = count) -> None:
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda _: _ask_again(server, "/v2/bench/manifest/manifests/one"), range(count)))

        acts = {name: timed(functools.partial(get, server)) for name, server in running.items()}
        figures = _rates(_in_turns(arena.counts.serve, acts), count * _GETS)
        subject = f"2,000 GETs of a manifest on each of {count} connection{'s' * (count > 1)}"
        rows.append(beside(subject, figures["ours"], _PEER, figures.get(_PEER), 1))
        rows.append(reaching("… on one process", figures["ours"], 3000))
    return rows


def _pushes(arena: Arena, running: dict[str, Server]) -> list[Row]:
    numbers = iter(range(10**9))

    def push(server: Server) -> None:
        first = next(numbers) * 1000
        with ThreadPoolExecutor(_PUSHERS) as pool:
            shares = [range(first + each * _PUSHES, first + (each + 1) * _PUSHES) for each in range(_PUSHERS)]
            list(pool.map(lambda share: [_push_image(server, "bench/push", "one", n) for n in share], shares))

    acts = {name: timed(functools.partial(push, server)) for name, server in running.items()}
    figures = _rates(_in_turns(arena.counts.serve, acts), _PUSHERS * _PUSHES)
    return [beside("8 push images of 256 KiB at once", figures["ours"], _PEER, figures.get(_PEER), 1)]


def _memory(running: dict[str, Server]) -> list[Row]:
    """Return the most that each has had in all that came before."""
    figures = {name: Figure(server.peak_bytes() / (1 << 20), "MiB") for name, server in running.items()}
    subject = "most memory of the server during all that"
    return [
        within(subject, figures["ours"], _MOST_MIB),
        beside(subject, figures["ours"], _PEER, figures.get(_PEER), 1),
    ]


def _restarts(arena: Arena, starts: dict[str, _Start], places: dict[str, Path]) -> list[Row]:
    """Time from nothing to the first answer; of ours with an empty store too."""

    def start(name: str, place: Path, path: str, expected: int) -> float:
        began = time.perf_counter()
        with starts[name](place) as server:
            status, _, _ = _request(server, "GET", path, {"Accept": _TYPE})
            took_s = time.perf_counter() - began
        assert status == expected
        return took_s

    last = f"/v2/bench/tags/manifests/{_tag_name(_TAGS - 1)}"
    acts = {name: functools.partial(start, name, places[name], last, 200) for name in starts}
    empty = arena.directory / "serving-empty"
    acts[_EMPTY] = functools.partial(start, "ours", empty, "/v2/", 200)
    taken = _in_turns(arena.counts.serve, acts)
    figures = {name: milliseconds(each) for name, each in taken.items()}
    subject = f"start on a store of {_TAGS:,} tags"
    return [
        beside(subject, figures["ours"], _PEER, figures.get(_PEER)),
        beside(subject, figures["ours"], _EMPTY, figures[_EMPTY], 0.8),
    ]


def _tag_name(number: int) -> str:
    return f"t{number:05}"


def _in_turns(times: int, acts: dict[str, Callable[[], float]]) -> dict[str, Samples]:
    return alternate([Contestant(name, act, times) for name, act in acts.items()], warm_up=1)


def _rates(taken: dict[str, Samples], count: int) -> dict[str, Figure]:
    return {name: Figure(count / each.median_s, "/s", each.times) for name, each in taken.items()}


# a client that costs little


def _request(
    server: Server, method: str, path: str, fields: Mapping[str, str], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    with server.connect() as sock:
        return _exchange(sock, _head(method, path, {**fields, "Content-Length": str(len(body))}) + body)


def _head(method: str, path: str, fields: dict[str, str]) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        *(f"{name}: {each}" for name, each in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _exchange(sock: socket.socket, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Ask, and read the whole answer; it has a length or no body."""
    sock.sendall(request)
    return _answer(sock)


def _answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    got = b""
    while b"\r\n\r\n" not in got:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("the registry has hung up")
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    left = int(headers.get("content-length", 0)) - len(body)
    while left > 0:
        piece = sock.recv(left)
        body, left = body + piece, left - len(piece)
    return int(first.split()[1]), headers, body


def _drain(server: Server, path: str) -> int:
    """Read an answer to the end and keep nothing; return its length."""
    buffer = bytearray(_PIECE)
    with server.connect() as sock:
        sock.sendall(_head("GET", path, {"Connection": "close"}))
        first = sock.recv(4096)
        while b"\r\n\r\n" not in first:
            first += sock.recv(4096)
        count = len(first.partition(b"\r\n\r\n")[2])
        while got := sock.recv_into(buffer):
            count += got
    return count


def _ask_again(server: Server, path: str) -> None:
    request = _head("GET", path, {"Accept": _TYPE})
    with server.connect() as sock:
        for _ in range(_GETS):
            status, _, _ = _exchange(sock, request)
            assert status == 200


def _push_blob(server: Server, repository: str, data: bytes) -> str:
    with server.connect() as sock:
        return _send_blob(sock, repository, data)


def _send_blob(sock: socket.socket, repository: str, data: bytes) -> str:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    request = _head("POST", f"/v2/{repository}/blobs/uploads/", {"Content-Length": "0"})
    location = _exchange(sock, request)[1]["location"]
    path = "/" + location.partition("://")[2].partition("/")[2] if "://" in location else location
    path = f"{path}{'&' if '?' in path else '?'}digest={digest}"
    fields = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
    sock.sendall(_head("PUT", path, fields))
    status, _, body = _exchange(sock, data)
    assert status == 201, body
    return digest


def _push_image(server: Server, repository: str, tag: str, number: int) -> None:
    """Push an image whose layer nobody has."""
    layer = number.to_bytes(8, "big") + _NOISE[:_LAYER_BYTES]
    config = json.dumps({"number": number}).encode()
    with server.connect() as sock:
        digests = [_send_blob(sock, repository, each) for each in (config, layer)]
        status = _put_manifest(sock, repository, tag, (digests[0], len(config)), [(digests[1], len(layer))])
    assert status == 201


def _put_manifest(
    sock: socket.socket, repository: str, tag: str, config: tuple[str, int], layers: list[tuple[str, int]]
) -> int:
    def described(blob: tuple[str, int], kind: str) -> dict[str, object]:
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": blob[0], "size": blob[1]}

    document = {
        "schemaVersion": 2,
        "mediaType": _TYPE,
        "config": described(config, "config.v1+json"),
        "layers": [described(each, "layer.v1.tar+gzip") for each in layers],
    }
    raw = json.dumps(document).encode()
    fields = {"Content-Type": _TYPE, "Content-Length": str(len(raw))}
    return _exchange(sock, _head("PUT", f"/v2/{repository}/manifests/{tag}", fields) + raw)[0]


def _fill_with_tags(server: Server) -> None:
    config = b"{}"
    digest = _push_blob(server, "bench/tags", config)

    def tag(share: range) -> None:
        with server.connect() as sock:
            for number in share:
                assert _put_manifest(sock, "bench/tags", _tag_name(number), (digest, len(config)), []) == 201

    with ThreadPoolExecutor(_PUSHERS) as pool:
        list(pool.map(tag, [range(first, _TAGS, _PUSHERS) for first in range(_PUSHERS)]))
