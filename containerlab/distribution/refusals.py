"""What a registry refused, as errors of the tree; its own code and message are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from containerlab import errors

if TYPE_CHECKING:
    from containerlab.oci.distribution import Problem

__all__ = ["Dropped", "RegistryRefused", "Unreachable", "plain", "refusal"]

_SHOWN = 500


class Dropped(errors.Unavailable):
    """A connection was lost in the middle of a body; asking for the rest may help."""


class Unreachable(errors.Unavailable):
    """No connection could be made: nothing was sent."""


class RegistryRefused(errors.LabError):
    """A registry answered, but not with what was asked for."""

    def __init__(
        self, message: str, hint: str = "", *, status: int, problems: tuple[Problem, ...] = ()
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.problems = problems

    @property
    def codes(self) -> set[str]:
        """The codes of the specification: MANIFEST_UNKNOWN, DENIED, …"""
        return {problem.code for problem in self.problems}


class _Missing(RegistryRefused, errors.NotFound):
    pass


class _Forbidden(RegistryRefused, errors.NotPermitted):
    pass


class _Busy(RegistryRefused, errors.Unavailable):
    pass


class _Unable(RegistryRefused, errors.Unsupported):
    pass


class _Conflicting(RegistryRefused, errors.Conflict):
    pass


_KINDS: dict[int, type[RegistryRefused]] = {
    401: _Forbidden,
    403: _Forbidden,
    404: _Missing,
    405: _Unable,
    409: _Conflicting,
    410: _Missing,
    429: _Busy,
}


def refusal(what: str, status: int, problems: tuple[Problem, ...], hint: str = "") -> RegistryRefused:
    """Return the error for an answer.

    what: the request, as `localhost:5000: GET /v2/lab/app/manifests/1`.
    """
    kind = _KINDS.get(status, _Busy if status >= 500 else RegistryRefused)
    said = "; ".join(filter(None, (_said(problem) for problem in problems[:3])))
    return kind(f"{what}: {said or _meaning(status)}", hint, status=status, problems=problems)


def _said(problem: Problem) -> str:
    message, code = plain(problem.message), plain(problem.code)
    return f"{message} ({code})" if message and code else message or code


def _meaning(status: int) -> str:
    from http import HTTPStatus

    try:
        return f"{HTTPStatus(status).phrase.lower()} (status {status})"
    except ValueError:
        return f"status {status}"


def plain(text: str, most: int = _SHOWN) -> str:
    """Make what somebody else says fit to be shown: on one line, without control characters, not endless."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:most]).strip()
