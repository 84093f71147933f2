"""Write cpio archives as Linux unpacks them at boot: the format newc.

It has no room for extended attributes, nor for files of 4 GiB or more. Names of one file share a number,
and the first has the content. Source: kernel documentation, "initramfs buffer format"; init/initramfs.c,
which skips what it cannot take without a word: here that is refused.
"""

from __future__ import annotations

from typing import NamedTuple

from containerlab.errors import Unsupported

__all__ = ["END", "Member", "header", "padding"]

_MOST = 0xFFFFFFFF
_MOST_NAME_BYTES = 4096
"""PATH_MAX, with the zero byte at the end."""


class Member(NamedTuple):
    """What a header says. mode: with the kind of file. link_count: 1 for whatever has one name.

    size: of the content that follows; a symbolic link's is its target.
    """

    name: bytes
    mode: int
    number: int = 0
    uid: int = 0
    gid: int = 0
    link_count: int = 1
    mtime: int = 0
    size: int = 0
    device: tuple[int, int] = (0, 0)


def header(member: Member) -> bytes:
    """Return the header of a member; its content and `padding` follow.

    Raises: Unsupported for what the format cannot say.
    """
    if member.size > _MOST:
        raise Unsupported(
            f"an initramfs cannot have {_shown(member.name)}: its {member.size} bytes are more than 4 GiB",
            "choose another file system, as `--filesystem ext4`",
        )
    name = member.name + b"\0"
    if len(name) > _MOST_NAME_BYTES:
        raise Unsupported(f"an initramfs cannot have {_shown(member.name)}…: its path is too long")
    fields = (
        member.number,
        member.mode,
        member.uid,
        member.gid,
        member.link_count,
        max(0, min(member.mtime, _MOST)),
        member.size,
        0,
        0,
        *member.device,
        len(name),
        0,
    )
    start = b"070701" + b"%08X" * len(fields) % fields + name
    return start + padding(len(start))


def padding(size: int) -> bytes:
    """Return the zeros that follow a header or a content of so many bytes."""
    return bytes(-size % 4)


def _shown(name: bytes) -> str:
    return ascii(name.decode(errors="surrogateescape"))[:200]


END = header(Member(b"TRAILER!!!", 0))
"""What an archive ends with; another may follow it."""
