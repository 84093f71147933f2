"""Find the values of a build's secrets in what it makes: layers as they are written, configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from containerlab.build.secrecy import disguises
from containerlab.build.secrecy.tar_members import Members

__all__ = ["LEAST_BYTES", "Finder", "Leak", "told"]

LEAST_BYTES = 6
"""Shorter values are not looked for: they are in files by chance."""
_BATCH_BYTES = 256 << 10


class Leak(NamedTuple):
    """A secret, found. path: of the file, without a leading slash, or `config.Env[3]` in a configuration."""

    secret_id: str
    path: str
    encoding: str
    """raw, base64, hex, url, json or shell."""


class _Needle(NamedTuple):
    data: bytes
    secret_id: str
    encoding: str


class _Hit(NamedTuple):
    end: int
    needle: _Needle


class Finder:
    """Takes the tar stream of a layer, in pieces of any size, and tells which secrets are in which files.

    Looked for is the value without white space around it; of a file of keys or settings also the parts that
    are secret by themselves. A name or an attribute of a file counts too. What a RUN compressed or
    encrypted is not seen.

    >>> finder = Finder({"token": b"open-sesame"})
    >>> finder.search(b"TOKEN=open-sesame")
    ['raw']
    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._needles = tuple(
            _Needle(form.data, name, form.encoding)
            for name, value in secrets.items()
            for form in disguises.needles(value, LEAST_BYTES)
        )
        self._overlap = max((len(needle.data) - 1 for needle in self._needles), default=0)
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._tail = b""
        self._seen = 0
        self._members = Members()
        self._unnamed: list[_Hit] = []
        self._leaks: dict[Leak, None] = {}

    def another(self) -> Finder:
        """Return a finder of the same secrets for another layer."""
        finder = Finder({})
        finder._needles, finder._overlap = self._needles, self._overlap
        return finder

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        if not self._needles:
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes >= _BATCH_BYTES:
            self._look()

    def leaks(self) -> list[Leak]:
        """Return what was found, once the stream has ended, in its order."""
        self._look()
        self._leaks |= {_leak(hit, ""): None for hit in self._unnamed}
        self._unnamed = []
        return list(self._leaks)

    def search(self, data: bytes) -> list[str]:
        """Return in which encodings secrets are in some bytes by themselves."""
        return list(dict.fromkeys(needle.encoding for needle in self._needles if needle.data in data))

    def search_config(self, raw: bytes) -> list[Leak]:
        """Look into every name and value of a JSON document: an image's configuration or manifest.

        Raises: msgspec.DecodeError when it is none.
        """
        found = {
            Leak(needle.secret_id, place, needle.encoding): None
            for place, text in _texts(msgspec.json.decode(raw), "")
            for needle in self._needles
            if needle.data in text.encode()
        }
        return list(found)

    def _look(self) -> None:
        data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes = [], 0
        window = self._tail + data
        self._unnamed += self._hits(window, len(self._tail))
        self._seen += len(data)
        self._members.feed(data)
        self._name_hits()
        self._members.forget()
        self._tail = window[len(window) - self._overlap :] if self._overlap < len(window) else window

    def _hits(self, window: bytes, old: int) -> Iterator[_Hit]:
        """Find each needle wherever it ends after the first `old` bytes, which were looked through before."""
        for needle in self._needles:
            length = len(needle.data)
            at = window.find(needle.data, max(0, old - length + 1))
            while at >= 0:
                yield _Hit(self._seen - old + at + length, needle)
                at = window.find(needle.data, at + length)

    def _name_hits(self) -> None:
        """Name the files of hits; one in a header that has not ended waits for the name that follows."""
        waiting = []
        for hit in self._unnamed:
            path = self._members.at(hit.end - 1)
            if path is None:
                waiting.append(hit)
            else:
                self._leaks[_leak(hit, path)] = None
        self._unnamed = waiting


def _leak(hit: _Hit, path: str) -> Leak:
    return Leak(hit.needle.secret_id, path, hit.needle.encoding)


def _texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield all texts of a JSON document with where they are."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, each in value.items():
            inner = f"{place}.{key}".removeprefix(".")
            yield inner, key
            yield from _texts(each, inner)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, f"{place}[{number}]")


def told(leaks: Sequence[Leak]) -> str:
    """Say where secrets were found."""
    return ", ".join(f"{leak.secret_id} in {leak.path} ({leak.encoding})" for leak in leaks)
