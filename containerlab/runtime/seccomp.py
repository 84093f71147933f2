"""Which system-call filter a container gets, and its compiled programs."""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path

import msgspec

from containerlab.errors import InvalidInput
from containerlab.linux.idmap import IdMap
from containerlab.linux.seccomp import profile
from containerlab.linux.seccomp.cache import compiled, kept
from containerlab.linux.seccomp.loading import flag_bits
from containerlab.linux.seccomp.ownership import RECORDED, WITHOUT_EFFECT
from containerlab.oci.runtime import Seccomp, SyscallArg, SyscallRule

__all__ = ["choose", "filters", "recorder"]

_MOST_BYTES = 1 << 20


def choose(wish: str, capabilities: frozenset[str], kernel: tuple[int, int]) -> Seccomp | None:
    """Return linux.seccomp: the default for an empty wish, none for `unconfined`, else a profile's file.

    Raises: InvalidInput when the file cannot be read or is no profile.
    """
    if wish == "unconfined":
        return None
    if not wish or wish == "builtin":
        return _default(capabilities, kernel, os.uname().machine)
    raw = _content(wish)
    from containerlab.linux.seccomp.document import from_docker_json, to_mapping

    return msgspec.convert(
        to_mapping(from_docker_json(raw, capabilities, kernel, os.uname().machine)), Seccomp
    )


def _content(path: str) -> bytes:
    try:
        # A FIFO, or a device that never ends, is no profile.
        fd = os.open(Path(path).expanduser(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            content = file.read(_MOST_BYTES + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    except OSError as error:
        raise InvalidInput(
            f"--security-opt seccomp={path}: {error.strerror}", "name a profile's file"
        ) from error
    if not content or len(content) > _MOST_BYTES:
        raise InvalidInput(
            f"--security-opt seccomp={path} is empty, no file, or above 1 MiB", "name a profile's file"
        )
    return content


@functools.lru_cache(maxsize=16)
def _default(capabilities: frozenset[str], kernel: tuple[int, int], machine: str) -> Seccomp:
    return _described(profile.default(capabilities, kernel, machine))


def _described(seccomp: profile.Seccomp) -> Seccomp:
    """Write our own profile as linux.seccomp; being right, it is not read and checked as others are."""
    return Seccomp(
        default_action=seccomp.default_action,
        default_errno_ret=seccomp.default_errno,
        architectures=seccomp.architectures,
        flags=seccomp.flags,
        syscalls=tuple(
            SyscallRule(names=names, action=action, errno_ret=errno, args=tuple(map(_condition, args)))
            for names, action, errno, args in seccomp.rules
        ),
    )


def _condition(arg: profile.Arg) -> SyscallArg:
    return SyscallArg(index=arg.argument, value=arg.value, op=arg.op, value_two=arg.value_two)


@functools.lru_cache(maxsize=16)
def filters(
    seccomp: Seccomp | None, cache: Path | None, *, hides_ownership: bool
) -> tuple[tuple[bytes, int], ...]:
    """Return compiled programs with their flags, in the order of installation.

    hides_ownership: with a single-id map, add the filter that answers calls which change ownership with 0.
    """
    programs = []
    if hides_ownership:
        programs.append((compiled(WITHOUT_EFFECT, cache), 0))
    if seccomp is not None:
        program = kept(msgspec.json.encode(seccomp), lambda: _read(seccomp), cache)
        programs.append((program, flag_bits(seccomp.flags)))
    return tuple(programs)


def recorder(cache: Path | None, directory: str, idmap: IdMap) -> tuple[bytes, bytes, str] | tuple[()]:
    """Return how a container's changes of ownership are recorded, for `plan.Surroundings`.

    Only with a single id that is root: no other may change owners, in whatever container.
    directory: the container's, which has the table of what attributes cannot say.
    """
    if idmap.kind != "single" or idmap.uids[0].inside:
        return ()
    from containerlab.store.ownership import TABLE_NAME  # most have all ids

    return compiled(RECORDED, cache), compiled(WITHOUT_EFFECT, cache), f"{directory}/{TABLE_NAME}"


def _read(seccomp: Seccomp) -> profile.Seccomp:
    from containerlab.linux.seccomp.document import from_mapping

    return from_mapping(msgspec.to_builtins(seccomp))
