"""A credential helper: a program that speaks docker-credential-helpers' protocol, and keeps a JSON file."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

__all__ = ["Helper", "install"]

_PROGRAM = """\
import json, sys
path, verb, request = {kept!r}, sys.argv[1], sys.stdin.read()
kept = json.load(open(path))
if verb == "store":
    new = json.loads(request)
    kept[new["ServerURL"]] = [new["Username"], new["Secret"]]
elif request not in kept:
    print("credentials not found in native keychain")
    sys.exit(1)
elif verb == "get":
    user, secret = kept[request]
    print(json.dumps({{"ServerURL": request, "Username": user, "Secret": secret}}))
elif verb == "erase":
    del kept[request]
json.dump(kept, open(path, "w"))
"""


class Helper:
    """An installed helper."""

    name = "test"

    def __init__(self, folder: Path) -> None:
        self._program = folder / "docker-credential-test"
        self._kept = folder / "kept.json"
        self._kept.write_text("{}")
        script = folder / "helper.py"
        script.write_text(_PROGRAM.format(kept=str(self._kept)))
        self.replace(f'exec "{sys.executable}" -I -S "{script}" "$@"')

    def replace(self, script: str) -> None:
        """Let it do something else."""
        self._program.write_text(f"#!/bin/sh\n{script}\n")
        self._program.chmod(0o755)

    def keep(self, server: str, user: str, secret: str) -> None:
        self._kept.write_bytes(msgspec.json.encode({**self.kept(), server: [user, secret]}))

    def kept(self) -> dict[str, list[str]]:
        """Return user and secret by server."""
        return msgspec.json.decode(self._kept.read_bytes(), type=dict[str, list[str]])


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Helper:
    """Put a helper called `test` on the path."""
    place = folder / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place), prepend=":")
    return Helper(place)
