"""Documents of images: descriptor, manifest, index and configuration, of OCI and of Docker (schema 2).

What has a digest is only read here; its bytes are kept by whoever holds the digest and never written anew.
Source: OCI image-spec 1.1; Docker image-spec 1.3 and distribution manifest v2 schema 2.
"""

from __future__ import annotations

import datetime
from typing import Any, TypeVar

import msgspec

from containerlab import errors
from containerlab.oci import digest as digests
from containerlab.oci.platform import Platform

__all__ = [
    "Config",
    "Descriptor",
    "Healthcheck",
    "History",
    "ImageConfig",
    "Index",
    "Manifest",
    "RootFS",
    "as_docker_layer",
    "as_oci_layer",
    "decode_config",
    "decode_document",
    "encode",
    "encode_config",
    "format_time",
    "is_attestation",
    "is_config",
    "is_index",
    "is_layer",
    "is_manifest",
    "parse_time",
]

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = f"{OCI_LAYER}+gzip"
OCI_LAYER_ZSTD = f"{OCI_LAYER}+zstd"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = f"{DOCKER_LAYER}.gzip"
OCI_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
"""What a directory has in `oci-layout`. Source: OCI image-spec 1.1, image-layout.md."""
_FOREIGN = (
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
_MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
_INDEXES = (OCI_INDEX, DOCKER_INDEX)
_LAYERS = {f"{base}{end}" for base in (OCI_LAYER, _FOREIGN[0]) for end in ("", "+gzip", "+zstd")} | {
    f"{base}{end}" for base in (DOCKER_LAYER, _FOREIGN[1]) for end in ("", ".gzip", ".zstd")
}

MAX_DOCUMENT_BYTES = 4 << 20
"""More is refused, as registries and containerd do, so that no document can fill the memory."""


def is_manifest(media_type: str) -> bool:
    return media_type in _MANIFESTS


def is_index(media_type: str) -> bool:
    return media_type in _INDEXES


def is_layer(media_type: str) -> bool:
    """Tell whether this is the media type of a layer that can be unpacked."""
    return media_type in _LAYERS


def as_oci_layer(layer: Descriptor) -> Descriptor:
    """Return the same layer as an OCI manifest has to call it."""
    oci = layer.media_type.replace(DOCKER_LAYER, OCI_LAYER).replace(_FOREIGN[1], _FOREIGN[0])
    return msgspec.structs.replace(layer, media_type=oci.replace(".tar.", ".tar+"))


def as_docker_layer(layer: Descriptor) -> Descriptor:
    """Return the same layer as a manifest of Docker's has to call it."""
    docker = layer.media_type.replace(OCI_LAYER, DOCKER_LAYER).replace(_FOREIGN[0], _FOREIGN[1])
    return msgspec.structs.replace(layer, media_type=docker.replace(".tar+", ".tar."))


def is_config(media_type: str) -> bool:
    return media_type in (OCI_CONFIG, DOCKER_CONFIG)


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What a blob is, how it is called and how long it is."""

    media_type: str
    digest: str
    size: int
    """In bytes."""
    urls: tuple[str, ...] = ()
    annotations: dict[str, str] = {}
    data: str = ""
    platform: Platform | None = None
    artifact_type: str = ""

    def __post_init__(self) -> None:
        digests.parse(self.digest)
        if self.size < 0:
            raise errors.InvalidInput(f"descriptor of {self.digest} has the size {self.size}")

    @staticmethod
    def of(raw: bytes, media_type: str) -> Descriptor:
        """Describe a document.

        >>> Descriptor.of(b"{}", OCI_CONFIG).size
        2
        """
        return Descriptor(media_type=media_type, digest=digests.of(raw), size=len(raw))

    def bare(self) -> Descriptor:
        """Leave out what is said of it in the document that names it: platform, annotations, …"""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)


def is_attestation(descriptor: Descriptor) -> bool:
    """Tell whether an entry of an index leads to statements about an image, not to an image."""
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One image for one platform: its configuration and its layers, lowest first."""

    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Several manifests, usually the same image for several platforms."""

    schema_version: int
    media_type: str = ""
    artifact_type: str = ""
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class Healthcheck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """How to find out whether a container works; durations are nanoseconds, 0 means inherited."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal"):
    """How a container of the image is to be run, unless the user says otherwise."""

    user: str = ""
    exposed_ports: dict[str, dict[str, Any]] = {}
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: dict[str, dict[str, Any]] = {}
    working_dir: str = ""
    labels: dict[str, str] = {}
    stop_signal: str = ""
    args_escaped: bool = False
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    stop_timeout: int | None = None
    """Seconds."""


