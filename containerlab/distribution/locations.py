"""Where a path, a Location or a redirect leads, and whether one goes there.

A registry that is elsewhere leads nobody to this machine; what began with TLS goes on with it; what writes is
not carried to another host. Source: RFC 9110, 15.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from containerlab import errors
from containerlab.distribution import realms
from containerlab.distribution.endpoints import is_loopback
from containerlab.distribution.refusals import plain

__all__ = ["is_same_origin", "redirected", "resolve", "with_query"]


def is_same_origin(own: str, url: str) -> bool:
    """Tell whether two URLs lead to the same host by the same scheme: where a login may go."""
    first, second = urlsplit(own), urlsplit(url)
    return first.scheme == second.scheme and realms.authority(first) == realms.authority(second)


def resolve(own: str, path: str) -> str:
    """Return the URL for a path below `own`, or for a whole URL as from a Location.

    One without TLS on the same host stays with it: registries behind a proxy do not know that they have it.

    Raises: InvalidInput for what is neither; NotPermitted for other hosts without TLS, and for this machine
    from elsewhere.
    """
    if path.startswith("/"):
        return own + path
    there, here = _parts(path), urlsplit(own)
    if there.scheme not in ("http", "https") or not there.hostname:
        raise errors.InvalidInput(f"{plain(path)!r} is neither a path nor a URL")
    if is_loopback(there.hostname) and not is_loopback(here.hostname or ""):
        raise errors.NotPermitted(f"{here.netloc} leads to {plain(path)!r}, on this machine")
    if there.scheme == "https" or here.scheme == "http":
        return path
    if there.hostname == here.hostname and there.port in (None, here.port):
        return there._replace(scheme="https", netloc=here.netloc).geturl()
    raise errors.NotPermitted(f"{here.netloc} leads to {plain(path)!r}, which has no TLS")


def redirected(own: str, method: str, url: str, location: str) -> str:
    """Return the URL that a redirect of `url` leads to.

    Raises: as `resolve`; NotPermitted too for what leaves TLS, and for what writes to another host.
    """
    _parts(location)
    found = resolve(own, urljoin(url, location))
    refused = ""
    if url.startswith("https:") and not found.startswith("https:"):
        refused = "has no TLS"
    elif method not in ("GET", "HEAD") and urlsplit(found).hostname != urlsplit(url).hostname:
        refused = f"is another host, for a {method}"
    if refused:
        raise errors.NotPermitted(f"{urlsplit(url).netloc} redirects to {plain(found)!r}, which {refused}")
    return found


def _parts(url: str) -> SplitResult:
    """Raises: InvalidInput for a URL that is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # read when it is asked for
    except ValueError as error:
        raise errors.InvalidInput(f"{plain(url)!r} is not a URL: {error}") from error
    return parts


def with_query(url: str, query: Sequence[tuple[str, str]]) -> str:
    """Add to a URL, whose own query stays as it is.

    >>> with_query("https://r/v2/a/blobs/uploads/1?state=x%2F", [("digest", "sha256:0")])
    'https://r/v2/a/blobs/uploads/1?state=x%2F&digest=sha256%3A0'
    """
    if not query:
        return url
    try:
        return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"
    except UnicodeEncodeError as error:
        raise errors.InvalidInput(f"{str(error.object)[:80]!r} is not text", "write it in UTF-8") from error
