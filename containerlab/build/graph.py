"""From a Dockerfile to what has to be done: the stages that the target needs, as vertices.

Nothing is run here; of base images only the configuration is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from containerlab import errors
from containerlab.build import dispatch, platforms
from containerlab.build.dispatch import Around
from containerlab.build.files.selection import Source
from containerlab.build.language import expand, located, parser
from containerlab.build.language import instructions as i
from containerlab.build.ops import Base, Origin, Vertex
from containerlab.build.stage import Line, Stage
from containerlab.oci.image import Config
from containerlab.oci.platform import Platform
from containerlab.store.images import Image

__all__ = ["Compiled", "Wanted", "compile_target"]

_SCRATCH = "scratch"


class Wanted(NamedTuple):
    """What is to be built.

    platform: of the image; build_platform: of this machine. given: --build-arg. named: named contexts, images
    or trees of files. find_image: by name and platform. uncached: stages that are not looked up in the cache;
    None for all. options: of each RUN's container. allowed: what RUN may ask for.
    """

    dockerfile: i.Dockerfile
    context: Source
    target: str
    platform: Platform
    build_platform: Platform
    given: Mapping[str, str]
    named: Mapping[str, Image | Source]
    find_image: Callable[[str, Platform], Image]
    uncached: frozenset[str] | None = frozenset()
    network: str = "default"
    options: tuple[tuple[str, object], ...] = ()
    shows_platform: bool = False
    allowed: tuple[str, ...] = ()
    project: str = ""
    """What tells this Dockerfile from others of the same name: where its context is."""


class Compiled(NamedTuple):
    """What the target needs: its last vertex, None for nothing; its configuration and history."""

    vertex: Vertex | None
    config: Config
    lines: tuple[Line, ...]
    author: str
    platform: Platform


def compile_target(wanted: Wanted) -> Compiled:
    """Evaluate the stages that the target needs.

    Raises: DockerfileError at the line that is wrong; NotFound for a target that is not there.
    """
    stages = _Stages(wanted)
    stage = stages.of_target()
    return Compiled(stage.vertex, stage.config, tuple(stage.lines), stage.author, stage.platform)


class _Stages:
    """The stages of a Dockerfile, each evaluated once, when another needs it."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._file = wanted.dockerfile
        self._done: dict[int, Stage] = {}
        self._open: list[int] = []
        self._images: dict[tuple[str, str], Vertex] = {}
        self._arguments = _global_arguments(wanted)

    def of_target(self) -> Stage:
        target = self._wanted.target
        if not self._file.stages:
            raise errors.InvalidInput(f"{self._file.name} has no stage", "begin it with FROM")
        if not target:
            return self._stage(len(self._file.stages) - 1)
        index = self._index(target)
        if index is None:
            names = [stage.from_.name for stage in self._file.stages if stage.from_.name]
            raise errors.NotFound.named(
                "stage", target, names, f"there is: {', '.join(names) or 'no named one'}"
            )
        return self._stage(index)

    def _index(self, name: str, before: int | None = None) -> int | None:
        """Return the number of the last stage of this name, among those before one."""
        stages = self._file.stages[:before]
        for stage in reversed(stages):
            if stage.from_.name and stage.from_.name.lower() == name.lower():
                return stage.index
        return int(name) if name.isdecimal() and int(name) < len(stages) else None

    def _stage(self, index: int) -> Stage:
        if index in self._done:
            return self._done[index]
        written = self._file.stages[index]
        if index in self._open:
            names = " → ".join(self._file.stages[each].name for each in (*self._open, index))
            raise self._fail(written.from_, f"the stages need each other: {names}", "break the circle")
        self._open.append(index)
        stage = self._evaluated(written)
        self._open.pop()
        self._done[index] = stage
        return stage

    def _evaluated(self, written: i.Stage) -> Stage:
        wanted = self._wanted
        base, platform = self._base_name(written), self._platform(written)
        named = self._named(written.from_.name)
        if named is not None:
            return self._of_context(written.name, named)
        instructions = list(written.instructions)
        below = None if base == _SCRATCH else self._index(base, written.index)
        shown = "" if len(self._file.stages) == 1 else written.from_.name or f"stage-{written.index}"
        count = sum(map(dispatch.needs_vertex, instructions)) + (below is None and base != _SCRATCH)
        if below is not None:
            parent = self._stage(below)
            stage = Stage(shown, parent.vertex, parent.config, parent.platform)
            stage.inherit(parent)
        else:
            stage = self._on_image(written, shown, base, platform, count)
        triggers = self._triggers(stage, written)
        stage.total = count + sum(map(dispatch.needs_vertex, triggers))
        stage.begin()
        stage.is_uncached = wanted.uncached is None or written.name in wanted.uncached
        around = self._around(written)
        for instruction in (*triggers, *instructions):
            dispatch.dispatch(stage, instruction, around)
        return stage

    def _base_name(self, written: i.Stage) -> str:
        """Expand the name after FROM, with global arguments only."""
        missing: list[str] = []
        name = expand.expand(written.from_.image, self._arguments, self._file.escape, missing.append)
        if not name:
            raise self._fail(
                written.from_,
                f"the base name {written.from_.image!r} is empty",
                f"give --build-arg {missing[0]}=…, or a default" if missing else "name an image",
            )
        return name

    def _platform(self, written: i.Stage) -> Platform:
        if not written.from_.platform:
            return self._wanted.platform
        text = expand.expand(written.from_.platform, self._arguments, self._file.escape)
        try:
            return Platform.parse(text)
        except errors.InvalidInput as error:
            raise self._fail(written.from_, error.message, error.hint) from error

    def _on_image(self, written: i.Stage, shown: str, base: str, platform: Platform, count: int) -> Stage:
        if base == _SCRATCH:
            config = Config(working_dir="/")
            return Stage(shown, None, config, platform)
        named = self._named(base)
        if isinstance(named, Source):
            raise self._fail(
                written.from_, f"the context {base} is a tree of files, no image", "use COPY --from"
            )
        image = named or self._image(base, platform, written.from_)
        width = len(str(count))
        prefix = f"{shown} " if shown else ""
        vertex = self._image_vertex(image, f"[{prefix}{1:{width}}/{count}] FROM {base}", shown)
        stage = _begun(shown, vertex, image)
        stage.done = 1
        return stage

    def _image(self, name: str, platform: Platform, where: i.Instruction) -> Image:
        try:
            return self._wanted.find_image(name, platform)
        except errors.LabError as error:
            raise self._fail(where, error.message, error.hint or _about_stages(self._file, name)) from error

    def _image_vertex(self, image: Image, name: str, shown: str) -> Vertex:
        key = (image.manifest_digest, shown)
        if key not in self._images:
            self._images[key] = Vertex(Base(image), None, name, shown, image.manifest_digest)
        return self._images[key]

    def _triggers(self, stage: Stage, written: i.Stage) -> list[i.Instruction]:
        """Return what the base image wants done in an image made from it, and forget it."""
        texts = stage.config.on_build
        stage.change(on_build=())
        found: list[i.Instruction] = []
        for text in texts:
            parsed = parser.parse_instructions(text, f"{self._file.name} (ONBUILD of the base)", "\\")
            found += [_moved(each, written.from_.place) for each in parsed]
        return found

    def _around(self, written: i.Stage) -> Around:
        wanted = self._wanted
        return Around(
            dockerfile=self._file,
            global_arguments=self._arguments,
            given=wanted.given,
            context=wanted.context,
            find=lambda name, where: self._origin(name, where, written.index),
            network=wanted.network,
            options=(*wanted.options, *_hostname(wanted.given)),
            allowed=wanted.allowed,
            cache_namespace=wanted.given.get("BUILDKIT_CACHE_MOUNT_NS", ""),
            project=wanted.project,
            shown_platform=f"{wanted.platform} " if wanted.shows_platform else "",
        )

    def _origin(self, name: str, where: i.Instruction, current: int) -> Origin:
        """Return what --from names: a stage before this one, a named context, or an image."""
        if "$" in name:
            raise self._fail(
                where,
                f"--from={name}: variables are not expanded here",
                "give the image a stage: FROM with a global ARG",
            )
        index = self._index(name)
        if index is not None and index != current:
            if index > current:
                raise self._fail(where, f"--from={name}: that stage comes later", "move it before this one")
            return self._stage(index).vertex or Source()
        if index == current:
            raise self._fail(where, f"--from={name}: a stage cannot copy from itself", "name another stage")
        named = self._named(name)
        if isinstance(named, Source):
            return named
        image = named or self._image(name, self._wanted.platform, where)
        return self._image_vertex(image, f"FROM {name}", "")

    def _named(self, name: str) -> Image | Source | None:
        return self._wanted.named.get(name.lower()) if name else None

    def _of_context(self, name: str, named: Image | Source) -> Stage:
        if isinstance(named, Source):
            raise errors.InvalidInput(f"the context {name} is a tree of files, no image", "use COPY --from")
        vertex = self._image_vertex(named, f"[context {name}] load {name}", name)
        stage = _begun(name, vertex, named)
        stage.begin()
        return stage

    def _fail(self, where: i.Instruction, message: str, hint: str = "") -> located.DockerfileError:
        return located.at(self._file.name, self._file.text, where.place, message, hint)


