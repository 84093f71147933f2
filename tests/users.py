"""The ordinary users that the suite makes, and how a command runs as one of them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import leaks

__all__ = ["User", "make", "myself"]

PREFIX = "conlab-test-"
REPOSITORY = Path(__file__).parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"
LOCK_TRIES = 20


class User(NamedTuple):
    """Somebody who runs commands.

    kind: "root", "subids" (has subordinate ids) or "single" (has none).
    python: an interpreter that this user can reach and that finds containerlab with `pythonpath`.
    """

    name: str
    uid: int
    gid: int
    home: Path
    kind: str
    python: str = sys.executable
    pythonpath: str = ""

    def run(self, argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command as this user in its home, capture text; keywords as subprocess.run's."""
        options = {"capture_output": True, "text": True, "timeout": 120, **self._identity(), **options}
        return subprocess.run(argv, **options)

    def start(self, argv: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command as this user in its home; keywords as subprocess.Popen's."""
        return subprocess.Popen(argv, **{**self._identity(), **options})

    def conlab(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `conlab WORDS…` as this user."""
        return self.run([self.python, "-m", "containerlab", *words], **options)

    def script(self, source: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run Python source as this user."""
        return self.run([self.python, "-c", source, *arguments], **options)

    @property
    def environment(self) -> dict[str, str]:
        """What a login would set, and nothing of the suite's own environment but its marks."""
        kept = {name: os.environ[name] for name in ("CI", leaks.TOKEN_VARIABLE) if name in os.environ}
        if self.uid == 0:  # whose usual home is the machine's
            kept["CONTAINERLAB_HOME"] = f"{self.home}/containerlab"
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": self.pythonpath,
            "PYTHONDONTWRITEBYTECODE": "1",
            **kept,
        }

    def _identity(self) -> dict[str, Any]:
        identity: dict[str, Any] = {"cwd": self.home, "env": self.environment}
        if os.geteuid() != self.uid:
            identity |= {"user": self.uid, "group": self.gid, "extra_groups": [self.gid]}
        return identity


def myself(base: Path) -> User:
    """Return who runs the suite."""
    home = base / "myself"
    home.mkdir(exist_ok=True)
    entry = pwd.getpwuid(os.geteuid())
    kind = "root" if entry.pw_uid == 0 else "subids" if _has_subordinate_ids(entry.pw_name) else "single"
    return User(entry.pw_name, entry.pw_uid, os.getegid(), home, kind, pythonpath=str(REPOSITORY))


def make(base: Path, *, subordinate_ids: bool) -> Iterator[User]:
    """Yield an ordinary user and remove it afterwards; without root, yield who runs the suite if fit."""
    kind = "subids" if subordinate_ids else "single"
    if os.geteuid() != 0:
        user = myself(base)
        if user.kind != kind:
            pytest.skip(
                f"needs root to make a user {'with' if subordinate_ids else 'without'} subordinate ids"
            )
        yield user
        return
    _remove_stale()
    name = f"{PREFIX}{os.getpid()}-{kind}"
    counts = [] if subordinate_ids else ["-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0"]
    home = base / kind
    _patiently(["useradd", "--create-home", "--home-dir", str(home), "--shell", "/bin/sh", *counts, name])
    home.chmod(0o700)
    try:
        entry = pwd.getpwnam(name)
        user = User(name, entry.pw_uid, entry.pw_gid, home, kind)
        yield _with_python(user, base)
    finally:
        _patiently(["userdel", "--force", name])
        shutil.rmtree(home, ignore_errors=True)


def _patiently(command: list[str]) -> None:
    """Run a command that gives up at once when somebody else holds the lock of /etc/passwd (exit code 1)."""
    for _ in range(LOCK_TRIES):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 1:
            break
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stderr.strip()}")


def _remove_stale() -> None:
    """Remove the users of runs of the suite that were killed; their names say which process made them."""
    for entry in pwd.getpwall():
        pid = entry.pw_name.removeprefix(PREFIX).partition("-")[0]
        if entry.pw_name.startswith(PREFIX) and not Path(f"/proc/{pid}").exists():
            _patiently(["userdel", "--force", entry.pw_name])


def _has_subordinate_ids(name: str) -> bool:
    file = Path("/etc/subuid")
    return file.exists() and any(line.startswith(f"{name}:") for line in file.read_text().splitlines())


def _with_python(user: User, base: Path) -> User:
    """Find an interpreter by trying: the suite's own often lies below /root, where nobody else may look."""
    borrowed = f"{REPOSITORY}:{sysconfig.get_path('platlib')}"
    for python, pythonpath in ((sys.executable, ""), (SYSTEM_PYTHON, borrowed)):
        candidate = user._replace(python=python, pythonpath=pythonpath)
        if _finds_containerlab(candidate):
            return candidate
    return user._replace(python=_environment(base))


def _finds_containerlab(user: User) -> bool:
    try:
        return user.script("import backports.zstd, msgspec, containerlab", cwd="/").returncode == 0
    except OSError:
        return False


def _environment(base: Path) -> str:
    directory = base / "environment"
    python = directory / "bin" / "python"
    if not python.exists():
        subprocess.run([SYSTEM_PYTHON, "-m", "venv", str(directory)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", f"{REPOSITORY}[all]"], check=True)
    return str(python)
