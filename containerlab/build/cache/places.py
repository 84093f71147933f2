"""Where steps of builds are taken from and written to, as `--cache-from` and `--cache-to` say it.

Source: Docker documentation, "Cache storage backends".
"""

from __future__ import annotations

import os
from typing import NamedTuple

from containerlab import units
from containerlab.build import csv_fields
from containerlab.errors import InvalidInput, Unsupported, nearest
from containerlab.oci.reference import Reference

__all__ = ["Place"]

_KINDS = ("local", "registry")
_OF_REGISTRY = ("ref", "registry.insecure", "mode")
_OF_LOCAL = ("src", "dest", "mode")
_IGNORED = (
    "compression",
    "compression-level",
    "force-compression",
    "image-manifest",
    "oci-mediatypes",
    "tag",
)
"""How BuildKit writes its own; here a layer is carried as it is, in an image manifest of OCI."""


class Place(NamedTuple):
    """A directory, or a name at a registry.

    everything: also steps of stages that are not the target's. tls_verify: as of `pull`. ignores_errors: a
    cache that cannot be written is no reason to fail.
    """

    directory: str = ""
    reference: Reference | None = None
    everything: bool = False
    tls_verify: bool | None = None
    ignores_errors: bool = False

    @staticmethod
    def parse(text: str) -> Place:
        """Read `DIRECTORY`, `NAME`, `type=local,src=DIRECTORY|dest=DIRECTORY` or `type=registry,ref=NAME`.

        A word alone is a directory when it is one, or begins as paths do; else the name of an image.

        Raises: InvalidInput; Unsupported for another type.
        """
        if "=" not in text:
            is_path = text.startswith(("/", "./", "../", "~")) or os.path.isdir(text)
            return Place(os.path.expanduser(text)) if is_path else Place(reference=_reference(text, text))
        pairs = (field.partition("=") for field in csv_fields.fields(text, text))
        fields = {key.strip().lower(): value for key, _, value in pairs}
        kind = fields.pop("type", "local")
        if kind not in _KINDS:
            raise Unsupported(
                f"a cache of type {kind} cannot be used here", "use type=registry or type=local"
            )
        known = _OF_REGISTRY if kind == "registry" else _OF_LOCAL
        for key in fields:
            if key not in (*known, "ignore-error", *_IGNORED):
                raise InvalidInput(f"{text!r} has a field {key!r}", nearest(key, known) or "leave it out")
        return _of_registry(text, fields) if kind == "registry" else _of_directory(text, fields)


def _of_registry(text: str, fields: dict[str, str]) -> Place:
    if not fields.get("ref"):
        raise InvalidInput(f"{text!r} names no image", "write type=registry,ref=NAME")
    return Place(
        reference=_reference(fields["ref"], text),
        everything=fields.get("mode") == "max",
        tls_verify=False if units.switch(fields.get("registry.insecure", "false")) else None,
        ignores_errors=units.switch(fields.get("ignore-error", "false")),
    )


def _reference(name: str, text: str) -> Reference:
    reference = Reference.parse(name)
    if reference.digest and not reference.tag:
        raise InvalidInput(f"{text!r} names a cache by its digest, which changes", "write NAME:TAG")
    return reference


def _of_directory(text: str, fields: dict[str, str]) -> Place:
    directory = fields.get("dest") or fields.get("src")
    if not directory:
        raise InvalidInput(f"{text!r} names no directory", "write type=local,src=DIRECTORY, or dest=")
    return Place(
        os.path.expanduser(directory),
        everything=fields.get("mode") == "max",
        ignores_errors=units.switch(fields.get("ignore-error", "false")),
    )
