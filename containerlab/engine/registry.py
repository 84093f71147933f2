"""The verbs of registries. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from containerlab.commands.table import command
from containerlab.options.flag import normalise
from containerlab.options.registry import ServeOptions

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.engine.serving import RegistryServer

__all__ = ["Registry"]


class Registry:
    """Registries, as an engine uses them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @command("registry serve")
    def serve(self, **options: Unpack[ServeOptions]) -> RegistryServer:
        """Start a registry on this store, and return how to reach it.

        with lab.registry.serve(port=0) as registry:
            print(registry.url)

        It ends with the block, with `stop`, or with the process that started it.
        """
        from containerlab.engine import serving

        return serving.serve(self._engine, normalise(ServeOptions, options))
