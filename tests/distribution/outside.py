"""Programs of others at a registry, with all that they keep in a folder of the test's own.

They find credentials and certificates where people put them: below their HOME.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.registries import Registry

__all__ = ["Outside", "outside"]

_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
_REGISTRIES = 'unqualified-search-registries = []\nshort-name-mode = "permissive"\n'


class Outside:
    """Calls skopeo, podman, buildah; made by `outside`."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder, self.registry = folder, registry
        self._authentication = folder / "auth.json"
        self._authentication.write_text("{}")
        containers = folder / ".config" / "containers"
        self._certificates = containers / "certs.d" / registry.host
        self._certificates.mkdir(parents=True)
        if registry.authority:
            shutil.copy(registry.authority, self._certificates / "ca.crt")
        (containers / "policy.json").write_text(_POLICY)
        self._registries = containers / "registries.conf"
        self._registries.write_text(_REGISTRIES)

    def run(self, *words: object, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program."""
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": str(self.folder),
            "REGISTRY_AUTH_FILE": str(self._authentication),
            "CONTAINERS_REGISTRIES_CONF": str(self._registries),
            "TMPDIR": str(self.folder),
        }
        return subprocess.run(
            list(map(str, words)), input=input, capture_output=True, text=True, env=environment, check=False
        )

    def __call__(self, *words: object, input: str = "") -> str:
        """Run a program that must not fail; return what it printed."""
        done = self.run(*words, input=input)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    @property
    def tls(self) -> list[str]:
        """Say that there is no TLS, where there is none."""
        return [] if self.registry.authority else ["--tls-verify=false"]

    def skopeo(self, command: str, *words: object) -> str:
        """Call skopeo; `docker://NAME` is a name at the registry."""
        places = [str(word).replace("docker://", f"docker://{self.registry.host}/") for word in words]
        flags = self.tls
        if command == "copy" and flags:
            flags = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        policy = ["--policy", self.folder / ".config/containers/policy.json"]
        return self("skopeo", *policy, command, *flags, *places)

    def podman(self, *words: object) -> str:
        """Call podman, with a store of its own."""
        return self("podman", *self._stores, *words)

    def buildah(self, *words: object) -> str:
        """Call buildah, with the same store."""
        return self("buildah", *self._stores, *words)

    def conlab(self, *words: object, input: str = "") -> str:
        """Call ours, with a store of its own."""
        return self(*self.conlab_words, *words, input=input)

    @property
    def conlab_words(self) -> list[str]:
        """Return how ours is called."""
        return [sys.executable, "-m", "containerlab", "--home", f"{self.folder}/home"]

    def forget_authority(self) -> None:
        """Trust the registry's certificate no more."""
        shutil.rmtree(self._certificates)

    @property
    def _stores(self) -> list[str]:
        places = ["--root", f"{self.folder}/r", "--runroot", f"{self.folder}/s"]
        return [*places, "--storage-driver", "vfs"]

    def login(self, program: str) -> None:
        """Log in with skopeo, podman or buildah, if the registry is closed."""
        if self.registry.credentials:
            user, password = self.registry.credentials
            words = [program, "login", "-u", user, "--password-stdin", *self.tls, self.registry.host]
            self(*words, input=password)


@contextmanager
def outside(registry: Registry) -> Iterator[Outside]:
    """Give programs a folder, whose path they want to be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Outside(Path(folder), registry)
