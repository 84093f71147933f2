"""Registries for tests: Debian's docker-registry and our own server, each on a free port of the loopback.

    with registries.debian(folder, auth="basic") as registry:
        registry.url, registry.host, registry.user, registry.password

Every one has a folder of its own and ends with its block. Its log is `registry.log`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from containerlab.distribution.server.registry import Settings
from containerlab.distribution.server.serving.process import Order, Started
from containerlab.engine.registries.process import command
from tests.certificates import Authority
from tests.containers import until

__all__ = ["PASSWORD", "USER", "Auth", "Registry", "debian", "ours"]

Auth = Literal["none", "basic", "bearer"]
USER, PASSWORD = "admin", "correct horse battery"
# Of PASSWORD, with the least work that bcrypt knows.
_BCRYPT = "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"
_PATIENCE_S = 30.0


class Registry(msgspec.Struct, frozen=True, kw_only=True):
    """A registry that runs."""

    kind: Literal["debian", "ours"]
    url: str
    """Without a slash at the end."""
    storage: Path
    log: Path
    process: subprocess.Popen[bytes]
    auth: Auth = "none"
    user: str = ""
    """Who may do everything; empty where everybody may."""
    password: str = ""
    authority: Path | None = None
    """The certificate that its clients have to trust; None for plain HTTP."""

    @property
    def host(self) -> str:
        """Host and port, as references begin."""
        return self.url.partition("://")[2]

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password."""
        return (self.user, self.password) if self.user else None


@contextmanager
def debian(folder: Path, *, auth: Auth = "none", tls: bool = False) -> Iterator[Registry]:
    """Run docker-registry 2.8, open or with USER and PASSWORD; the test is skipped where it is missing."""
    if not shutil.which("docker-registry"):
        pytest.skip("needs the system package docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder / "tls") if tls else None
    (folder / "htpasswd").write_text(f"{USER}:{_BCRYPT}\n")
    settings = folder / "config.yml"
    settings.write_bytes(msgspec.json.encode(_debian_settings(folder, auth, authority)))
    words = ["docker-registry", "serve", str(settings)]
    with _running(words, folder / "registry.log", {"OTEL_TRACES_EXPORTER": "none"}) as process:
        port = _look_for(rb"listening on 127\.0\.0\.1:(\d+)", folder / "registry.log", process)
        yield Registry(
            kind="debian",
            url=f"{'https' if tls else 'http'}://localhost:{port}",
            storage=folder / "data",
            log=folder / "registry.log",
            process=process,
            auth=auth,
            user=USER if auth == "basic" else "",
            password=PASSWORD if auth == "basic" else "",
            authority=authority.certificate if authority else None,
        )


def _debian_settings(folder: Path, auth: Auth, authority: Authority | None) -> dict[str, object]:
    """Return its settings; JSON is YAML too."""
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "of this test"}
    if authority:
        pair = authority.server()
        http["tls"] = {"certificate": str(pair.certificate), "key": str(pair.key)}
    settings: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "data")},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": http,
    }
    if auth == "basic":
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    return settings


@contextmanager
def _running(
    words: list[str], log: Path, environment: Mapping[str, str] = {}
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        _wait(process)


def _look_for(pattern: bytes, log: Path, process: subprocess.Popen[bytes]) -> str:
    """Wait for a line of the log, and return its first group."""

    def look() -> str | None:
        text = log.read_bytes()
        if process.poll() is not None:
            pytest.fail(f"the registry has ended: {text.decode(errors='replace')[-2000:]}")
        found = re.search(pattern, text)
        return found[1].decode() if found else None

    return until(look, _PATIENCE_S)


@contextmanager
def ours(
    folder: Path,
    *,
    auth: Auth = "bearer",
    tls: bool = False,
    workers: int = 1,
    settings: Mapping[str, object] = {},
) -> Iterator[Registry]:
    """Run our server, as `conlab registry serve` starts it; again in the same folder on the same store.

    settings: fields of its Settings that this function does not set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder / "tls") if tls else None
    pair = authority.server() if authority else None
    given = Settings(
        **{
            "storage": str(folder / "home"),
            "port": 0,
            "auth": auth,
            "workers": workers,
            "tls_certificate": str(pair.certificate) if pair else "",
            "tls_key": str(pair.key) if pair else "",
            **settings,
        }
    )
    log = folder / "registry.log"
    with log.open("ab") as file:
        process = subprocess.Popen(
            command(Order(settings=given)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            start_new_session=True,
        )
    try:
        user, password, url = _first_words(process, folder, auth)
        yield Registry(
            kind="ours",
            url=url,
            storage=folder / "home",
            log=log,
            process=process,
            auth=auth,
            user=user,
            password=password,
            authority=authority.certificate if authority else None,
        )
    finally:
        _end(process)


def _first_words(process: subprocess.Popen[bytes], folder: Path, auth: Auth) -> tuple[str, str, str]:
    """Read what the server says when it can be reached; it tells the password on its first start only."""
    assert process.stdout
    line = process.stdout.readline()
    process.stdout.close()
    told = msgspec.json.decode(line, type=Started) if line else Started(error="it said nothing")
    assert not told.error, f"{told.error}\n{(folder / 'registry.log').read_text()[-2000:]}"
    login = folder / "login.json"
    if told.password:
        login.write_bytes(msgspec.json.encode((told.username, told.password)))
    if auth == "none":
        return "", "", told.url
    user, password = msgspec.json.decode(login.read_bytes(), type=tuple[str, str])
    return user, password, told.url


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.close()
    _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise
