"""Commands of a registry that runs, in the words of a terminal, as its administrator."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Protocol

import pytest

from containerlab import cli
from containerlab.engine.registries.serving import RegistryServer

__all__ = ["Conlab", "logged_in"]


class Conlab(Protocol):
    """Runs a command, and returns what it printed: conlab("user ls"); said: on its standard input."""

    def __call__(self, words: str, said: str = "", exit_code: int = 0) -> str: ...


def logged_in(
    reg: RegistryServer, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Conlab:
    """Return what runs commands as the administrator of a registry, which is the one that is meant."""
    pair = base64.b64encode(f"{reg.username}:{reg.password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {reg.host: {"auth": pair}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    monkeypatch.setenv("CONTAINERLAB_REGISTRY", reg.host)

    def run(words: str, said: str = "", exit_code: int = 0) -> str:
        monkeypatch.setattr(sys, "stdin", io.StringIO(said))
        assert cli.main(["registry", *words.split()]) == exit_code
        captured = capsys.readouterr()
        return captured.err if exit_code and captured.err else captured.out

    return run
