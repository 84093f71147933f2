"""Which statements a build is to attach: `--sbom`, `--provenance` and `--attest` as buildx reads them.

Source: Docker documentation, "Build attestations"; BuildKit, docs/attestations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from containerlab import errors, units
from containerlab.build import csv_fields

__all__ = ["Provenance", "Requests", "Sbom", "of", "read"]

_GENERATORS = {"": "spdx", "true": "spdx", "spdx": "spdx", "spdx-json": "spdx"} | dict.fromkeys(
    ("cyclonedx", "cyclonedx-json"), "cyclonedx"
)
_NOT_FOR_US = ("inline-only", "filename", "scan-context", "scan-stage")


class Sbom(msgspec.Struct, frozen=True, kw_only=True):
    """A list of packages; format: spdx or cyclonedx."""

    format: str = "spdx"


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """How the image was built."""

    mode: str = "min"
    """min, or max: with build arguments, steps and the Dockerfile."""
    version: str = "v0.2"
    """Of SLSA: v0.2 or v1."""
    builder_id: str = ""
    reproducible: bool = False
    """What whoever builds says of it; nobody checks."""


class Requests(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be attached."""

    sbom: Sbom | None = None
    provenance: Provenance | None = None

    def __bool__(self) -> bool:
        return self.sbom is not None or self.provenance is not None


def of(options: Mapping[str, Any]) -> Requests:
    """Read what the options of a build ask for, and see that it can be made.

    Raises: InvalidInput; Unsupported, also without the extra `sbom` where that is needed.
    """
    found = read(options.get("sbom", ""), options.get("provenance", ""), options.get("attest", ()))
    if found.sbom:
        from containerlab.build.sbom import licences

        licences.wanted("cyclonedx" if found.sbom.format == "cyclonedx" else "license_expression")
    return found


def read(sbom: str | bool = "", provenance: str | bool = "", attest: Sequence[str] = ()) -> Requests:
    """Read the three options; `--sbom` and `--provenance` win over `--attest`.

    >>> read(attest=["type=provenance,mode=max"]).provenance.mode
    'max'

    Raises: InvalidInput; Unsupported for generators that are images.
    """
    found = Requests()
    for text in attest:
        fields = _fields(text)
        kind = fields.pop("type", "")
        if kind not in _READ:
            hint = errors.nearest(kind, _READ) or "write type=sbom or type=provenance"
            raise errors.InvalidInput(f"--attest {text!r} is of no known type", hint)
        found = msgspec.structs.replace(found, **{kind: _READ[kind](fields)})
    for kind, value in (("sbom", sbom), ("provenance", provenance)):
        if value != "":
            found = msgspec.structs.replace(found, **{kind: _READ[kind](_fields(_text(value)))})
    return found


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _fields(text: str) -> dict[str, str]:
    """Read `true`, `false`, or `KEY=VALUE,…`."""
    fields = {}
    for word in csv_fields.fields(text, repr(text)):
        key, equals, value = word.partition("=")
        if equals:
            fields[key.strip().lower()] = value.strip()
        else:
            fields["disabled"] = "false" if units.switch(key) else "true"
    return fields


def _sbom(fields: dict[str, str]) -> Sbom | None:
    if units.switch(fields.pop("disabled", "false")):
        return None
    name = fields.pop("generator", "")
    _refuse_others("sbom", fields, ("generator", "disabled"))
    if name not in _GENERATORS:
        raise errors.Unsupported(
            f"the list of packages is made by this program, not by the generator {name}",
            errors.nearest(name, _GENERATORS) or "leave it out, or write generator=cyclonedx",
        )
    return Sbom(format=_GENERATORS[name])


def _provenance(fields: dict[str, str]) -> Provenance | None:
    if units.switch(fields.pop("disabled", "false")):
        return None
    mode, version = fields.pop("mode", "min"), fields.pop("version", "v0.2")
    if mode not in ("min", "max"):
        raise errors.InvalidInput(f"provenance has no mode {mode!r}", "choose min or max")
    if version not in ("v0.2", "v1"):
        raise errors.InvalidInput(f"provenance has no version {version!r}", "choose v0.2 or v1")
    found = Provenance(
        mode=mode,
        version=version,
        builder_id=fields.pop("builder-id", ""),
        reproducible=units.switch(fields.pop("reproducible", "false")),
    )
    _refuse_others("provenance", fields, ("mode", "version", "builder-id", "reproducible", "disabled"))
    return found


_READ: dict[str, Any] = {"sbom": _sbom, "provenance": _provenance}


def _refuse_others(kind: str, fields: dict[str, str], known: Sequence[str]) -> None:
    for key in fields:
        if key in _NOT_FOR_US:
            raise errors.Unsupported(f"{kind} has no field {key!r} here", f"there are: {', '.join(known)}")
        hint = errors.nearest(key, known) or f"there are: {', '.join(known)}"
        raise errors.InvalidInput(f"{kind} has no field {key!r}", hint)
