"""Values that every noun of the API is made of: names, pages, moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from containerlab.oci.distribution import NAME_PART, TAG
from containerlab.views import html
from containerlab.views.fields import table_of

if TYPE_CHECKING:
    from containerlab.views.table import Table

__all__ = [
    "After",
    "Digest",
    "Limit",
    "Moment",
    "Number",
    "OrganizationName",
    "Page",
    "Patterns",
    "RepositoryName",
    "Scope",
    "SomePatterns",
    "TagName",
    "TagPattern",
    "Text",
    "every",
    "exactly",
]

Item = TypeVar("Item")


def exactly(pattern: str) -> str:
    r"""Return a pattern that matches the whole of a text only.

    >>> exactly("a")
    '^a$(?!\\n)'
    """
    return f"^{pattern}$(?!\\n)"  # `$` alone would let a line feed at the end pass


RepositoryName = Annotated[
    str,
    Meta(
        pattern=exactly(f"{NAME_PART}(?:/{NAME_PART})*"), min_length=1, max_length=255, examples=["lab/base"]
    ),
]
"""A repository; in a path its slashes are written %2F."""
OrganizationName = Annotated[
    str, Meta(pattern=exactly(NAME_PART), min_length=1, max_length=255, examples=["lab"])
]
"""The first part of the names of its repositories; `library` for those that have no slash."""
TagName = Annotated[str, Meta(pattern=exactly(TAG), examples=["v1"])]
Digest = Annotated[
    str,
    Meta(pattern=exactly("(sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})"), examples=["sha256:" + "0" * 64]),
]
Number = Annotated[int, Meta(ge=1, le=(1 << 63) - 1)]
"""What a thing without a name is called by."""
Scope = Annotated[
    str,
    Meta(
        pattern=exactly(f"(?:{NAME_PART}/|{NAME_PART}(?:/{NAME_PART})*)?"),
        max_length=256,
        examples=["lab/", "lab/base", ""],
    ),
]
"""An organisation with a slash at the end, a repository, or empty for the whole registry."""
TagPattern = Annotated[str, Meta(min_length=1, max_length=200, examples=["v*", r"/v\d+/"])]
"""Tags: a glob, or a regular expression between slashes, of the whole tag."""
Patterns = Annotated[tuple[TagPattern, ...], Meta(max_length=32)]
SomePatterns = Annotated[tuple[TagPattern, ...], Meta(min_length=1, max_length=32)]
Text = Annotated[str, Meta(max_length=255, description="One line of at most 255 bytes.")]
Moment = Annotated[float, Meta(ge=0, le=1e11, description="Seconds since 1970.")]
Limit = Annotated[int, Meta(ge=1, le=1000, description="The most that a page has.")]
After = Annotated[str, Meta(max_length=1024, description="`next` of the page before.")]


class Page(html.Shown, msgspec.Struct, Generic[Item], frozen=True, omit_defaults=True):
    """Some of many; a table where it is shown."""

    items: tuple[Item, ...]
    next: str = ""
    """What to give as `after` for the page that follows; missing on the last."""

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self) -> str:
        return self._shown(lambda table: table.to_text())

    def to_html(self) -> str:
        return self._shown(lambda table: table.to_html())

    def _shown(self, write: Callable[[Table[Any]], str]) -> str:
        if not self.items:
            return "nothing"
        more = "\n…" if self.next else ""
        return write(table_of(self.items, type(self.items[0]))) + more


def every(pages: Callable[..., Page[Item]], **given: object) -> Iterator[Item]:
    """Go through all pages of an operation: `every(reg.events.list, repository="lab/base")`."""
    page = pages(**given)
    yield from page.items
    while page.next:
        page = pages(**given, after=page.next)
        yield from page.items
