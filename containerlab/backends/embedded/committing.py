"""What an image that is made of a container says: its configuration, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from containerlab.backends.embedded_images import now
from containerlab.oci import changes
from containerlab.oci.image import Config, Descriptor, History, ImageConfig, format_time
from containerlab.store.assemble import Layer, assemble
from containerlab.store.images import Image, Images
from containerlab.store.layer_writer import Committed
from containerlab.store.records import Record

__all__ = ["assembled", "draft"]


class Draft(msgspec.Struct, frozen=True):
    """A configuration without layers, and the line of history that goes with the new layer."""

    config: ImageConfig
    history: History


def draft(base: Image, record: Record, fields: Mapping[str, Any]) -> Draft:
    """Return what the new image says: what the base says, how the container was run, the fields asked for.

    fields: of the image configuration, and `author` and `message`. Raises: InvalidInput for a wrong one.
    """
    wanted = dict(fields)
    author, message = str(wanted.pop("author", "")), str(wanted.pop("message", ""))
    created = format_time(now())
    config = changes.merge(_as_run(base.config.config, record), wanted)
    words = record.command or (*base.config.config.entrypoint, *base.config.config.cmd)
    return Draft(
        msgspec.structs.replace(base.config, config=config, author=author, created=created),
        History(created=created, created_by=" ".join(words), author=author, comment=message),
    )


def _as_run(config: Config, record: Record) -> Config:
    """Return a configuration that runs as the container did. Source: docker commit, which does so."""
    options = record.options
    fields: dict[str, Any] = {"Labels": record.labels, "Env": list(options.get("env", ()))}
    if options.get("entrypoint") is not None:
        fields |= {"Entrypoint": [word for word in options["entrypoint"] if word]}
    if record.command:
        fields["Cmd"] = list(record.command)
    for option, field in (("user", "User"), ("workdir", "WorkingDir")):
        if option in options:
            fields[field] = str(options[option])
    if "expose" in options:
        fields["ExposedPorts"] = {_port(each): {} for each in options["expose"]}
    return changes.merge(config, fields)


def _port(text: str) -> str:
    return text if "/" in text else f"{text}/tcp"


def assembled(images: Images, base: Image, made: Draft, layer: Committed) -> Descriptor:
    """Write the image's documents; the caller holds a lease."""
    stack = [Layer(layer.descriptor, layer.diff_id, made.history)]
    return assemble(images.blobs, stack, made.config, base)
