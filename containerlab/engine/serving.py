"""A registry in a process of its own: starting it, reaching it, ending it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from containerlab.errors import Unsupported
from containerlab.views import html

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["RegistryServer", "serve"]


class RegistryServer(html.Shown):
    """A registry that runs; it ends with the process that started it, or with `stop`."""

    url: str
    """As `http://localhost:5000`."""
    host: str
    """What names of images in it begin with: `localhost:5000`."""
    username: str
    password: str

    def stop(self) -> None:
        """End it: what is under way is finished first."""

    def __enter__(self) -> RegistryServer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def serve(engine: Engine, given: dict[str, Any]) -> RegistryServer:
    """Start a registry and wait until it answers."""
    raise Unsupported("there is no server yet")
