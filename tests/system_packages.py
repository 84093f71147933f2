"""The programs of system-packages.txt: what is missing here, and how it is installed.

`python -m tests.system_packages [FILE]` installs what is missing as root on Debian and Ubuntu, and names it
elsewhere. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["install", "missing", "programs"]

LIST = Path(__file__).parent.parent / "system-packages.txt"
POLICY = Path("/usr/sbin/policy-rc.d")


def programs(file: Path = LIST) -> dict[str, str]:
    """Return the program (or library, or path pattern) that proves each package to be there."""
    lines = (line.partition("#") for line in file.read_text().splitlines())
    return {package.strip(): note.split(":")[0].strip() for package, _, note in lines if package.strip()}


def missing(file: Path = LIST) -> list[str]:
    """Return the packages whose program is not here."""
    return [package for package, program in programs(file).items() if not _is_here(program)]


def _is_here(program: str) -> bool:
    if program.startswith("/"):
        return bool(glob.glob(program))
    if ".so" not in program:
        # An ordinary user's PATH often lacks the directories of administration, where debootstrap lives.
        return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin") is not None
    try:
        ctypes.CDLL(program)
    except OSError:
        return False
    return True


def install(packages: list[str]) -> None:
    """Install Debian packages without their recommendations, and start none of their services."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_services():
        subprocess.run(["apt-get", "update", "-qq"], env=environment, check=True)
        command = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *packages]
        subprocess.run(command, env=environment, check=True)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Answer "forbidden" when a package asks whether it may start its service (invoke-rc.d(8))."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


def main() -> int:
    """Install what is missing, or say it; return apt-get's failure as exit code 1."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else LIST
    absent = missing(file)
    if not absent:
        return 0
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"Missing here: {', '.join(absent)}. What needs them is skipped.")
        print("As root on Debian or Ubuntu this installs them; elsewhere use your package manager.")
        return 0
    print(f"Installing {', '.join(absent)}", flush=True)
    try:
        install(absent)
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)} failed with exit code {error.returncode}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
