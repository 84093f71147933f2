"""What a build knows of itself becomes the facts that its provenance tells."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from containerlab.build.attestations.facts import Facts, Material
from containerlab.build.contexts.context import Context
from containerlab.build.contexts.urls import shown
from containerlab.build.language.instructions import Dockerfile
from containerlab.build.ops import Base, Fetch, Run, Vertex
from containerlab.build.order import Order
from containerlab.build.record import StepRecord
from containerlab.build.result.purl import of_image, purl
from containerlab.build.secrecy.secrets import parse_secret
from containerlab.build.secrecy.ssh import parse_ssh
from containerlab.build.solve import ordered
from containerlab.oci.platform import Platform

__all__ = ["Gathered"]


class Gathered(NamedTuple):
    """A build that has run. targets: what was built, by platform. started_at: seconds since the epoch."""

    order: Order
    file: Dockerfile
    context: Context
    targets: Mapping[Platform, Vertex | None]
    steps: Sequence[StepRecord]
    started_at: float
    ref: str

    def facts(self, platform: Platform) -> Facts:
        """Return what is known of the image for a platform.

        With SOURCE_DATE_EPOCH its times are that, and it has no id of its own: the same build gives the same
        bytes.
        """
        order, epoch = self.order, self.order.epoch
        target = self.targets[platform]
        vertices = list(ordered([target])) if target is not None else []
        return Facts(
            ref=self.ref if epoch is None else "",
            started_at=self.started_at if epoch is None else epoch,
            finished_at=time.time() if epoch is None else epoch,
            platform=platform,
            dockerfile=self.file.name,
            source=self.file.text,
            target=order.options.get("target", ""),
            build_args=order.arguments,
            labels=order.options.get("label", {}),
            frontend_args=dict(self._frontend_args()),
            materials=tuple(_materials(vertices, platform)),
            are_materials_complete=bool(self.context.origin) and not any(map(_has_network, vertices)),
            context=self._origin(),
            secrets=tuple(parse_secret(text).id for text in order.options.get("secret", ())),
            ssh=tuple(parse_ssh(text).id for text in order.options.get("ssh", ())),
            steps=tuple(self.steps),
        )

    def _frontend_args(self) -> Iterator[tuple[str, str]]:
        options = self.order.options
        if options.get("no_cache") or options.get("no_cache_filter"):
            yield "no-cache", ",".join(options.get("no_cache_filter", ()))
        if network := options.get("network"):
            yield "force-network-mode", network
        if hosts := options.get("add_host"):
            yield "add-hosts", ",".join("=".join(map(str, pair)) for pair in hosts)

    def _origin(self) -> Material | None:
        if not self.context.origin:
            return None
        digest = f"sha1:{self.context.commit}" if self.context.commit else ""
        return Material(uri=shown(self.context.origin), digest=digest)


def _materials(vertices: Sequence[Vertex], platform: Platform) -> Iterator[Material]:
    for vertex in vertices:
        match vertex.op:
            case Base(image):
                named = image.names[0] if image.names else ""
                digest = image.descriptor.digest
                uri = of_image(named, platform) if named else purl("oci", "image", digest)
                yield Material(uri=uri, digest=digest)
            case Fetch(url=url, checksum=checksum):
                yield Material(uri=shown(url), digest=checksum if ":" in checksum else "")


def _has_network(vertex: Vertex) -> bool:
    return isinstance(vertex.op, Run) and vertex.op.network != "none"
