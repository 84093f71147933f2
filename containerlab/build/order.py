"""What is asked of a build, read and checked: the options of the command in the builder's own terms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from containerlab.build import platforms
from containerlab.build.cache.places import Place
from containerlab.errors import InvalidInput
from containerlab.oci.platform import Platform
from containerlab.oci.reference import Reference

__all__ = ["Order"]

_OF_CONTAINERS = ("add_host", "shm_size", "ulimit", "memory", "cpus", "cgroup_parent")


class Order(NamedTuple):
    """A build that somebody wants.

    context: a directory, `-`, or a URL. dockerfile: its text, when it does not come from a file.
    options: as of the command, normalised; see options/build.py.
    """

    context: str
    dockerfile: str | None
    options: Mapping[str, Any]

    def check(self) -> None:
        """Refuse what cannot be done before anything is. Raises: InvalidInput, Unsupported."""
        if self.dockerfile is not None and self.options.get("file"):
            raise InvalidInput(
                f"--file {self.options['file']} beside the text of a Dockerfile", "leave one of them out"
            )
        for name in self.options.get("tag", ()):
            Reference.parse(name)
        for text in (*self.options.get("cache_to", ()), *self.options.get("cache_from", ())):
            Place.parse(text)

    @property
    def arguments(self) -> dict[str, str]:
        """Return --build-arg; a NAME alone takes this process's variable, if it has one."""
        found = {}
        for text in self.options.get("build_arg", ()):
            name, equals, value = text.partition("=")
            if not name:
                raise InvalidInput(f"--build-arg {text!r} has no name", "write NAME=VALUE")
            if equals:
                found[name] = value
            elif name in os.environ:
                found[name] = os.environ[name]
        return found

    @property
    def project(self) -> str:
        """Return where the context is, so that builds of one are compared with each other."""
        return os.path.abspath(self.context) if os.path.isdir(self.context) else self.context

    @property
    def epoch(self) -> int | None:
        """Return SOURCE_DATE_EPOCH, as build argument or else as this process's variable."""
        text = self.arguments.get("SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH", ""))
        if text and not text.isdigit():
            raise InvalidInput(
                f"SOURCE_DATE_EPOCH is {text!r}, which is no number of seconds", "set it to one"
            )
        return int(text) if text else None

    @property
    def of_containers(self) -> tuple[tuple[str, object], ...]:
        """Return the options that each RUN's container gets."""
        return tuple((name, self.options[name]) for name in _OF_CONTAINERS if name in self.options)

    @property
    def uncached(self) -> frozenset[str] | None:
        """Return the stages whose steps are done again; None for all."""
        if self.options.get("no_cache"):
            return None
        return frozenset(name.lower() for name in _listed(self.options.get("no_cache_filter", ())))

    @property
    def platforms(self) -> tuple[Platform, ...]:
        """Return what to build for: this machine, when nothing was asked."""
        return platforms.parse(self.options.get("platform", ())) or (Platform.host(),)


def _listed(texts: Sequence[str]) -> list[str]:
    return [each.strip() for text in texts for each in text.split(",") if each.strip()]
