"""Pulling and pushing, as the engine asks for it: options become an order, what came of it a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab import units
from containerlab.backends.distributing import Distributing
from containerlab.distribution.transfer import platforms
from containerlab.distribution.transfer.pull import Pulled, PullOrder
from containerlab.distribution.transfer.push import Pushed, PushOrder
from containerlab.engine.result import Interrupted
from containerlab.engine.termination import orderly
from containerlab.engine.transfer_view import watching
from containerlab.errors import InvalidInput, LabError, NotFound, Unsupported
from containerlab.oci.reference import Reference
from containerlab.views import html

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["PullResult", "PushResult", "interruptible", "options_for", "provide", "pull", "push"]


class PullResult(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Images that are in the store now.

    >>> PullResult(images=(Pulled(name="lab/app:v1", digest="sha256:0", is_new=False),))
    lab/app:v1 · up to date
    """

    images: tuple[Pulled, ...]
    is_quiet: bool = False
    """Whether only names are to be shown."""

    @property
    def name(self) -> str:
        """Of the first image, by which it can be run."""
        return self.images[0].name

    @property
    def digest(self) -> str:
        """Of the first image's manifest or index."""
        return self.images[0].digest

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(image.name for image in self.images)

    @property
    def is_new(self) -> bool:
        """Whether anything is other than it was."""
        return any(image.is_new for image in self.images)

    @property
    def fetched_bytes(self) -> int:
        return sum(image.fetched_bytes for image in self.images)

    def to_text(self) -> str:
        return "\n".join(line for image in self.images for line in self._lines(image))

    def _lines(self, image: Pulled) -> Iterator[str]:
        """Write what Docker writes at the end."""
        if not self.is_quiet:
            yield f"Digest: {image.digest}"
            is_new = "Downloaded newer image" if image.is_new else "Image is up to date"
            yield f"Status: {is_new} for {image.name}"
        yield Reference.parse(image.name).full()

    def card(self) -> list[str]:
        """Return the facts that matter, most important first."""
        what = f"fetched {units.format_size(self.fetched_bytes)}" if self.fetched_bytes else "up to date"
        return [", ".join(self.names), what]

    def to_html(self) -> str:
        first, *rest = self.card()
        facts = " · ".join([f"<b>{html.text(first)}</b>", *map(html.text, rest)])
        return html.line(html.mark(is_good=True) + facts, self.digest)

    def __repr__(self) -> str:
        return " · ".join(self.card())


class PushResult(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """Images that the registry has now.

    >>> PushResult(images=(Pushed(name="localhost:5000/app:v1", digest="sha256:0", size=400),))
    localhost:5000/app:v1 · it was there
    """

    images: tuple[Pushed, ...]
    is_quiet: bool = False

    @property
    def name(self) -> str:
        return self.images[0].name

    @property
    def digest(self) -> str:
        """Of the first image's manifest or index."""
        return self.images[0].digest

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(image.name for image in self.images)

    @property
    def sent_bytes(self) -> int:
        return sum(image.sent_bytes for image in self.images)

    def to_text(self) -> str:
        return "\n".join(map(self._line, self.images))

    def _line(self, image: Pushed) -> str:
        reference = Reference.parse(image.name)
        if self.is_quiet:
            return reference.full()
        return f"{reference.tag}: digest: {image.digest} size: {image.size}"

    def card(self) -> list[str]:
        """Return the facts that matter, most important first."""
        what = f"sent {units.format_size(self.sent_bytes)}" if self.sent_bytes else "it was there"
        return [", ".join(self.names), what]

    def to_html(self) -> str:
        first, *rest = self.card()
        facts = " · ".join([f"<b>{html.text(first)}</b>", *map(html.text, rest)])
        return html.line(html.mark(is_good=True) + facts, self.digest)

    def __repr__(self) -> str:
        return " · ".join(self.card())


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
