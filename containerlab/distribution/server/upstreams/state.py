"""What one process of a server remembers of its upstreams, and may forget: connections, and what failed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as futures_wait

from containerlab import errors
from containerlab.distribution.remote import Remote

__all__ = ["UpstreamState"]

_MOST_REMOTES = 256
_MOST_MISSING = 10_000
_MISSING_S, _AWAY_S = 30.0, 10.0
_THREADS = 16
_LOOK_S, _END_S = 0.25, 3.0
_DOWNLOADS = 16
"""At once; others wait for their turn."""


class UpstreamState:
    """Safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._remotes: dict[object, Remote] = {}
        self._missing: dict[object, float] = {}
        self._proven: set[object] = set()
        self._away: dict[object, tuple[float, str]] = {}
        self._turns: dict[object, tuple[threading.Lock, list[None]]] = {}
        self._running: dict[str, tuple[str, threading.Thread]] = {}
        self._failed: dict[str, errors.LabError] = {}
        self._slots = threading.BoundedSemaphore(_DOWNLOADS)
        self.is_closed = False
        self.pool = ThreadPoolExecutor(_THREADS, "registry-upstream")
        """For who waits for upstreams: so nobody else has to wait for one that hangs."""

    def close(self) -> None:
        """End what upstreams are asked; what came of downloads stays."""
        with self._lock:
            self.is_closed = True
            remotes, threads = list(self._remotes.values()), list(self._running.values())
        for remote in remotes:
            remote.close()
        self.pool.shutdown(cancel_futures=True)
        until = time.monotonic() + _END_S
        for _, thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def remote(self, key: object, make: Callable[[], Remote]) -> Remote:
        """Return the connections with a repository there, kept: they have tokens."""
        with self._lock:
            if self.is_closed:
                raise errors.Unavailable("the server is being stopped")
            if key not in self._remotes:
                if len(self._remotes) >= _MOST_REMOTES:
                    del self._remotes[next(iter(self._remotes))]  # who still uses it keeps it alive
                self._remotes[key] = make()
            return self._remotes[key]

    @contextlib.contextmanager
    def turn(self, key: object) -> Iterator[None]:
        """Let one thread at a time ask the same: the others find its answer."""
        with self._lock:
            lock, waiting = self._turns.setdefault(key, (threading.Lock(), []))
            waiting.append(None)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                waiting.pop()
                if not waiting:
                    self._turns.pop(key, None)

    def wait(self, patience_s: float, call: Callable[[], None]) -> None:
        """Call something; when it takes too long, it goes on in a thread of its own.

        Raises: TimedOut, Unavailable when the server ends, and what the call does.
        """
        done: Future[None] = Future()

        def run() -> None:
            try:
                call()
            except BaseException as error:
                done.set_exception(error)
            else:
                done.set_result(None)

        threading.Thread(target=run, daemon=True).start()
        until = time.monotonic() + patience_s
        while not futures_wait([done], _LOOK_S).done:
            if self.is_closed:
                raise errors.Unavailable("the server is being stopped")
            if time.monotonic() > until:
                raise errors.TimedOut(f"no answer for {patience_s:.0f} s")
        done.result()

    # what failed

    def note_missing(self, key: object) -> None:
        """Remember for half a minute that an upstream has not got something."""
        with self._lock:
            if len(self._missing) >= _MOST_MISSING:
                self._missing.clear()
            self._missing[key] = time.monotonic() + _MISSING_S

    def is_missing(self, key: object) -> bool:
        with self._lock:
            return self._missing.get(key, 0.0) > time.monotonic()

    def prove(self, key: object, look: Callable[[], None]) -> None:
        """See once that an upstream has something; `look` raises when it has not."""
        with self.turn(key):
            if not self.is_proven(key):
                look()
                self.note_proven(key)

    def note_proven(self, key: object) -> None:
        """Remember that an upstream has something."""
        with self._lock:
            if len(self._proven) >= _MOST_MISSING:
                self._proven.clear()
            self._proven.add(key)

    def is_proven(self, key: object) -> bool:
        with self._lock:
            return key in self._proven

    def note_away(self, key: object, why: str) -> None:
        """Remember for some seconds that an upstream does not answer."""
        with self._lock:
            self._away[key] = (time.monotonic() + _AWAY_S, why)

    def why_away(self, key: object) -> str:
        """Return why an upstream did not answer just now; nothing if it may be asked."""
        with self._lock:
            until, why = self._away.get(key, (0.0, ""))
            return why if until > time.monotonic() else ""

    # downloads

    def begin(self, digest: str, repository: str, download: Callable[[], None]) -> bool:
        """Download a blob for a repository in a thread of its own; False when one downloads it for another.

        Raises: Unavailable when the server ends.
        """
        with self._lock:
            if self.is_closed:
                raise errors.Unavailable("the server is being stopped")
            if digest in self._running:
                return self._running[digest][0] == repository
            self._failed.pop(digest, None)
            # A daemon: should it hang, what it has written is good for the next server.
            thread = threading.Thread(target=self._download, args=(digest, download), daemon=True)
            self._running[digest] = (repository, thread)
            thread.start()
            return True

    def fetches(self, digest: str) -> str | None:
        """Return the repository for which this process downloads a blob now; None when it does not."""
        with self._lock:
            return self._running[digest][0] if digest in self._running else None

    def failure(self, digest: str) -> errors.LabError | None:
        """Return why the last download of a blob failed."""
        with self._lock:
            return self._failed.get(digest)

    def _download(self, digest: str, download: Callable[[], None]) -> None:
        failed: errors.LabError | None = None
        try:
            with self._slots:
                download()
        except errors.LabError as error:
            failed = error
        except Exception as error:
            failed = errors.LabError(f"the download failed: {error}")
        with self._lock:
            del self._running[digest]
            if failed:
                if len(self._failed) >= _MOST_MISSING:
                    self._failed.clear()
                self._failed[digest] = failed
