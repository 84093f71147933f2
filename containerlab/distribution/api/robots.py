"""Robots: accounts of programs. Each belongs to an organisation and can do nothing outside of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from containerlab.distribution.api.operation import Noun, operation
from containerlab.distribution.api.rights import LevelName, LevelOrNone
from containerlab.distribution.api.values import OrganizationName, Page, RepositoryName, Text, exactly
from containerlab.oci.distribution import NAME_PART

__all__ = ["ROBOT_S", "CreatedRobot", "Robot", "RobotName", "Robots"]

ROBOT_S = 30 * 86400.0
_ShortName = Annotated[
    str,
    Meta(pattern=exactly(NAME_PART), min_length=1, max_length=64, examples=["ci"], description="A robot."),
]
RobotName = Annotated[
    str,
    Meta(
        pattern=exactly(rf"{NAME_PART}\+{NAME_PART}"),
        max_length=320,
        examples=["lab+ci"],
        description="A robot.",
    ),
]
_Valid = Annotated[float, Meta(ge=60, le=366 * 86400, description="Seconds; a year at most.")]
_Repositories = Annotated[tuple[RepositoryName, ...], Meta(max_length=100)]


class Robot(msgspec.Struct, frozen=True, kw_only=True):
    """A robot, without its secret."""

    name: str
    """Its name at login: the organisation, a plus sign and its own."""
    organization: str
    rights: dict[str, LevelOrNone]
    """read, write or manage, by scope."""
    description: str
    is_disabled: bool
    created: float
    expires: float
    """When it can log in no longer; a day later it is removed."""


class CreatedRobot(msgspec.Struct, frozen=True, kw_only=True):
    """A robot with its secret, which nobody is shown again."""

    robot: Robot
    secret: str
    """Its password."""


class Robots(Noun):
    """Robots."""

    @operation("POST /robots", who="manage", status=201)
    def create(
        self,
        organization: OrganizationName,
        name: _ShortName,
        *,
        level: LevelName = "write",
        repositories: _Repositories = (),
        valid_s: _Valid = ROBOT_S,
        description: Text = "",
    ) -> CreatedRobot:
        """Create a robot that may do something with an organisation, or with some of its repositories."""

    @operation("GET /robots", who="manage")
    def list(self, *, organization: OrganizationName | None = None) -> Page[Robot]:
        """List the robots of the organisations that you manage, by name."""

    @operation("GET /robots/{name}", who="manage")
    def inspect(self, name: RobotName) -> Robot:
        """Return a robot."""

    @operation("PATCH /robots/{name}", who="manage")
    def update(
        self, name: RobotName, *, description: Text | None = None, is_disabled: bool | None = None
    ) -> Robot:
        """Change a robot; what is left out stays as it is. Its rights are granted as a user's are."""

    @operation("POST /robots/{name}/secret", who="manage", status=201)
    def renew(self, name: RobotName, *, valid_s: _Valid = ROBOT_S) -> CreatedRobot:
        """Give a robot a new secret and more time; the old secret ends at once."""

    @operation("DELETE /robots/{name}", who="manage")
    def remove(self, name: RobotName) -> None:
        """Remove a robot."""
