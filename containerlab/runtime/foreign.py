"""Another OCI runtime (crun, runc) makes the container's processes; store, log and exit code stay ours.

The monitor starts a process in a mount namespace of its own, which mounts the container's root file system
and becomes `RUNTIME run`. So the mount vanishes with it, and standard streams and exit code pass through.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from containerlab.errors import InvalidInput, Unsupported
from containerlab.linux import mounts
from containerlab.linux.mounts import Mount
from containerlab.linux.namespaces import CLONE_NEWNS
from containerlab.oci.runtime import Spec
from containerlab.runtime.host import Host
from containerlab.runtime.steps import Plan, Step, step

__all__ = ["OWN", "Handed", "find", "hand_over", "pid_file"]

OWN = ("", "containerlab")
_KNOWN = ("crun", "runc", "youki")
_VERSION = "1.0.2"
"""Of the specification: Debian's crun 1.8 refuses later ones, and nothing of them is used."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Handed(NamedTuple):
    """What the other runtime is given, the plan that starts it, and what it cannot do."""

    spec: Spec
    plan: Plan
    notices: tuple[str, ...]


def find(name: str) -> str:
    """Return the path of a runtime by its name or path; empty for our own.

    Raises: InvalidInput naming what is installed.
    """
    if name in OWN:
        return ""
    import shutil

    if path := shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}"):
        return os.path.realpath(path)
    installed = [known for known in _KNOWN if shutil.which(known, path=_PATH)]
    raise InvalidInput(f"--runtime {name} is not installed", f"here are: {', '.join((OWN[1], *installed))}")


def pid_file(directory: str) -> str:
    """Return the file that the runtime writes the first process's pid to."""
    return f"{directory}/pid"


def hand_over(
    path: str, spec: Spec, mounted: tuple[str, tuple[Mount, ...]], host: Host, about: tuple[str, str]
) -> Handed:
    """Return how another runtime is started on a container.

    mounted: (root, what to mount there); about: (id, directory).
    Raises: Unsupported without root.
    """
    if host.is_rootless:
        raise Unsupported(
            f"--runtime {os.path.basename(path)} needs root", "leave it out: the own runtime does without"
        )
    assert spec.process is not None
    fitted, notices = _fitted(spec, mounted[0], os.path.basename(path))
    steps = tuple(_steps(path, mounted, about, spec.process.terminal))
    return Handed(fitted, Plan(CLONE_NEWNS, (), None, None, spec.process.terminal, steps), notices)


def _fitted(spec: Spec, root: str, name: str) -> tuple[Spec, tuple[str, ...]]:
    """Leave out what runtimes of the specification's version 1.0 do not know."""
    assert spec.linux is not None
    assert spec.root is not None
    known = tuple(each for each in spec.linux.namespaces if each.type != "time")
    notices = () if known == spec.linux.namespaces else (f"no time namespace: {name} may not know it",)
    linux = msgspec.structs.replace(spec.linux, namespaces=known)
    return msgspec.structs.replace(
        spec, oci_version=_VERSION, linux=linux, root=msgspec.structs.replace(spec.root, path=root)
    ), notices


def _steps(
    path: str, mounted: tuple[str, tuple[Mount, ...]], about: tuple[str, str], terminal: bool
) -> Iterator[Step]:
    (root, snapshot), (container, directory) = mounted, about
    yield step("new_session")
    yield step("set_propagation", (mounts.PROPAGATION["rslave"],))
    yield step("mount_root", (root, tuple(tuple(mount) for mount in snapshot)))
    if terminal:
        yield step("hold_root")
        yield step("open_terminal", (0, 0))
    yield step("set_stdio", (0, 0))
    yield step("close_descriptors")
    yield step("find_program", (os.fsencode(path), ()))
    yield step("die_with_parent")
    words = [path, "--root", f"{directory}/runtime", "run", "--bundle", directory]
    words += ["--pid-file", pid_file(directory), container]
    environment = ((b"PATH", _PATH.encode()),)
    yield step("become_runtime", (tuple(map(os.fsencode, words)), environment))
