"""The verbs of images. Each method is a command too; the words that call it stand above it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Unpack

from containerlab import units
from containerlab.backends import base, optional
from containerlab.backends.base import HistoryEntry, ImageInfo
from containerlab.commands.table import Argument, ImageName, command
from containerlab.engine import changes, columns, documents, filters, pruning
from containerlab.engine.inspection import Inspection
from containerlab.errors import InvalidInput, NotFound, Unsupported
from containerlab.options import verbs
from containerlab.options.flag import normalise
from containerlab.options.transfers import PullOptions, PushOptions
from containerlab.store import output_file
from containerlab.views import html
from containerlab.views.progress import Bar, Counted
from containerlab.views.table import Table

if TYPE_CHECKING:
    from containerlab.engine.auditing import Audit
    from containerlab.engine.engine import Engine
    from containerlab.engine.packages import Packages
    from containerlab.engine.reworking import ReworkedImage
    from containerlab.engine.transfer_results import PullResult, PushResult

__all__ = ["USUAL", "Image", "Images"]

USUAL = "lab/base"
"""The image that examples use; it is made of programs of the host when it is first asked for."""

NewName = Annotated[str, Argument("NAME[:TAG]", "image")]
Archive = Annotated[str, Argument("FILE|-", "file")]
Program = Annotated[str, Argument("PROGRAM", "file")]
Suite = Annotated[str, Argument("SUITE")]


class Image(html.Shown):
    """An image under one of its names; `info` is all that is known about it."""

    def __init__(self, info: ImageInfo, name: str = "") -> None:
        self.info = info
        self.name = name or (info.names[0] if info.names else "")

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def repository(self) -> str:
        return self._parts()[0]

    @property
    def tag(self) -> str:
        return self._parts()[1]

    def _parts(self) -> tuple[str, str]:
        """A colon before a slash belongs to a registry's port, not to a tag, and a digest is none."""
        before, colon, tag = self.name.partition("@")[0].rpartition(":")
        if "@" in self.name:
            return (before if colon and "/" not in tag else self.name.partition("@")[0]), "<none>"
        if not self.name:
            return "<none>", "<none>"
        return (before, tag) if colon and "/" not in tag else (self.name, "<none>")

    def to_text(self) -> str:
        info = self.info
        size = units.format_size(info.size_bytes)
        layers = units.format_count(len(info.layers), "layer")
        short = self.id.removeprefix("sha256:")[:12]
        return f"{self.name or '<none>'} · {short} · {size} in {layers} · {info.platform}"

    def __repr__(self) -> str:
        return f"<Image {self.name or self.id[:19]}>"


