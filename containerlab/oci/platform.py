"""Platforms: for which processor and system an image is, and which image of an index fits.

Source: OCI image-spec 1.1, image-index.md, and containerd's platforms package (its order of preference).
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable

import msgspec

from containerlab import errors

__all__ = ["Platform"]

_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv8l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armel": ("arm", "v6"),
    "loongarch64": ("loong64", ""),
}
_OLDER = {"arm": ("v8", "v7", "v6", "v5"), "amd64": ("v4", "v3", "v2", "")}
_NORMAL = {("arm", ""): "v7", ("arm64", "v8"): "", ("amd64", "v1"): ""}
_WORD = r"[A-Za-z0-9_.-]+"


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operating system and a processor, in Go's words."""

    architecture: str
    os: str
    variant: str = ""
    """As v7 or v8 of arm; empty for the usual one."""
    os_version: str = msgspec.field(name="os.version", default="")
    os_features: tuple[str, ...] = msgspec.field(name="os.features", default=())

    @staticmethod
    @functools.cache
    def host() -> Platform:
        """Return the platform of this machine."""
        return _normal("linux", os.uname().machine, "")

    @staticmethod
    def parse(text: str) -> Platform:
        """Read `os/architecture[/variant]`, or one of the first two alone.

        >>> str(Platform.parse("linux/aarch64"))
        'linux/arm64'

        Raises: InvalidInput.
        """
        words = text.strip().split("/")
        if not 1 <= len(words) <= 3 or not all(re.fullmatch(_WORD, word) for word in words):
            raise errors.InvalidInput(f"{text!r} is not a platform", "write os/architecture, as linux/arm64")
        if len(words) == 1:
            if words[0].lower() in ("linux", "windows", "darwin", "freebsd"):
                return Platform(Platform.host().architecture, words[0].lower(), Platform.host().variant)
            words = ["linux", *words]
        return _normal(words[0], words[1], words[2] if len(words) == 3 else "")

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def runs(self, other: Platform) -> bool:
        """Tell whether a machine of this platform executes programs of the `other`."""
        return _rank(self, other, strict=False) is not None

    def best(self, offered: Iterable[Platform | None], *, strict: bool = False) -> int | None:
        """Return the index of the offered platform that suits this one best, or None.

        `strict` leaves out other architectures that would run too (386 on amd64, arm on arm64). A single
        offer that does not say its platform is taken.
        """
        offers = [(i, o) for i, o in enumerate(offered) if o is None or o.os != "unknown"]
        if len(offers) == 1 and offers[0][1] is None:
            return offers[0][0]
        ranked = [(rank, i) for i, o in offers if o and (rank := _rank(self, o, strict)) is not None]
        return min(ranked)[1] if ranked else None


def _normal(system: str, architecture: str, variant: str) -> Platform:
    architecture, system, variant = architecture.lower(), system.lower(), variant.lower()
    architecture, implied = _ALIASES.get(architecture, (architecture, ""))
    variant = variant or implied
    if variant.isdigit():
        variant = f"v{variant}"
    return Platform(architecture, system, _NORMAL.get((architecture, variant), variant))


def _rank(wanted: Platform, offered: Platform, strict: bool) -> int | None:
    """Return how far `offered` is from what was wanted (0 is equal), or None when it would not run."""
    if offered.os.lower() != wanted.os:
        return None
    other = _normal(offered.os, offered.architecture, offered.variant)
    order = _preferences(wanted.architecture, wanted.variant)
    key = (other.architecture, other.variant)
    if key not in order or (strict and other.architecture != wanted.architecture):
        return None
    return order.index(key)


def _preferences(architecture: str, variant: str) -> list[tuple[str, str]]:
    older = _OLDER.get(architecture, (variant,))
    own = older[older.index(variant) :] if variant in older else (variant,)
    result = [(architecture, each) for each in own]
    if architecture == "arm64":
        result += [("arm64", "")] * (variant != "") + [("arm", each) for each in _OLDER["arm"]]
    if architecture == "amd64":
        result.append(("386", ""))
    return result
