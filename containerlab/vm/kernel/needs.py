"""Which modules each part of a guest takes; those that a kernel has built in are left out later."""

from __future__ import annotations

from containerlab import errors

__all__ = ["NEEDS", "modules"]

NEEDS: dict[str, tuple[str, ...]] = {
    "virtio-mmio": ("virtio_mmio",),
    "virtio-pci": ("virtio_pci",),
    "console": ("virtio_console",),
    "block": ("virtio_blk",),
    "net": ("virtio_net",),
    "vsock": ("vmw_vsock_virtio_transport",),
    "balloon": ("virtio_balloon",),
    "9p": ("9pnet_virtio", "9p"),
    "virtiofs": ("virtiofs",),
    "overlay": ("overlay",),
    "ext4": ("ext4",),
    "erofs": ("erofs",),
    "squashfs": ("squashfs",),
}


def modules(*needs: str) -> tuple[str, ...]:
    """Return the names of the modules for some needs, in the order in which a guest had better load them.

    >>> modules("virtio-mmio", "9p")
    ('virtio_mmio', '9pnet_virtio', '9p')

    Raises: InvalidInput for a need that is not known.
    """
    for need in needs:
        if need not in NEEDS:
            raise errors.InvalidInput(f"no guest needs {need!r}", errors.nearest(need, NEEDS))
    return tuple(dict.fromkeys(module for need in needs for module in NEEDS[need]))
