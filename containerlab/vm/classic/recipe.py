"""An image and the Debian around it become one disk: the image's files lie below /srv/image there."""

from __future__ import annotations

from containerlab.vm.classic.base import NAME

__all__ = ["dockerfile", "name"]


def name(image_id: str) -> str:
    """Return what the image of both is called.

    >>> name("sha256:0123456789abcdef")
    'lab/classic-of:0123456789ab'
    """
    return f"lab/classic-of:{image_id.removeprefix('sha256:')[:12]}"


def dockerfile(image: str) -> str:
    """Return what the builder makes the disk's image from; `image` is a name or an id in the store.

    >>> print(dockerfile("app"), end="")
    FROM lab/classic:bookworm
    COPY --from=app / /srv/image/
    """
    return f"FROM {NAME}\nCOPY --from={image} / /srv/image/\n"
