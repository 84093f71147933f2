"""A whole build: from what is asked to an image in the store, and what is known of it afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from containerlab import errors
from containerlab.build import graph
from containerlab.build.attestations import requests
from containerlab.build.cache import elsewhere
from containerlab.build.cache.places import Place
from containerlab.build.cache.steps import BuildCache
from containerlab.build.checks import lint
from containerlab.build.checks.lint import BaseImage, Known
from containerlab.build.checks.rules import Checks, refuse
from containerlab.build.contexts import context as contexts
from containerlab.build.contexts.context import Context
from containerlab.build.contexts.named import NamedContexts
from containerlab.build.contexts.remote import Remotes
from containerlab.build.files.selection import Source
from containerlab.build.graph import Compiled, Wanted
from containerlab.build.language import located, parser
from containerlab.build.language.instructions import Arg, Dockerfile
from containerlab.build.mounting import Mounting
from containerlab.build.ops import Run, Vertex
from containerlab.build.order import Order
from containerlab.build.perform import Ground, Perform
from containerlab.build.record import BuildRecord, LintWarning, StepRecord, Warned, Watcher
from containerlab.build.result.assembling import Times, assembled, stack_below
from containerlab.build.result.built import Built
from containerlab.build.result.delivery import Delivered, deliver, read_outputs, tell_files
from containerlab.build.result.outputs import Output
from containerlab.build.running import Runner
from containerlab.build.secrecy import secrets, ssh
from containerlab.build.secrecy.leaks import Finder, told
from containerlab.build.secrecy.masking import Masker
from containerlab.build.secrecy.redaction import keyed_hash
from containerlab.build.secrecy.secret_names import looks_secret
from containerlab.build.secrecy.secrets import Secret
from containerlab.build.solve import Reporter, State, StepFailed, needed, ordered, solve
from containerlab.oci import image as documents
from containerlab.oci.platform import Platform
from containerlab.store import removal, snapshots, workshop
from containerlab.store.images import Image, Images
from containerlab.store.layer_writer import Committed
from containerlab.store.layers import Layers

if TYPE_CHECKING:
    from containerlab.build.attestations.attester import Attester

__all__ = ["BuildFailed", "Outcome", "Site", "build", "check"]

_SHOWN_LINES = 20


class Site(NamedTuple):
    """What a build stands on.

    find_image: a base image by name and platform, of the store or pulled. keep: see `perform.Ground`.
    """

    images: Images
    layers: Layers
    runner: Runner
    find_image: Callable[[str, Platform], Image]
    keep: Callable[[Run, tuple[Committed, ...]], str] | None = None


class Outcome(NamedTuple):
    """What came of a build.

    size_bytes: of the image's layers, None when no image was made. outputs: files and directories written.
    """

    record: BuildRecord
    size_bytes: int | None = None
    layers: int = 0
    outputs: tuple[str, ...] = ()


class BuildFailed(errors.LabError):
    """A step failed; `record` tells of all steps."""

    def __init__(self, message: str, hint: str, record: BuildRecord) -> None:
        super().__init__(message, hint)
        self.record = record


def build(order: Order, site: Site, watch: Watcher | None = None) -> Outcome:
    """Build what is asked.

    watch: takes events, in the thread that called.

    Raises: DockerfileError, BuildFailed, and others for what cannot be done; the cache keeps what was done.
    """
    order.check()
    home = site.images.home
    with contexts.opened(order.context, order.dockerfile, order.options, home) as context:
        return _Build(order, site, context, watch).run()


def check(order: Order, site: Site) -> tuple[LintWarning, ...]:
    """Look for what should not be in a Dockerfile, and build nothing.

    Raises: DockerfileError for one that cannot be read.
    """
    home = site.images.home
    with contexts.opened(order.context, order.dockerfile, order.options, home) as context:
        file = parser.parse(context.dockerfile, context.dockerfile_name)
        return tuple(lint.lint(file, _checks(file, order), _known(order, context, site.images)))


def _checks(file: Dockerfile, order: Order) -> Checks:
    text = order.arguments.get("BUILDKIT_DOCKERFILE_CHECK")
    return Checks.parse(text) if text else lint.checks_of(file)


def _known(order: Order, context: Context, images: Images) -> Known:
    return Known(
        build_args=order.arguments,
        base_image=lambda name, platform: _known_image(images, name, platform),
        ignore=context.source.ignore,
        platform=order.platforms[0] if order.options.get("platform") else None,
    )


def _known_image(images: Images, name: str, platform: Platform) -> BaseImage | None:
    """Return what the checks need of an image, if it is here; for another platform if it must be."""
    for wanted in (str(platform), None):
        with contextlib.suppress(errors.LabError):
            config = images.get(name, wanted).config
            environment = dict(variable.partition("=")[::2] for variable in config.config.env)
            return BaseImage(environment, bool(config.config.shell), config.platform)
    return None


class _Build:
    """One build; `run` is called once."""

    def __init__(self, order: Order, site: Site, context: Context, watch: Watcher | None) -> None:
        self._order = order
        self._site = site
        self._context = context
        self._watch = watch
        self._began = time.monotonic()
        self._started_at = time.time()
        self._reporter = Reporter(self._began, watch)
        self._warnings: tuple[LintWarning, ...] = ()
        self._id = os.urandom(12).hex()
        self._stopped = threading.Event()
        self._outputs = read_outputs(order.options)
        self._requests = requests.of(order.options)
        self._file = parser.parse(context.dockerfile, context.dockerfile_name)
        self._notices: list[str] = []

    def run(self) -> Outcome:
        self._check()
        images, options = self._site.images, self._order.options
        with contextlib.ExitStack() as stack:
            stack.enter_context(removal.leased(images))
            stack.enter_context(self._site.layers.kept())
            stack.enter_context(workshop.opened(self._site.layers.idmap))
            values = secrets.read_secrets(options.get("secret", ()))
            agents = stack.enter_context(ssh.agents(options.get("ssh", ())))
            remotes = stack.enter_context(Remotes(images.home))
            given, find_image = options.get("build_context", ()), self._site.find_image
            named = stack.enter_context(NamedContexts(given, images, find_image))
            compiled = [self._compiled(each, named.of(each)) for each in self._order.platforms]
            targets = [each.vertex for each in compiled if each.vertex is not None]
            hidden = _hidden(targets, values, self._order.arguments)
            ground = self._ground(self._mounting(values, agents), remotes, hidden)
            places = map(Place.parse, options.get("cache_from", ()))
            ground = ground._replace(carried=tuple(elsewhere.opened(places, stack, self._notices.append)))
            performer = Perform(ground._replace(unpacked=needed(targets)))
            states = self._solved(targets, performer)
            built = [self._built(each, states, performer, Finder(self._sought(hidden))) for each in compiled]
            performer.note_hits()
            self._carry(performer, targets)
            for warning in self._warnings:
                self._tell(Warned(warning))
            built = self._squashed(built)
            attester = self._attester(compiled, self._reporter.records())
            with self._reporter.during(_exporting(self._outputs)):
                delivered = deliver(self._outputs, built, images, self._names(), self._order.epoch, attester)
            how = {str(each.platform): attester.told(each) for each in built} if attester else {}
            tell_files(options, delivered, self._id, self._names(), self._warnings, how)
        record = self._record(self._reporter.records(), delivered)
        layers = built[0].layers if delivered.descriptor else ()
        size = sum(layer.descriptor.size for layer in layers) if delivered.descriptor else None
        return Outcome(record, size, len(layers), delivered.places)

    def _check(self) -> None:
        checks = _checks(self._file, self._order)
        known = _known(self._order, self._context, self._site.images)
        self._warnings = tuple(lint.lint(self._file, checks, known))
        refuse(self._warnings, checks)

    def _tell(self, event: Warned) -> None:
        if self._watch is not None:
            self._watch(event)

    # --- what it stands on ------------------------------------------------------------------------

    def _mounting(self, values: Mapping[str, Secret], agents: Mapping[str, str]) -> Mounting:
        home, layers = self._site.images.home, self._site.layers
        overlays = snapshots.trial(home, layers.idmap).kind == "overlay"
        return Mounting(home, layers.idmap, values, agents, overlays, self._stopped)

    def _ground(self, mounting: Mounting, remotes: Remotes, hidden: Mapping[str, bytes]) -> Ground:
        site, options = self._site, self._order.options
        home = site.images.home
        return Ground(
            images=site.images,
            layers=site.layers,
            runner=site.runner,
            mounting=mounting,
            fetch=lambda it: remotes.fetch(it.url, it.checksum, keeps_git_dir=it.keeps_git_dir),
            keyed=lambda value: keyed_hash(home, value.encode(errors="surrogateescape")),
            stopped=self._stopped,
            compression=options.get("compression", "gzip"),
            newest_s=self._order.epoch,
            masker=Masker(hidden.values()),
            finder=Finder(self._sought(hidden)),
            keep=site.keep if options.get("debug") else None,
        )

    def _sought(self, hidden: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Return the secrets that are looked for in what is made."""
        return {} if self._order.options.get("allow_secret_in_layer") else hidden

    def _compiled(self, platform: Platform, named: Mapping[str, Image | Source]) -> Compiled:
        order, context = self._order, self._context
        return graph.compile_target(
            Wanted(
                dockerfile=self._file,
                context=context.source,
                target=order.options.get("target", ""),
                platform=platform,
                build_platform=Platform.host(),
                given=order.arguments,
                named=named,
                find_image=self._site.find_image,
                uncached=order.uncached,
                network=order.options.get("network", "default"),
                options=order.of_containers,
                allowed=order.options.get("allow", ()),
                project=order.project,
                shows_platform=len(order.platforms) > 1,
            )
        )

    def _solved(self, targets: Sequence[Vertex], performer: Perform) -> dict[Vertex, State]:
        jobs, exporting = self._order.options.get("jobs", 0), _exporting(self._outputs)
        try:
            return solve(targets, performer, self._reporter, jobs, [exporting])
        except StepFailed as failure:
            raise self._failed(failure) from failure.error

    def _failed(self, failure: StepFailed) -> BuildFailed:
        record = self._record(self._reporter.records())
        log = "\n".join(failure.log.splitlines()[-_SHOWN_LINES:])
        shown = f"{failure.vertex.name}: {failure.error.message}" + (f"\n{log}" if log else "")
        place = failure.vertex.place
        if place is None:
            return BuildFailed(shown, failure.error.hint, record)
        error = located.at(self._file.name, self._file.text, place, shown, failure.error.hint)
        return BuildFailed(error.message, error.hint, record)

    # --- the result -------------------------------------------------------------------------------

    def _carry(self, performer: Perform, targets: Sequence[Vertex]) -> None:
        """Write the steps of this build to where --cache-to says."""
        images = self._site.images
        for place in map(Place.parse, self._order.options.get("cache_to", ())):
            own = (vertex for target in targets for vertex in stack_below(target))
            wanted = performer.keys if place.everything else own
            keys = {performer.keys[vertex] for vertex in wanted if vertex in performer.keys}
            elsewhere.write(place, BuildCache(images.database).all(keys), images)

    def _built(
        self, compiled: Compiled, states: Mapping[Vertex, State], performer: Perform, finder: Finder
    ) -> Built:
        layers = states[compiled.vertex] if compiled.vertex else ()
        assert not isinstance(layers, Source)
        times = Times(self._made_at(compiled, performer), self._order.epoch, self._started_at)
        built = assembled(compiled, layers, self._order.options.get("label", {}), times)
        if leaks := finder.search_config(documents.encode(built.config)):
            raise errors.NotPermitted(
                f"the image's configuration would have a secret in it: {told(leaks)}",
                "keep it out of ENV and LABEL; or build with --allow-secret-in-layer",
            )
        return built

    def _made_at(self, compiled: Compiled, performer: Perform) -> dict[Vertex | None, float]:
        """Return when the new layers of an image were made."""
        keys = {line.vertex: performer.keys[line.vertex] for line in compiled.lines if line.vertex}
        found = BuildCache(self._site.images.database).created([*keys.values()])
        return {vertex: found.get(key, self._started_at) for vertex, key in keys.items()}

    def _squashed(self, built: list[Built]) -> list[Built]:
        if not self._order.options.get("squash"):
            return built
        from containerlab.build.result.squash import squash

        compression, newest_s = self._order.options.get("compression", "gzip"), self._order.epoch
        blobs = self._site.images.blobs
        return [squash(blobs, each, compression=compression, newest_s=newest_s) for each in built]

    def _attester(self, compiled: Sequence[Compiled], steps: Sequence[StepRecord]) -> Attester | None:
        """Return what makes the statements about the images, if any are asked for."""
        if not self._requests and not self._order.options.get("metadata_file"):
            return None
        from containerlab.build.attestations.attester import Attester
        from containerlab.build.attestations.gathering import Gathered

        targets = {each.platform: each.vertex for each in compiled}
        gathered = Gathered(
            self._order, self._file, self._context, targets, steps, self._started_at, self._id
        )
        return Attester(self._site.images.blobs, self._requests, gathered.facts)

    def _names(self) -> tuple[str, ...]:
        return tuple(self._order.options.get("tag", ()))

    def _record(self, steps: Sequence[StepRecord], delivered: Delivered | None = None) -> BuildRecord:
        descriptor = delivered.descriptor if delivered else None
        return BuildRecord(
            id=self._id,
            dockerfile=self._file.name,
            target=self._order.options.get("target", ""),
            started_at=self._started_at,
            wall_s=time.monotonic() - self._began,
            steps=tuple(steps),
            warnings=self._warnings,
            names=(*self._names(), *(name for each in self._outputs for name in each.names))
            if descriptor
            else (),
            digest=descriptor.digest if descriptor else "",
            image_id=delivered.image_id if delivered else "",
            jobs=self._order.options.get("jobs", 0),
            notices=(*_notices(self._file, self._order.arguments), *self._notices),
        )


