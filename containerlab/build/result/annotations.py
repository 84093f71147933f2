"""Annotations of what a build makes: which, where, and for which platform.

Source: buildx, `--annotation`; BuildKit, docs/annotations.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from containerlab import errors
from containerlab.oci.platform import Platform

__all__ = ["Annotation", "chosen", "parse", "parse_output_key"]

_PLACES = ("manifest", "index", "manifest-descriptor", "index-descriptor")
_TYPE = re.compile(r"([a-z-]+)(?:\[([A-Za-z0-9_/.-]+)\])?")
_OUTPUT_KEY = re.compile(r"annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/.-]+)\])?\.(\S+)")


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: str
    place: str = "manifest"
    """manifest, index, manifest-descriptor or index-descriptor."""
    platform: Platform | None = None
    """None for all."""


def parse(text: str) -> tuple[Annotation, ...]:
    """Read `[TYPE[PLATFORM],…:]KEY=VALUE`, the option `--annotation`.

    >>> [a.place for a in parse("index,manifest[linux/arm64]:a=b")]
    ['index', 'manifest']

    Raises: InvalidInput.
    """
    words, equals, value = text.partition("=")
    if not equals or not words:
        raise errors.InvalidInput(f"{text!r} is no annotation", "write KEY=VALUE or TYPE:KEY=VALUE")
    types, colon, key = words.partition(":")
    if not colon:
        return (Annotation(key=words, value=value),)
    return tuple(_of_type(each, key, value) for each in types.split(","))


def _of_type(text: str, key: str, value: str) -> Annotation:
    match = _TYPE.fullmatch(text)
    if match is None:
        raise errors.InvalidInput(
            f"{text!r} is no type of annotation", "write TYPE or TYPE[PLATFORM], as manifest[linux/arm64]"
        )
    return _annotation(match[1], match[2], key, value)


def parse_output_key(name: str, value: str) -> Annotation | None:
    """Read `annotation[-TYPE][[PLATFORM]].KEY`, a field of `--output`; None when it is another field.

    Raises: InvalidInput.
    """
    match = _OUTPUT_KEY.fullmatch(name)
    return _annotation(match[1] or _PLACES[0], match[2], match[3], value) if match else None


def _annotation(place: str, platform: str | None, key: str, value: str) -> Annotation:
    if place not in _PLACES:
        hint = errors.nearest(place, _PLACES) or f"choose one of {', '.join(_PLACES)}"
        raise errors.InvalidInput(f"{place!r} is no type of annotation", hint)
    if not key:
        raise errors.InvalidInput("an annotation has no key", "write KEY=VALUE")
    target = Platform.parse(platform) if platform else None
    return Annotation(key=key, value=value, place=place, platform=target)


def chosen(annotations: Iterable[Annotation], place: str, platform: Platform | None = None) -> dict[str, str]:
    """Return what belongs to a place, for a platform; what names the platform wins over what is for all."""
    fitting = [each for each in annotations if each.place == place and each.platform in (None, platform)]
    fitting.sort(key=lambda each: each.platform is not None)
    return {each.key: each.value for each in fitting}
