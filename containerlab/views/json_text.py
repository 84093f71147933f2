"""JSON for people and programs: letters of all languages as they are, but nothing that a terminal obeys."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["json_text"]


def json_text(value: Any, indent: int | None = None) -> str:
    r"""Write a value as JSON; what is no letter or sign to be seen is escaped, which changes nothing of it.

    >>> json_text(["é", "\x9b31m", "\u202e"])
    '["é", "\\u009b31m", "\\u202e"]'
    """
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    lines = text.split("\n") if indent is not None else [text]
    return "\n".join(line if line.isprintable() else _escaped(line) for line in lines)


def _escaped(line: str) -> str:
    return "".join(sign if sign.isprintable() else json.dumps(sign)[1:-1] for sign in line)
