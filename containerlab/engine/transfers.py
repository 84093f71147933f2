"""Pulling and pushing, as the engine asks for it: options become an order, what came of it a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from containerlab.backends.optional import Distributing
from containerlab.distribution.transfer import platforms
from containerlab.distribution.transfer.pull import PullOrder
from containerlab.distribution.transfer.push import PushOrder
from containerlab.engine.result import Interrupted
from containerlab.engine.termination import orderly
from containerlab.engine.transfer_results import PullResult, PushResult
from containerlab.engine.transfer_view import watching
from containerlab.errors import InvalidInput, LabError, NotFound, Unsupported
from containerlab.oci.reference import Reference

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["interruptible", "options_for", "provide", "pull", "push"]


def pull(engine: Engine, name: str, given: dict[str, Any]) -> PullResult:
    """Pull by options that were read. Raises: as `Distributing.pull`, Interrupted."""
    quiet = bool(given.pop("quiet", False))
    given.pop("disable_content_trust", None)
    order = PullOrder(platforms=platforms.read(given.pop("platform", "")), **given)
    with _watched(engine, "pull", quiet) as watch:
        images = _backend(engine).pull(name, order, watch)
    return PullResult(images=tuple(images), is_quiet=quiet)


def options_for(own: Mapping[str, Any], platform: str | None) -> dict[str, Any]:
    """Return options of a pull for a container with these options of its own."""
    given = {"quiet": bool(own.get("quiet")), "policy": own.get("pull", "missing")}
    return {**given, "platform": platform} if platform else given


def provide(engine: Engine, name: str, missing: NotFound, given: dict[str, Any]) -> None:
    """Pull an image that is not in the store.

    Raises: NotFound, which says both that it is missing and why it cannot be pulled; `missing` itself when
        that was about something else.
    """
    can_pull = isinstance(engine.backend, Distributing) and _is_name(name)
    if not can_pull or _is_there(engine, name, given.get("platform")):
        raise missing
    try:
        pull(engine, name, given)
    except LabError as error:
        said = f"{missing.message}, and it cannot be pulled: {error.message}"
        hint = missing.hint if missing.hint.startswith("did you mean") else error.hint
        raise NotFound(said, hint) from error


def _is_there(engine: Engine, name: str, platform: str | None) -> bool:
    with suppress(NotFound):
        return bool(engine.backend.image(name, platform))
    return False


def _is_name(text: str) -> bool:
    try:
        return bool(Reference.parse(text))
    except InvalidInput:
        return False


def push(engine: Engine, name: str, given: dict[str, Any]) -> PushResult:
    """Push by options that were read. Raises: as `Distributing.push`, Interrupted."""
    quiet = bool(given.pop("quiet", False))
    given.pop("disable_content_trust", None)
    wanted = platforms.read(given.pop("platform", platforms.EVERY))
    order = PushOrder(platforms=wanted, **given)
    with _watched(engine, "push", quiet) as watch:
        images = _backend(engine).push(name, order, watch)
    return PushResult(images=tuple(images), is_quiet=quiet)


@contextmanager
def _watched(engine: Engine, what: str, quiet: bool) -> Iterator[Callable[[Any], None]]:
    with interruptible(what), watching(engine.face, quiet=quiet) as watch:
        yield watch


@contextmanager
def interruptible(what: str) -> Iterator[None]:
    """End a transfer in order that is interrupted, or whose process is asked to end."""
    try:
        with orderly():
            yield
    except KeyboardInterrupt as interrupt:
        code = getattr(interrupt, "exit_code", 130)
        hint = f"what has arrived is kept: {what} again to go on"
        raise Interrupted(f"the {what} was stopped", hint, exit_code=code) from None


def _backend(engine: Engine) -> Distributing:
    backend = engine.backend
    if not isinstance(backend, Distributing):
        raise Unsupported(f"the {backend.name} backend cannot reach registries")
    return backend
