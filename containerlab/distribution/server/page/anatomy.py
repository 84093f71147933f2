"""An image taken apart: each layer with the line of the Dockerfile behind it; two images side by side."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from containerlab import units
from containerlab.distribution.server.content.inventory import Image
from containerlab.oci.image import Descriptor, ImageConfig, parse_time

__all__ = ["Bar", "Change", "Comparison", "Row", "Step", "bars", "both", "compare", "settings", "steps"]

_PALETTE = 8
"""Colours that the style sheet has for layers."""


class Step(NamedTuple):
    """A line of an image's history, and the layer that it made, if it made one."""

    number: int
    instruction: str
    """FROM, RUN, COPY …; empty when it cannot be told."""
    command: str
    created: float | None
    comment: str
    layer: Descriptor | None
    diff_id: str
    layer_number: int
    """Of its layer, from 1; 0 without one."""

    @property
    def colour(self) -> str:
        return f"c{(self.layer_number - 1) % _PALETTE}"


def steps(image: Image) -> list[Step]:
    """Return all steps, oldest first; layers of which no history tells come last."""
    config = image.config
    history = config.history if config else ()
    layers = iter(enumerate(image.manifest.layers, 1))
    diff_ids = iter(config.rootfs.diff_ids if config else ())
    found: list[Step] = []
    for entry in history:
        number, layer = (0, None) if entry.empty_layer else next(layers, (0, None))
        diff_id = next(diff_ids, "") if layer else ""
        instruction, command = _instruction(entry.created_by)
        created = parse_time(entry.created)
        found.append(
            Step(len(found) + 1, instruction, command, created, entry.comment, layer, diff_id, number)
        )
    for number, layer in layers:
        found.append(Step(len(found) + 1, "", "", None, "", layer, next(diff_ids, ""), number))
    return found


_SHELL = re.compile(r"(?:\|\d+ .*?)?/bin/sh -c (#\(nop\))?\s*", re.DOTALL)
_WORD = re.compile(r"([A-Z]{3,12})\s+(.*)", re.DOTALL)
_BUILDKIT = re.compile(r"\s*# buildkit$")


def _instruction(created_by: str) -> tuple[str, str]:
    """Read the line of the Dockerfile out of what a builder noted.

    >>> _instruction("/bin/sh -c #(nop)  CMD [\\"sh\\"]"), _instruction("RUN /bin/sh -c make # buildkit")
    (('CMD', '["sh"]'), ('RUN', 'make'))
    >>> _instruction("/bin/sh -c apt-get update")
    ('RUN', 'apt-get update')
    """
    line = _BUILDKIT.sub("", created_by[:_LONGEST].strip())
    if (shell := _SHELL.match(line)) and not shell[1]:
        return "RUN", line[shell.end() :]
    line = line[shell.end() :] if shell else line
    if not (word := _WORD.fullmatch(line)):
        return "", line
    command = word[2].strip()
    if word[1] == "RUN" and (inner := _SHELL.match(command)):
        command = command[inner.end() :]
    return word[1], command


_LONGEST = 4000
"""Of a line of history that a page shows."""


class Bar(NamedTuple):
    """A piece of a bar that is a thousand units wide."""

    start: float
    width: float
    style: str
    """Name of a colour in the style sheet."""
    title: str
    size_bytes: int


def bars(pieces: Iterable[tuple[int, str, str]], whole_bytes: int = 0) -> list[Bar]:
    """Lay pieces (bytes, style, title) side by side; none is too narrow to be seen.

    whole_bytes: what the full width stands for, when that is more than the pieces.

    >>> [(bar.start, bar.width) for bar in bars([(300, "c0", "a"), (100, "c1", "b")])]
    [(0.0, 750.0), (750.0, 250.0)]
    """
    given = [piece for piece in pieces if piece[0] > 0]
    total = sum(size for size, _, _ in given)
    widths = [max(size, total / 250) for size, _, _ in given]
    scale = 1000 / (sum(widths) or 1) * min(1.0, total / (whole_bytes or total or 1))
    starts = itertools.accumulate(widths, initial=0.0)
    return [
        Bar(round(start * scale, 2), round(width * scale, 2), style, title, size)
        for start, width, (size, style, title) in zip(starts, widths, given, strict=False)
    ]


def both(old: Image, new: Image) -> tuple[list[Bar], list[Bar]]:
    """Draw two images to one scale, what they share in one colour."""
    digests = [{layer.digest for layer in image.manifest.layers} for image in (old, new)]
    whole = max(old.size_bytes, new.size_bytes)
    lines = [
        [
            (layer.size, "shared" if layer.digest in others else style, units.format_size(layer.size))
            for layer in image.manifest.layers
        ]
        for image, others, style in ((old, digests[1], "gone"), (new, digests[0], "fresh-layer"))
    ]
    return bars(lines[0], whole), bars(lines[1], whole)


