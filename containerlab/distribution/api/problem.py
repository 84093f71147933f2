"""What went wrong, on its way from the server to the caller: our errors as RFC 9457 documents."""

from __future__ import annotations

import msgspec

from containerlab import errors
from containerlab.errors import LabError
from containerlab.oci.untrusted import UNREADABLE

__all__ = ["MEDIA_TYPE", "STATUSES", "Problem", "error_of", "problem_of", "status_of"]

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:containerlab:"

STATUSES: dict[type[LabError], int] = {
    errors.InvalidInput: 400,
    errors.NotPermitted: 403,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.Unsupported: 422,
    errors.CorruptContent: 422,
    errors.Unavailable: 503,
    errors.TimedOut: 504,
}
"""The status of each error that a caller can do something about; what else happens is a 500."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong. Source: RFC 9457."""

    type: str = "about:blank"
    """Which kind of error, as `urn:containerlab:NotFound`."""
    title: str
    """The kind in words."""
    status: int
    """The status of the answer, once more."""
    detail: str
    """One sentence: what was tried, on what, why not."""
    hint: str = ""
    """What to do about it."""


def status_of(error: LabError) -> int:
    """Return the status of an error: its own if it has one, else that of its class."""
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def problem_of(error: LabError, status: int = 0) -> Problem:
    """Write an error as a document; with `status` other than its own.

    >>> problem_of(errors.NotFound("no such tag: x")).type
    'urn:containerlab:NotFound'
    """
    kind = next(each for each in type(error).__mro__ if each.__name__ in errors.__all__)
    return Problem(
        type=f"{_TYPE}{kind.__name__}",
        title=(kind.__doc__ or "").split("\n")[0].rstrip("."),
        status=status or status_of(error),
        detail=error.message,
        hint=error.hint,
    )


def error_of(status: int, body: bytes) -> LabError:
    """Read the error out of an answer; whatever sent it.

    >>> error_of(404, b'{"type":"urn:containerlab:NotFound","title":"","status":404,"detail":"no"}')
    NotFound('no')
    """
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except UNREADABLE:
        problem = _unreadable(status)
    kind = getattr(errors, problem.type.removeprefix(_TYPE), None)
    if not (isinstance(kind, type) and issubclass(kind, LabError) and kind.__name__ in errors.__all__):
        kind = next((each for each, code in STATUSES.items() if code == status), LabError)
    return kind(problem.detail, problem.hint)


def _unreadable(status: int) -> Problem:
    detail, hint = f"the server answered with status {status}", ""
    if status in (404, 405, 501):
        detail = f"this registry has not the API that only containerlab's has: it answered with {status}"
        hint = "name one that `conlab registry serve` runs: --registry, $CONTAINERLAB_REGISTRY"
    return Problem(title="", status=status, detail=detail, hint=hint)
