"""Who one is at a registry: read from where Docker and podman keep it.

The files are asked in the order of `places`, and the first that knows the registry decides:

    $REGISTRY_AUTH_FILE                                     when set, alone: as podman has it
    $DOCKER_CONFIG/config.json or ~/.docker/config.json     where `login` writes, as docker does
    $XDG_RUNTIME_DIR/containers/auth.json                   podman's, until the next start of the machine
    ~/.config/containers/auth.json                          podman's, to stay
    ~/.dockercfg                                            Docker's before 1.7

Source: docker/cli, cli/config; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from containerlab import errors
from containerlab.distribution import credential_helpers
from containerlab.oci.reference import DEFAULT_REGISTRY
from containerlab.oci.untrusted import UNREADABLE

__all__ = [
    "ANONYMOUS",
    "HUB_KEY",
    "TOKEN_USER",
    "Credentials",
    "Entry",
    "File",
    "find",
    "key_of",
    "places",
    "read",
]

HUB_KEY = "https://index.docker.io/v1/"
"""What Docker calls docker.io in its files and to helpers."""
TOKEN_USER = "<token>"
"""The user of an identity token, for helpers. Source: docker/docker-credential-helpers."""
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Credentials(msgspec.Struct, frozen=True):
    """What one shows to a registry; all empty is somebody who does not say who they are."""

    username: str = ""
    password: str = ""
    identity_token: str = ""
    """Buys tokens at the registry's token server, instead of a password."""
    registry_token: str = ""
    """Shown to the registry as it is."""

    def __bool__(self) -> bool:
        return bool(self.username or self.password or self.identity_token or self.registry_token)

    def __repr__(self) -> str:
        """Leave out what must not get into logs."""
        return f"Credentials(username={self.username!r})"


ANONYMOUS = Credentials()


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One registry in a file."""

    auth: str = ""
    """Base64 of user:password."""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""

    def credentials(self) -> Credentials:
        """Raises: InvalidInput when `auth` is not what it should be."""
        username, password = _decode(self.auth) if self.auth else (self.username, self.password)
        return Credentials(username, password, self.identitytoken, self.registrytoken)


def _decode(auth: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(auth, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise errors.InvalidInput("its auth is not base64 of user:password") from None
    username, colon, password = text.partition(":")
    if not colon:
        raise errors.InvalidInput("its auth is not base64 of user:password")
    return username, password.rstrip("\0")  # some writers pad with zeros


class File(msgspec.Struct, frozen=True):
    """What counts here of a config.json or auth.json."""

    auths: dict[str, Entry] = {}
    credsStore: str = ""
    """The helper for all registries."""
    credHelpers: Mapping[str, str] = {}
    """Helpers by registry; an empty one says that there is none for it."""

    def helper_for(self, key: str) -> str:
        """Return the helper that keeps a registry's credentials; empty: the file itself does."""
        for name, helper in self.credHelpers.items():
            if key_of(name) == key:
                return helper
        return self.credsStore


def key_of(name: str) -> str:
    """Return the registry, or repository, that a key of a file stands for.

    >>> key_of("https://index.docker.io/v1/"), key_of("http://r:5000/v2/"), key_of("quay.io/lab")
    ('docker.io', 'r:5000', 'quay.io/lab')
    """
    bare = name.partition("://")[2] or name
    host, _, path = bare.partition("/")
    if "://" in name or path.rstrip("/") in ("", "v1", "v2"):
        bare = host
    first, slash, rest = bare.partition("/")
    return f"{DEFAULT_REGISTRY if first in _HUB_NAMES else first}{slash}{rest}"


def places() -> list[str]:
    """Return the files in which credentials may be, in the order in which they are asked."""
    if named := os.environ.get("REGISTRY_AUTH_FILE"):
        return [named]
    home = os.path.expanduser("~")
    settings = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return [
        f"{docker_directory()}/config.json",
        f"{runtime}/containers/auth.json" if runtime else f"/run/containers/{os.getuid()}/auth.json",
        f"{settings}/containers/auth.json",
        f"{home}/.dockercfg",
    ]


def docker_directory() -> str:
    """Return where Docker's client keeps its settings."""
    return os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")


def find(registry: str, repository: str = "") -> Credentials:
    """Return what is kept for a registry, or better for a repository there; ANONYMOUS when nothing is.

    Raises: InvalidInput when a file cannot be understood; Unavailable when a helper fails.
    """
    for path in places():
        if (file := read(path)) and (found := _in_file(file, path, registry, repository)):
            return found
    return ANONYMOUS


def read(path: str) -> File | None:
    """Read a file of credentials; None when it is not there, or for others only.

    Raises: InvalidInput.
    """
    try:
        with open(path, "rb") as opened:
            content = opened.read()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    except OSError as error:
        raise errors.of_the_system(error, "read credentials") from error
    if not content.strip():
        return None
    try:
        document = _without_nulls(msgspec.json.decode(content))
        is_old = os.path.basename(path) == ".dockercfg"
        return msgspec.convert({"auths": document} if is_old else document, File)
    except UNREADABLE as error:
        raise errors.InvalidInput(
            f"cannot read the credentials in {path}: {error}",
            "mend the file, or move it away and log in again",
        ) from error


def _without_nulls(value: Any) -> Any:
    """Drop what is null: some write it for what is not there."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(item) for name, item in value.items() if item is not None}


def _in_file(file: File, path: str, registry: str, repository: str) -> Credentials:
    if helper := file.helper_for(registry):
        username, secret = credential_helpers.get(
            helper, HUB_KEY if registry == DEFAULT_REGISTRY else registry
        )
        if username == TOKEN_USER:
            return Credentials(identity_token=secret)
        if secret:
            return Credentials(username, secret)
    by_key = {key_of(name): entry for name, entry in file.auths.items()} | file.auths
    for key in _narrowing(registry, repository):
        if key in by_key:
            try:
                found = by_key[key].credentials()
            except errors.InvalidInput as error:
                raise errors.InvalidInput(
                    f"cannot read the credentials for {key} in {path}: {error.message}",
                    f"conlab login {registry}",
                ) from None
            if found:
                return found
    return ANONYMOUS


def _narrowing(registry: str, repository: str) -> Iterator[str]:
    """Yield a repository, what it lies below, and last its registry: podman's keys, longest first."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        yield "/".join((registry, *parts[:count]))
    yield registry
