"""What this host lets this process do: found by trying, once per boot, never read off a sysctl.

Three tiers: everything; a user namespace without a fresh /proc (inside another container); nothing.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import Any, NamedTuple

import msgspec

from containerlab.errors import NotPermitted
from containerlab.linux import capabilities, idmap, procfs
from containerlab.linux.cgroups import hierarchy
from containerlab.linux.cgroups.hierarchy import Hierarchy
from containerlab.linux.files import write_atomically
from containerlab.linux.idmap import IdMap, Range

__all__ = ["Host", "look"]


class Host(NamedTuple):
    """Facts.

    idmap: how container ids stand for host ids.
    bounding: capabilities that can be given at all.
    cgroups: the hierarchies and what of them may be used.
    kernel: (major, minor).
    refused: what the trial could not do → the kernel's answer: "namespaces", "proc", "sysfs", "pivot",
        "netns", "time".
    """

    idmap: IdMap
    bounding: frozenset[str]
    cgroups: Hierarchy
    kernel: tuple[int, int]
    refused: dict[str, str]

    @property
    def tier(self) -> str:
        """`full`, `no-proc` or `none`."""
        if "namespaces" in self.refused:
            return "none"
        return "no-proc" if "proc" in self.refused else "full"

    @property
    def is_rootless(self) -> bool:
        """Whether containers need a user namespace."""
        return self.idmap.kind != "none"

    def require_namespaces(self) -> None:
        """Raise NotPermitted with the reason when no container can run here at all."""
        if reason := self.refused.get("namespaces"):
            raise NotPermitted(
                f"no container can run here: new namespaces are refused ({reason})",
                "allow user namespaces for this user (see `conlab doctor`), or run as root on the host",
            )


def look(cache: str) -> Host:
    """Return the facts, from the file `cache` when it was written for this boot, user and place."""
    return _look(cache, os.geteuid())


@functools.cache
def _look(cache: str, uid: int) -> Host:
    key = _key()
    found = _read(cache, key)
    if found is None:
        chosen = idmap.choose()
        found = {"key": key, "idmap": chosen, "refused": _try(chosen)}
        write_atomically(cache, msgspec.json.encode(found))
    uids, gids, kind, reason = found["idmap"]
    release = os.uname().release.split(".")
    return Host(
        IdMap(tuple(Range(*r) for r in uids), tuple(Range(*r) for r in gids), kind, reason),
        capabilities.bounding() if kind == "none" else frozenset(capabilities.ALL),
        hierarchy.detect(),
        (int(release[0]), int(release[1])),
        found["refused"],
    )


def _key() -> list[str | int]:
    places = [os.stat(f"/proc/self/ns/{name}").st_ino for name in ("mnt", "user", "pid")]
    with open("/proc/self/status") as status:
        bounds = [line.strip() for line in status if line.startswith(("NoNewPrivs", "Seccomp:", "CapBnd"))]
    return [procfs.boot_id(), os.uname().release, os.geteuid(), os.getegid(), *places, *bounds]


def _read(cache: str, key: list[str | int]) -> dict[str, Any] | None:
    try:
        with open(cache, "rb") as file:
            found: dict[str, Any] = msgspec.json.decode(file.read())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if found.get("key") == key else None


def _try(chosen: IdMap) -> dict[str, str]:
    """Have a process of its own try everything, and return what was refused."""
    import subprocess

    package = __file__.removesuffix("/containerlab/runtime/host.py")
    argv = [sys.executable, "-I", "-S", "-c", _TRIAL, package]
    try:
        process = idmap.run(
            chosen, argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        stdout, stderr = process.communicate()
        return dict(msgspec.json.decode(stdout))
    except (OSError, msgspec.DecodeError) as error:
        said = stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return {"namespaces": error.strerror or str(error) if isinstance(error, OSError) else said}


_TRIAL = """
import sys; sys.path.append(sys.argv[1])
from containerlab.runtime.trial import main
main()
"""
