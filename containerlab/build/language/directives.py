"""What a Dockerfile says about itself before anything else: `# syntax=…`, `# escape=…`, `# check=…`."""

from __future__ import annotations

import json
from collections.abc import Iterable

from containerlab.build.language.words import SPACES
from containerlab.errors import InvalidInput

__all__ = ["Wrong", "read", "value_of"]

_KNOWN = ("syntax", "escape", "check")

_GO_SPACES = " \t\n\f\r"


class Wrong(InvalidInput):
    """A directive is wrong; `line` is its number."""

    def __init__(self, line: int, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.line = line


def read(text: str) -> dict[str, str]:
    r"""Read the directives; they end at the first line that is none, and each may stand once.

    Those of a file that begins with #! are looked for below that line, but for `escape`. `syntax` may also
    stand in a `//` comment or, for files that are no Dockerfiles, as a JSON object's key.
    Raises: Wrong for a second one, and for an escape that is neither \ nor `.
    """
    directives: dict[str, str] = {}
    seen: set[str] = set()
    lines = text.split("\n")
    for number, (name, value) in enumerate(_leading((line.lstrip(SPACES) for line in lines), "#"), 1):
        if name in seen:
            raise Wrong(number, f"only one {name} parser directive can be used")
        if name == "escape" and value not in ("\\", "`"):
            raise Wrong(number, f"invalid escape token {value[:80]!r}", "it is \\ or `")
        seen.add(name)
        if name == "escape":
            directives[name] = value
    shebang = lines[0].startswith("#!")
    for name, value in reversed(list(_leading(lines[shebang:], "#"))):
        if name != "escape":
            directives[name] = value
    if "syntax" not in directives:
        directives.update(_foreign_syntax(lines[shebang:], text))
    if "syntax" in directives:
        directives["syntax"] = directives["syntax"].partition(" ")[0]
    return directives


def _leading(lines: Iterable[str], comment: str) -> Iterable[tuple[str, str]]:
    for line in lines:
        found = value_of(line, comment)
        if found is None:
            return
        yield found


def value_of(line: str, comment: str = "#") -> tuple[str, str] | None:
    """Return (name, value) of the directive that a line is, None if it is none."""
    if not line.startswith(comment):
        return None
    name, equals, value = line.removeprefix(comment).lstrip(SPACES).partition("=")
    name = name.rstrip(_GO_SPACES).lower()
    if not equals or not value or name not in _KNOWN:
        return None
    return name, value.strip(_GO_SPACES) or value[-1]


def _foreign_syntax(lines: list[str], text: str) -> dict[str, str]:
    for name, value in _leading(lines, "//"):
        if name == "syntax":
            return {name: value}
    if not text.lstrip(SPACES).startswith("{"):
        return {}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    syntax = document.get("syntax") if isinstance(document, dict) else None
    return {"syntax": syntax} if isinstance(syntax, str) else {}
