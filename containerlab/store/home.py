"""The directory in which everything rests: its paths, its locks, its scratch space.

oci/                  an OCI image layout
layers/<diff-id>/     unpacked layers
containers/<id>/      bundles and records
machines/<id>/        records of virtual machines
volumes/  cache/
tmp/                  what is not finished; a killed process leaves rubbish only here
locks/                files that exist to be locked
state.db              what changes
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from containerlab import errors
from containerlab.linux.files import remove_tree
from containerlab.oci.image import OCI_LAYOUT

__all__ = ["PARTIAL", "Home", "is_held", "is_locked"]

_FOLDERS = ("oci/blobs/sha256", "layers", "containers", "machines", "volumes", "cache", "tmp", "locks")
PARTIAL = "partial-"
"""How the names of those files in `tmp` begin that a later download goes on with."""
_PARTIAL_KEPT_S = 86400.0
_PASSING_LOCK = "build-"
"""How the names of those locks begin that are removed by whoever had them."""
_EMPTY_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'


def _ignore(count: int) -> None:
    """Nobody watches."""


class Home(msgspec.Struct, frozen=True):
    """Where this user's images, layers and containers are; open one with `Home.open()`."""

    root: Path
    moved: Callable[[int], None] = _ignore
    """Is told, by whatever thread, how many bytes of content were read or written: for progress."""

    @staticmethod
    def open(path: str | Path | None = None) -> Home:
        """Return the home at `path`, or the default one, made on first use with mode 0700.

        The default is $CONTAINERLAB_HOME, else /var/lib/containerlab for root, else
        $XDG_DATA_HOME/containerlab (~/.local/share/containerlab).

        Raises: NotPermitted when it belongs to somebody else or cannot be made; InvalidInput when the
        directory holds something else.
        """
        root = Path(os.path.abspath(path or _default()))
        _refuse_undecodable(root)
        try:
            if not _is_ready(root):
                _make(root)
        except OSError as error:
            if isinstance(error, errors.LabError):
                raise
            raise errors.NotPermitted(
                f"cannot use {root} as home: {error.strerror}",
                "set CONTAINERLAB_HOME to a directory of yours",
            ) from error
        return Home(root)

    @property
    def oci(self) -> Path:
        return self.root / "oci"

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    @property
    def containers(self) -> Path:
        return self.root / "containers"

    @property
    def volumes(self) -> Path:
        return self.root / "volumes"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @contextlib.contextmanager
    def lock(self, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
        """Hold the lock `name` against all other threads and processes; it dies with its holder.

        Raises: Conflict when `wait` is false and somebody holds it.
        """
        fd = _locked(f"{self.root}/locks/{name}", fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait)
        try:
            yield
        finally:
            _unlock(fd)

    @contextlib.contextmanager
    def lock_in(self, directory: str) -> Iterator[bool]:
        """Hold the lock that lies in a directory and goes with it; give False when that is gone."""
        try:
            fd = _locked(f"{directory}/held", fcntl.LOCK_EX, wait=True)
        except FileNotFoundError:
            yield False
            return
        try:
            yield True
        finally:
            _unlock(fd)

    @contextlib.contextmanager
    def scratch(self, prefix: str) -> Iterator[Path]:
        """Give a fresh directory (mode 0700) below `tmp`, and remove it with all that is in it at the end.

        It is locked while in use, so that `sweep` can tell rubbish of the dead from work of the living.
        """
        fd, path = self.fresh_directory(prefix)
        try:
            yield Path(path)
        finally:
            with contextlib.suppress(OSError):  # what belongs to mapped ids, `Layers.sweep` can remove
                remove_tree(path)
            os.close(fd)

    def fresh_directory(self, prefix: str) -> tuple[int, str]:
        """Make a directory below `tmp` and return its descriptor, locked for `sweep` to see, and its path."""
        return _fresh(lambda: _new_directory(prefix, self.temporary), os.O_DIRECTORY)

    def fresh_file(self, prefix: str) -> tuple[int, str]:
        """Make a file below `tmp` and return its descriptor, locked for `sweep` to see, and its path."""
        return _fresh(lambda: _new_file(prefix, self.temporary), os.O_RDWR)

    def partial_file(self, name: str) -> tuple[int, str] | None:
        """Open what is there of a download, or a new file, locked; None while somebody else writes to it."""
        path = f"{self.root}/tmp/{PARTIAL}{name}"
        while True:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(path, flags, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return None
            if _is_same(fd, path):
                return fd, path
            os.close(fd)  # its last writer has finished it meanwhile

    def replace(self, path: Path, content: bytes) -> None:
        """Write a whole file, so that everybody sees the old content or the new, on the disk."""
        fd, temporary = self.fresh_file("file-")
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
            os.rename(temporary, path)

    def sweep(self) -> int:
        """Remove what killed processes left in `tmp`, and their locks of builds; return how many entries.

        What came of a download stays for a day.
        """
        locks = (entry for entry in os.scandir(self.root / "locks") if entry.name.startswith(_PASSING_LOCK))
        left = (entry for entry in os.scandir(self.temporary) if not _is_wanted(entry))
        return sum(_remove_if_dead(entry.path) for entry in (*left, *locks))

    def drop_partials(self) -> int:
        """Remove what came of downloads that nobody goes on with now; return the bytes freed."""
        freed_bytes = 0
        for entry in os.scandir(self.temporary):
            if entry.name.startswith(PARTIAL):
                with contextlib.suppress(FileNotFoundError):
                    size = entry.stat(follow_symlinks=False).st_size
                    freed_bytes += size if _remove_if_dead(entry.path) else 0
        return freed_bytes


def _is_wanted(entry: os.DirEntry[str]) -> bool:
    if not entry.name.startswith(PARTIAL):
        return False
    try:
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < _PARTIAL_KEPT_S
    except FileNotFoundError:
        return False


def _refuse_undecodable(root: Path) -> None:
    """Raise InvalidInput for a path that config.json, which is UTF-8, cannot name."""
    try:
        str(root).encode()
    except UnicodeEncodeError as error:
        raise errors.InvalidInput(
            f"cannot use {str(root)!r} as home: its name is not UTF-8",
            "set CONTAINERLAB_HOME to another directory",
        ) from error


def _default() -> str:
    if chosen := os.environ.get("CONTAINERLAB_HOME"):
        return chosen
    if os.geteuid() == 0:
        return "/var/lib/containerlab"
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(data, "containerlab")


def _is_ready(root: Path) -> bool:
    """Tell whether the home is complete and private; `oci-layout` is written last."""
    try:
        found = os.stat(root)
        os.stat(f"{root}/oci/oci-layout")
    except FileNotFoundError:
        return False
    _check_owner(root, found)
    return not found.st_mode & 0o077


def _check_owner(root: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise errors.InvalidInput(f"home {root} is not a directory", "set CONTAINERLAB_HOME to a directory")
    if found.st_uid != os.geteuid():
        raise errors.NotPermitted(
            f"home {root} belongs to uid {found.st_uid}, not to you (uid {os.geteuid()})",
            "set CONTAINERLAB_HOME to a directory of yours",
        )


def _make(root: Path) -> None:
    os.makedirs(root, mode=0o700, exist_ok=True)
    _check_owner(root, os.stat(root))
    if strange := _strange(root):
        raise errors.InvalidInput(
            f"{root} holds other things ({strange}) and cannot be a home", "choose an empty directory"
        )
    os.chmod(root, 0o700)
    for folder in _FOLDERS:
        os.makedirs(root / folder, mode=0o700, exist_ok=True)
    _write_if_missing(root, "oci/index.json", _EMPTY_INDEX)
    _write_if_missing(root, "oci/oci-layout", OCI_LAYOUT)


def _strange(root: Path) -> str:
    """Name something that no home has: a mistyped CONTAINERLAB_HOME=/home/me must not be taken over."""
    if os.path.exists(root / "oci" / "oci-layout"):
        return ""
    known = {folder.partition("/")[0] for folder in _FOLDERS} | {"lost+found"}
    return min(set(os.listdir(root)) - known, default="")


def _write_if_missing(root: Path, name: str, content: bytes) -> None:
    if os.path.exists(root / name):
        return
    temporary = _new_file("new-", root / "tmp")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        os.link(temporary, root / name)  # unlike rename, never replaces what another process made meanwhile
    os.unlink(temporary)


def _locked(path: str, operation: int, wait: bool) -> int:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, operation if wait else operation | fcntl.LOCK_NB)
            if _is_same(fd, path):
                return fd
        except BlockingIOError:
            os.close(fd)
            raise errors.Conflict(f"{os.path.basename(path)} is locked by another process") from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # the file was removed by its last holder while we waited


def _unlock(fd: int) -> None:
    """Let go of a lock even if another thread has forked meanwhile: the child has the descriptor, too."""
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _is_same(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _fresh(make: Callable[[], str], flags: int) -> tuple[int, str]:
    """Make, open and lock something in `tmp`; again, if a sweep in another process came between."""
    while True:
        path = make()
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(path, flags | os.O_CLOEXEC)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if _is_same(fd, path):
                return fd, path
            os.close(fd)


def _new_directory(prefix: str, directory: Path) -> str:
    path = f"{directory}/{prefix}{os.urandom(8).hex()}"
    os.mkdir(path, 0o700)
    return path


def _new_file(prefix: str, directory: Path) -> str:
    path = f"{directory}/{prefix}{os.urandom(8).hex()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    return path


def is_held(path: str) -> bool:
    """Tell whether somebody works in a scratch directory."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_locked(fd: int) -> bool:
    """Tell whether somebody has a file locked that is open here."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _remove_if_dead(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # gone meanwhile, or something that nobody here makes
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(path) if stat.S_ISDIR(os.fstat(fd).st_mode) else os.unlink(path)
    except (BlockingIOError, FileNotFoundError, PermissionError):
        return False
    finally:
        os.close(fd)
    return True
