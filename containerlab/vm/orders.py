"""What a guest is told, of the image and of what the user said: decided here, purely.

Guests look names of users up themselves, in the files of the image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from containerlab.errors import InvalidInput
from containerlab.oci.image import Config
from containerlab.options.mounts import MountRequest
from containerlab.runtime.spec import environment
from containerlab.vm.guest.setup import Mount, Program, Setup
from containerlab.vm.qemu import plan

__all__ = ["Wanted", "mounts", "program", "setup", "tag"]

_SHARED = "virtiofs"
_TERMINAL = (24, 80)
"""Rows and columns until a client says more."""


class Wanted(NamedTuple):
    """What the image says of its program and the user says otherwise."""

    config: Config
    options: Mapping[str, Any]
    hostname: str


def setup(hostname: str, has_network: bool, shared: Sequence[MountRequest]) -> Setup:
    """Return what the guest is to be."""
    found = Setup(
        hostname,
        hosts=("127.0.0.1 localhost", f"127.0.1.1 {hostname}"),
        mounts=mounts(shared),
    )
    if not has_network:
        return found
    return found._replace(address=plan.ADDRESS, gateway=plan.GATEWAY, dns=(plan.NAMESERVER,))


def mounts(shared: Sequence[MountRequest]) -> tuple[Mount, ...]:
    """Return the mounts of shares, whose tags count from 0.

    >>> mounts([MountRequest("bind", "/srv", "/data", readonly=True)])
    (Mount(type='virtiofs', tag='share0', target='/data', is_readonly=True),)
    """
    return tuple(
        Mount(_SHARED, tag(number), request.target, request.readonly) for number, request in enumerate(shared)
    )


def tag(number: int) -> str:
    """Return by which name the guest finds a share.

    >>> tag(0)
    'share0'
    """
    return f"share{number}"


def program(wanted: Wanted, words: Sequence[str]) -> Program:
    """Return a program as the guest starts it: in the image's environment, as its user.

    Raises: InvalidInput when there are no words.
    """
    if not words:
        raise InvalidInput("no command", "give one after the machine's name")
    options, config = wanted.options, wanted.config
    has_terminal = bool(options.get("tty"))
    implied = {"HOSTNAME": wanted.hostname, **({"TERM": "xterm"} if has_terminal else {})}
    return Program(
        tuple(words),
        environment(config, options.get("env", ()), implied),
        str(options.get("workdir") or config.working_dir or "/"),
        str(options.get("user") or config.user or "0"),
        terminal=_TERMINAL if has_terminal else None,
        keeps_stdin=bool(options.get("interactive")),
    )
