"""An option, once: its flags, how its value is read, its help, its place in the Docker API.

An option table is a TypedDict whose fields are `Annotated[what Python callers may give, Flag(...)]`. The
command line, the magics, the help text, completion and `normalise` all read the same line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple, get_args

from containerlab.errors import InvalidInput, nearest
from containerlab.units import switch

__all__ = ["Flag", "flags", "normalise"]


class Flag(NamedTuple):
    """What is known about an option."""

    words: str
    """As on the command line: "-m --memory"."""
    parse: Callable[[Any], Any]
    """From what a user gave (one item of it, if repeatable) to the value; the identity on values."""
    help: str
    metavar: str = ""
    """What stands for the value in help; empty for a switch."""
    api: str = ""
    """Where the Docker API has it: "HostConfig.Memory"."""
    collect: Callable[[Iterable[Any]], Any] | None = None
    """`tuple` or `dict` when it may be given several times: makes one value of the items."""
    joins: str = "="
    """Between key and value when Python gives a dict for a repeatable option."""
    completes: str = ""
    """What its values are, for completion: image, container, volume, file, or the words themselves."""

    @property
    def long(self) -> str:
        return self.words.split()[-1]

    @property
    def is_switch(self) -> bool:
        return self.parse is switch

    def read(self, value: object) -> object:
        """Turn what was given into the option's value.

        Raises: InvalidInput, which names the option.
        """
        try:
            if self.collect is None:
                return self.parse(value)
            return self.collect([self.parse(item) for item in _items(value, self.joins)])
        except InvalidInput as error:
            raise InvalidInput(f"{self.long}: {error.message}", error.hint) from None
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(f"{self.long}: cannot read {value!r}: {error}") from error


def _items(value: object, joins: str) -> list[object]:
    if isinstance(value, Mapping):
        return [key if item is None else f"{key}{joins}{_plain(item)}" for key, item in value.items()]
    # A parsed item may be a NamedTuple: one item, not a sequence of them.
    if isinstance(value, str) or hasattr(value, "_fields") or not isinstance(value, Iterable):
        return [value]
    return list(value)


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


@cache
def flags(table: type) -> dict[str, Flag]:
    """Return the options of a table by name, in the order they were written.

    >>> from containerlab.options.container import RunOptions
    >>> flags(RunOptions)["memory"].words
    '-m --memory'
    """
    found = {}
    for name, annotation in table.__annotations__.items():
        flag = next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Flag)), None)
        if flag:
            found[name] = flag
    return found


def normalise(table: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Read every value of `given` by the table; None means not given. Doing it twice changes nothing.

    >>> from containerlab.options.container import RunOptions
    >>> normalise(RunOptions, {"memory": "64m", "env": {"A": 1}})
    {'memory': 67108864, 'env': ('A=1',)}
    """
    known = flags(table)
    for name in given:
        if name not in known:
            raise InvalidInput(f"no such option: {name}", nearest(name, known))
    return {name: known[name].read(value) for name, value in given.items() if value is not None}
