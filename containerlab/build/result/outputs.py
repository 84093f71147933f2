"""Where the result of a build goes: `--output` as buildx reads it.

Source: Docker documentation, `docker buildx build --output`; BuildKit, README, "Output".
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from containerlab import errors, units
from containerlab.build import csv_fields
from containerlab.build.result.annotations import Annotation, parse_output_key
from containerlab.build.result.export import AS_IT_IS, ExportOptions
from containerlab.build.result.recompress import LayerForm
from containerlab.oci.reference import Reference

__all__ = ["Output", "parse"]

_KINDS = ("image", "local", "tar", "oci", "docker", "cacheonly", "registry")
_COMPRESSIONS = {"gzip": "gzip", "zstd": "zstd", "none": "none", "uncompressed": "none"}


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """One `--output`."""

    kind: str = "image"
    """image (into the store), local, tar, oci, docker or cacheonly."""
    destination: str = ""
    """A path; `-` is standard output."""
    names: tuple[str, ...] = ()
    """What the image is called, beside the names of the build."""
    is_directory: bool = False
    """Whether `oci` writes an image layout directory, not an archive of it."""
    splits_platforms: bool | None = None
    """Whether each platform gets a folder of its own; None: when there are several."""
    deletes_others: bool = False
    """Whether files go that are in the directory and not in the output."""
    rewrites_times: bool = False
    """Whether files in new layers are no younger than SOURCE_DATE_EPOCH."""
    export: ExportOptions = AS_IT_IS
    pushes: bool = False
    """Whether the image is sent to the registries of its names too."""
    pushes_by_digest: bool = False
    """Whether it is sent without its tags."""
    tls_verify: bool | None = None
    """As of `push`."""


def parse(text: str) -> Output:
    """Read `DIRECTORY`, `-`, or `type=KIND,KEY=VALUE,…`; a field with commas stands in double quotes.

    >>> parse("type=oci,dest=a.tar").destination
    'a.tar'

    Raises: InvalidInput, Unsupported.
    """
    fields = csv_fields.fields(text, f"--output {text}")
    if not text:
        raise errors.InvalidInput("--output says nothing", "give a directory, or type=KIND")
    if len(fields) == 1 and "=" not in fields[0]:
        return Output(kind="tar" if text == "-" else "local", destination=text)
    return _checked(_Fields(fields).output())


class _Fields:
    """Takes the fields of an output one by one."""

    def __init__(self, fields: list[str]) -> None:
        self._changes: dict[str, object] = {}
        self._export: dict[str, object] = {}
        self._form: dict[str, object] = {}
        self._annotations: list[Annotation] = []
        for field in fields:
            key, equals, value = field.partition("=")
            if not equals:
                raise errors.InvalidInput(f"{field!r} in --output is no KEY=VALUE", "as type=oci,dest=FILE")
            self._take(key.strip().lower() if not key.startswith("annotation") else key.strip(), value)

    def _take(self, key: str, value: str) -> None:
        if annotation := parse_output_key(key, value):
            self._annotations.append(annotation)
        elif key in _FIELDS:
            name, read = _FIELDS[key]
            where = self._form if name in _OF_FORM else self._export if name in _OF_EXPORT else self._changes
            where[name] = read(value)
        elif key in _IGNORED:
            units.switch(value)
        else:
            known = (*_FIELDS, *_IGNORED, "annotation.KEY")
            hint = errors.nearest(key, known) or f"there are: {', '.join(_FIELDS)}, annotation.KEY"
            raise errors.InvalidInput(f"--output has no field {key!r}", hint)

    def output(self) -> Output:
        form = msgspec.structs.replace(LayerForm(), **self._form)
        export = {"annotations": tuple(self._annotations), "form": form, **self._export}
        return Output(**{"export": ExportOptions(**export), **self._changes})  # type: ignore[arg-type]  # the table has types


def _kind(value: str) -> str:
    if value not in _KINDS:
        hint = errors.nearest(value, _KINDS) or f"there are: {', '.join(_KINDS)}"
        raise errors.InvalidInput(f"--output has no type {value!r}", hint)
    return value


def _compression(value: str) -> str:
    if value == "estargz":
        raise errors.Unsupported("layers are not compressed as estargz", "zstd or gzip are there")
    if value not in _COMPRESSIONS:
        hint = errors.nearest(value, _COMPRESSIONS) or f"there are: {', '.join(_COMPRESSIONS)}"
        raise errors.InvalidInput(f"layers cannot be compressed with {value!r}", hint)
    return _COMPRESSIONS[value]


def _level(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise errors.InvalidInput(
            f"compression-level={value} is no number", "as compression-level=9"
        ) from None


def _deletes(value: str) -> bool:
    if value not in ("copy", "delete"):
        raise errors.InvalidInput(f"--output has no mode {value!r}", "choose copy or delete")
    return value == "delete"


def _names(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        Reference.parse(name)
    return names


_FIELDS: dict[str, tuple[str, Callable[[str], object]]] = {
    "type": ("kind", _kind),
    "dest": ("destination", os.path.expanduser),
    "name": ("names", _names),
    "tar": ("is_directory", lambda value: not units.switch(value)),
    "platform-split": ("splits_platforms", units.switch),
    "mode": ("deletes_others", _deletes),
    "rewrite-timestamp": ("rewrites_times", units.switch),
    "compression": ("compression", _compression),
    "compression-level": ("level", _level),
    "force-compression": ("forces", units.switch),
    "oci-mediatypes": ("oci_types", units.switch),
    "push": ("pushes", units.switch),
    "push-by-digest": ("pushes_by_digest", units.switch),
    "registry.insecure": ("tls_verify", lambda value: False if units.switch(value) else None),
}
_OF_FORM = ("compression", "level", "forces")
_OF_EXPORT = ("oci_types",)
_IGNORED = ("store", "unpack", "oci-artifact", "name-canonical")
"""What says how BuildKit's own store works."""


def _checked(output: Output) -> Output:
    """Refuse what does not go together, and say where a docker image without a place goes: into the store."""
    if output.kind == "registry":
        output = msgspec.structs.replace(output, kind="image", pushes=True)
    if output.pushes_by_digest and output.kind == "image":
        output = msgspec.structs.replace(output, pushes=True)
    if output.pushes and output.kind != "image":
        raise errors.InvalidInput(f"--output type={output.kind} cannot be pushed", "use type=image,push=true")
    if output.kind == "local" and not output.destination:
        raise errors.InvalidInput("--output type=local says no directory", "add dest=DIRECTORY")
    if output.kind == "local" and output.destination == "-":
        raise errors.InvalidInput("a directory cannot be standard output", "use type=tar,dest=-")
    if output.is_directory and (output.kind != "oci" or output.destination in ("", "-")):
        raise errors.InvalidInput(
            "tar=false needs type=oci and a directory", "as type=oci,tar=false,dest=DIR"
        )
    if output.kind == "docker" and not output.destination:
        return msgspec.structs.replace(output, kind="image")
    if output.kind in ("image", "cacheonly") and output.destination:
        raise errors.InvalidInput(
            f"--output type={output.kind} goes to no file",
            "leave dest out, or choose type=oci or type=docker",
        )
    if output.kind in ("tar", "oci") and not output.destination:
        return msgspec.structs.replace(output, destination="-")
    return output
