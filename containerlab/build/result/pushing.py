"""Images that were built, on their way to the registries of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from containerlab import errors
from containerlab.build.result.outputs import Output
from containerlab.distribution.transfer.progress import Watcher, nobody
from containerlab.oci.image import Descriptor
from containerlab.oci.reference import Reference
from containerlab.store.images import Images

__all__ = ["check", "pushed", "send"]


def pushed(outputs: Sequence[Output], options: Mapping[str, Any]) -> tuple[Output, ...]:
    """Return the outputs; with `--push` the images of the store are pushed too."""
    if not options.get("push"):
        return tuple(outputs)
    if not any(output.kind == "image" for output in outputs):
        raise errors.InvalidInput("--push beside outputs that are no image", "leave it or the outputs out")
    return tuple(
        msgspec.structs.replace(output, pushes=True) if output.kind == "image" else output
        for output in outputs
    )


def check(outputs: Sequence[Output], names: Sequence[str]) -> None:
    """Refuse before anything is built what has no name to be pushed under. Raises: InvalidInput."""
    for output in outputs:
        if output.pushes and not (names or output.names):
            raise errors.InvalidInput(
                "an image without a name cannot be pushed", "give one: -t HOST/NAME:TAG"
            )


def send(
    output: Output, descriptor: Descriptor, names: Sequence[str], images: Images, watch: Watcher = nobody
) -> None:
    """Push an image under each of its names; the caller holds a lease.

    Raises: NotPermitted, Unavailable.
    """
    from containerlab.distribution.transfer import push

    order = push.PushOrder(tls_verify=output.tls_verify)
    for name in dict.fromkeys((*names, *output.names)):
        if output.pushes_by_digest:
            place = msgspec.structs.replace(Reference.parse(name), tag="", digest=descriptor.digest)
            push.push_digest(images, place, descriptor, order, watch)
        else:
            push.push(images, name, order, watch)
