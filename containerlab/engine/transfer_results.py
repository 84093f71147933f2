"""What a pull or a push did, in Docker's words and in a notebook's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from containerlab import units
from containerlab.distribution.transfer.pull import Pulled
from containerlab.distribution.transfer.push import Pushed
from containerlab.oci.reference import Reference
from containerlab.views import html

__all__ = ["PullResult", "PushResult"]

_Image = TypeVar("_Image", Pulled, Pushed)


class _Transferred(html.Shown, msgspec.Struct, Generic[_Image], frozen=True, kw_only=True):
    """Images that are where they should be."""

    images: tuple[_Image, ...]
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

    def to_text(self) -> str:
        return "\n".join(line for image in self.images for line in self.lines(image))

    def lines(self, image: _Image) -> Iterator[str]:
        """Write what Docker writes at the end of one image."""
        raise NotImplementedError

    def what(self) -> str:
        """Say in words what was moved."""
        raise NotImplementedError

    def to_html(self) -> str:
        facts = f"<b>{html.text(', '.join(self.names))}</b> · {html.text(self.what())}"
        return html.line(html.mark(is_good=True) + facts, self.digest)

    def __repr__(self) -> str:
        return f"{', '.join(self.names)} · {self.what()}"


class PullResult(_Transferred[Pulled], frozen=True, kw_only=True):
    """Images that are in the store now.

    >>> PullResult(images=(Pulled(name="lab/app:v1", digest="sha256:0", is_new=False),))
    lab/app:v1 · up to date
    """

    @property
    def is_new(self) -> bool:
        """Whether anything is other than it was."""
        return any(image.is_new for image in self.images)

    @property
    def fetched_bytes(self) -> int:
        return sum(image.fetched_bytes for image in self.images)

    def lines(self, image: Pulled) -> Iterator[str]:
        if not self.is_quiet:
            yield f"Digest: {image.digest}"
            is_new = "Downloaded newer image" if image.is_new else "Image is up to date"
            yield f"Status: {is_new} for {image.name}"
        yield Reference.parse(image.name).full()

    def what(self) -> str:
        return f"fetched {units.format_size(self.fetched_bytes)}" if self.fetched_bytes else "up to date"


class PushResult(_Transferred[Pushed], frozen=True, kw_only=True):
    """Images that the registry has now.

    >>> PushResult(images=(Pushed(name="localhost:5000/app:v1", digest="sha256:0", size=400),))
    localhost:5000/app:v1 · it was there
    """

    @property
    def sent_bytes(self) -> int:
        return sum(image.sent_bytes for image in self.images)

    def lines(self, image: Pushed) -> Iterator[str]:
        reference = Reference.parse(image.name)
        if self.is_quiet:
            yield reference.full()
        else:
            yield f"{reference.tag}: digest: {image.digest} size: {image.size}"

    def what(self) -> str:
        return f"sent {units.format_size(self.sent_bytes)}" if self.sent_bytes else "it was there"
