"""The forms in which a secret value may turn up in a log or a layer: as it is, quoted, or encoded."""

from __future__ import annotations

import base64
import json
import math
import re
import urllib.parse
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from containerlab.build.secrecy.secret_names import looks_secret

__all__ = ["MOST_BYTES", "Form", "entropy", "is_random", "needles", "parts", "spellings"]

MOST_BYTES = 4096
"""Of a longer form only its first bytes are looked for, so that what streams past needs little memory."""
_MOST_PARTS = 32
_LEAST_ENCODED = 8
_TO_URL = bytes.maketrans(b"+/", b"-_")
_ASSIGNMENT = re.compile(rb"""(?:export\s+)?["']?([\w.:/-]*\w)["']?\s*[=:]\s*["']?(.*?)["']?[,;]?""")
_RANDOM_WORD = re.compile(rb"[A-Za-z0-9+/_=-]{16,}")


class Form(NamedTuple):
    """Bytes to look for, and how the value is written in them: raw, base64, hex, url, json or shell."""

    data: bytes
    encoding: str


def spellings(value: bytes) -> Iterator[Form]:
    """Yield a value in every encoding, each as much of it as looks the same whatever stands around it."""
    yield Form(value, "raw")
    yield from _quoted(value)
    yield from _in_base64(value)
    yield Form(value.hex().encode(), "hex")
    yield Form(value.hex().upper().encode(), "hex")


def _quoted(value: bytes) -> Iterator[Form]:
    url = urllib.parse.quote_from_bytes(value, safe="").encode()
    yield Form(url, "url")
    yield Form(re.sub(rb"%..", lambda match: match[0].lower(), url), "url")
    yield Form(url.replace(b"%20", b"+"), "url")
    yield Form(json.dumps(value.decode(errors="replace"))[1:-1].encode(), "json")
    yield Form(value.replace(b"'", rb"'\''"), "shell")


def _in_base64(value: bytes) -> Iterator[Form]:
    """Three bytes are four characters, so a value looks in one of three ways, after where it begins.

    Characters that its neighbours have bits in are left out.
    """
    for before, mixed in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(before) + value)
        encoded = encoded[mixed : (before + len(value)) * 8 // 6]
        yield Form(encoded, "base64")
        yield Form(encoded.translate(_TO_URL), "base64")
        if not before:
            for width in (64, 76):  # openssl base64, base64(1)
                lines = [encoded[at : at + width] for at in range(0, len(encoded), width)]
                yield Form(b"\n".join(lines), "base64")


def needles(value: bytes, least_bytes: int) -> tuple[Form, ...]:
    """Return what to look for to find a value or a part of it that is a secret by itself, longest first.

    A value of fewer than `least_bytes` is not looked for: it would be found everywhere.
    """
    value = value.strip()
    if len(value) < least_bytes:
        return ()
    found: dict[bytes, Form] = {}
    for form in spellings(value):
        if form.encoding == "raw" or len(form.data) >= _LEAST_ENCODED:
            found.setdefault(form.data[:MOST_BYTES], form._replace(data=form.data[:MOST_BYTES]))
    for part in parts(value):
        if len(part) >= least_bytes:
            found.setdefault(part, Form(part[:MOST_BYTES], "raw"))
    return tuple(sorted(found.values(), key=lambda form: -len(form.data)))


def parts(value: bytes) -> tuple[bytes, ...]:
    """Return what is secret by itself in a file of keys, settings or JSON: at most _MOST_PARTS of them.

    That is a line that looks random, and what is assigned to a name that looks secret.

    >>> parts(b"registry=https://example.org/\\nPASSWORD='xyzzy-17'")
    (b'xyzzy-17',)
    """
    found = dict.fromkeys(filter(None, map(_secret_in, value.splitlines())))
    found.pop(value, None)
    step = max(1, math.ceil(len(found) / _MOST_PARTS))
    return tuple(found)[::step]


def _secret_in(line: bytes) -> bytes:
    line = line.strip()
    if assigned := _ASSIGNMENT.fullmatch(line):
        name, content = assigned.groups()
        if looks_secret(_snake(name.decode(errors="replace"))) or is_random(content):
            return content
    return line if is_random(line) else b""


def _snake(name: str) -> str:
    """Write `//host/:_authToken` and `privateKey` as names whose words can be told apart.

    >>> _snake("accessKey"), _snake("api-key")
    ('access_Key', 'api_key')
    """
    return re.sub(r"[^A-Za-z0-9]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))


def is_random(text: bytes) -> bool:
    """Tell whether a text has a word that looks like a key: long, of letters and digits, none often.

    >>> is_random(b"registry=https://registry.npmjs.org/"), is_random(b"q7Zk9vXw2Lm4TtRy8Pb1")
    (False, True)
    """
    return any(
        entropy(word) > 3.3
        and re.search(rb"\d", word) is not None
        and re.search(rb"[A-Za-z]", word) is not None
        for word in _RANDOM_WORD.findall(text)
    )


def entropy(text: bytes) -> float:
    """Return Shannon's entropy of the bytes of a text, in bits a byte."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
