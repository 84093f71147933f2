"""The keys that a registry signs with: made at first use, in files that only its owner can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from containerlab import errors

__all__ = ["Keys"]

_BYTES = 32


class Keys:
    """Secret keys by name, the same for all processes that serve a registry."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, bytes] = {}

    def get(self, name: str) -> bytes:
        """Return a key of 32 bytes.

        Raises: CorruptContent when its file is something else.
        """
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> bytes:
        path = self._directory / name
        if not path.exists():
            self._make(path)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            key = file.read(_BYTES + 1)
        if len(key) != _BYTES:
            raise errors.CorruptContent(
                f"{path} is not a key", "remove it: a new one is made, and all must log in again"
            )
        return key

    def _make(self, path: Path) -> None:
        self._directory.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(secrets.token_bytes(_BYTES))
                file.flush()
                os.fsync(fd)
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)  # never replaces what another process has made meanwhile
        finally:
            os.unlink(temporary)
