"""Files from http and https, as ADD and URL contexts take them.

Kept in the home's cache with what the server said of them, so that the next build only asks whether they have
changed; with a checksum it does not even ask.
Source: BuildKit, source/http; Dockerfile reference, "ADD"; RFC 9110, "Conditional Requests".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import posixpath
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from containerlab import errors
from containerlab.build.contexts.urls import shown
from containerlab.build.result.program import NAME
from containerlab.linux.files import remove_tree
from containerlab.store.home import Home

__all__ = ["Download", "Kept", "checked", "download", "kept", "name_of", "remove"]

_CHUNK = 1 << 18
_TIMEOUT_S = 60.0
_ALGORITHMS = {"sha256": 64, "sha384": 96, "sha512": 128}
_UNNAMED = "__unnamed__"
_FOLDER = "downloads"


class Download(NamedTuple):
    """A file that was fetched: it stays in the cache, with mode 0600 and the time that the server gave."""

    path: Path
    digest: str


class Kept(NamedTuple):
    """A download that lies in the cache; used_s: when it last was of use, in seconds since the epoch."""

    id: str
    url: str
    size_bytes: int
    created_s: float
    used_s: float


class _Known(msgspec.Struct, frozen=True):
    """What is remembered of a file."""

    url: str
    sha256: str
    etag: str = ""
    last_modified: str = ""


def name_of(url: str) -> str:
    """Return the name that a file of this URL has.

    >>> name_of("https://example.com/a/b%20c?x=1"), name_of("https://example.com/")
    ('b c', '__unnamed__')
    """
    name = posixpath.basename(unquote(urlsplit(url).path).rstrip("/"))
    return _UNNAMED if name in ("", ".", "..") else name


def checked(checksum: str) -> str:
    """Return a checksum as it is compared.

    Raises: InvalidInput for what is none.
    """
    algorithm, colon, digits = checksum.partition(":")
    if _ALGORITHMS.get(algorithm) != len(digits) or not colon or set(digits) - set("0123456789abcdef"):
        raise errors.InvalidInput(f"--checksum={checksum} is none", "write sha256: and 64 hexadecimal digits")
    return checksum


def download(url: str, home: Home, checksum: str = "") -> Download:
    """Fetch a file, or find that it is here already.

    Raises: NotFound, NotPermitted, Unavailable, DigestMismatch.
    """
    wanted = checked(checksum) if checksum else ""
    place = home.cache / _FOLDER / hashlib.sha256(url.encode()).hexdigest()
    with home.lock(_lock_name(place.name)):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = _known(place)
        if known is None or not wanted or _digest(place, known, wanted) != wanted:
            known = _fetched(url, home, place, known)
        if wanted and (found := _digest(place, known, wanted)) != wanted:
            raise errors.DigestMismatch(f"{shown(url)} is {found}, not {wanted}")
        os.utime(place)
    return Download(place / "content", known.sha256)


def kept(home: Home) -> list[Kept]:
    """Return what is in the cache."""
    folder = home.cache / _FOLDER
    places = list(folder.iterdir()) if folder.is_dir() else []
    return [found for place in places if (found := _kept(place)) is not None]


def _kept(place: Path) -> Kept | None:
    known = _known(place)
    try:
        content, created_s = (place / "content").stat(), (place / "known.json").stat().st_mtime
        used_s = place.stat().st_mtime
    except FileNotFoundError:
        return None
    return Kept(place.name, shown(known.url), content.st_size, created_s, used_s) if known else None


def remove(home: Home, download_id: str) -> None:
    """Remove a download from the cache; a build that has it keeps it to its end."""
    with home.lock(_lock_name(download_id)):
        remove_tree(home.cache / _FOLDER / download_id)


def _lock_name(download_id: str) -> str:
    return f"download-{download_id[:40]}"


def _known(place: Path) -> _Known | None:
    try:
        known = msgspec.json.decode((place / "known.json").read_bytes(), type=_Known)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return known if (place / "content").exists() else None


def _digest(place: Path, known: _Known, like: str) -> str:
    algorithm = like.partition(":")[0]
    if algorithm == "sha256":
        return f"sha256:{known.sha256}"
    with open(place / "content", "rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def _fetched(url: str, home: Home, place: Path, known: _Known | None) -> _Known:
    headers = {"User-Agent": NAME, "Accept-Encoding": "identity"}
    if known is not None:
        headers |= {"If-None-Match": known.etag} if known.etag else {}
        headers |= {"If-Modified-Since": known.last_modified} if known.last_modified else {}
    try:
        with _opened(url, headers) as response:
            return _stored(url, home, place, response)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.NOT_MODIFIED and known is not None:
            return known
        raise _refused(url, error) from error


@contextlib.contextmanager
def _opened(url: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    opener = urllib.request.build_opener(_OnlyHttp)
    try:
        with opener.open(_request(url, headers), timeout=_TIMEOUT_S) as response:
            yield response
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason  # without the system's number
        raise errors.Unavailable(f"cannot fetch {shown(url)}: {reason}", "try again") from error
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise errors.Unavailable(f"cannot fetch {shown(url)}: {error or 'cut off'}", "try again") from error


def _request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    """Return a request; a user and a password in the URL are for its own host, not for where it leads."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise errors.InvalidInput(f"{url} is no http URL")
    request = urllib.request.Request(shown(url), headers=headers)
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        encoded = base64.b64encode(account.encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    return request


class _OnlyHttp(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not to files of this machine or to other protocols."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise errors.NotPermitted(f"{shown(req.full_url)} leads to what is not followed: {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _stored(url: str, home: Home, place: Path, response: http.client.HTTPResponse) -> _Known:
    """Write the content under a temporary name and move it to its place when it is whole."""
    hasher, size = hashlib.sha256(), 0
    fd, temporary = home.fresh_file("download-")
    with os.fdopen(fd, "wb") as file:
        try:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                hasher.update(chunk)
                size += len(chunk)
                home.moved(len(chunk))
            _refuse_short(url, size, response)
            file.flush()
            modified = response.headers.get("Last-Modified", "")
            os.utime(temporary, (_time(modified), _time(modified)))
            os.rename(temporary, place / "content")
        except BaseException:
            os.unlink(temporary)
            raise
    known = _Known(url, hasher.hexdigest(), response.headers.get("ETag", ""), modified)
    home.replace(place / "known.json", msgspec.json.encode(known))
    return known


def _refuse_short(url: str, size: int, response: http.client.HTTPResponse) -> None:
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != size:
        raise errors.Unavailable(f"cannot fetch {shown(url)}: it was cut off after {size} bytes", "try again")


def _time(last_modified: str) -> float:
    """Return seconds since the epoch; 0 when the server did not say."""
    try:
        return parsedate_to_datetime(last_modified).timestamp()
    except (ValueError, TypeError):
        return 0.0


def _refused(url: str, error: urllib.error.HTTPError) -> errors.LabError:
    if error.code // 100 == 3:
        return errors.NotPermitted(f"{shown(url)} leads to what is not followed: {error.headers['Location']}")
    said = f"cannot fetch {shown(url)}: {error.code} {error.reason}"
    if error.code in (404, 410):
        return errors.NotFound(said)
    return errors.NotPermitted(said) if error.code in (401, 403) else errors.Unavailable(said, "try again")
