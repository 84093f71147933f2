"""Engine: a home, a backend, and the nouns that work on it."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from containerlab.errors import InvalidInput, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Unpack

    from containerlab.backends.base import Backend
    from containerlab.engine.build_result import BuildResult
    from containerlab.engine.builder import Builder
    from containerlab.engine.containers import Containers
    from containerlab.engine.images import Images
    from containerlab.engine.machines import Machines
    from containerlab.engine.manifests import Manifests
    from containerlab.engine.registries.registry import Registry
    from containerlab.engine.registries.serving import RegistryServer
    from containerlab.engine.see import See
    from containerlab.engine.system import System
    from containerlab.engine.volumes import Volumes
    from containerlab.options.build import BuildOptions
    from containerlab.runtime.launching import LauncherProcess
    from containerlab.views.progress import Bar, Canvas

__all__ = ["Engine"]

_BACKENDS = ("embedded",)


class Engine:
    """Containers and images of one home; safe to use from several threads.

        engine = lab.Engine()
        engine.containers.run("lab/base", ["echo", "hi"]).stdout

    home: where everything rests; $CONTAINERLAB_HOME or the usual place if not given.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None, backend: str = "embedded") -> None:
        if backend not in _BACKENDS:
            raise InvalidInput(f"no such backend: {backend}", nearest(backend, _BACKENDS))
        self.canvas: Canvas | None = None
        """Where long work shows how far it is; a face sets it."""
        self.face = ""
        """Who shows what is done: "terminal", "notebook", or nobody."""
        self._bar: Bar | None = None
        self._home = home
        self._backend: Backend | None = None
        self._launcher: LauncherProcess | None = None
        self._servers: list[RegistryServer] = []
        self._lock = threading.Lock()

    @property
    def home(self) -> str:
        """Return where everything rests; empty for the usual place."""
        return "" if self._home is None else os.fspath(self._home)

    @property
    def backend(self) -> Backend:
        """Return what does the work; made at first use."""
        if self._backend is None:
            with self._lock:
                if self._backend is None:
                    self._backend = self._open()
        return self._backend

    def warm_up(self) -> None:
        """Start what containers are started with, if it is not there, while the rest is being loaded.

        The launcher takes as long to start as the backend to import; side by side they take half.
        """
        from containerlab.runtime import launching

        with self._lock:
            if self._backend is None and self._launcher is None:
                self._launcher = launching.start()

    def _open(self) -> Backend:
        from containerlab.backends.embedded import Embedded
        from containerlab.runtime.lifecycle import Launcher
        from containerlab.store.home import Home

        opened = Home.open(None if self._home is None else os.fspath(self._home))
        home = Home(opened.root, self._moved)
        launcher, self._launcher = Launcher(self._launcher), None
        backend: Backend = Embedded(home, launcher)
        return backend

    @contextmanager
    def showing(self, what: str, total_bytes: int | None = None) -> Iterator[Callable[[str], None]]:
        """Show how much content is read and written meanwhile, where a face wants to see it.

        Gives what takes another word for what is being done.
        """
        if self.canvas is None:
            yield lambda text: None
            return
        from containerlab.views.progress import Bar

        with Bar(what, total_bytes, self.canvas) as self._bar:
            try:
                yield self._bar.say
            finally:
                self._bar = None

    def _moved(self, count: int) -> None:
        if bar := self._bar:
            bar.update(count)

    @property
    def containers(self) -> Containers:
        """Return the verbs of containers."""
        from containerlab.engine.containers import Containers

        return Containers(self)

    @property
    def images(self) -> Images:
        """Return the verbs of images."""
        from containerlab.engine.images import Images

        return Images(self)

    @property
    def builder(self) -> Builder:
        """Return the verbs of builds."""
        from containerlab.engine.builder import Builder

        return Builder(self)

    def build(
        self, context: str = ".", *, dockerfile: str | None = None, **options: Unpack[BuildOptions]
    ) -> BuildResult:
        """Build an image from a Dockerfile; see `Builder.build`."""
        return self.builder.build(context, dockerfile=dockerfile, **options)

    @property
    def volumes(self) -> Volumes:
        """Return the verbs of volumes."""
        from containerlab.engine.volumes import Volumes

        return Volumes(self)

    @property
    def manifests(self) -> Manifests:
        """Return the verbs of manifest lists."""
        from containerlab.engine.manifests import Manifests

        return Manifests(self)

    @property
    def registry(self) -> Registry:
        """Return the verbs of registries."""
        from containerlab.engine.registries.registry import Registry

        return Registry(self)

    @property
    def system(self) -> System:
        """Return what concerns the host and the store as a whole."""
        from containerlab.engine.system import System

        return System(self)

    @property
    def see(self) -> See:
        """Return what shows how containers work."""
        from containerlab.engine.see import See

        return See(self)

    @property
    def machines(self) -> Machines:
        """Return the verbs of virtual machines."""
        from containerlab.engine.machines import Machines

        return Machines(self)

    def keep(self, server: RegistryServer) -> None:
        """Let a server run until it is stopped or this engine is closed, whoever else forgets it."""
        self._servers = [*self.servers, server]

    @property
    def servers(self) -> Sequence[RegistryServer]:
        """Return the servers that run."""
        return [server for server in self._servers if server.is_running]

    def close(self) -> None:
        """End the helper processes and the servers of this engine; its containers go on."""
        while self._servers:
            self._servers.pop().stop()
        with self._lock:
            backend, self._backend = self._backend, None
            launcher, self._launcher = self._launcher, None
        if launcher is not None:
            from containerlab.runtime.lifecycle import Launcher

            Launcher(launcher).close()
        if backend is not None and hasattr(backend, "close"):
            backend.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
