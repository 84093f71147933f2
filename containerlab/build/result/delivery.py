"""What becomes of what was built: an image in the store, archives, directories, files that tell of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from containerlab.build.record import LintWarning
from containerlab.build.result import metadata, outputs, pushing, writing
from containerlab.build.result.annotations import Annotation
from containerlab.build.result.annotations import parse as parse_annotation
from containerlab.build.result.built import Built
from containerlab.build.result.outputs import Output
from containerlab.errors import InvalidInput
from containerlab.oci.image import Descriptor
from containerlab.store.images import Images

if TYPE_CHECKING:
    from containerlab.build.attestations.attester import Attester

__all__ = ["Delivered", "deliver", "read_outputs", "tell_files"]


class Delivered(NamedTuple):
    """What was made. descriptor: of the image, None when it was not one. places: files and directories."""

    descriptor: Descriptor | None
    image_id: str
    places: tuple[str, ...]


def read_outputs(options: Mapping[str, Any]) -> tuple[Output, ...]:
    """Read --output, --push, --annotation and --compression.

    Raises: InvalidInput, Unsupported.
    """
    wanted = tuple(map(outputs.parse, options.get("output", ()))) or (Output(),)
    for output in wanted:
        if output.destination == "-":
            _refuse_what_shows_text(output)
    added = tuple(each for text in options.get("annotation", ()) for each in parse_annotation(text))
    made = tuple(_with(output, added, options.get("compression", "")) for output in wanted)
    found = pushing.pushed(made, options)
    pushing.check(found, options.get("tag", ()))
    return found


def _refuse_what_shows_text(output: Output) -> None:
    """Raise before anything is built when standard output is a terminal or a notebook's cell."""
    if sys.stdout is None or sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        raise InvalidInput(
            f"--output type={output.kind} would write an archive where text is shown",
            f"redirect it, or give --output type={output.kind},dest=FILE",
        )


def _with(output: Output, added: tuple[Annotation, ...], compression: str) -> Output:
    form = output.export.form
    if compression and not form.compression:
        form = msgspec.structs.replace(form, compression=compression)
    export = msgspec.structs.replace(
        output.export, annotations=(*added, *output.export.annotations), form=form
    )
    return msgspec.structs.replace(output, export=export)


def deliver(
    wanted: Sequence[Output],
    built: Sequence[Built],
    images: Images,
    names: Sequence[str],
    newest_s: int | None,
    attester: Attester | None = None,
) -> Delivered:
    """Write every output, with the statements that are asked for, and push what is to be pushed.

    The caller holds a lease.

    Raises: InvalidInput, Conflict, NotPermitted, Unsupported, Unavailable.
    """
    statements = writing.NOTHING
    if attester and attester.requests:
        statements = writing.Statements(attester.attest, attester.beside)
    descriptors = [
        writing.write(output, built, images, names, newest_s=newest_s, statements=statements)
        for output in wanted
    ]
    for output, written in zip(wanted, descriptors, strict=True):
        if output.pushes and written is not None:
            pushing.send(output, written, names, images)
    descriptor = next((each for each in descriptors if each), None)
    image_id = metadata.image_id(images, descriptor) if descriptor else ""
    places = tuple(output.destination for output in wanted if output.destination not in ("", "-"))
    return Delivered(descriptor, image_id, places)


def tell_files(
    options: Mapping[str, Any],
    delivered: Delivered,
    ref: str,
    names: Sequence[str],
    warnings: Sequence[LintWarning],
    provenance: Mapping[str, Any] = {},
) -> None:
    """Write --iidfile and --metadata-file. provenance: predicates by platform.

    Raises: NotPermitted, Unavailable.
    """
    if path := options.get("iidfile"):
        metadata.write_iid_file(Path(path), delivered.image_id)
    if path := options.get("metadata_file"):
        known = metadata.Metadata(
            ref=ref,
            descriptor=delivered.descriptor,
            image_id=delivered.image_id,
            names=names,
            warnings=warnings,
            provenance=provenance,
        )
        metadata.write_metadata_file(Path(path), known)
