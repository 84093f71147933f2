"""Doing one vertex: look it up in the cache, or make its layer."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from containerlab import errors
from containerlab.build.cache.elsewhere import Elsewhere
from containerlab.build.cache.steps import BuildCache, Key, chain, digest_of
from containerlab.build.cache.waiting import locked
from containerlab.build.files import copying, owner
from containerlab.build.files.selection import Selection, Source, Target
from containerlab.build.mounting import Mounting, Mounts
from containerlab.build.ops import Base, Copy, Fetch, MakeDirectory, Origin, Run, Vertex
from containerlab.build.running import Ended, Program, Runner
from containerlab.build.secrecy.leaks import Finder, told
from containerlab.build.secrecy.masking import Masker
from containerlab.build.solve import Done, State
from containerlab.oci.image import Descriptor
from containerlab.store import removal
from containerlab.store.images import Image, Images
from containerlab.store.layer_writer import Committed, layer_writer
from containerlab.store.layers import Layers
from containerlab.store.tar_write import END

__all__ = ["Ground", "Perform"]

_NOT_SOUGHT = "the cache was not asked for it (--no-cache)"
_Say = Callable[[str, bytes], None]


class Ground(NamedTuple):
    """What performing stands on.

    fetch: gets what an ADD names from elsewhere. keyed: turns a secret value into what may stand in a key.
    stopped: is set when the build is to end.
    unpacked: whose layers others will need unpacked. newest_s: no time in a layer is later
    (SOURCE_DATE_EPOCH). masker: hides secret values in output. finder: finds them in layers.
    keep: makes a container of what a RUN that failed left, returns its name; or None.
    """

    images: Images
    layers: Layers
    runner: Runner
    mounting: Mounting
    fetch: Callable[[Fetch], Source]
    keyed: Callable[[str], str]
    stopped: threading.Event
    compression: str = "gzip"
    newest_s: int | None = None
    unpacked: frozenset[Vertex] = frozenset()
    carried: tuple[Elsewhere, ...] = ()
    masker: Masker = Masker(())
    finder: Finder = Finder({})
    keep: Callable[[Run, tuple[Committed, ...]], str] | None = None


class Stack(NamedTuple):
    """Layers as `Layers.ensure` takes them."""

    committed: tuple[Committed, ...]

    @property
    def layers(self) -> Sequence[Descriptor]:
        return [layer.descriptor for layer in self.committed]

    @property
    def diff_ids(self) -> Sequence[str]:
        return [layer.diff_id for layer in self.committed]


class Perform:
    """Performs vertices; implements `solve.Performer`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._cache = BuildCache(ground.images.database)
        self._stopped = ground.stopped
        self._cores = threading.BoundedSemaphore(os.cpu_count() or 1)
        """Held while a layer is hashed and compressed: more at once would only take turns."""
        self.keys: dict[Vertex, str] = {}
        """The key of each step that was looked up or made."""
        self._hits: list[str] = []

    def stop(self) -> None:
        """End what runs."""
        self._stopped.set()
        self._ground.runner.stop()

    def note_hits(self) -> None:
        """Note in the cache what was of use: once, for each time is a write to the medium."""
        if self._hits:
            self._cache.touch(self._hits)

    def perform(self, vertex: Vertex, states: Mapping[Vertex, State], say: _Say) -> Done:
        """Return what comes of a vertex.

        Raises: LabError.
        """
        match vertex.op:
            case Base(image=image):
                return Done(self._kept(image), True)
            case Fetch() as fetch:
                return Done(self._ground.fetch(fetch), False)
        below = self._below(vertex, states)
        key = self._key(vertex, states, below)
        self.keys[vertex] = key.text
        found = None if vertex.is_uncached else self._found(key)
        if found is not None:
            return Done((*below, found), True)
        with self._alone(key):
            found = None if vertex.is_uncached else self._found(key)
            if found is not None:
                return Done((*below, found), True)
            missed = _NOT_SOUGHT if vertex.is_uncached else self._cache.why_missed(key)
            layer = self._made(vertex, states, below, say)
            self._cache.add(key, layer, vertex.name.partition("] ")[2] or vertex.name)
        return Done((*below, layer), False, missed)

    def _kept(self, image: Image) -> tuple[Committed, ...]:
        """Return the layers of a base image, and keep them even if somebody removes it meanwhile."""
        if not all(map(self._ground.images.blobs.keep, image.layers)):
            raise errors.NotFound("layers of the base image are missing", "load it again")
        return tuple(map(Committed, image.layers, image.diff_ids))

    @contextlib.contextmanager
    def _alone(self, key: Key) -> Iterator[None]:
        """Let nobody else make the same layer meanwhile, in whatever build: who waits then finds it."""
        home, name = self._ground.images.home, f"build-{key.text[:40]}"
        with locked(home, name, self._stopped):
            try:
                yield
            finally:
                os.unlink(f"{home.root}/locks/{name}")

    def _found(self, key: Key) -> Committed | None:
        """Return a cached layer whose blob is there, protected from collection from now on."""
        layer = self._cache.find(key)
        if layer is not None and self._ground.images.blobs.keep(layer.descriptor):
            self._hits.append(key.text)
            return layer
        for carried in self._ground.carried:
            if step := carried.take(key, self._ground.images.blobs):
                self._cache.add(key, step.layer, step.text, step.created)
                return step.layer
        return None

    # --- keys -----------------------------------------------------------------------------------

    def _key(self, vertex: Vertex, states: Mapping[Vertex, State], below: tuple[Committed, ...]) -> Key:
        parts = {"below": chain(below), "time": str(self._ground.newest_s)}
        match vertex.op:
            case MakeDirectory() as directory:
                parts["operation"] = digest_of(directory)
            case Copy() as copy:
                selections = [selection for _, selection in copy.parts]
                parts["operation"] = digest_of([copy.chown, copy.is_link, selections])
                files = [self._content(origin, selection, states) for origin, selection in copy.parts]
                parts["files"] = digest_of(files)
                if copy.is_link:
                    del parts["below"]
            case Run() as run:
                parts |= self._run_parts(run, states)
        return Key.of(parts, vertex.slot)

    def _run_parts(self, run: Run, states: Mapping[Vertex, State]) -> dict[str, str]:
        specs = [each.mount for each in run.mounts]
        operation = [run.words, run.directory, run.user, run.network, run.is_insecure, specs, run.options]
        mounted = [
            self._content(each.origin, Selection((each.mount.source or "/",), "/"), states)
            for each in run.mounts
            if each.origin is not None
        ]
        variables = [run.environment, [self._ground.keyed(value) for value in run.secret_arguments]]
        return {
            "operation": digest_of(operation),
            "variables": digest_of(variables),
            "mounts": digest_of(mounted),
        }

    def _content(self, origin: Origin, selection: Selection, states: Mapping[Vertex, State]) -> str:
        """Return the content digest of files; that of files in layers is computed once."""
        state = states[origin] if isinstance(origin, Vertex) else origin
        index = f"{self._ground.images.home.cache}/build-files.db"
        if isinstance(state, Source):
            return copying.content_digest(state, selection, self._ground.layers.idmap, index)
        tree, asked = chain(state), digest_of(selection)
        found = self._cache.content(tree, asked)
        if not found:
            source = self._source(origin, states)
            found = copying.content_digest(source, selection, self._ground.layers.idmap, index)
            self._cache.keep_content(tree, asked, found)
        return found

    # --- making ---------------------------------------------------------------------------------

    def _below(self, vertex: Vertex, states: Mapping[Vertex, State]) -> tuple[Committed, ...]:
        state = states[vertex.below] if vertex.below else ()
        assert not isinstance(state, Source)
        return state

    def _source(self, origin: Origin, states: Mapping[Vertex, State]) -> Source:
        state = states[origin] if isinstance(origin, Vertex) else origin
        if isinstance(state, Source):
            return state
        return Source(tuple(map(str, self._ground.layers.ensure(Stack(state)))))

    def _made(
        self, vertex: Vertex, states: Mapping[Vertex, State], below: tuple[Committed, ...], say: _Say
    ) -> Committed:
        if isinstance(vertex.op, Run):
            return self._run(vertex.op, states, below, say)
        is_link = isinstance(vertex.op, Copy) and vertex.op.is_link
        lowers = () if is_link else tuple(map(str, self._ground.layers.ensure(Stack(below))))
        target = Target(lowers, self._ground.newest_s)
        finder = self._ground.finder.another()
        with self._cores, contextlib.ExitStack() as stack:
            growth = None
            if vertex in self._ground.unpacked:
                growth = stack.enter_context(self._ground.layers.growing())
            watch = _each(self._end_if_stopped, finder.feed, *([growth.feed] if growth else []))
            blobs, compression = self._ground.images.blobs, self._ground.compression
            writer = stack.enter_context(layer_writer(blobs, compression, watch))
            self._write(vertex, states, target, writer.write)
            layer = writer.commit()
            if not vertex.is_internal:
                self._check(finder, layer)
            if growth:
                growth.settle(layer.diff_id)
        return layer

    def _write(
        self, vertex: Vertex, states: Mapping[Vertex, State], target: Target, write: Callable[[bytes], object]
    ) -> None:
        """Write the layer of a COPY, an ADD or a WORKDIR."""
        if isinstance(vertex.op, MakeDirectory):
            account = owner.owner(vertex.op.owner, target.lowers) if vertex.op.owner else None
            wanted = Selection((), f"{vertex.op.path}/", owner=account)
            copying.copy_layer(Source(), wanted, target, self._ground.layers.idmap, write)
        else:
            assert isinstance(vertex.op, Copy)
            self._copy(vertex.op, states, target, write)

    def _copy(
        self, copy: Copy, states: Mapping[Vertex, State], target: Target, write: Callable[[bytes], object]
    ) -> None:
        account = owner.owner(copy.chown, target.lowers) if copy.chown else None
        joined = _Joined(write)
        for origin, selection in copy.parts:
            source = self._source(origin, states)
            copying.copy_layer(
                source, selection._replace(owner=account), target, self._ground.layers.idmap, joined.take
            )
            joined.end_part()
        joined.end()

    def _run(
        self, run: Run, states: Mapping[Vertex, State], below: tuple[Committed, ...], say: _Say
    ) -> Committed:
        lowers = self._ground.layers.ensure(Stack(below))
        sources = {each: self._source(each.origin, states) for each in run.mounts if each.origin is not None}
        with self._ground.mounting.mounted(run, sources) as mounts:
            program = _program(run, below, lowers, mounts)
            with self._ground.runner.run(program, _masked(say, self._ground.masker)) as ended:
                if ended.exit_code:
                    self._fail(run, ended, below)
                return self._commit(ended)

    def _fail(self, run: Run, ended: Ended, below: tuple[Committed, ...]) -> NoReturn:
        if self._stopped.is_set():
            raise errors.Unavailable("stopped, for another step failed")
        if self._ground.keep is not None:
            name = self._ground.keep(run, (*below, ended.commit(self._ground.compression, None, None)))
            hint = f"look into it: conlab exec -it {name} /bin/sh; then conlab rm -f {name}"
            raise errors.ContainerFailed(_failure(run, ended), hint)
        raise errors.ContainerFailed(_failure(run, ended))

    def _commit(self, ended: Ended) -> Committed:
        finder = self._ground.finder.another()
        watch = _each(self._end_if_stopped, finder.feed)
        with self._cores:
            layer = ended.commit(self._ground.compression, self._ground.newest_s, watch)
        self._check(finder, layer)
        ended.adopt(layer)
        return layer

    def _end_if_stopped(self, data: bytes) -> None:
        """End the writing of a layer that nobody wants any more."""
        if self._stopped.is_set():
            raise errors.Unavailable("the build was stopped")

    def _check(self, finder: Finder, layer: Committed) -> None:
        """Refuse a layer that has a secret in it."""
        leaks = finder.leaks()
        if not leaks:
            return
        removal.discard(self._ground.images, layer.descriptor.digest)
        raise errors.NotPermitted(
            f"the layer would have a secret in it: {told(leaks)}",
            "keep it out; or build with --allow-secret-in-layer",
        )


