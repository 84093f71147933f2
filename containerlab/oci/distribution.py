"""The words of the registry protocol, for client and server alike: pure, no I/O.

Source: OCI distribution-spec 1.1; RFC 9110 for ranges and challenges, RFC 8288 for links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple
from urllib.parse import urljoin

import msgspec

from containerlab.oci import digest as digests
from containerlab.oci.untrusted import UNREADABLE

__all__ = [
    "MAX_NAME",
    "NAME_PART",
    "TAG",
    "Challenge",
    "Code",
    "Problem",
    "challenges",
    "content_range",
    "fallback_tag",
    "is_name",
    "is_tag",
    "next_link",
    "problems",
    "problems_document",
]

Code = Literal[
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
]
"""All codes that an answer may have; there are no others."""

MAX_NAME = 255
"""Of registry, slash and name together, by Docker's rule; here of the name alone."""
NAME_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
"""What stands between the slashes of a name."""
TAG = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_NAME = re.compile(rf"{NAME_PART}(?:/{NAME_PART})*")
_TAG = re.compile(TAG)
_CONTENT_RANGE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_ALGORITHM_LENGTH, _VALUE_LENGTH = 32, 64


def is_name(text: str) -> bool:
    """Tell whether this names a repository.

    >>> is_name("lab/base"), is_name("../etc"), is_name("Lab")
    (True, False, False)
    """
    return len(text) <= MAX_NAME and bool(_NAME.fullmatch(text))


def is_tag(text: str) -> bool:
    """Tell whether this is a tag.

    >>> is_tag("v1.2"), is_tag(".v1"), is_tag("x" * 129)
    (True, False, False)
    """
    return bool(_TAG.fullmatch(text))


def fallback_tag(digest: str) -> str:
    """Return the tag under which the referrers of a manifest stand where there is no referrers API.

    >>> fallback_tag("sha256:" + "a" * 64) == "sha256-" + "a" * 64
    True
    """
    algorithm, _, value = digests.parse(digest).partition(":")
    parts = (algorithm[:_ALGORITHM_LENGTH], value[:_VALUE_LENGTH])
    return "-".join(re.sub(r"[^a-zA-Z0-9._-]", "-", part) for part in parts)


def content_range(text: str) -> tuple[int, int] | None:
    """Read the Content-Range of a chunk, `first-last` without a unit; None when it is malformed.

    >>> content_range("0-99"), content_range("bytes 0-99/100"), content_range("9-3")
    ((0, 99), None, None)
    """
    match = _CONTENT_RANGE.fullmatch(text)
    first, last = (int(match[1]), int(match[2])) if match else (1, 0)
    return (first, last) if first <= last else None


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One error of an answer."""

    code: str
    """One of `Code` from a registry that keeps to the specification."""
    message: str = ""
    detail: msgspec.Raw = msgspec.Raw(b"null")
    """JSON of any shape."""


class _Problems(msgspec.Struct):
    errors: list[Problem]


def problems_document(code: Code, message: str) -> bytes:
    """Write the body of an answer that refuses.

    >>> problems_document("NAME_INVALID", "no")
    b'{"errors":[{"code":"NAME_INVALID","message":"no"}]}'
    """
    return msgspec.json.encode(_Problems([Problem(code, message)]))


def problems(body: bytes) -> tuple[Problem, ...]:
    """Read the body of an answer that refused; nothing when it is something else, as a proxy's page."""
    try:
        return tuple(msgspec.json.decode(body, type=_Problems).errors)
    except UNREADABLE:
        return ()


class Challenge(NamedTuple):
    """What a WWW-Authenticate header asks for."""

    scheme: str
    """In lower case: basic or bearer."""
    parameters: dict[str, str]
    """Names in lower case: realm, service, scope, error."""


_PARAMETER = re.compile(
    r"""\s*(?P<name>[A-Za-z0-9!#$%&'*+.^_`|~-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,"]*))"""
)
_SCHEME = re.compile(r"\s*(?P<scheme>[A-Za-z][A-Za-z0-9-]*)(?=\s|,|$)")


def challenges(headers: Sequence[str]) -> list[Challenge]:
    """Read WWW-Authenticate headers, each of one or more challenges; what is malformed is left out.

    >>> challenges(['Bearer realm="https://a/token",service="a",scope="repository:x:pull,push"'])[0].scheme
    'bearer'
    """
    return [challenge for header in headers for challenge in _challenges(header)]


def _challenges(header: str) -> Iterator[Challenge]:
    position = 0
    current: Challenge | None = None
    while position < len(header):
        if current and (match := _PARAMETER.match(header, position)):
            quoted = match["quoted"]
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else match["token"]
            current.parameters[match["name"].lower()] = value
        elif match := _SCHEME.match(header, position):
            if current:
                yield current
            current = Challenge(match["scheme"].lower(), {})
        else:
            match = None
        position = match.end() if match else len(header)
        while position < len(header) and header[position] in " \t,":
            position += 1
    if current:
        yield current


_LINK = re.compile(r"""<([^<>]*)>\s*((?:;\s*[^;,]+)*)""")


def next_link(header: str, base: str) -> str | None:
    """Return the absolute URL of the next page that a Link header leads to.

    >>> next_link('</v2/a/tags/list?last=x>; rel="next"', "https://r/v2/a/tags/list")
    'https://r/v2/a/tags/list?last=x'
    """
    for match in _LINK.finditer(header):
        if re.search(r"""rel\s*=\s*"?next"?(?:\s|;|$)""", match[2]):
            return str(urljoin(base, match[1]))
    return None
