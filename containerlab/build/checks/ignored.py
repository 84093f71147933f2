"""Which sources of COPY and ADD a .dockerignore leaves out for sure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from containerlab.build.contexts.remote import is_remote
from containerlab.build.files.ignore import Matcher

__all__ = ["IgnoredSources"]


class IgnoredSources:
    """Decides by patterns alone, without looking at the files."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._matcher = Matcher(patterns)
        self._patterns = [pattern for pattern in patterns if not pattern.startswith("!")]
        self._taken_back = [pattern[1:] for pattern in patterns if pattern.startswith("!")]

    def path_of(self, source: str) -> str:
        """Return the path that is left out, or "" if it is not, or not for sure.

        Something at or below it that is taken back makes it unsure.
        """
        if not self._patterns or is_remote(source):
            return ""
        path = posixpath.normpath(source) if source else "."
        inside = path.lstrip("/")
        if inside in ("", "."):
            ignores_all = any(pattern in ("*", "**", "**/*") for pattern in self._patterns)
            return path if ignores_all and not self._taken_back else ""
        if any(_may_be_below(pattern, inside) for pattern in self._taken_back):
            return ""
        return path if self._matcher.judge_path(inside).is_ignored else ""


def _may_be_below(pattern: str, path: str) -> bool:
    """Whether a pattern may match `path` or what is below it; a wildcard may match anything."""
    pieces = pattern.split("/")
    plain = next((at for at, piece in enumerate(pieces) if any(char in piece for char in "*?[")), len(pieces))
    prefix = "/".join(pieces[:plain])
    return _is_below(prefix, path) or (plain < len(pieces) and _is_below(path, prefix))


def _is_below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")
