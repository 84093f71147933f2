"""Changes to a configuration in Dockerfile instructions: what `import --change` and `commit --change` take.

Source: docker import reference; Dockerfile reference for each instruction.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from containerlab import errors
from containerlab.oci.image import Config

__all__ = ["apply"]

_PORT = re.compile(r"\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?")
_DEFAULT_SHELL = ("/bin/sh", "-c")


def apply(config: Config, changes: Iterable[str]) -> Config:
    """Return the configuration with each instruction carried out in turn.

    >>> apply(Config(), ['CMD ["top"]', "ENV A=1"]).cmd
    ('top',)

    Raises: InvalidInput naming the instruction.
    """
    for change in changes:
        word, _, rest = change.strip().partition(" ")
        rest = rest.strip()
        instruction = _INSTRUCTIONS.get(word.upper())
        if instruction is None:
            hint = errors.nearest(word.upper(), _INSTRUCTIONS)
            raise errors.InvalidInput(
                f"change {change!r} is none of {', '.join(_INSTRUCTIONS)}",
                hint or "write, say, 'ENV NAME=value'",
            )
        if not rest:
            raise errors.InvalidInput(f"change {change!r} lacks a value", f"write '{word.upper()} value'")
        config = instruction(config, rest)
    return config


def _command(config: Config, text: str) -> tuple[str, ...]:
    """Read the exec form, a JSON array, or else the shell form."""
    words = _json_words(text)
    return (*(config.shell or _DEFAULT_SHELL), text) if words is None else words


def _json_words(text: str) -> tuple[str, ...] | None:
    try:
        words = json.loads(text)
    except ValueError:
        return None
    return tuple(words) if isinstance(words, list) and all(isinstance(w, str) for w in words) else None


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise errors.InvalidInput(f"{text!r} has a quote without end", "close the quote") from error


def _pairs(text: str) -> dict[str, str]:
    """Read NAME=value …, or the old form `NAME value`."""
    words = _words(text)
    if words and "=" not in words[0] and len(words) > 1:
        return {words[0]: text.partition(words[0])[2].strip()}
    if wrong := [word for word in words if word.find("=") < 1]:
        raise errors.InvalidInput(f"{wrong[0]!r} is not of the form NAME=value", "write NAME=value")
    return dict(word.split("=", 1) for word in words)


def _cmd(config: Config, text: str) -> Config:
    return msgspec.structs.replace(config, cmd=_command(config, text))


def _entrypoint(config: Config, text: str) -> Config:
    return msgspec.structs.replace(config, entrypoint=_command(config, text), cmd=())


def _env(config: Config, text: str) -> Config:
    env = dict(each.partition("=")[::2] for each in config.env) | _pairs(text)
    return msgspec.structs.replace(config, env=tuple(f"{name}={value}" for name, value in env.items()))


def _expose(config: Config, text: str) -> Config:
    ports = _words(text)
    if wrong := [port for port in ports if not _PORT.fullmatch(port)]:
        raise errors.InvalidInput(f"{wrong[0]!r} is not a port", "write a number, or number/udp")
    named: dict[str, dict[str, Any]] = {port if "/" in port else f"{port}/tcp": {} for port in ports}
    return msgspec.structs.replace(config, exposed_ports={**config.exposed_ports, **named})


def _label(config: Config, text: str) -> Config:
    return msgspec.structs.replace(config, labels={**config.labels, **_pairs(text)})


def _user(config: Config, text: str) -> Config:
    return msgspec.structs.replace(config, user=text)


def _volume(config: Config, text: str) -> Config:
    paths = _json_words(text) or _words(text)
    return msgspec.structs.replace(config, volumes={**config.volumes, **{path: {} for path in paths}})


def _workdir(config: Config, text: str) -> Config:
    path = text if text.startswith("/") else f"{config.working_dir.rstrip('/')}/{text}"
    return msgspec.structs.replace(config, working_dir=path)


def _stop_signal(config: Config, text: str) -> Config:
    return msgspec.structs.replace(config, stop_signal=text)


_INSTRUCTIONS: dict[str, Callable[[Config, str], Config]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
