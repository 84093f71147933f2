"""Documents of `Key: value` lines: of dpkg, of Python's distributions, of os-release.

Source: deb822(5); Python packaging specifications, "Core metadata"; os-release(5).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

__all__ = ["assignments", "paragraphs"]


def paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each paragraph, by lower-case key; continued lines keep their line ends."""
    fields: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields, key = {}, ""
        elif line[0] in " \t":
            if key:
                fields[key] += "\n" + line.strip()
        elif not line.startswith("#"):
            name, colon, value = line.partition(":")
            key = name.strip().lower() if colon else ""
            if key:
                fields.setdefault(key, value.strip())
    if fields:
        yield fields


def assignments(text: str) -> dict[str, str]:
    """Return the variables of a file that a shell could read, like os-release."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            try:
                found[name] = "".join(shlex.split(value))
            except ValueError:  # quotes that do not end
                found[name] = value
    return found
