"""Licences as SPDX writes them: expressions of known ids, and references for all other names.

Source: SPDX 2.3, Annex D, "SPDX license expressions", and clause 10.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any, NamedTuple

from containerlab import errors

__all__ = ["Licence", "spdx", "wanted"]

_SPLIT = re.compile(r"(\(|\)|\s+(?:AND|OR)\s+)", re.IGNORECASE)
_ID = re.compile(r"[a-z0-9.+-]+(?: with [a-z0-9.+-]+)?", re.IGNORECASE)
_MOST_CHARACTERS, _MOST_ID_CHARACTERS = 4000, 60


class Licence(NamedTuple):
    """An expression; references: the names that its `LicenseRef-…` stand for."""

    expression: str
    references: dict[str, str]


def wanted(module: str) -> Any:
    """Import a package of the extra `sbom`. Raises: Unsupported."""
    return errors.wanted(module, "a list of packages")


@functools.cache
def _licensing() -> Any:
    return wanted("license_expression").get_spdx_licensing()


@functools.cache
def spdx(text: str) -> Licence:
    """Return what a package says of its licence as an expression that is valid.

    >>> spdx("mit AND Sleepycat-like").expression
    'MIT AND LicenseRef-Sleepycat-like'

    Raises: Unsupported without the extra `sbom`.
    """
    text = " ".join(text.split())
    if not text:
        return Licence("", {})
    if len(text) > _MOST_CHARACTERS:
        return _unknown(text)
    references: dict[str, str] = {}
    parts = [_part(part, references) for part in _SPLIT.split(text) if part.strip()]
    expression = " ".join(parts).replace("( ", "(").replace(" )", ")")
    return Licence(expression, references) if _is_valid(expression, references) else _unknown(text)


def _unknown(text: str) -> Licence:
    reference = _reference(text)
    return Licence(reference, {reference: text})


def _part(part: str, references: dict[str, str]) -> str:
    word = part.strip()
    if word in ("(", ")") or word.upper() in ("AND", "OR"):
        return word.upper()
    if _ID.fullmatch(word) and not (info := _licensing().validate(word)).errors:
        return str(info.normalized_expression)
    reference = _reference(word)
    references[reference] = word
    return reference


def _reference(name: str) -> str:
    """Return an id for a name; a long one ends in a hash, so that others do not have the same."""
    plain = re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") or "unnamed"
    if len(plain) > _MOST_ID_CHARACTERS:
        plain = f"{plain[:_MOST_ID_CHARACTERS]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return f"LicenseRef-{plain}"


def _is_valid(expression: str, references: dict[str, str]) -> bool:
    """Tell whether the expression is one, the references in it taken for granted."""
    for reference in sorted(references, key=len, reverse=True):
        expression = expression.replace(reference, "MIT")
    return not _licensing().validate(expression).errors
