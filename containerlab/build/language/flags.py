"""The flags of an instruction: `--from=build`, `--link`, `--mount=… --mount=…`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from containerlab.errors import InvalidInput, nearest

__all__ = ["SWITCH", "TEXT", "TEXTS", "Flags", "read"]

SWITCH, TEXT, TEXTS = "switch", "text", "texts"


class Flags(NamedTuple):
    """Values by name, without the dashes; a flag that is not given is not in it."""

    given: dict[str, list[str]]

    def text(self, name: str, default: str = "") -> str:
        return self.given.get(name, [default])[-1]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self.given.get(name, ()))

    def is_on(self, name: str) -> bool:
        return self.text(name) == "true"

    def switch(self, name: str) -> bool | None:
        """Whether it is on or off; None when it is not given."""
        return self.is_on(name) if name in self.given else None


def read(words: Iterable[str], known: Mapping[str, str]) -> Flags:
    """Read flags; `known` says for each name whether it is a SWITCH, a TEXT, or TEXTS that may be repeated.

    Raises: InvalidInput for one that is unknown, given twice, or has no fitting value.
    """
    given: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        kind = known.get(name)
        if kind is None:
            hint = nearest(f"--{name}", [f"--{flag}" for flag in known])
            raise InvalidInput(f"unknown flag: --{name}", hint or _listed(known))
        if name in given and kind != TEXTS:
            raise InvalidInput(f"duplicate flag specified: --{name}")
        if kind == SWITCH:
            value = _switch(name, equals, value)
        elif not equals:
            raise InvalidInput(f"missing a value on flag: --{name}", f"write --{name}=VALUE")
        given.setdefault(name, []).append(value)
    return Flags(given)


def _listed(known: Mapping[str, str]) -> str:
    return f"it takes {', '.join(f'--{name}' for name in sorted(known))}" if known else "it takes no flags"


def _switch(name: str, equals: str, value: str) -> str:
    if not equals:
        return "true"
    if value.lower() not in ("true", "false"):
        raise InvalidInput(
            f"expecting boolean value for flag --{name}, not: {value!r}", "it is true or false"
        )
    return value.lower()
