"""Readers of option values that are more than a number: devices, environment, pairs.

Each takes the text of a command line and returns a value, and is the identity on that value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from containerlab import units
from containerlab.errors import InvalidInput, nearest

__all__ = [
    "DeviceMapping",
    "DeviceRate",
    "HostEntry",
    "RestartPolicy",
    "Ulimit",
    "choice",
    "command_words",
    "cpu_list",
    "device",
    "device_rate",
    "device_weight",
    "environment",
    "extra_host",
    "file_path",
    "health_test",
    "hostname",
    "name",
    "namespace",
    "pair",
    "patience",
    "restart_policy",
    "text",
    "ulimit",
    "whole",
]


def patience(value: float | str) -> float:
    """Read a duration after which something is forced; -1 is never.

    >>> patience("1m"), patience(-1)
    (60.0, -1.0)
    """
    return -1.0 if str(value) in ("-1", "-1.0") else units.seconds(value)


def text(value: str) -> str:
    """Take text as it is (numbers are written out).

    >>> text("a"), text(7)
    ('a', '7')
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float, os.PathLike)):
        raise InvalidInput(f"not text: {value!r}")
    result = os.fspath(value) if isinstance(value, (str, os.PathLike)) else str(value)
    if "\0" in result:
        raise InvalidInput(f"a zero byte in {result!r}", "the kernel ends text there; leave it out")
    return result


def choice(*words: str) -> Callable[[str], str]:
    """Make a reader of one of some words."""

    def read(value: str) -> str:
        if value not in words:
            raise InvalidInput(
                f"not known: {value!r}", nearest(str(value), words) or f"one of {', '.join(words)}"
            )
        return value

    return read


def whole(least: int, most: int) -> Callable[[int | str], int]:
    """Make a reader of a whole number within limits."""
    return lambda value: units.count(value, least, most)


_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"


def name(value: str) -> str:
    """Read the name of a container or volume.

    >>> name("web-1")
    'web-1'
    """
    if not re.fullmatch(_NAME, text(value)) or len(value) > 253:
        raise InvalidInput(
            f"not a name: {value!r}",
            "two or more letters, digits, '_', '.', '-'; the first a letter or digit",
        )
    return value


_HOSTNAME = r"[a-zA-Z0-9_.-]{0,64}"


def hostname(value: str) -> str:
    """Read a host name; it becomes a line of /etc/hosts. An empty one stands for the default.

    >>> hostname("web-1.example.org")
    'web-1.example.org'

    Source: RFC 1123 section 2.1; sethostname(2) for the length.
    """
    if not re.fullmatch(_HOSTNAME, text(value)):
        raise InvalidInput(f"not a host name: {value!r}", "at most 64 letters, digits, '-', '.', '_'")
    return text(value)


def file_path(value: str) -> str:
    """Read the path of a file of the host and make it absolute."""
    return os.path.abspath(os.path.expanduser(text(value)))


def command_words(value: Any) -> tuple[str, ...]:
    """Read a program with its first arguments; one text is one word, as with Docker's --entrypoint."""
    return tuple(text(word) for word in ([value] if isinstance(value, str) else value))


def health_test(value: Any) -> tuple[str, ...]:
    """Read the command of a health check: one text is for the shell, words are executed as they are.

    >>> health_test("test -e /ready"), health_test(["test", "-e", "/ready"])
    (('CMD-SHELL', 'test -e /ready'), ('CMD', 'test', '-e', '/ready'))
    """
    if isinstance(value, str):
        return ("CMD-SHELL", text(value))
    words = tuple(map(text, value))
    if not words:
        raise InvalidInput("an empty health check", "give a command, or --no-healthcheck")
    return words if words[0] in ("CMD", "CMD-SHELL") else ("CMD", *words)


def environment(value: str) -> str:
    """Read `NAME=value`; `NAME` alone takes the value of this process, and is left out by `run` if unset.

    >>> environment("A=b=c")
    'A=b=c'
    """
    key, equals, _ = text(value).partition("=")
    if not key:
        raise InvalidInput(f"no variable name in {value!r}", "write NAME=value")
    if equals:
        return value
    return f"{key}={os.environ[key]}" if key in os.environ else key


def pair(value: str | tuple[str, str]) -> tuple[str, str]:
    """Read `key=value`; a key alone has an empty value.

    >>> pair("tier=web"), pair("lonely")
    (('tier', 'web'), ('lonely', ''))
    """
    key, _, rest = (value[0], "=", value[1]) if isinstance(value, tuple) else text(value).partition("=")
    if not key:
        raise InvalidInput(f"no key in {value!r}", "write key=value")
    try:
        f"{key}{text(rest)}".encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(f"not UTF-8: {value!r}", "labels and the like are kept as UTF-8") from error
    return key, rest


def namespace(*modes: str) -> Callable[[str], str]:
    """Make a reader of a namespace choice: one of the modes, `container:NAME`, or `ns:PATH`."""

    def read(value: str) -> str:
        kind, colon, target = text(value).partition(":")
        if (kind in ("container", "ns") and target) or (not colon and value in modes):
            return value
        known = [*modes, "container:NAME"]
        raise InvalidInput(f"not known: {value!r}", nearest(value, known) or f"one of {', '.join(known)}")

    return read


