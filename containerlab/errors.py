"""The tree of exceptions, ordered by what the caller can do about them.

    LabError
    ├── InvalidInput          a value from the user is wrong: change it
    ├── NotFound              a name leads to nothing: the nearest right one is the hint
    ├── AlreadyExists         a name is taken: choose another or remove its owner
    ├── Conflict              the thing is there but in another state
    ├── NotPermitted          the kernel or the host refuses
    ├── Unsupported           this backend or host lacks a feature
    ├── Unavailable           try again later
    ├── TimedOut
    ├── CorruptContent        stored or received bytes are not what they should be
    │   ├── DigestMismatch
    │   └── HostileArchive
    ├── SetupFailed           a container could not be set up: names the step
    │   ├── CannotExecute     the program is there but cannot be executed (exit code 126)
    │   └── CommandNotFound   the program is not in the image (exit code 127)
    └── ContainerFailed       a container ended with another exit code than 0

Every message is one sentence: what was tried, on what, why not. `hint` says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable

# As in `typing`, which every container's monitor does without.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "AlreadyExists",
    "CannotExecute",
    "CommandNotFound",
    "Conflict",
    "ContainerFailed",
    "CorruptContent",
    "DigestMismatch",
    "HostileArchive",
    "InvalidInput",
    "LabError",
    "NotFound",
    "NotPermitted",
    "SetupFailed",
    "TimedOut",
    "Unavailable",
    "Unsupported",
    "nearest",
    "of_the_system",
    "wanted",
]


class LabError(Exception):
    """What every error of this package is; `hint` is a sentence that can be followed, or empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Show two lines instead of a stack in IPython."""
        kind = next(base.__name__ for base in type(self).__mro__ if not base.__name__.startswith("_"))
        lines = [f"{kind}: {self.message}"]
        return [*lines, f"  hint: {self.hint}"] if self.hint else lines


class InvalidInput(LabError, ValueError):
    """A value from the user is wrong."""


class NotFound(LabError, LookupError):
    """A name leads to nothing."""

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str] = (), hint: str = "") -> NotFound:
        """Say that there is no `kind` called `name`, and which known one is nearest."""
        return cls(f"no such {kind}: {name}", nearest(name, known) or hint)


class AlreadyExists(LabError):
    """A name is taken."""


class Conflict(LabError):
    """The thing is there, but in a state in which this cannot be done."""


class NotPermitted(LabError, PermissionError):
    """The kernel or the host refuses."""

    def __str__(self) -> str:
        return LabError.__str__(self)


class Unsupported(LabError):
    """This host or backend lacks the feature."""


class Unavailable(LabError):
    """It does not work now, and may later."""


class TimedOut(LabError, TimeoutError):
    """It took longer than allowed."""

    def __str__(self) -> str:
        return LabError.__str__(self)


class CorruptContent(LabError):
    """Stored or received bytes are not what they should be."""


class DigestMismatch(CorruptContent):
    """The bytes have another digest than the one they were asked for by."""


class HostileArchive(CorruptContent):
    """An archive tries to write where it must not, or is not what it says."""


class SetupFailed(LabError):
    """A container could not be set up; `step` names the step, `errno` is the kernel's answer or 0."""

    exit_code = 125

    def __init__(self, message: str, hint: str = "", *, step: str = "", errno: int = 0) -> None:
        super().__init__(message, hint)
        self.step = step
        self.errno = errno


class CannotExecute(SetupFailed):
    """The program is there but cannot be executed."""

    exit_code = 126


class CommandNotFound(SetupFailed):
    """The program is not there."""

    exit_code = 127


class ContainerFailed(LabError):
    """A container ended with another exit code than 0; `result` says all about it."""

    def __init__(self, message: str, hint: str = "", *, result: object = None) -> None:
        super().__init__(message, hint)
        self.result = result


def of_the_system(error: OSError, what: str) -> LabError:
    """Say in one sentence what the system refused while `what` was done.

    >>> import errno
    >>> str(of_the_system(OSError(errno.ENOSPC, "No space left on device"), "save"))
    'save: No space left on device (make room: `system df` shows what can go, `system prune` takes it away)'
    """
    import errno

    reason = error.strerror or str(error)
    where = f"{what}: {error.filename}" if error.filename else what
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "make room: `system df` shows what can go, `system prune` takes it away"
        return Unavailable(f"{where}: {reason}", hint)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NotPermitted(f"{where}: {reason}", "choose a place that is yours, or run as its owner")
    return LabError(f"{where}: {reason}")


def wanted(module: str, purpose: str) -> Any:
    """Import a package that only some uses need, and so is not installed with this one.

    Raises: Unsupported, which names the package, and the extra that brings it.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        extra = next((extra for extra, packages in _EXTRAS.items() if package in packages), "")
        what = f"'containerlab[{extra}]'" if extra else package
        raise Unsupported(
            f"{purpose} needs {package}, which is not installed", f"pip install {what}"
        ) from error


_EXTRAS = {
    "notebook": ("IPython", "ipywidgets", "matplotlib", "pandas"),
    "sbom": ("cyclonedx", "license_expression", "packageurl"),
    "server": ("argon2", "httptools", "jinja2", "jwt", "starlette", "uvicorn", "uvloop"),
    "signing": ("cryptography", "nacl"),
}
"""What `pip install` is told, and the modules that come of it: packages are not called as their modules."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `did you mean X?` for the known name most like `name`, or nothing.

    >>> nearest("memry", ["memory", "cpus"])
    'did you mean memory?'
    """
    import difflib  # every monitor loads this module, and none needs this

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else ""
