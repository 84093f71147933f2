"""Files of a Debian mirror, over http(s) or from a directory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from containerlab import errors
from containerlab.distribution import pools
from containerlab.distribution.failures import translated
from containerlab.distribution.proxies import proxy_for

__all__ = ["DEFAULT", "VARIABLE", "Mirror"]

DEFAULT, VARIABLE = "https://deb.debian.org/debian", "CONTAINERLAB_DEBIAN_MIRROR"
_CHUNK = 1 << 18
_PATIENCE_S, _SILENCE_S, _REDIRECTS = 20.0, 60.0, 5
HINT = (
    f"set {VARIABLE} to a mirror within reach (a URL or a directory), or name a kernel with --kernel:"
    " a vmlinuz, or the .deb of a linux-image package"
)


class Mirror:
    """What has `dists` and `pool` of Debian below it: by $CONTAINERLAB_DEBIAN_MIRROR, else Debian's own.

    moved: is told how many bytes came.
    """

    def __init__(self, moved: Callable[[int], None]) -> None:
        address = os.environ.get(VARIABLE) or DEFAULT
        self.address = address.rstrip("/")
        self._moved = moved
        scheme = urlsplit(address).scheme
        if scheme not in ("http", "https", "file") and not address.startswith("/"):
            raise errors.InvalidInput(f"{VARIABLE}={address} is no mirror", "write a URL or a directory")
        self.is_folder = scheme in ("file", "")
        self.is_tamper_proof = scheme != "http"
        """Whether what comes from it cannot be changed on the way."""
        self._folder = Path(urlsplit(address).path)

    def get(self, path: str, most_bytes: int) -> bytes:
        """Return a small file.

        Raises: NotFound, NotPermitted, Unavailable; CorruptContent for more than `most_bytes`.
        """
        found = bytearray()
        for piece in self._pieces(path):
            found += piece
            if len(found) > most_bytes:
                raise errors.CorruptContent(f"{self.address}/{path} has more than {most_bytes} bytes", HINT)
        return bytes(found)

    def save(self, path: str, size: int, sha256: str, file: IO[bytes]) -> None:
        """Write a file whose length and digest are known.

        Raises: as `get`; DigestMismatch when it is another.
        """
        hasher, left = hashlib.sha256(), size
        for piece in self._pieces(path):
            left -= len(piece)
            if left < 0:
                break
            hasher.update(piece)
            file.write(piece)
        check(f"{self.address}/{path}", hasher.hexdigest() if not left else "", sha256)

    def _pieces(self, path: str) -> Iterator[bytes]:
        for piece in self._of_folder(path) if self.is_folder else self._of_server(path):
            self._moved(len(piece))
            yield piece

    def _of_folder(self, path: str) -> Iterator[bytes]:
        try:
            with open(self._folder / path, "rb") as file:
                while piece := file.read(_CHUNK):
                    yield piece
        except FileNotFoundError:
            raise errors.NotFound(f"the mirror {self._folder} has no {path}", HINT) from None

    def _of_server(self, path: str) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        url = f"{self.address}/{path}"
        try:
            tls = pools.context(None, True) if self.is_tamper_proof else None
            with pools.manager(proxy_for(url) or "", tls, pools.Sockets()) as pool:
                response = _answer(pool, url)
                try:
                    yield from response.stream(_CHUNK, decode_content=False)
                finally:
                    response.close()
        except HTTPError as error:
            told = translated(error, url, _PATIENCE_S)
            raise errors.Unavailable(f"cannot fetch {url}: {told.message}", HINT) from error


def _answer(pool: Any, url: str) -> Any:
    from urllib3.util import Retry, Timeout

    tries = Retry(None, connect=False, read=False, other=False, status=0, redirect=_REDIRECTS)
    patience = Timeout(connect=_PATIENCE_S, read=_SILENCE_S)
    response = pool.request("GET", url, preload_content=False, timeout=patience, retries=tries)
    if response.status == 200:
        _refuse_downgrade(response, url)
        return response
    response.close()
    said = f"cannot fetch {url}: {response.status} {response.reason or ''}".rstrip()
    raise (errors.NotFound if response.status in (404, 410) else errors.Unavailable)(said, HINT)


def _refuse_downgrade(response: Any, url: str) -> None:
    """What https led to by plain http may be anybody's."""
    led_to = [each.redirect_location or "" for each in response.retries.history]
    if url.startswith("https:") and any(place.startswith("http:") for place in led_to):
        response.close()
        raise errors.NotPermitted(f"{url} leads to plain http: {led_to[-1]}", HINT)


def check(what: str, found: str, wanted: str) -> None:
    """Compare digests; `found` is empty for what has another length. Raises: DigestMismatch."""
    if found != wanted:
        told = f"has the SHA-256 {found}" if found else "has another length than the index says"
        raise errors.DigestMismatch(
            f"{what} {told}, not {wanted}" if found else f"{what} {told}",
            "the mirror may just be changing: try again in some minutes, or take another",
        )