class RootFS(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "layers"
    diff_ids: tuple[str, ...] = ()
    """Digests of the uncompressed layers, lowest first."""

    def __post_init__(self) -> None:
        for diff_id in self.diff_ids:
            digests.parse(diff_id)


class History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What made a layer, or changed the configuration only (`empty_layer`)."""

    created: str | None = None
    """RFC 3339."""
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The configuration of an image; the digest of its bytes is the image's id."""

    created: str | None = None
    """RFC 3339."""
    author: str = ""
    architecture: str
    os: str
    variant: str = ""
    os_version: str = msgspec.field(name="os.version", default="")
    os_features: tuple[str, ...] = msgspec.field(name="os.features", default=())
    config: Config = Config()
    rootfs: RootFS
    history: tuple[History, ...] = ()

    @property
    def platform(self) -> Platform:
        return Platform(self.architecture, self.os, self.variant, self.os_version, self.os_features)


_T = TypeVar("_T")
_ENCODER = msgspec.json.Encoder()
# Of one container or one build, not of the image: meaningless in an image made from this one.
_NOT_INHERITED = ("id", "parent", "container", "container_config", "docker_version")


def format_time(seconds: float) -> str:
    """Write a time as the documents do.

    >>> format_time(0)
    '1970-01-01T00:00:00Z'
    """
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.isoformat().replace("+00:00", "Z")


def parse_time(text: str | None) -> float | None:
    """Read a time in seconds since the epoch; None when it is missing, wrong, or Go's zero time."""
    try:
        moment = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.timestamp() if moment.year > 1 else None


def encode(document: Descriptor | Manifest | Index | ImageConfig) -> bytes:
    """Write a new document; the same value always gives the same bytes."""
    return _ENCODER.encode(document)


def encode_config(config: ImageConfig, base: bytes = b"") -> bytes:
    """Write a configuration; fields of `base` that this module does not know are kept."""
    new = msgspec.to_builtins(config)
    if not base:
        return _ENCODER.encode(new)
    old = _json(base, "image configuration")
    drop = {*_NOT_INHERITED, *(field.encode_name for field in msgspec.structs.fields(ImageConfig))}
    known = {field.encode_name for field in msgspec.structs.fields(Config)}
    inner = {key: value for key, value in (old.get("config") or {}).items() if key not in known}
    new["config"] = {**inner, **new.get("config", {})}
    return _ENCODER.encode({**{key: value for key, value in old.items() if key not in drop}, **new})


def decode_document(raw: bytes, media_type: str = "") -> Manifest | Index:
    """Read a manifest or an index; `media_type` is what the descriptor said it is.

    Raises: CorruptContent when it is neither, both, or something else than `media_type` says; Unsupported
        for Docker's schema 1.
    """
    fields = _json(raw, "manifest")
    if fields.get("schemaVersion") == 1:
        raise errors.Unsupported(
            "the image has a manifest of Docker's schema 1, which was given up in 2019",
            "pull and push it once with a newer Docker",
        )
    if "layers" in fields and "manifests" in fields:
        # Two tools could see two different images under one digest: CVE-2021-41190.
        raise errors.CorruptContent("the manifest has both layers and manifests, so it can mean two images")
    named = fields.get("mediaType") or media_type
    found: Manifest | Index
    if "manifests" in fields:
        found = _convert(fields, Index, "image index")
    else:
        found = _convert(fields, Manifest, "image manifest")
    matches = is_index(named) if isinstance(found, Index) else is_manifest(named)
    if (named and not matches) or (media_type and named != media_type) or found.schema_version != 2:
        wanted = media_type or "an image"
        raise errors.CorruptContent(
            f"a document of type {named!r}, schema {found.schema_version}, is not {wanted}"
        )
    return found


def decode_config(raw: bytes) -> ImageConfig:
    """Read an image configuration.

    Raises: CorruptContent naming the wrong field.
    """
    return _convert(_json(raw, "image configuration"), ImageConfig, "image configuration")


def _json(raw: bytes, what: str) -> dict[str, Any]:
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise errors.CorruptContent(f"the {what} has {len(raw)} bytes, more than {MAX_DOCUMENT_BYTES}")
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise errors.CorruptContent(f"the {what} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise errors.CorruptContent(f"the {what} is not a JSON object")
    return fields


def _convert(fields: dict[str, Any], kind: type[_T], what: str) -> _T:
    try:
        return msgspec.convert(_without_nulls(fields), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise errors.CorruptContent(f"the {what} is not valid: {error}") from error


def _without_nulls(value: Any) -> Any:
    """Drop fields that are null: Go writes its empty lists and maps so."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value
