"""Search what describes an image: its configuration and history, annotations, attestations."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any, NamedTuple

import msgspec

from containerlab.build.audit import judging
from containerlab.build.audit.finding import Found
from containerlab.build.audit.tokens import tokens
from containerlab.build.secrecy.disguises import is_random
from containerlab.build.secrecy.secret_names import looks_secret
from containerlab.oci.image import Config, History, ImageConfig

__all__ = ["PaperFinding", "in_annotations", "in_attestation", "in_config", "in_history"]


class PaperFinding(NamedTuple):
    """place: `ENV TOKEN`, `LABEL a`, `history 3`, `annotation a`, `provenance …`."""

    place: str
    found: Found


_MOST_OF_A_TEXT = 100
"""So many findings say enough about one text."""
_ARGUMENTS = re.compile(r"^(?:RUN )?\|(\d+) ")
_ARGUMENT = re.compile(r"(?:^|(?<=\s))([A-Za-z_]\w*)=")
_ASSIGNED = re.compile(r"""(?<![\w$./-])(?:--?([A-Za-z_][\w-]*)[= ]|([A-Za-z_]\w*)=)["']?([^\s"';|&)\\]+)""")
"""`NAME=value`, `--name=value` and `--name value`, in a command."""


def in_config(config: ImageConfig) -> Iterator[PaperFinding]:
    """Search how containers of the image are run."""
    inner = config.config
    for variable in inner.env:
        name, _, value = variable.partition("=")
        yield from _named(f"ENV {name}", "env-secret", name, value)
    for name, value in inner.labels.items():
        yield from _named(f"LABEL {name}", "label-secret", re.split(r"[./]", name)[-1], value)
    for place, words in _commands(inner):
        yield from _in_command(place, "command-secret", " ".join(words))


def _commands(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "ENTRYPOINT", config.entrypoint
    yield "CMD", config.cmd
    yield "HEALTHCHECK", config.healthcheck.test if config.healthcheck else ()
    yield "SHELL", config.shell
    for line in config.on_build:
        yield "ONBUILD", (line,)


def in_history(number: int, line: History) -> Iterator[PaperFinding]:
    """Search a line of the history; `number` counts from 1, the oldest."""
    place, text = f"history {number}", line.created_by
    for name, value in _arguments(text):
        yield from _named(f"{place}: ARG {name}", "build-arg-secret", name, value)
    is_argument = text.removeprefix("/bin/sh -c #(nop) ").lstrip().startswith("ARG ")
    kind = "build-arg-secret" if is_argument else "command-secret"
    yield from _in_command(place, kind, f"{text}\n{line.comment}\n{line.author}")


def _arguments(created_by: str) -> Iterator[tuple[str, str]]:
    """Yield the build arguments that stand before a command.

    >>> dict(_arguments("|2 A=one two TOKEN=abc /bin/sh -c make B=c"))
    {'A': 'one two', 'TOKEN': 'abc'}
    """
    head = _ARGUMENTS.match(created_by)
    if head is None:
        return
    end = _command_start(created_by, head.end())
    names = list(_ARGUMENT.finditer(created_by, head.end(), end))[: int(head[1])]
    ends = [match.start() for match in names[1:]] + [end]
    for match, stop in zip(names, ends, strict=False):
        yield match[1], created_by[match.end() : stop].strip()


_SHELL = re.compile(r" (?=\S*sh (?:-\S+ |pipefail )*-\w*c )")
_PROGRAM = re.compile(r" (?=/\S+ )")


def _command_start(text: str, start: int) -> int:
    """Return where the command begins that follows arguments: a shell, else the path of a program."""
    found = _SHELL.search(text, start) or _PROGRAM.search(text, start)
    return found.start() if found else len(text)


def in_annotations(annotations: Mapping[str, str]) -> Iterator[PaperFinding]:
    """Search the annotations of a manifest, an index or a descriptor."""
    for name, value in annotations.items():
        yield from _named(f"annotation {name}", "annotation-secret", re.split(r"[./]", name)[-1], value)


def in_attestation(raw: bytes) -> Iterator[PaperFinding]:
    """Search an in-toto statement: arguments of the build, and the Dockerfile that is in it in base64.

    Source: BuildKit, docs/attestations/slsa-provenance.md.
    """
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        yield from _in_command("attestation", "provenance-secret", raw.decode(errors="replace"))
        return
    for name, text in _texts(document, ""):
        place = f"provenance {name}"
        yield from _named(place, "provenance-secret", name.rpartition(":")[2], text)
        if source := _decoded(text):
            yield from _in_command(place, "provenance-secret", source)


def _texts(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the texts of a JSON document with the names that they have."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, name)


def _decoded(text: str) -> str:
    """Return what is in base64, when it is text."""
    if len(text) < 16:
        return ""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _named(place: str, kind: str, name: str, value: str) -> Iterator[PaperFinding]:
    """Judge a value with a name; a token in it says more than the name."""
    data = value.encode()
    found = list(tokens(data))
    if not found and looks_secret(re.sub(r"\W", "_", name)) and not _is_harmless(name, value):
        severity = "high" if is_random(data) or len(value) >= 20 else "medium"
        found = [Found(kind=kind, severity=severity, value=data, start=0)]
    yield from (PaperFinding(place, each) for each in found)


def _is_harmless(name: str, value: str) -> bool:
    """Tell placeholders, paths and fingerprints of public keys (GPG_KEY of many official images)."""
    if judging.is_placeholder(value.encode()) or value.startswith("$"):
        return True
    if "GPG" in name.upper() and all(re.fullmatch(r"(?:0x)?[0-9A-Fa-f]{8,40}", key) for key in value.split()):
        return True
    return re.fullmatch(r"(?:/[\w.+-]+)+/?|\d{1,5}|https?://[^@]*", value) is not None


def _in_command(place: str, kind: str, text: str) -> Iterator[PaperFinding]:
    """Search a command line or several: tokens, and what is assigned to names that look secret."""
    seen: set[bytes] = set()
    candidates = chain(tokens(text.encode()), _assigned(kind, text))
    for found in islice(candidates, _MOST_OF_A_TEXT):
        if not any(found.value in value or value in found.value for value in seen):
            seen.add(found.value)
            yield PaperFinding(place, found)


def _assigned(kind: str, text: str) -> Iterator[Found]:
    listed = dict(_arguments(text))
    for match in _ASSIGNED.finditer(text):
        name, value = match[1] or match[2], match[3]
        is_new = not listed.get(name, "").startswith(value) and not value.startswith("-")
        if is_new and looks_secret(name.replace("-", "_")) and not _is_harmless(name, value):
            severity = "high" if is_random(value.encode()) else "medium"
            yield Found(kind=kind, severity=severity, value=value.encode(), start=match.start(3))
