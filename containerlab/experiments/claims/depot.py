"""Where versions of an image lie, and where they go: two homes with a registry between them, and disks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from containerlab.experiments.claims import versions
from containerlab.experiments.claims.counting_proxy import CountingProxy
from containerlab.experiments.claims.disk_images import DiskImages
from containerlab.experiments.experiment import Stage

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["Delivered", "Depot"]


class Delivered(NamedTuple):
    """moved_bytes: over the wire, both ways. deliver_s: until it can be used at the receiver."""

    moved_bytes: int
    deliver_s: float


class Depot:
    """Made when it is first asked for, below the stage's scratch directory; `close` removes all."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.directory = stage.scratch / "delivery"

    @cached_property
    def names(self) -> Mapping[str, str]:
        """The images by version, in the sender's home."""
        archive = self.directory / "image.tar"
        self._stage.engine.images.save(self._stage.image, output=str(archive), archive_format="oci-archive")
        self._sender.images.load(input=str(archive), quiet=True)
        archive.unlink()
        return versions.build(self._sender, self._stage.image, self.directory / "contexts")

    @cached_property
    def disks(self) -> DiskImages:
        """The same as disks."""
        return DiskImages(self.directory / "sender", self.names, self.directory / "disks")

    @cached_property
    def _sender(self) -> Engine:
        return self._engine("sender")

    @cached_property
    def _receiver(self) -> Engine:
        return self._engine("receiver")

    def _engine(self, name: str) -> Engine:
        from containerlab.engine.engine import Engine

        self.directory.mkdir(parents=True, exist_ok=True)
        return Engine(self.directory / name)

    @cached_property
    def _proxy(self) -> CountingProxy:
        """The way to a registry that has all versions."""
        server = self._sender.registry.serve(port=0, auth="none", storage=str(self.directory / "registry"))
        host = server.url.rpartition("/")[2]
        for version, name in self.names.items():
            self._sender.images.tag(name, f"{host}/app:{version}")
            self._sender.images.push(f"{host}/app:{version}", quiet=True)
        proxy = CountingProxy(int(host.rpartition(":")[2]))
        return proxy.__enter__()

    def pull(self, version: str) -> Delivered:
        """Pull a version into the receiver's home, which has at most the first one."""
        self.names  # noqa: B018 - made before the clock starts
        self.forget(version)
        proxy = self._proxy
        before_bytes, began = proxy.passed_bytes, time.monotonic()
        self._receiver.images.pull(self._name(version), quiet=True)
        return Delivered(proxy.passed_bytes - before_bytes, time.monotonic() - began)

    def forget(self, version: str) -> None:
        """Remove a version from the receiver's home, if it is there."""
        name = self._name(version)
        if any(name in image.info.names for image in self._receiver.images.list()):
            self._receiver.images.remove(name, force=True)

    def _name(self, version: str) -> str:
        return f"localhost:{self._proxy.port}/app:{version}"

    def close(self) -> None:
        """End and remove what was made."""
        made = vars(self)
        if "_proxy" in made:
            made.pop("_proxy").__exit__(None, None, None)
        for name in ("_sender", "_receiver"):
            if name in made:
                engine: Engine = made.pop(name)
                engine.images.prune(all=True, force=True)
                engine.close()
        shutil.rmtree(self.directory, ignore_errors=True)
