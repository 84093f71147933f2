"""URLs as people may see them."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ["shown"]


def shown(url: str) -> str:
    """Return a URL without the user and the password that may be in it.

    >>> shown("https://me:open-sesame@example.com/x.git")
    'https://example.com/x.git'
    """
    parts = urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
