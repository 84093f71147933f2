"""A registry: the home whose blobs it keeps, its database, how it is set up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from containerlab.distribution.server.accounts.keys import Keys
from containerlab.distribution.server.accounts.passwords import Passwords
from containerlab.distribution.server.content.remembered import Documents, Remembered
from containerlab.distribution.server.schema import SCHEMA
from containerlab.distribution.server.upstreams.state import UpstreamState
from containerlab.oci.digest import Hasher
from containerlab.store.database import Database
from containerlab.store.holdings import registry_database
from containerlab.store.home import Home
from containerlab.store.images import Images

__all__ = ["Examiner", "Registry", "Settings"]


class Examiner(Protocol):
    """Looks at images, for what is on higher floors than a registry."""

    def __call__(self, home: Home, digest: str, /) -> bytes:
        """Return a JSON document of what is found in the image with a manifest's digest.

        Raises: Unavailable when it may be tried again; other errors say what is wrong with the image.
        """

    def stop(self) -> None:
        """End what is going on, and begin nothing more."""


_LOOKS = 2


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a registry is set up; the process that serves it gets this as JSON."""

    storage: str = ""
    """The home that it works on; empty for the usual one."""
    host: str = "127.0.0.1"
    port: int = 5000
    auth: str = "bearer"
    """bearer, basic or none."""
    tls_certificate: str = ""
    tls_key: str = ""
    workers: int = 1
    public_url: str = ""
    """What clients call it, when that is not the address it listens at."""
    users_create_organizations: bool = False
    """Whether those who are not administrators may create organisations."""
    deletes: bool = True
    opens_to_all: bool = False
    """Whether `none` may be served at an address that others reach."""
    access_log: bool = False
    """Whether every request is written down, not only those refused."""
    idle_s: float = 60.0
    """How long a client may say nothing in the middle of a request."""
    upload_limit: int = 1000
    """Sessions that one account may have open."""
    upload_age_s: float = 86400.0
    events_age_s: float = 365 * 86400.0
    """How far back the audit log goes."""
    events_most: int = 5_000_000
    """How many events it has, whatever their age: about a gigabyte."""
    grace_s: float = 86400.0
    """How long a blob that no manifest has stays in a repository."""
    allows_private_targets: bool = False
    """Whether webhooks, replications and upstreams may go to this machine and private networks."""


class Registry:
    """What every function of the server takes first; safe for many threads and processes.

    examiners: by the kind of their result: audit, sbom.
    """

    def __init__(
        self,
        settings: Settings,
        examiners: dict[str, Examiner] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.home = Home.open(settings.storage or None)
        self.directory: Path = registry_database(self.home).parent
        self.directory.mkdir(mode=0o700, exist_ok=True)
        self.images = Images(self.home)
        self.blobs = self.images.blobs
        self.database = Database(registry_database(self.home), SCHEMA)
        self.reader = Database(registry_database(self.home), SCHEMA)
        """For statements that only read: they do not wait for a transaction that reaches the disk."""
        self.quick = Database(registry_database(self.home), SCHEMA)
        """For statements of microseconds, which the event loop itself waits for."""
        self.remembered = Remembered(self.quick)
        self.documents = Documents()
        self.notes = Database(registry_database(self.home), SCHEMA, is_durable=False)
        """For what may be forgotten in a power cut: it waits for no disk."""
        self.uploads_fd = _directory(self.directory / "uploads")
        """The directory of what is being uploaded."""
        self.hashers: dict[str, Hasher] = {}
        """Of uploads, by their ids: as far as this process has written them."""
        self.examiners = examiners or {}
        self.now = now
        self.upstream_state = UpstreamState()
        self.looks = threading.BoundedSemaphore(_LOOKS)
        """Held while a layer is looked into, which takes seconds of a processor."""
        self.examination = threading.Lock()
        """Held while an image is examined."""
        self.passwords = Passwords(now)
        self.keys = Keys(self.directory / "keys")

    def document(self, digest: str) -> bytes:
        """Return a manifest or a configuration, verified; from memory when it was asked for lately.

        Raises: NotFound, CorruptContent.
        """
        raw = self.documents.get(digest)
        if raw is None:
            raw = self.blobs.read(digest)
            self.documents.keep(digest, raw)
        return raw

    def close(self) -> None:
        """Close the databases and directories, end what computes passwords."""
        self.passwords.close()
        self.upstream_state.close()
        os.close(self.uploads_fd)
        self.database.close()
        self.reader.close()
        self.quick.close()
        self.notes.close()
        self.images.close()


def _directory(path: Path) -> int:
    """Make a directory if need be, and open it unless it is a link to somewhere else."""
    path.mkdir(mode=0o700, exist_ok=True)
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