def cpu_list(value: str) -> str:
    """Read a list of processors or memory nodes as the kernel writes it.

    >>> cpu_list("0-2,4")
    '0-2,4'
    """
    written = text(value)
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", written):
        raise InvalidInput(f"not a list of processors: {value!r}", "write it as 0-3 or 0,2")
    return written


class Ulimit(NamedTuple):
    """A resource limit; -1 is unlimited."""

    name: str
    soft: int
    hard: int


_ULIMITS = (
    *("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile"),
    *("nproc", "rss", "rtprio", "rttime", "sigpending", "stack"),
)


def ulimit(value: str | Ulimit) -> Ulimit:
    """Read `name=soft[:hard]`.

    >>> ulimit("nofile=64:128")
    Ulimit(name='nofile', soft=64, hard=128)
    """
    if isinstance(value, Ulimit):
        return value
    kind, _, limits = text(value).partition("=")
    if kind not in _ULIMITS:
        raise InvalidInput(
            f"no such limit: {kind!r}", nearest(kind, _ULIMITS) or f"one of {' '.join(_ULIMITS)}"
        )
    soft, _, hard = limits.partition(":")
    result = Ulimit(kind, _limit(soft, value), _limit(hard or soft, value))
    if result.hard != -1 and (result.soft == -1 or result.soft > result.hard):
        raise InvalidInput(f"soft limit above hard limit: {value!r}", "write name=soft:hard with soft ≤ hard")
    return result


def _limit(written: str, whole_value: str) -> int:
    if written in ("-1", "unlimited"):
        return -1
    if not written.isdecimal():
        raise InvalidInput(f"not a limit: {whole_value!r}", "write it as nofile=1024 or nofile=1024:4096")
    return int(written)


class DeviceMapping(NamedTuple):
    """A device of the host in the container; `permissions` of r, w, m."""

    host: str
    container: str
    permissions: str


def device(value: str | DeviceMapping) -> DeviceMapping:
    """Read `host[:container[:rwm]]`.

    >>> device("/dev/null:/dev/x:rw")
    DeviceMapping(host='/dev/null', container='/dev/x', permissions='rw')
    """
    if isinstance(value, DeviceMapping):
        return value
    host, *rest = text(value).split(":")
    permissions = rest.pop() if rest and not rest[-1].startswith("/") else "rwm"
    container = rest.pop() if rest else host
    if (
        rest
        or not host.startswith("/")
        or not container.startswith("/")
        or not set(permissions) <= set("rwm")
    ):
        raise InvalidInput(f"not a device: {value!r}", "write /dev/x, /dev/x:/dev/y or /dev/x:/dev/y:rwm")
    return DeviceMapping(host, container, permissions)


class DeviceRate(NamedTuple):
    """A limit on one block device: bytes per second, operations per second, or a weight."""

    path: str
    rate: int


def device_rate(parse: Callable[[Any], int]) -> Callable[[str | DeviceRate], DeviceRate]:
    """Make a reader of `/dev/x:rate`."""

    def read(value: str | DeviceRate) -> DeviceRate:
        if isinstance(value, DeviceRate):
            return value
        path, colon, rate = text(value).rpartition(":")
        if not colon or not path.startswith("/"):
            raise InvalidInput(f"not a device with a rate: {value!r}", "write it as /dev/sda:1m")
        return DeviceRate(path, parse(rate))

    return read


device_weight = device_rate(lambda value: units.count(value, 10, 1000))


class RestartPolicy(NamedTuple):
    """When a container is started again; `most` times, 0 for ever."""

    condition: str
    most: int = 0


_RESTARTS = ("no", "on-failure", "always", "unless-stopped")


def restart_policy(value: str | RestartPolicy) -> RestartPolicy:
    """Read `no`, `on-failure[:N]`, `always` or `unless-stopped`.

    >>> restart_policy("on-failure:3")
    RestartPolicy(condition='on-failure', most=3)
    """
    if isinstance(value, RestartPolicy):
        return value
    condition, colon, most = text(value).partition(":")
    if condition not in _RESTARTS or (colon and condition != "on-failure"):
        hint = nearest(condition, _RESTARTS) or f"one of {', '.join(_RESTARTS)}; on-failure may have :N"
        raise InvalidInput(f"not a restart policy: {value!r}", hint)
    return RestartPolicy(condition, units.count(most) if colon else 0)


class HostEntry(NamedTuple):
    """A line of /etc/hosts."""

    name: str
    address: str


def extra_host(value: str | HostEntry) -> HostEntry:
    """Read `name:address` or `name=address`; the address `host-gateway` is the host.

    >>> extra_host("db:10.0.0.7")
    HostEntry(name='db', address='10.0.0.7')
    """
    if isinstance(value, HostEntry):
        return value
    match = re.fullmatch(r"([^:=\s]+)[:=](\S+)", text(value))
    if not match:
        raise InvalidInput(f"not a host entry: {value!r}", "write it as name:address")
    address = match[2].removeprefix("[").removesuffix("]")
    if address != "host-gateway":
        from ipaddress import ip_address

        try:
            ip_address(address)
        except ValueError as error:
            raise InvalidInput(f"not an address: {address!r}", "write name:address as db:10.0.0.7") from error
    return HostEntry(match[1], address)
