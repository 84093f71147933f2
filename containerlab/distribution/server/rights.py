"""Who may do what.

A right is a level on a scope: an organisation (`lab/`), or one repository (`lab/base`). The highest that
applies counts.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from containerlab import errors
from containerlab.distribution.api.rights import LevelName, LevelOrNone

__all__ = [
    "ANONYMOUS",
    "DEFAULT_ORGANIZATION",
    "SYSTEM",
    "Identity",
    "Level",
    "organization_of",
    "require",
    "require_account",
    "require_person",
    "require_whole",
]

DEFAULT_ORGANIZATION = "library"
"""Of repositories whose names have one part."""


class Level(enum.IntEnum):
    """What somebody may do; each level includes those below it."""

    NONE = 0
    READ = 1
    """Pull."""
    WRITE = 2
    """Push, and delete tags."""
    MANAGE = 3
    """Delete, set rules, share, give rights."""

    @property
    def word(self) -> LevelOrNone:
        """What it is called in the API and on the command line."""
        return _WORDS[self]

    @property
    def given(self) -> LevelName:
        """What a level is called that is there to be given: any but none."""
        word = self.word
        assert word != "none"
        return word


_WORDS: dict[Level, LevelOrNone] = {
    Level.NONE: "none",
    Level.READ: "read",
    Level.WRITE: "write",
    Level.MANAGE: "manage",
}


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what a token limits them to."""

    name: str
    """Empty for somebody who did not say."""
    is_admin: bool = False
    rights: Mapping[str, Level] = {}
    """By scope; what has expired is left out."""
    limits: Mapping[str, Level] | None = None
    """By repository: no more than this, when a token says so."""
    address: str = ""
    """Where the request comes from, for the audit log."""
    revision: int = 0
    """The state of the account that this is true of; whatever is made with it ends with it."""
    until: float | None = None
    """When what they showed ends; they cannot give themselves anything that lasts longer."""
    is_founder: bool = False
    """Whether a push may make its organisation: a token says so that speaks for an administrator."""
    behind: Identity | None = None
    """Whom a token speaks for that may list repositories."""

    @property
    def administers(self) -> bool:
        """Whether they may do everything, and came without a token that says less."""
        return self.is_admin and self.limits is None

    @property
    def is_robot(self) -> bool:
        return "+" in self.name

    def lister(self) -> Identity:
        """Return as whom repositories are listed: with a token for it, all that its owner may read."""
        return self.behind or self

    def limited(self, limits: Mapping[str, Level], *, may_list: bool = False) -> Identity:
        """Return what they are with a token for some repositories: nothing else is left of their rights."""
        rights = {name: level for name in limits if (level := self.level(name))}
        return msgspec.structs.replace(
            self,
            is_admin=False,
            is_founder=self.is_admin or self.is_founder,
            rights=rights,
            limits=limits,
            behind=self if may_list else None,
        )

    def level(self, repository: str, *, is_public: bool = False) -> Level:
        """Return what they may do with a repository."""
        found = Level.MANAGE if self.is_admin else self._granted(repository)
        if is_public:
            found = max(found, Level.READ)
        return found if self.limits is None else min(found, self.limits.get(repository, Level.NONE))

    def _granted(self, repository: str) -> Level:
        scopes = (repository, f"{organization_of(repository)}/")
        return max(self.rights.get(scope, Level.NONE) for scope in scopes)

    def level_in(self, organization: str) -> Level:
        """Return what they may do with an organisation as a whole."""
        return Level.MANAGE if self.is_admin else self.rights.get(f"{organization}/", Level.NONE)


ANONYMOUS = Identity(name="")
SYSTEM = Identity(name="system", is_admin=True)
"""Who retention, collection and replication work as; no account can have this name."""


def organization_of(repository: str) -> str:
    """Return the organisation that a repository belongs to.

    >>> organization_of("lab/base"), organization_of("busybox")
    ('lab', 'library')
    """
    first, slash, _ = repository.partition("/")
    return first if slash else DEFAULT_ORGANIZATION


def require(found: Level, needed: Level, what: str) -> None:
    """Raise NotPermitted unless a level is enough for something."""
    if found < needed:
        raise errors.NotPermitted(
            f"{what}: this needs the right to {needed.name.lower()}", "ask who manages it"
        )


def require_account(identity: Identity) -> None:
    """Raise NotPermitted for somebody who did not say who they are, where there are accounts."""
    if not identity.name and not identity.is_admin:
        raise errors.NotPermitted("this needs an account", "log in")


def require_whole(identity: Identity) -> None:
    """Raise NotPermitted for nobody, and for a token for repositories: it is for nothing else."""
    require_account(identity)
    if identity.limits is not None:
        raise errors.NotPermitted("a token for repositories is for nothing else", "log in as a user")


def require_person(identity: Identity, what: str) -> None:
    """Raise NotPermitted unless somebody came with the whole of their rights, and is no robot."""
    require_account(identity)
    if identity.is_robot or identity.limits is not None:
        shown = "a robot" if identity.is_robot else "a token for repositories"
        raise errors.NotPermitted(f"{shown} cannot {what}", "log in as a user")
