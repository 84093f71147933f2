"""The verbs of builds. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Unpack

from containerlab.backends import base
from containerlab.commands.table import Argument, command
from containerlab.engine.build_result import BuildResult
from containerlab.engine.build_view import watching
from containerlab.errors import Unsupported
from containerlab.options.build import BuildOptions
from containerlab.options.flag import normalise

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Builder"]


Context = Annotated[str, Argument("CONTEXT|URL|-", "file")]


class Builder:
    """The builder of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _backend(self) -> base.Building:
        backend = self._engine.backend
        if not isinstance(backend, base.Building):
            raise Unsupported(f"the {backend.name} backend cannot build")
        return backend

    @command("builder build", "image build", "build", reads="dockerfile")
    def build(
        self, context: Context = ".", *, dockerfile: str | None = None, **options: Unpack[BuildOptions]
    ) -> BuildResult:
        """Build an image from a Dockerfile.

        engine.builder.build(".", tag="app:v1").timeline()

        `dockerfile` is its text, instead of a file.
        """
        from containerlab.build.order import Order

        given = normalise(BuildOptions, options)
        order = Order(context, dockerfile, given)
        backend = self._backend()
        with watching(
            self._progress(given),
            in_notebook=self._engine.face == "notebook",
            dockerfile=given.get("file", "Dockerfile"),
        ) as watch:
            outcome = backend.build(order, watch, self._engine.images.provide_usual)
        return BuildResult(
            record=outcome.record,
            size_bytes=outcome.size_bytes,
            layers=outcome.layers,
            outputs=outcome.outputs,
            explains_cache=bool(given.get("explain_cache")),
        )

    def _progress(self, given: dict[str, Any]) -> str:
        """Choose how it is shown: as asked, else in the way of the face, else not at all."""
        if given.get("quiet"):
            return "quiet"
        return str(given.get("progress", "auto" if self._engine.face else "quiet"))
