"""What a guest is told: its name, its network, what to mount, and which program to run. All of it pure.

Guests look names of users up themselves, in the files of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from containerlab.errors import InvalidInput
from containerlab.oci.image import Config
from containerlab.options.mounts import MountRequest
from containerlab.runtime.spec import environment
from containerlab.vm.guest import wire

__all__ = ["Network", "Program", "another", "main", "mounts", "setup", "tag"]

Pair = tuple[str, str]


class Network(NamedTuple):
    """What the guest's card gets; address as 10.0.2.15/24."""

    address: str
    gateway: str
    name_server: str


class Program(NamedTuple):
    """What the image says of its program and the user says otherwise, settled."""

    config: Config
    arguments: tuple[str, ...]
    options: Mapping[str, Any]
    hostname: str


def setup(hostname: str, network: Network | None, mounted: Sequence[str]) -> bytes:
    """Return the payload of SETUP, without what changes with every boot: clock and seed."""
    found: list[Pair] = [("hostname", hostname)]
    if network:
        found += [("address", network.address), ("gateway", network.gateway), ("dns", network.name_server)]
    found += [("host", "127.0.0.1 localhost"), ("host", f"127.0.1.1 {hostname}")]
    return wire.pairs([*found, *(("mount", text) for text in mounted)])


def mounts(requests: Sequence[MountRequest], kind: str) -> list[str]:
    """Return the mounts as SETUP has them, for shares whose tags count from 0; kind: virtiofs or 9p.

    >>> mounts([MountRequest("bind", "/srv", "/data", readonly=True)], "9p")
    ['9p:share0:/data:ro']
    """
    for request in requests:
        if ":" in request.target:
            raise InvalidInput(f"a colon in the target {request.target!r}", "mount it elsewhere")
    return [
        f"{kind}:{tag(number)}:{request.target}:{'ro' if request.readonly else 'rw'}"
        for number, request in enumerate(requests)
    ]


def tag(number: int) -> str:
    """Return by which name the guest finds a share.

    >>> tag(0)
    'share0'
    """
    return f"share{number}"


def main(program: Program) -> bytes:
    """Return the payload of EXEC for the image's own program."""
    return _exec(program, program.arguments)


def another(program: Program, words: Sequence[str]) -> bytes:
    """Return the payload of EXEC for another program: in the image's environment, as its user."""
    if not words:
        raise InvalidInput("no command", "give one after the machine's name")
    return _exec(program, words)


def _exec(program: Program, words: Sequence[str]) -> bytes:
    return wire.pairs([*(("arg", word) for word in words), *_surroundings(program)])


def _surroundings(program: Program) -> Iterator[Pair]:
    options, config = program.options, program.config
    implied = {"HOSTNAME": program.hostname}
    if options.get("tty"):
        implied["TERM"] = "xterm"
        yield ("tty", "1")
    for variable in environment(config, options.get("env", ()), implied):
        yield ("env", variable)
    yield ("cwd", str(options.get("workdir") or config.working_dir or "/"))
    yield ("user", str(options.get("user") or config.user or "0"))
    if options.get("interactive"):
        yield ("stdin", "1")