def _exporting(outputs: Sequence[Output]) -> str:
    return f"exporting to {', '.join(dict.fromkeys(output.kind for output in outputs))}"


def _notices(file: Dockerfile, arguments: Mapping[str, str]) -> tuple[str, ...]:
    syntax = file.directives.get("syntax", "")
    told = [f"# syntax={syntax} is not fetched: this builder reads the language itself"] if syntax else []
    written = [line for stage in file.stages for line in stage.instructions]
    declaring = [line for line in (*file.global_args, *written) if isinstance(line, Arg)]
    declared = {name for line in declaring for name, _ in line.pairs}
    for name in sorted(arguments.keys() - declared):
        if not _UNDECLARED.fullmatch(name):
            hint = errors.nearest(name, declared)
            told.append(f"no ARG takes --build-arg {name}" + (f" ({hint})" if hint else ""))
    return tuple(told)


_UNDECLARED = re.compile(r"(BUILDKIT|TARGET|BUILD)\w+|SOURCE_DATE_EPOCH|(?i:(https?|ftp|no|all)_proxy)")
"""Build arguments that mean something without an ARG."""


def _hidden(
    targets: Sequence[Vertex], values: Mapping[str, Secret], arguments: Mapping[str, str]
) -> dict[str, bytes]:
    """Return all secret values of a build: those that may be mounted, and build arguments with such names.

    arguments: of --build-arg, which no RUN need see to be in an ENV; those of the RUNs have the defaults too.
    """
    told = {name: value for name, value in arguments.items() if looks_secret(name)}
    runs = (vertex.op for vertex in ordered(targets) if isinstance(vertex.op, Run))
    told |= (argument.partition("=")[::2] for run in runs for argument in run.secret_arguments)
    given = {name: value.encode(errors="surrogateescape") for name, value in told.items()}
    return given | {name: secret.value for name, secret in values.items()}
