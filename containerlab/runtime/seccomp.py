"""Which system-call filter a container gets, and its compiled programs."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import msgspec

from containerlab.errors import InvalidInput
from containerlab.linux.seccomp.cache import compiled
from containerlab.linux.seccomp.document import from_docker_json, from_mapping, to_mapping
from containerlab.linux.seccomp.loading import flag_bits
from containerlab.linux.seccomp.ownership import WITHOUT_EFFECT
from containerlab.linux.seccomp.profile import default
from containerlab.oci.runtime import Seccomp

__all__ = ["choose", "filters"]


def choose(wish: str, capabilities: frozenset[str], kernel: tuple[int, int]) -> Seccomp | None:
    """Return linux.seccomp: the default for an empty wish, none for `unconfined`, else a profile's file.

    Raises: InvalidInput when the file cannot be read or is no profile.
    """
    if wish == "unconfined":
        return None
    if not wish or wish == "builtin":
        return _default(capabilities, kernel, os.uname().machine)
    try:
        raw = Path(wish).expanduser().read_bytes()
    except OSError as error:
        raise InvalidInput(
            f"--security-opt seccomp={wish}: {error.strerror}", "name a profile's file"
        ) from error
    return msgspec.convert(
        to_mapping(from_docker_json(raw, capabilities, kernel, os.uname().machine)), Seccomp
    )


@functools.lru_cache(maxsize=16)
def _default(capabilities: frozenset[str], kernel: tuple[int, int], machine: str) -> Seccomp:
    return msgspec.convert(to_mapping(default(capabilities, kernel, machine)), Seccomp)


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
        document = from_mapping(msgspec.to_builtins(seccomp))
        programs.append((compiled(document, cache), flag_bits(document.flags)))
    return tuple(programs)