class Images:
    """The images of an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _backend(self) -> base.Backend:
        return self._engine.backend

    def _maker(self) -> optional.ImageMaker:
        if not isinstance(self._backend, optional.ImageMaker):
            raise Unsupported(f"the {self._backend.name} backend cannot make images of this")
        return self._backend

    # looking

    @command("image ls", "image list", "images")
    def list(self, pattern: NewName = "", **options: Unpack[verbs.ImageListOptions]) -> Table[Image]:
        """List images, newest first; those without a name too with --all."""
        given = normalise(verbs.ImageListOptions, options)
        infos = filters.images(self._backend.images(), given, pattern)
        shown = [
            column._replace(is_visible=True) if given.get("digests") and column.key == "digest" else column
            for column in columns.IMAGES
        ]
        return Table([Image(info, name) for info in infos for name in info.names or ("",)], shown)

    def get(self, name: ImageName, platform: str | None = None) -> Image:
        """Return an image by its name, id, or the beginning of its id."""
        info = self._backend.image(name, platform)
        return Image(info, name if name in info.names else "")

    @command("image inspect")
    def inspect(self, name: ImageName, *names: ImageName) -> Inspection:
        """Return all that is known about images, laid out as Docker does."""
        return Inspection([documents.of_image(self._backend.image(each)) for each in (name, *names)])

    @command("image history", "history")
    def history(self, name: ImageName, **options: Unpack[verbs.HistoryOptions]) -> Table[HistoryEntry]:
        """List how an image was made, newest first."""
        human = normalise(verbs.HistoryOptions, options).get("human", True)
        plain = {"age": "time", "size": "number"}
        shown = [
            column if human else column._replace(kind=plain.get(column.kind, column.kind))
            for column in columns.HISTORY
        ]
        return Table(self._maker().history(name), shown)

    @command("image audit")
    def audit(self, name: ImageName, **options: Unpack[verbs.AuditOptions]) -> Audit:
        """Look for secrets in all layers, the configuration and the history of an image."""
        from containerlab.engine import auditing

        total_bytes = self._backend.image(name).size_bytes
        with self._engine.showing(f"audit {name}", total_bytes):
            return auditing.audit(self._backend, name, normalise(verbs.AuditOptions, options))

    # registries

    @command("image pull", "pull")
    def pull(self, name: NewName, **options: Unpack[PullOptions]) -> PullResult:
        """Fetch an image from the registry that its name says, and unpack it.

        engine.images.pull("localhost:5000/lab/app:v1").digest
        """
        from containerlab.engine import transfers

        return transfers.pull(self._engine, name, normalise(PullOptions, options))

    @command("image push", "push")
    def push(self, name: ImageName, **options: Unpack[PushOptions]) -> PushResult:
        """Send an image to the registry that its name says; what is there already is not sent again.

        engine.images.push("localhost:5000/lab/app:v1").sent_bytes
        """
        from containerlab.engine import transfers

        return transfers.push(self._engine, name, normalise(PushOptions, options))

    # in and out

    @command("image load", "load")
    def load(self, **options: Unpack[verbs.LoadOptions]) -> tuple[str, ...]:
        """Read images from an archive or a directory, whatever its format; return their names."""
        given = normalise(verbs.LoadOptions, options)
        if "platform" in given:
            raise Unsupported(
                "load --platform: an image is kept whole, for all its platforms",
                "choose when it runs: run --platform",
            )
        path = given.get("input")
        if path and os.path.isdir(path):
            with self._engine.showing(f"read {os.path.basename(path)}"):
                return tuple(self._maker().load_directory(path))
        with self._source(path or "-", quiet=given.get("quiet", False)) as file:
            return tuple(self._backend.load(file))

    @contextmanager
    def _source(self, path: str, *, quiet: bool = False) -> Iterator[BinaryIO]:
        """Open an archive; `-` is standard input. Reading it shows how far it is."""
        if path == "-":
            yield sys.stdin.buffer
            return
        if not os.path.exists(path):
            raise NotFound(f"no such file: {path}")
        if os.path.isdir(path):
            raise InvalidInput(f"{path} is a directory", "name an archive; `load -i` takes image layouts too")
        what, canvas = f"read {os.path.basename(path)}", None if quiet else self._engine.canvas
        with open(path, "rb") as file, Bar(what, os.path.getsize(path), canvas) as bar:
            yield io.BufferedReader(Counted(file, bar), 1 << 20)

    @command("image save", "save")
    def save(self, *names: ImageName, **options: Unpack[verbs.SaveOptions]) -> None:
        """Write images into an archive, with all their layers."""
        given = normalise(verbs.SaveOptions, options)
        archive_format = given.get("archive_format", "docker-archive")
        if archive_format == "oci-layout":
            with self._engine.showing(f"save {' '.join(names)}"):
                self._maker().save_directory(names, _directory(given))
            return
        total_bytes = sum(self._backend.image(name).size_bytes for name in names)
        with (
            output_file.output(given.get("output")) as file,
            self._engine.showing(f"save {' '.join(names)}", total_bytes),
        ):
            self._backend.save(names, file, archive_format)

    @command("image import", "import")
    def import_(self, file: Archive, name: NewName = "", **options: Unpack[verbs.ImportOptions]) -> Image:
        """Make an image of a root file system in a tar archive, compressed or not."""
        given = normalise(verbs.ImportOptions, options)
        extra = {key: value for key, value in given.items() if key in ("message", "platform")}
        with self._source(file) as source:
            config = {**changes.config(given.get("change", ())), **extra}
            return Image(self._maker().import_rootfs(source, name, config))

    @command("image from-host")
    def from_host(
        self, name: NewName = USUAL, *programs: Program, **options: Unpack[verbs.FromHostOptions]
    ) -> Image:
        """Make an image of programs of this host with their libraries; a shell, coreutils and Python if none
        is named."""
        given = normalise(verbs.FromHostOptions, options)
        with self._engine.showing(f"pack {name}"):
            return Image(self._maker().from_host(name, programs, **given), name)

    def _is_usual(self, name: str) -> bool:
        return name.removesuffix(":latest") == USUAL

    def provide_usual(self, name: str) -> bool:
        """Make the image that examples use, of programs of this host, if that is meant and is missing."""
        if not self._is_usual(name):
            return False
        with suppress(NotFound):
            self._backend.image(name)
            return False
        self.from_host(USUAL)
        return True

    def renew(self, name: str, own: Mapping[str, Any], platform: str | None) -> None:
        """Pull the image of a container before it is made, as its option --pull says."""
        from containerlab.engine import transfers

        if not self._is_usual(name):
            transfers.pull(self._engine, name, transfers.options_for(own, platform))

    def provide(self, name: str, missing: NotFound, own: Mapping[str, Any], platform: str | None) -> None:
        """Get the image of a container that could not be made: from the host, or from its registry.

        Raises: NotFound, `missing` itself when it is not the image that is missing.
        """
        from containerlab.engine import transfers

        if own.get("pull") == "never":
            raise missing
        if not self.provide_usual(name):
            transfers.provide(self._engine, name, missing, transfers.options_for(own, platform))

    def get_base(self, name: str, platform: str, *, anew: bool = False) -> None:
        """See that a base image of a build is in the store: made of the host, or pulled."""
        from containerlab.engine import transfers

        if self.provide_usual(name) or self._is_usual(name):
            return
        given = {"platform": platform, "quiet": True}
        if anew:
            transfers.pull(self._engine, name, {**given, "policy": "always"})
            return
        try:
            self._backend.image(name, platform)
        except NotFound as missing:
            transfers.provide(self._engine, name, missing, {**given, "policy": "missing"})

    @command("image from-debootstrap")
    def from_debootstrap(
        self, suite: Suite, name: NewName = "", **options: Unpack[verbs.DebootstrapOptions]
    ) -> Image:
        """Make an image of a Debian or Ubuntu suite, with debootstrap."""
        given = normalise(verbs.DebootstrapOptions, options)
        with self._engine.showing(f"debootstrap {suite}") as say:
            maker = self._maker()
            return Image(maker.from_debootstrap(name or f"debian:{suite}", suite, given, progress=say))

    @command("image sbom")
    def sbom(self, name: ImageName, **options: Unpack[verbs.SbomOptions]) -> Packages:
        """List the packages in an image, with the layer that brought each, without running anything."""
        from containerlab.engine import packages

        total_bytes = self._backend.image(name, options.get("platform")).size_bytes
        with self._engine.showing(f"look into {name}", total_bytes):
            return packages.packages(self._backend, name, normalise(verbs.SbomOptions, options))

    # changing

    @command("image tag", "tag")
    def tag(self, name: ImageName, target: NewName) -> None:
        """Give an image another name."""
        self._backend.tag(name, target)

    @command("image rebase")
    def rebase(self, name: ImageName, **options: Unpack[verbs.RebaseOptions]) -> ReworkedImage:
        """Put an image on another base, or take leaked files out of all its layers, without a build."""
        from containerlab.engine import reworking

        with self._engine.showing(f"rebase {name}"):
            return reworking.rebase(self._backend, name, normalise(verbs.RebaseOptions, options))

    @command("image squash")
    def squash(self, name: ImageName, **options: Unpack[verbs.SquashOptions]) -> ReworkedImage:
        """Make one layer of those of an image: what a later one deletes is then in none."""
        from containerlab.engine import reworking

        with self._engine.showing(f"squash {name}"):
            return reworking.squash(self._backend, name, normalise(verbs.SquashOptions, options))

    @command("image rm", "image remove", "rmi", each=True)
    def remove(self, name: ImageName, **options: Unpack[verbs.ImageRemoveOptions]) -> tuple[str, ...]:
        """Take a name away from an image, and the image with its last name; say what was done."""
        return tuple(self._backend.remove_image(name, **normalise(verbs.ImageRemoveOptions, options)))

    @command("image prune")
    def prune(self, **options: Unpack[verbs.PruneOptions]) -> base.Pruned:
        """Remove images without a name; with --all every image that no container uses."""
        return pruning.images(self._backend, self._maker(), normalise(verbs.PruneOptions, options))


def _directory(given: dict[str, Any]) -> str:
    if "output" not in given:
        raise NotFound("no directory to write to", "give --output DIRECTORY")
    return str(given["output"])