def _begun(name: str, vertex: Vertex, image: Image) -> Stage:
    """Return a stage that has what an image has."""
    stage = Stage(name, vertex, image.config.config, image.config.platform)
    stage.lines = [Line(entry.created_by, entry=entry) for entry in image.config.history]
    stage.author = image.config.author
    return stage


def _about_stages(file: i.Dockerfile, name: str) -> str:
    names = [stage.from_.name for stage in file.stages if stage.from_.name]
    return errors.nearest(name, names)


def _moved(instruction: i.Instruction, place: i.Place) -> i.Instruction:
    return msgspec.structs.replace(instruction, place=place)


def _global_arguments(wanted: Wanted) -> dict[str, str]:
    """Return the arguments before the first FROM and those of the platforms, as given or by default."""
    last = wanted.dockerfile.stages[-1].from_
    values = {
        **platforms.arguments("BUILD", wanted.build_platform),
        **platforms.arguments("TARGET", wanted.platform),
        "TARGETSTAGE": wanted.target or last.name.lower() or "default",
    }
    values = {name: wanted.given.get(name, value) for name, value in values.items()}
    for argument in wanted.dockerfile.global_args:
        for name, default in argument.pairs:
            if name in wanted.given:
                values[name] = wanted.given[name]
            elif default is not None:
                values[name] = expand.expand(default, values, wanted.dockerfile.escape)
    return values


def _hostname(given: Mapping[str, str]) -> tuple[tuple[str, object], ...]:
    name = given.get("BUILDKIT_SANDBOX_HOSTNAME")
    return (("hostname", name),) if name else ()
