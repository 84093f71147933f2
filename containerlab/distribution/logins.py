"""Keep and forget logins, in the files and helpers of `credentials`.

A file is written as a whole: under another name, brought to the disk, renamed; only its owner may read it. A
link stays one, and what else stands in the file stays too. Writers of this package wait for each other;
what docker or podman write meanwhile, without a lock, is read again before it is replaced.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution import credential_helpers
from containerlab.distribution.credentials import (
    HUB_KEY,
    TOKEN_USER,
    Credentials,
    File,
    key_of,
    places,
    read,
)
from containerlab.linux.files import sync_directory, write_file
from containerlab.oci.reference import DEFAULT_REGISTRY

__all__ = ["Kept", "forget", "forget_all", "keep"]

_PATIENCE = 20
"""How often a file that others write all the time is read again."""


class Kept(NamedTuple):
    """Where a login is."""

    place: str
    """A file, or the name of a helper's program."""
    is_plain: bool
    """Whether whoever can read the file can read the password."""


def keep(registry: str, credentials: Credentials) -> Kept:
    """Keep a login where `docker login` would: with the helper that is set up, else in the file itself.

    Raises: InvalidInput when the file cannot be understood: it is not replaced; Unavailable when a helper
    fails; NotPermitted when the file cannot be written.
    """
    path = os.path.realpath(places()[0])
    helper = (read(path) or File()).helper_for(registry)
    server = _server(registry)
    if helper:
        user = TOKEN_USER if credentials.identity_token else credentials.username
        credential_helpers.store(helper, server, user, credentials.identity_token or credentials.password)
        entry: dict[str, str] = {}  # says that there is a login, as docker does
    else:
        entry = _entry(credentials)

    def change(auths: dict[str, Any]) -> None:
        for name in [name for name in auths if key_of(name) == registry]:
            del auths[name]
        auths[server] = entry

    _rewrite(path, change)
    return Kept(f"docker-credential-{helper}" if helper else path, not helper)


def forget(registry: str) -> list[str]:
    """Forget a login in every place where it would be found; return those where it was.

    Raises: as `keep`.
    """
    found = []
    for place in places():
        path = os.path.realpath(place)
        if (file := read(place)) is None:
            continue
        helper, names = file.helper_for(registry), [name for name in file.auths if key_of(name) == registry]
        if helper and credential_helpers.get(helper, _server(registry)) != ("", ""):
            credential_helpers.erase(helper, _server(registry))
            found.append(f"docker-credential-{helper}")
        if names:
            _rewrite(path, functools.partial(_drop, names))
            found.append(path)
    return list(dict.fromkeys(found))


def _drop(names: Iterable[str], auths: dict[str, Any]) -> None:
    for name in names:
        auths.pop(name, None)


def forget_all() -> list[str]:
    """Forget every login; return the registries whose it was."""
    names = {key_of(name) for place in places() if (file := read(place)) for name in file.auths}
    return [name for name in sorted(names) if forget(name)]


def _server(registry: str) -> str:
    return HUB_KEY if registry == DEFAULT_REGISTRY else registry


def _entry(credentials: Credentials) -> dict[str, str]:
    password = "" if credentials.identity_token else credentials.password
    entry = {"auth": base64.b64encode(f"{credentials.username}:{password}".encode()).decode()}
    return entry | ({"identitytoken": credentials.identity_token} if credentials.identity_token else {})


def _rewrite(path: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a file knows of registries."""
    with _translated(path), _alone(os.path.dirname(path)):
        for _ in range(_PATIENCE):
            before, document = _load(path)
            is_old = os.path.basename(path) == ".dockercfg"
            if not is_old and document.get("auths") is None:
                document["auths"] = {}
            change(document if is_old else document["auths"])
            content = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
            if _replace(path, content, before):
                return
    raise errors.Unavailable(f"cannot change {path}: another program writes it all the time", "try again")


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Hold the lock of a folder, made if need be: a lock on the file itself would go with the file."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _load(path: str) -> tuple[os.stat_result | None, dict[str, Any]]:
    """Return which file it is, and what it holds with all that is unknown here."""
    try:
        with open(path, "rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
    except FileNotFoundError:
        return None, {}
    read(path)  # says what is wrong with it
    return status, msgspec.json.decode(content, type=dict[str, Any]) if content.strip() else {}


def _replace(path: str, content: bytes, before: os.stat_result | None) -> bool:
    """Write a file; False when it is no longer the one from `before`."""
    temporary = f"{path}.new-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        write_file(temporary, content, 0o600, durable=True)
        if before and before.st_uid != os.geteuid():
            os.chown(temporary, before.st_uid, before.st_gid)  # root writes a user's file
        if _identity(_status(path)) != _identity(before):
            return False
        os.rename(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    sync_directory(os.path.dirname(path))
    return True


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result | None) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns) if status else ()


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, errors.LabError):
            raise
        raise errors.of_the_system(error, f"change the credentials in {path}") from error
