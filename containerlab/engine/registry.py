"""The verbs of registries. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

from containerlab.commands.table import Argument, command
from containerlab.options.flag import normalise
from containerlab.options.login import LoginOptions, LogoutOptions
from containerlab.options.registry import ServeOptions

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.engine.logins import Login, Logout
    from containerlab.engine.serving import RegistryServer

__all__ = ["Registry"]

RegistryName = Annotated[str, Argument("REGISTRY")]


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

    @command("registry login", "login")
    def login(self, registry: RegistryName = "", **options: Unpack[LoginOptions]) -> Login:
        """Log in to a registry, docker.io if none is named, and keep the login where docker does.

        lab.registry.login("localhost:5000", username="ada", password=token)

        It is tried before it is kept. A credential helper of config.json keeps it where one is set up.
        """
        from containerlab.engine import logins

        return logins.log_in(registry, normalise(LoginOptions, options), self._engine.face)

    @command("registry logout", "logout")
    def logout(self, registry: RegistryName = "", **options: Unpack[LogoutOptions]) -> Logout:
        """Forget the login of a registry, docker.io if none is named, wherever docker or podman keep it."""
        from containerlab.engine import logins

        return logins.log_out(registry, bool(normalise(LogoutOptions, options).get("all")))
