"""Search a whole image: every layer by itself, and all that describes it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from containerlab.build.audit import papers
from containerlab.build.audit.finding import SEVERITIES, Finding, masked
from containerlab.build.audit.layers import FileFinding, Layer, fate, search
from containerlab.build.audit.papers import PaperFinding
from containerlab.oci.image import Descriptor, History, ImageConfig, Index, Manifest
from containerlab.store.compression import decompressed
from containerlab.store.images import Image, Images

__all__ = ["audit"]

_ATTESTATION = "attestation-manifest"
_REFERENCE_TYPE = "vnd.docker.reference.type"
_MOST_ATTESTATION_BYTES = 64 << 20


def audit(images: Images, image: Image) -> list[Finding]:
    """Return what should not be in an image, the severest first; layers are read from their blobs.

    Raises: CorruptContent, DigestMismatch.
    """
    with ThreadPoolExecutor(min(len(os.sched_getaffinity(0)), len(image.layers) or 1)) as pool:
        layers = list(pool.map(lambda layer: _searched(images, layer), image.layers))
    instructions = _instructions(image.config, len(layers))
    found = [*_in_layers(layers, instructions), *_in_papers(images, image)]
    return sorted(
        found, key=lambda each: (-SEVERITIES.index(each.severity), each.layer, each.path, each.line)
    )


def _searched(images: Images, layer: Descriptor) -> Layer:
    with images.blobs.open(layer) as blob:
        return search(decompressed(blob, layer.media_type))


def _instructions(config: ImageConfig, count: int) -> list[str]:
    """Return the history line of each layer, so far as there is a history, without secrets."""
    lines = [_without_values(line.created_by) for line in config.history if not line.empty_layer]
    return [*lines, *[""] * count][:count]


def _in_layers(layers: Sequence[Layer], instructions: Sequence[str]) -> Iterator[Finding]:
    for number, (layer, instruction) in enumerate(zip(layers, instructions, strict=True), 1):
        for each in layer.findings:
            yield _of_file(each, number, instruction, fate(layers, number, os.fsencode(each.path)))


def _of_file(each: FileFinding, number: int, instruction: str, note: str) -> Finding:
    found = each.found
    return Finding(
        kind=found.kind,
        severity=found.severity,
        layer=number,
        path=os.fsencode(each.path).decode(errors="replace"),
        line=each.line,
        value=masked(found.prefix),
        instruction=instruction,
        note=note,
    )


def _without_values(instruction: str) -> str:
    """Return a history line without the secrets that are in it."""
    hidden = [each.found for each in papers.in_history(0, History(created_by=instruction))]
    for found in sorted(hidden, key=lambda each: -len(each.value)):
        instruction = instruction.replace(found.value.decode(), masked(found.prefix))
    return instruction


def _in_papers(images: Images, image: Image) -> Iterator[Finding]:
    """Yield what stands in the papers; a history line is not told again for what it put there."""
    config, told = image.config, set()
    for each in papers.in_config(config):
        instruction = _origin(config, each)
        told.add((each.found.value, instruction))
        yield _of_paper(each, instruction)
    for number, line in enumerate(config.history, 1):
        for each in papers.in_history(number, line):
            if (each.found.value, line.created_by) not in told:
                yield _of_paper(each, line.created_by)
    for each in dict.fromkeys(_beside(images, image)):
        yield _of_paper(each, "")


def _of_paper(each: PaperFinding, instruction: str) -> Finding:
    found = each.found
    return Finding(
        kind=found.kind,
        severity=found.severity,
        layer=0,
        path=each.place,
        value=masked(found.prefix),
        instruction=_without_values(instruction),
    )


def _origin(config: ImageConfig, each: PaperFinding) -> str:
    """Return the last history line that speaks of what a finding of the configuration names."""
    instruction, _, name = each.place.partition(" ")
    lines = [line.created_by for line in config.history if line.created_by]
    return next((line for line in reversed(lines) if instruction in line and name in line), "")


def _beside(images: Images, image: Image) -> Iterator[PaperFinding]:
    """Search the manifest, and, when the image is of an index, that and its attestations of this image."""
    yield from papers.in_annotations(image.manifest.annotations)
    for layer in image.manifest.layers:
        yield from papers.in_annotations(layer.annotations)
    for descriptor, document in images.walk(image.descriptor):
        if isinstance(document, Index):
            yield from papers.in_annotations(document.annotations)
            for child in document.manifests:
                yield from papers.in_annotations(child.annotations)
        elif descriptor.annotations.get(_REFERENCE_TYPE) == _ATTESTATION:
            yield from _attested(images, document)


def _attested(images: Images, manifest: Manifest) -> Iterator[PaperFinding]:
    for layer in manifest.layers:
        if images.blobs.has(layer.digest) and layer.size <= _MOST_ATTESTATION_BYTES:
            with images.blobs.open(layer) as blob:
                yield from papers.in_attestation(blob.read())
