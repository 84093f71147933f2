"""Templates filled in: everything that is put into a page is escaped, and shown as what it is."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

from containerlab import units
from containerlab.distribution.server.page import addresses
from containerlab.oci.attached import subject_of
from containerlab.views import html

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

__all__ = ["asset", "asset_address", "render", "sentence", "short_digest"]

_PACKAGE = "containerlab.distribution.server.page"
_TYPES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill in a template."""
    return _environment().get_template(template).render(values)


@functools.cache
def asset(name: str) -> tuple[bytes, str]:
    """Return the bytes and the media type of a file that pages ask for.

    Raises: KeyError.
    """
    media_type = _TYPES[name]
    return resources.files(_PACKAGE).joinpath("static", name).read_bytes(), media_type


def asset_address(name: str) -> str:
    """Return where a file is; another content has another address, so that browsers may keep it for ever."""
    return f"/ui/static/{hashlib.sha256(asset(name)[0]).hexdigest()[:16]}/{name}"


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        autoescape=True,
        loader=PackageLoader(_PACKAGE, "templates"),
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(at=addresses, asset=asset_address, ago=ago)
    made.filters.update(
        size=units.format_size,
        breakable=breakable,
        short=short_digest,
        short_tag=short_tag,
        moment=moment,
        second=second,
        exact=exact,
        counted=units.format_count,
        percent=percent,
        sentence=sentence,
    )
    return made


def _finalized(value: object) -> object:
    """Show control characters and those that turn the direction of text, which nobody would see."""
    return html.harmless(value) if type(value) is str else value


def breakable(text: str) -> Markup:
    """Escape text, and let lines break between the parts of names."""
    from markupsafe import Markup

    return Markup(html.breakable(text))  # escapes all that is in it


def ago(now: float, then: float | None) -> str:
    """Say how long ago something was.

    >>> ago(7200, 0), ago(0, None)
    ('2 hours ago', 'never')
    """
    return "never" if then is None else units.format_age(then, now)


def moment(seconds: float) -> str:
    """Write a moment as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def second(seconds: float) -> str:
    """Write a moment in UTC to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def exact(seconds: float) -> str:
    """Write a moment as programs read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def short_digest(digest: str) -> str:
    """Shorten a digest to what people compare.

    >>> short_digest("sha256:0123456789abcdef")
    '0123456789ab'
    """
    return digest.rpartition(":")[2][:12]


def short_tag(tag: str) -> str:
    """Shorten a tag whose name is a digest, as those of signatures are.

    >>> short_tag(f"sha256-{'0123456789abcdef' * 4}.sig"), short_tag("v1")
    ('sha256-0123456789ab….sig', 'v1')
    """
    if not subject_of(tag):
        return tag
    algorithm, _, rest = tag.partition("-")
    return f"{algorithm}-{rest[:12]}…{rest.partition('.')[1]}{rest.partition('.')[2]}"


def percent(part: float, whole: float) -> str:
    """Write a share.

    >>> percent(1, 8), percent(1, 10_000), percent(0, 0)
    ('12.5 %', '<0.1 %', '0 %')
    """
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 0.1:
        return "<0.1 %"
    return f"{share:.1f}".removesuffix(".0") + " %"


def sentence(text: str) -> str:
    """Write what an error says as a sentence; a name at its beginning stays as it is.

    >>> sentence("no such tag: x"), sentence("lab/base: this needs a right"), sentence("why?")
    ('No such tag: x.', 'lab/base: this needs a right.', 'Why?')
    """
    first = text.partition(" ")[0]
    begun = text[:1].upper() + text[1:] if first.strip(".?!").isalpha() else text
    return begun if begun.endswith((".", "?", "!")) or not begun else f"{begun}."
