"""The options of commands that work on registries of whoever: one line each."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.container import Pairs, Words
from containerlab.options.flag import Flag
from containerlab.options.tls import TLS_VERIFY

__all__ = [
    "AnnotateOptions",
    "CopyToOptions",
    "ListCreateOptions",
    "ListInspectOptions",
    "ListPushOptions",
    "ReferrersOptions",
    "RemoteDeleteOptions",
    "RemoteInspectOptions",
    "RemoteOptions",
    "SearchOptions",
    "TagsOptions",
]


# fmt: off
class RemoteOptions(TypedDict, total=False):
    tls_verify: Annotated[bool, TLS_VERIFY]


class SearchOptions(RemoteOptions, total=False):
    limit: Annotated[int, Flag("--limit", v.whole(1, 100_000), "At most so many: 25", "NUMBER")]


class TagsOptions(RemoteOptions, total=False):
    limit: Annotated[int, Flag("--limit", v.whole(1, 1_000_000), "At most so many, the first by name", "NUMBER")]
    filter: Annotated[str, Flag("--filter", v.text, "Only those that match a pattern: 'v1.*'", "PATTERN")]
    long: Annotated[bool, Flag("-l --long", units.switch, "Ask for each tag what it leads to")]


class RemoteInspectOptions(RemoteOptions, total=False):
    platform: Annotated[str, Flag("--platform", v.text, "Of an index, the image for this: linux/arm64", "OS/ARCH")]
    config: Annotated[bool, Flag("--config", units.switch, "The image's configuration instead of its manifest")]


class CopyToOptions(TypedDict, total=False):
    platform: Annotated[str, Flag("--platform", v.text, "Copy the image for this alone, instead of all: linux/arm64", "OS/ARCH")]
    referrers: Annotated[bool, Flag("--referrers", units.switch, "Also copy signatures and whatever else speaks about the image")]
    src_tls_verify: Annotated[bool, Flag("--src-tls-verify", units.switch, "Insist on TLS where it comes from; =false does without")]
    dest_tls_verify: Annotated[bool, Flag("--dest-tls-verify", units.switch, "Insist on TLS where it goes to; =false does without")]


class RemoteDeleteOptions(RemoteOptions, total=False):
    manifest: Annotated[bool, Flag("--manifest", units.switch, "Delete what the tag leads to, and so all its tags")]


class ReferrersOptions(RemoteOptions, total=False):
    artifact_type: Annotated[str, Flag("--artifact-type", v.text, "Only those of this type", "TYPE")]


class ListCreateOptions(RemoteOptions, total=False):
    amend: Annotated[bool, Flag("-a --amend", units.switch, "Add to a list that is there already")]
    annotation: Annotated[Pairs, Flag("--annotation", v.pair, "Annotation of the index", "KEY=VALUE", "", dict)]


class AnnotateOptions(TypedDict, total=False):
    arch: Annotated[str, Flag("--arch", v.text, "Architecture: amd64, arm64", "NAME")]
    os: Annotated[str, Flag("--os", v.text, "Operating system: linux", "NAME")]
    variant: Annotated[str, Flag("--variant", v.text, "Variant of the architecture: v8", "NAME")]
    os_version: Annotated[str, Flag("--os-version", v.text, "Version of the operating system", "TEXT")]
    os_features: Annotated[Words, Flag("--os-features", v.text, "Feature of the operating system", "NAME", "", tuple)]
    annotation: Annotated[Pairs, Flag("--annotation", v.pair, "Annotation of the entry", "KEY=VALUE", "", dict)]


class ListInspectOptions(RemoteOptions, total=False):
    verbose: Annotated[bool, Flag("-v --verbose", units.switch, "Show the manifest of each image too")]


class ListPushOptions(RemoteOptions, total=False):
    purge: Annotated[bool, Flag("-p --purge --rm", units.switch, "Remove the list when it is pushed")]
# fmt: on
