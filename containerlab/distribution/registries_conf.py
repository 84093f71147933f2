"""podman's registries.conf: what stands in for a registry, which may be plain, which are blocked.

One file counts: $CONTAINERS_REGISTRIES_CONF, else the user's, else the system's; files in registries.conf.d
beside it come after it, in the order of their names, and replace what has the same prefix.

A name without a registry is Docker Hub's here, as Docker has it, so `unqualified-search-registries` and
`[aliases]` do not change what a name means: what is pulled must not depend on a setting that somebody else
wrote. They are read (and checked) for `search`. To have short names come from elsewhere, give docker.io a
mirror or a location.

Source: containers-registries.conf(5), containers-registries.conf.d(5); containers/image,
pkg/sysregistriesv2/system_registries_v2.go.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

import msgspec

from containerlab import errors
from containerlab.oci.reference import Reference

__all__ = ["Mirror", "Registries", "RegistryRule", "Source", "load"]

_SYSTEM = "/etc/containers"
_PULL_FROM = Literal["all", "digest-only", "tag-only"]


class Mirror(msgspec.Struct, frozen=True, rename="kebab"):
    """A place that has copies of what a registry has."""

    location: str
    insecure: bool = False
    pull_from_mirror: _PULL_FROM = "all"

    def serves(self, reference: Reference) -> bool:
        """Tell whether it may be asked for this."""
        if self.pull_from_mirror == "all":
            return True
        return (self.pull_from_mirror == "digest-only") == bool(reference.digest)


class RegistryRule(msgspec.Struct, frozen=True, rename="kebab"):
    """One `[[registry]]`."""

    prefix: str = ""
    """host, host/path, or *.host; as `location` when it is not given."""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror: tuple[Mirror, ...] = ()
    mirror_by_digest_only: bool = False

    @property
    def matches(self) -> str:
        return self.prefix or self.location


class Source(msgspec.Struct, frozen=True):
    """Where an image can be had."""

    registry: str
    repository: str
    insecure: bool = False
    is_mirror: bool = False


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    registry: tuple[RegistryRule, ...] = ()
    unqualified_search_registries: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = {}
    registries: Mapping[str, Mapping[str, tuple[str, ...]]] = {}
    """Version 1: search, insecure, block."""


class Registries(msgspec.Struct, frozen=True):
    """All that the files say."""

    rules: Mapping[str, RegistryRule] = {}
    """By prefix."""
    search: tuple[str, ...] = ()
    aliases: Mapping[str, str] = {}

    def rule_for(self, registry: str, repository: str = "") -> RegistryRule | None:
        """Return the rule whose prefix matches most of a name."""
        name = f"{registry}/{repository}" if repository else registry
        matching = [rule for prefix, rule in self.rules.items() if _matched(prefix, name)]
        return max(matching, key=lambda rule: _matched(rule.matches, name), default=None)

    def sources(self, reference: Reference) -> list[Source]:
        """Return where an image can be pulled from, mirrors first and the registry itself last.

        Raises: NotPermitted when the registry is blocked.
        """
        rule = self._allowed(reference)
        if rule is None:
            return [Source(reference.registry, reference.repository)]
        mirrors = () if rule.mirror_by_digest_only and not reference.digest else rule.mirror
        return [
            *(
                _placed(rule, each.location, reference, each.insecure, True)
                for each in mirrors
                if each.serves(reference)
            ),
            _placed(rule, rule.location, reference, rule.insecure, False),
        ]

    def target(self, reference: Reference) -> Source:
        """Return where an image is pushed: to the registry of its name, whatever stands in for pulls.

        Raises: NotPermitted when the registry is blocked.
        """
        rule = self._allowed(reference)
        return Source(reference.registry, reference.repository, bool(rule and rule.insecure))

    def _allowed(self, reference: Reference) -> RegistryRule | None:
        rule = self.rule_for(reference.registry, reference.repository)
        if rule and rule.blocked:
            name = f"{reference.registry}/{reference.repository}"
            raise errors.NotPermitted(
                f"registries.conf blocks {rule.matches!r}, and so {name}",
                "take `blocked` out of that rule, or take the image from elsewhere",
            )
        return rule


def _matched(prefix: str, name: str) -> int:
    """Return how many signs at the beginning of a name a prefix matches; 0 when it does not.

    >>> _matched("quay.io/lab", "quay.io/lab/base"), _matched("quay.io/lab", "quay.io/labs")
    (11, 0)
    >>> _matched("*.example.com", "a.b.example.com/x"), _matched("*.example.com", "example.com/x")
    (15, 0)
    """
    if not prefix.startswith("*."):
        ends = name.startswith(prefix) and name[len(prefix) : len(prefix) + 1] in ("", "/", ":", "@")
        return len(prefix) if ends else 0
    host = name.partition("/")[0]
    bare = host.partition(":")[0]
    return len(bare) if bare.endswith(prefix[1:]) else 0


def _placed(
    rule: RegistryRule, location: str, reference: Reference, insecure: bool, is_mirror: bool
) -> Source:
    """Put `location` where the prefix of a name was."""
    name = f"{reference.registry}/{reference.repository}"
    if location:
        name = location + name[_matched(rule.matches, name) :]
    registry, _, repository = name.partition("/")
    return Source(registry, repository, insecure, is_mirror)


def load() -> Registries:
    """Read the files that count.

    Raises: InvalidInput, which names the file.
    """
    rules: dict[str, RegistryRule] = {}
    aliases: dict[str, str] = {}
    search: tuple[str, ...] = ()
    for path in _paths():
        if file := _read(path):
            rules |= {rule.matches: rule for rule in file.registry}
            aliases |= file.aliases
            search = (
                search if file.unqualified_search_registries is None else file.unqualified_search_registries
            )
    return Registries(rules, search, aliases)


def _paths() -> list[str]:
    """Return the files that count, the weakest first."""
    home = os.path.expanduser("~")
    user = f"{os.environ.get('XDG_CONFIG_HOME') or f'{home}/.config'}/containers"
    named = os.environ.get("CONTAINERS_REGISTRIES_CONF")
    if named is None and os.path.exists(f"{user}/registries.conf"):
        return [f"{user}/registries.conf", *_drop_ins(user)]
    return [named or f"{_SYSTEM}/registries.conf", *_drop_ins(_SYSTEM), *_drop_ins(user)]


def _drop_ins(folder: str) -> list[str]:
    try:
        names = sorted(os.listdir(f"{folder}/registries.conf.d"))
    except OSError:
        return []
    return [f"{folder}/registries.conf.d/{name}" for name in names if name.endswith(".conf")]


def _read(path: str) -> _File | None:
    try:
        with open(path, "rb") as opened:
            content = opened.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise errors.of_the_system(error, "read the rules of registries") from error
    import tomllib

    try:
        file = msgspec.convert(tomllib.loads(content.decode()), _File)
        return _checked(_modern(file))
    except (
        tomllib.TOMLDecodeError,
        UnicodeDecodeError,
        msgspec.MsgspecError,
        RecursionError,
        ValueError,
    ) as error:
        message = error.message if isinstance(error, errors.LabError) else str(error)
        raise errors.InvalidInput(
            f"cannot read {path}: {message}", "man containers-registries.conf says what it may hold"
        ) from error


def _modern(file: _File) -> _File:
    """Turn version 1 into version 2."""
    if not file.registries:
        return file
    if file.registry or file.unqualified_search_registries is not None:
        raise errors.InvalidInput("it mixes [registries.…] of version 1 with [[registry]] of version 2")
    named = {kind: table.get("registries", ()) for kind, table in file.registries.items()}
    insecure, blocked = named.get("insecure", ()), named.get("block", ())
    rules = [
        RegistryRule(location=each, insecure=each in insecure, blocked=each in blocked)
        for each in dict.fromkeys((*insecure, *blocked))
    ]
    return _File(tuple(rules), named.get("search", ()))


def _checked(file: _File) -> _File:
    """Raise InvalidInput for a rule that makes no sense."""
    for rule in file.registry:
        if not rule.matches:
            raise errors.InvalidInput("a [[registry]] has neither prefix nor location")
        if not rule.location and not rule.prefix.startswith("*.") and rule.prefix:
            raise errors.InvalidInput(f"the [[registry]] with prefix {rule.prefix!r} has no location")
        if rule.mirror_by_digest_only and any(each.pull_from_mirror != "all" for each in rule.mirror):
            raise errors.InvalidInput(
                f"the [[registry]] {rule.matches!r} sets mirror-by-digest-only and pull-from-mirror"
            )
        for location in (rule.matches, rule.location, *(each.location for each in rule.mirror)):
            if "://" in location or location.endswith("/") or any(sign.isspace() for sign in location):
                raise errors.InvalidInput(f"{location!r} is not host[:port][/path]")
    return file
