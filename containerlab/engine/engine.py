"""Engine: a home, a backend, and the nouns that work on it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from containerlab.errors import InvalidInput, nearest

if TYPE_CHECKING:
    from containerlab.backends.base import Backend
    from containerlab.engine.containers import Containers
    from containerlab.engine.images import Images
    from containerlab.engine.see import See
    from containerlab.engine.system import System
    from containerlab.engine.volumes import Volumes
    from containerlab.runtime.launching import LauncherProcess
    from containerlab.views.progress import Canvas

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
        self._home = home
        self._backend: Backend | None = None
        self._launcher: LauncherProcess | None = None
        self._lock = threading.Lock()

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

        home = Home.open(None if self._home is None else os.fspath(self._home))
        launcher, self._launcher = Launcher(self._launcher), None
        backend: Backend = Embedded(home, launcher)
        return backend

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
    def volumes(self) -> Volumes:
        """Return the verbs of volumes."""
        from containerlab.engine.volumes import Volumes

        return Volumes(self)

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

    def close(self) -> None:
        """End the helper processes of this engine; its containers go on."""
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
