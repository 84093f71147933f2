"""Options of `run` and `create` before the backend sees them: read once, files folded in, own ones apart."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO, cast

from containerlab.errors import AlreadyExists, InvalidInput
from containerlab.options import values as v
from containerlab.options.container import RunOptions
from containerlab.options.flag import normalise
from containerlab.options.log_bounds import log_bounds
from containerlab.options.machine import VmRunOptions

__all__ = ["Prepared", "PreparedMachine", "new_file", "prepare", "prepare_machine", "variables"]

_OWN = ("check", "explain", "timeout", "detach_keys", "sig_proxy", "cidfile", "quiet", "attach", "pull")


class Prepared(NamedTuple):
    """Options for the backend, and those that the engine follows itself."""

    container: RunOptions
    own: dict[str, Any]


class PreparedMachine(NamedTuple):
    """Options of a virtual machine for the backend, and those that the engine follows itself."""

    machine: VmRunOptions
    own: dict[str, Any]


def prepare(given: Mapping[str, Any]) -> Prepared:
    """Part and complete what a caller gave.

    >>> prepare({"memory": "1k", "check": True})
    Prepared(container={'memory': 1024}, own={'check': True})
    """
    options, own = _parted(RunOptions, given)
    if "label_file" in options:
        lines = (line for path in options.pop("label_file") for line in _lines(path, "--label-file"))
        options["label"] = dict(map(v.pair, lines)) | options.get("label", {})
    return Prepared(cast(RunOptions, options), own)


def prepare_machine(given: Mapping[str, Any]) -> PreparedMachine:
    """Part and complete what a caller gave for a virtual machine.

    >>> prepare_machine({"cpus": "2", "check": True})
    PreparedMachine(machine={'cpus': 2}, own={'check': True})
    """
    options, own = _parted(VmRunOptions, given)
    return PreparedMachine(cast(VmRunOptions, options), own)


def _parted(table: type, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    options = normalise(table, given)
    own = {name: options.pop(name) for name in _OWN if name in options}
    _check(options)
    if "env_file" in options:
        options["env"] = (*variables(options.pop("env_file")), *options.get("env", ()))
    return options, own


def _check(options: Mapping[str, Any]) -> None:
    """Refuse what can be seen to be wrong before anything is made.

    Raises: InvalidInput.
    """
    restart = options.get("restart")
    if restart and restart.condition != "no" and options.get("rm"):
        raise InvalidInput("--restart and --rm exclude each other", "leave one of them out")
    log_bounds(options.get("log_opt", {}))


def variables(paths: tuple[str, ...]) -> tuple[str, ...]:
    """Read files of variables, one `NAME=value` a line, `#` begins a comment."""
    read = [v.environment(line) for path in paths for line in _lines(path, "--env-file")]
    return tuple(variable for variable in read if "=" in variable)


def _lines(path: str, option: str) -> Iterator[str]:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{option}: cannot read {path}: {reason}", "give a text file") from error
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.lstrip()


@contextmanager
def new_file(path: str | None) -> Iterator[TextIO]:
    """Open a file that must not be there yet, and is not after a failure; without a path one in memory."""
    if path is None:
        yield io.StringIO()
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise AlreadyExists(f"--cidfile: cannot make {path}: {error.strerror}") from error
    with open(descriptor, "w", encoding="ascii") as file:
        try:
            yield file
        except BaseException:
            os.unlink(path)
            raise
