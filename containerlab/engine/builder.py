"""The verbs of builds. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, Unpack

from containerlab.backends import base, optional
from containerlab.build.record import LintWarning
from containerlab.commands.table import Argument, ImageName, Instead, command
from containerlab.engine import columns
from containerlab.engine.build_result import WARNINGS, BuildResult
from containerlab.engine.build_view import watching
from containerlab.engine.result import Interrupted
from containerlab.engine.termination import orderly
from containerlab.errors import InvalidInput, NotFound, Unsupported
from containerlab.options.build import BuilderPruneOptions, BuildOptions, LayerOptions
from containerlab.options.flag import normalise
from containerlab.views.table import Table

if TYPE_CHECKING:
    from containerlab.build.cache.kept import CacheEntry
    from containerlab.engine.engine import Engine

__all__ = ["Builder"]


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """End a build in order that is interrupted, or whose process is asked to end."""
    try:
        with orderly():
            yield
    except KeyboardInterrupt as interrupt:
        code = getattr(interrupt, "exit_code", 130)
        raise Interrupted("the build was stopped", _AFTERMATH, exit_code=code) from None


class Findings(Table[LintWarning]):
    """What should not be in a Dockerfile."""

    @property
    def exit_code(self) -> int:
        """1 when there is something, for CI."""
        return 1 if len(self) else 0

    def to_text(self, full: bool = False) -> str:
        return super().to_text(full) if len(self) else "check complete: no warnings"


_AFTERMATH = "the steps that were done are cached: build again to go on"
Context = Annotated[str, Argument("CONTEXT|URL|-", "file")]
Directory = Annotated[str, Argument("DIRECTORY", "file")]
MountId = Annotated[str, Argument("ID")]


class Builder:
    """The builder of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def _backend(self) -> optional.Building:
        backend = self._engine.backend
        if not isinstance(backend, optional.Building):
            raise Unsupported(f"the {backend.name} backend cannot build")
        return backend

    @command(
        "builder build",
        "image build",
        "build",
        reads="dockerfile",
        instead={"check": Instead("--check", "check", "Only look for what should not be in the Dockerfile")},
    )
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
        with (
            _interruptible(),
            watching(
                self._progress(given),
                in_notebook=self._engine.face == "notebook",
                dockerfile=given.get("file", "Dockerfile"),
            ) as watch,
        ):
            outcome = backend.build(order, watch, self._bases(given))
        return BuildResult(
            record=outcome.record,
            size_bytes=outcome.size_bytes,
            layers=outcome.layers,
            outputs=outcome.outputs,
            explains_cache=bool(given.get("explain_cache")),
        )

    def _bases(self, given: dict[str, Any]) -> Callable[[str, str], None]:
        """Return what gets base images into the store: pulled if they are missing, or by --pull."""
        seen: set[tuple[str, str]] = set()

        def provide(name: str, platform: str) -> None:
            if (name, platform) not in seen:
                seen.add((name, platform))
                self._engine.images.get_base(name, platform, anew=bool(given.get("pull")))

        return provide

    def check(
        self, context: Context = ".", *, dockerfile: str | None = None, **options: Unpack[BuildOptions]
    ) -> Findings:
        """Look for what should not be in a Dockerfile, by the published rules, and build nothing."""
        from containerlab.build.order import Order

        order = Order(context, dockerfile, normalise(BuildOptions, options))
        return Findings(self._backend().check_dockerfile(order), WARNINGS)

    @command("builder layer", "layer", reads="lines")
    def layer(
        self, context: Context = ".", *, lines: str, cell: str = "", **options: Unpack[LayerOptions]
    ) -> BuildResult:
        """Build a few lines of a Dockerfile on top of what an image is so far.

        engine.builder.layer(lines="RUN echo hi > /hi", tag="app", base="lab/base")

        The first lines begin with FROM, or name an image with --from. Lines of a cell that is run again take
        the place of what it made, and of all that came after it. ARG counts for its own lines only.
        """
        from containerlab.build.layered import Lines
        from containerlab.engine.layering import below

        given = normalise(LayerOptions, options)
        if not given.get("tag"):
            raise InvalidInput("layer needs the name of the image that grows", "give -t NAME")
        name, base = given.pop("tag"), given.pop("base", "")
        backend, new = self._backend(), Lines(text=lines, image_id="", cell=cell)
        found = below(name, backend.made_of(name), self._id_of(name), new, base)
        result = self.build(context, dockerfile=found.first_line + lines, tag=name, **given)
        text = lines if found.made else found.first_line + lines
        made = (*found.made, Lines(text=text, image_id=result.id, cell=cell))
        backend.keep_made(name, made)
        return result

    def _id_of(self, name: str) -> str:
        with contextlib.suppress(NotFound):
            return self._engine.backend.image(name).id
        return ""

    @command("builder dockerfile", "dockerfile")
    def dockerfile(self, name: ImageName) -> str:
        """Write down as one Dockerfile what `layer` made an image of."""
        from containerlab.build.layered import dockerfile_of

        made = self._backend().made_of(name)
        if not made:
            raise NotFound(f"{name} was not made by layer", "conlab history shows how an image was made")
        return dockerfile_of(made)

    def _progress(self, given: dict[str, Any]) -> str:
        """Choose how it is shown: as asked, else in the way of the face, else not at all."""
        if given.get("quiet"):
            return "quiet"
        usual = os.environ.get("BUILDKIT_PROGRESS", "auto") if self._engine.face else "quiet"
        return str(given.get("progress", usual))

    @command("builder du")
    def usage(self) -> Table[CacheEntry]:
        """List what earlier builds left for later ones: layers of steps, and folders of cache mounts."""
        return Table(self._backend().build_cache(), columns.BUILD_CACHE)

    @command("builder prune")
    def prune(self, **options: Unpack[BuilderPruneOptions]) -> base.Pruned:
        """Remove what of earlier builds no image needs; with --all everything, cache mounts too."""
        given = normalise(BuilderPruneOptions, options)
        return self._backend().prune_build_cache(
            every=bool(given.get("all")),
            unused_s=given.get("until", 0.0),
            keep_bytes=given.get("keep_storage", 0),
        )

    @command("builder cache export")
    def export_mounts(self, directory: Directory, *ids: MountId) -> tuple[str, ...]:
        """Write folders of cache mounts, by their ids or all, to a directory for another machine."""
        return tuple(self._backend().export_cache_mounts(directory, ids))

    @command("builder cache import")
    def import_mounts(self, directory: Directory) -> tuple[str, ...]:
        """Read folders of cache mounts that `builder cache export` wrote; what is there already stays."""
        return tuple(self._backend().import_cache_mounts(directory))
