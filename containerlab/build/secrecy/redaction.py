"""Keep secret build arguments out of what a build keeps: its history, and the keys of its cache."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Mapping

from containerlab.build.secrecy.secret_names import looks_secret
from containerlab.store.home import Home

__all__ = ["keyed_hash", "redact", "shown_value"]

_REDACTED = "<redacted>"
_LEAST_CHARACTERS = 6
"""Shorter values are only redacted where their name stands before them."""


def shown_value(name: str, value: str) -> str:
    """Return the value of an ARG as it may be kept: `|1 TOKEN=<redacted>` in the history.

    >>> shown_value("TOKEN", "sesame"), shown_value("VERSION", "1.2")
    ('<redacted>', '1.2')
    """
    return _REDACTED if looks_secret(name) else value


def redact(text: str, arguments: Mapping[str, str]) -> str:
    """Replace the values of those arguments whose names look secret, wherever they are in a text.

    >>> redact("|2 A=1 TOKEN=open-sesame /bin/sh -c curl open-sesame", {"A": "1", "TOKEN": "open-sesame"})
    '|2 A=1 TOKEN=<redacted> /bin/sh -c curl <redacted>'
    """
    secret = {name: value for name, value in arguments.items() if value and looks_secret(name)}
    for name, value in secret.items():
        text = re.sub(rf"(?<!\w){re.escape(f'{name}={value}')}(?!\w)", f"{name}={_REDACTED}", text)
    for value in sorted(set(secret.values()), key=len, reverse=True):
        if len(value) >= _LEAST_CHARACTERS:
            text = text.replace(value, _REDACTED)
    return text


def keyed_hash(home: Home, value: bytes) -> str:
    """Return a hash of a secret value for cache keys, in 64 hexadecimal digits.

    Its key is of this home and leaves it with no cache, so that nobody can try values against a key of a
    cache that they got hold of.

    Source: RFC 2104 (HMAC), with SHA-256.
    """
    return hmac.new(_key(home), value, hashlib.sha256).hexdigest()


def _key(home: Home) -> bytes:
    """Return the random key of a home; the first who asks makes it (mode 0600)."""
    path = home.cache / "secret-key"
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    fd, temporary = home.fresh_file("key-")
    with os.fdopen(fd, "wb") as file:
        file.write(os.urandom(32))
        file.flush()
        os.fsync(fd)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)  # unlike rename, never replaces the key that another process made
        os.unlink(temporary)
    return path.read_bytes()
