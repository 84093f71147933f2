"""Names of images: `registry/repository:tag@digest`, with Docker's abbreviations.

Source: distribution/reference, regexp.go and normalize.go.
"""

from __future__ import annotations

import functools
import re

import msgspec

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci.distribution import NAME_PART, TAG

__all__ = ["DEFAULT_REGISTRY", "DEFAULT_TAG", "Reference", "names_one"]

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
_OFFICIAL = "library/"
_MAX_NAME = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REPOSITORY = rf"{NAME_PART}(?:/{NAME_PART})*"
_HEX = r"[0-9a-f]{64}"


class Reference(msgspec.Struct, frozen=True):
    """A name of an image, complete: what was left out is filled in as Docker does."""

    registry: str
    """Host and port, `docker.io` when none was given."""
    repository: str
    """Path within the registry, with `library/` before a single word of docker.io."""
    tag: str = ""
    """Empty only when a digest is given."""
    digest: str = ""

    @staticmethod
    def parse(text: str) -> Reference:
        """Read a name; without tag and digest, the tag is `latest`.

        >>> Reference.parse("debian").full()
        'docker.io/library/debian:latest'
        >>> Reference.parse("localhost:5000/a/b:1").registry
        'localhost:5000'

        Raises: InvalidInput saying which part is wrong.
        """
        return _parse(text)

    def full(self) -> str:
        """Spell everything out: the form under which the store keeps names."""
        return f"{self.registry}/{self.repository}{self._suffix()}"

    def familiar(self) -> str:
        """Leave out what Docker's users leave out.

        >>> Reference.parse("docker.io/library/debian:12").familiar()
        'debian:12'
        """
        if self.registry != DEFAULT_REGISTRY:
            return self.full()
        name = self.repository
        if name.startswith(_OFFICIAL) and "/" not in name[len(_OFFICIAL) :]:
            name = name[len(_OFFICIAL) :]
        if _split_registry(name)[0] != DEFAULT_REGISTRY:  # its first word looks like a host
            return self.full()
        return f"{name}{self._suffix()}"

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def names_one(text: str) -> bool:
    """Tell whether a name says which image of a repository it means, by a tag or a digest of its own.

    >>> names_one("localhost:5000/app"), names_one("localhost:5000/app:1")
    (False, True)
    """
    return "@" in text or ":" in text.rpartition("/")[2]


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> Reference:
    name, _, digest = text.partition("@")
    name, tag = _split_tag(name)
    registry, repository = _split_registry(name)
    _check(text, registry, repository, tag)
    if "@" in text:
        digest = digests.parse(digest)
    return Reference(registry, repository, tag if tag or digest else DEFAULT_TAG, digest)


def _split_tag(name: str) -> tuple[str, str]:
    """Return name and tag; an empty tag after a colon is an error, which a lone ":" stands for."""
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, ""
    return head, tag or ":"


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    registry, repository = (first, rest) if is_host else (DEFAULT_REGISTRY, name)
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = _OFFICIAL + repository
    return registry, repository


def _check(text: str, registry: str, repository: str, tag: str) -> None:
    shown = repr(text if len(text) <= 100 else f"{text[:100]}…")
    if not text:
        raise errors.InvalidInput("an image name is empty", "write a name such as lab/base or debian:12")
    if re.fullmatch(_HEX, text):
        raise errors.InvalidInput(f"{shown} is an image id, not a name", "give the image a name with `tag`")
    if not re.fullmatch(_REGISTRY, registry):
        raise errors.InvalidInput(f"{registry!r} in {shown} is not a registry", "write host or host:port")
    if not re.fullmatch(_REPOSITORY, repository):
        raise errors.InvalidInput(f"{shown} is not an image name", _name_hint(text, repository))
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        raise errors.InvalidInput(f"image name {shown} is too long", f"use at most {_MAX_NAME} characters")
    if tag and not re.fullmatch(TAG, tag):
        raise errors.InvalidInput(
            f"{tag!r} in {shown} is not a tag",
            "use up to 128 letters, digits, '.', '_' and '-', not beginning with '.' or '-'",
        )


def _name_hint(text: str, repository: str) -> str:
    if repository != repository.lower() and re.fullmatch(_REPOSITORY, repository.lower()):
        name, tag = _split_tag(text)
        return f"repository names are lower case: {name.lower()}{tag and f':{tag}'}"
    return "use lower-case letters and digits, with single '.', '_' or '-' between and '/' between parts"