def settings(config: ImageConfig) -> list[tuple[str, list[str]]]:
    """Return how a container of an image is run, each setting with its lines; what is not set is left out."""
    run = config.config
    found: list[tuple[str, Sequence[str]]] = [
        ("Entrypoint", [_words(run.entrypoint)] if run.entrypoint else []),
        ("Command", [_words(run.cmd)] if run.cmd else []),
        ("User", [run.user] if run.user else []),
        ("Working directory", [run.working_dir] if run.working_dir else []),
        ("Ports", sorted(run.exposed_ports)),
        ("Volumes", sorted(run.volumes)),
        ("Environment", run.env),
        ("Labels", [f"{name}={value}" for name, value in sorted(run.labels.items())]),
        ("Stop signal", [run.stop_signal] if run.stop_signal else []),
        ("Health check", [_words(run.healthcheck.test)] if run.healthcheck else []),
        ("On build", run.on_build),
        ("Author", [config.author] if config.author else []),
    ]
    return [(name, list(lines)) for name, lines in found if lines]


def _words(words: Sequence[str]) -> str:
    return msgspec.json.encode(list(words)).decode()


class Row(NamedTuple):
    """A layer of either image."""

    state: str
    """shared, old (only the old image has it) or new."""
    layer: Descriptor
    step: Step


class Change(NamedTuple):
    """Something in the configurations that differs."""

    name: str
    old: list[str]
    new: list[str]


class Comparison(NamedTuple):
    """What it means to go from one image to another."""

    old: Image
    new: Image
    rows: list[Row]
    """Layers: those of the old image that the new one lacks, then those of the new one."""
    settings: list[Change]
    history: list[tuple[str, str]]
    """Lines with ` `, `-` or `+`."""
    shared_bytes: int
    pulled_bytes: int
    """What a client that has the old image fetches for the new one: layers, configuration, manifest."""

    @property
    def is_same(self) -> bool:
        return self.old.descriptor.digest == self.new.descriptor.digest


def compare(old: Image, new: Image) -> Comparison:
    """Compare two images by the digests of what they consist of."""
    old_digests = {layer.digest for layer in old.manifest.layers}
    new_digests = {layer.digest for layer in new.manifest.layers}
    gone = (step for step in steps(old) if step.layer and step.layer.digest not in new_digests)
    there = (step for step in steps(new) if step.layer)
    rows = [Row("old", step.layer, step) for step in gone if step.layer]
    rows += [
        Row("shared" if step.layer.digest in old_digests else "new", step.layer, step)
        for step in there
        if step.layer
    ]
    shared = {row.layer.digest: row.layer.size for row in rows if row.state == "shared"}
    return Comparison(
        old=old,
        new=new,
        rows=rows,
        settings=list(_changes(_by_name(old.config), _by_name(new.config))),
        history=list(_history(steps(old), steps(new))),
        shared_bytes=sum(shared.values()),
        pulled_bytes=_missing_bytes(old, new),
    )


def _missing_bytes(old: Image, new: Image) -> int:
    """Add up what is not in the old image: each blob once."""
    there = {blob.digest for blob in _blobs(old)}
    return sum({blob.digest: blob.size for blob in _blobs(new) if blob.digest not in there}.values())


def _blobs(image: Image) -> Iterator[Descriptor]:
    yield image.descriptor
    yield image.manifest.config
    yield from image.manifest.layers


def _by_name(config: ImageConfig | None) -> dict[str, list[str]]:
    if config is None:
        return {}
    return {"Platform": [str(config.platform)], **dict(settings(config))}


def _changes(old: Mapping[str, list[str]], new: Mapping[str, list[str]]) -> Iterator[Change]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name, []), new.get(name, [])
        if before != after:
            yield Change(
                name,
                [line for line in before if line not in after],
                [line for line in after if line not in before],
            )


def _history(old: Sequence[Step], new: Sequence[Step]) -> Iterator[tuple[str, str]]:
    import difflib

    lines = [
        [f"{step.instruction} {step.command}".strip() for step in each][:_MOST_LINES] for each in (old, new)
    ]
    matcher = difflib.SequenceMatcher(None, lines[0], lines[1], autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        if tag == "equal":
            yield from ((" ", line) for line in lines[0][start:end])
            continue
        yield from (("-", line) for line in lines[0][start:end])
        yield from (("+", line) for line in lines[1][other_start:other_end])


_MOST_LINES = 300
"""Of a history: comparing takes time with the product of the lengths."""
