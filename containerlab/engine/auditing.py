"""What an audit tells, and what of it a user wants to be told."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from containerlab.backends import base, optional
from containerlab.build.audit.finding import SEVERITIES, Finding
from containerlab.engine import columns
from containerlab.errors import Unsupported, of_the_system
from containerlab.views.table import Table

__all__ = ["Audit", "audit"]


class Audit(Table[Finding]):
    """Secrets that were found in an image, the severest first; `exit_code` is for CI."""

    def __init__(self, rows: Sequence[Finding], title: str = "", exit_code: int = 1) -> None:
        super().__init__(rows, columns.FINDINGS, title)
        self._exit_code = exit_code

    @property
    def exit_code(self) -> int:
        """0 when nothing was found."""
        return self._exit_code if len(self) else 0

    def to_text(self, full: bool = False) -> str:
        return super().to_text(full) if len(self) else self.title


def audit(backend: base.Backend, name: str, options: Mapping[str, Any]) -> Audit:
    """Look for secrets in an image, as the options say.

    Raises: Unsupported when the backend cannot; NotFound; CorruptContent.
    """
    if not isinstance(backend, optional.Auditing):
        raise Unsupported(
            f"the {backend.name} backend cannot audit images", "save the image, and load it here"
        )
    found = backend.audit_image(name, options.get("platform"))
    ignored = [*options.get("ignore", ()), *_lines(options.get("ignore_file"))]
    counted = [each for each in found if not _is_ignored(each, ignored)]
    least = SEVERITIES.index(options.get("severity", "medium"))
    shown = [each for each in counted if SEVERITIES.index(each.severity) >= least]
    title = _title(name, shown, len(counted) - len(shown), len(found) - len(counted))
    return Audit(shown, title, options.get("exit_code", 1))


def _is_ignored(finding: Finding, patterns: Sequence[str]) -> bool:
    """Say whether a pattern is the kind, or fits the path, or both as `kind:path`."""
    names = (finding.kind, finding.path, f"{finding.kind}:{finding.path}")
    return any(fnmatch.fnmatchcase(name, pattern.removeprefix("/")) for pattern in patterns for name in names)


def _lines(path: str | None) -> Iterator[str]:
    if path is None:
        return
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise of_the_system(error, "--ignore-file") from error
    yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))


def _title(name: str, shown: Sequence[Finding], less_severe: int, ignored: int) -> str:
    counts = Counter(each.severity for each in shown)
    parts = [f"{counts[each]} {each}" for each in reversed(SEVERITIES) if counts[each]]
    told = [f"{name}: {', '.join(parts) if parts else 'nothing found'}"]
    if less_severe:
        told.append(f"{less_severe} less severe (--severity low shows all)")
    if ignored:
        told.append(f"{ignored} ignored")
    return "; ".join(told)