def _masked(say: _Say, masker: Masker) -> _Say:
    maskers = {stream: masker.another() for stream in ("stdout", "stderr")}

    def show(stream: str, data: bytes) -> None:
        if shown := maskers[stream].feed(data) if data else maskers[stream].flush():
            say(stream, shown)

    return show


def _each(*takers: Callable[[bytes], object]) -> Callable[[bytes], object]:
    """Return what hands bytes to several."""

    def take(data: bytes) -> None:
        for taker in takers:
            taker(data)

    return take


class _Joined:
    """Makes one tar stream of several: only the last one's end is written."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._held = b""

    def take(self, data: bytes) -> None:
        joined = self._held + data
        self._write(joined[: -len(END)])
        self._held = joined[-len(END) :]

    def end_part(self) -> None:
        self._held = b""

    def end(self) -> None:
        self._write(END)


def _program(run: Run, below: tuple[Committed, ...], lowers: Sequence[Path], mounts: Mounts) -> Program:
    return Program(
        layers=below,
        lowers=lowers,
        words=run.words,
        environment=(*run.environment, *run.proxies, *mounts.environment),
        directory=run.directory,
        user=run.user,
        network=run.network,
        is_insecure=run.is_insecure,
        mounts=mounts.points,
        secrets=mounts.secrets,
        secret_environment=(*map(_pair, run.secret_arguments), *mounts.secret_environment),
        options=run.options,
    )


def _pair(argument: str) -> tuple[bytes, bytes]:
    name, _, value = argument.encode(errors="surrogateescape").partition(b"=")
    return name, value


def _failure(run: Run, ended: Ended) -> str:
    words = " ".join(run.words)
    shown = words if len(words) < 200 else f"{words[:200]}…"
    if ended.is_oom_killed:
        return f"{shown!r} was killed, for it used more memory than there is"
    return f"{shown!r} ended with exit code {ended.exit_code}"
