"""The folder that a build's files come from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from containerlab.build.selection import Source
from containerlab.errors import NotFound

__all__ = ["Context", "opened"]


class Context(NamedTuple):
    """The files of a build, and its Dockerfile with the name that it has for people."""

    source: Source
    dockerfile: bytes
    dockerfile_name: str


@contextlib.contextmanager
def opened(context: str, dockerfile: str | None, options: Mapping[str, Any]) -> Iterator[Context]:
    """Give the context of a build."""
    root = os.path.abspath(context)
    name = options.get("file") or os.path.join(root, "Dockerfile")
    if dockerfile is not None:
        raw = dockerfile.encode()
    else:
        try:
            with open(name, "rb") as file:
                raw = file.read()
        except FileNotFoundError as error:
            raise NotFound(f"there is no Dockerfile at {name}", "name it with -f") from error
    yield Context(Source((root,), is_context=True), raw, os.path.relpath(name, root))
