"""What a guest is told, as values: what its machine is to be, and which program it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from containerlab.errors import InvalidInput
from containerlab.vm.guest import wire

__all__ = ["Mount", "Program", "Setup"]


class Mount(NamedTuple):
    """A file system in the guest.

    type: virtiofs, 9p, tmpfs, bind, …. tag: the device's, or what else is to be mounted there. target: where,
    made if it is missing.
    """

    type: str
    tag: str
    target: str
    is_readonly: bool = False


class Setup(NamedTuple):
    """What the guest's machine is to be; whoever sends it adds clock and seed.

    address: with the length of its prefix, as 10.0.2.15/24; "" for no network but the loopback. hosts: more
    lines of /etc/hosts.
    """

    hostname: str
    address: str = ""
    gateway: str = ""
    dns: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()

    def payload(self) -> bytes:
        """Return the payload of SETUP.

        >>> Setup("lab").payload()
        b'hostname\\x00lab\\x00'

        Raises: InvalidInput.
        """
        return _payload(self._pairs(), "the machine's settings")

    def _pairs(self) -> Iterator[tuple[str, str]]:
        yield "hostname", self.hostname
        yield from ((key, value) for key in ("address", "gateway") if (value := getattr(self, key)))
        yield from (("dns", server) for server in self.dns)
        yield from (("host", line) for line in self.hosts)
        for each in self.mounts:
            if ":" in each.type + each.tag:
                raise InvalidInput(f"a tag cannot have a colon: {each.tag!r}")
            mode = "ro" if each.is_readonly else "rw"
            yield "mount", f"{each.type}:{each.tag}:{each.target}:{mode}"


class Program(NamedTuple):
    """A process in the guest.

    arguments: the program's name first, looked up in the PATH of its environment (NAME=value each).
    directory: where it runs; the main program's is made if it is missing. user: as Docker's USER[:GROUP],
    looked up in the guest, which sets HOME if the environment does not. groups: more of them, as numbers.
    terminal: its rows and columns; None for pipes. keeps_stdin: else it reads nothing.
    """

    arguments: tuple[str, ...]
    environment: tuple[str, ...] = ()
    directory: str = ""
    user: str = ""
    groups: tuple[int, ...] = ()
    terminal: tuple[int, int] | None = None
    keeps_stdin: bool = False

    def payload(self) -> bytes:
        """Return the payload of EXEC.

        >>> Program(("echo", "hi")).payload()
        b'arg\\x00echo\\x00arg\\x00hi\\x00'

        Raises: InvalidInput when it is too long for a frame.
        """
        return _payload(self._pairs(), "the program's arguments and environment")

    def _pairs(self) -> Iterator[tuple[str, str]]:
        yield from (("arg", argument) for argument in self.arguments)
        yield from (("env", variable) for variable in self.environment)
        yield from ((key, value) for key, value in (("cwd", self.directory), ("user", self.user)) if value)
        yield from (("group", str(number)) for number in self.groups)
        if self.terminal:
            rows, columns = self.terminal
            yield from (("tty", "1"), ("rows", str(rows)), ("columns", str(columns)))
        if self.keeps_stdin:
            yield "stdin", "1"


def _payload(items: Iterable[tuple[str, str]], what: str) -> bytes:
    items = list(items)
    if any("\0" in value for _, value in items):
        raise InvalidInput(f"a zero byte in {what}")
    payload = wire.pairs(items)
    if len(payload) > wire.MOST_BYTES:
        raise InvalidInput(f"{what} are too long: {len(payload)} bytes, at most {wire.MOST_BYTES} go")
    return payload
