"""What a kernel module says of itself, without kmod.

Source: Linux, include/linux/moduleinfo.h and include/linux/module.h; elf(5).
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

from containerlab.errors import CorruptContent
from containerlab.store import compression

__all__ = ["Info", "content", "info", "name_of", "unsigned"]

_MOST_BYTES = 1 << 28
_SUFFIX = re.compile(r"\.ko(\.(xz|zst|gz))?$")
_SIGNED = b"~Module signature appended~\n"
_SIGNATURE_BYTES = 12
_SOFT = re.compile(r"pre:((?:\s+(?!post:)\S+)*)")


class Info(NamedTuple):
    """depends: modules that must be there before. before: modules or aliases that had better be. aliases: by
    what else it is called."""

    depends: tuple[str, ...]
    before: tuple[str, ...]
    aliases: tuple[str, ...]


def name_of(path: str) -> str:
    """Return the name of the module in a file; the kernel knows no difference between - and _.

    >>> name_of("kernel/arch/x86/crypto/crc32c-intel.ko.xz")
    'crc32c_intel'
    """
    return _SUFFIX.sub("", path.rpartition("/")[2]).replace("-", "_")


def content(path: Path) -> bytes:
    """Return a module uncompressed, with its signature.

    Raises: CorruptContent.
    """
    with open(path, "rb") as file:
        data = compression.opened(file).read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise CorruptContent(f"the module {path} has more than {_MOST_BYTES} bytes")
    return data


def unsigned(module: bytes) -> bytes:
    """Return a module without the signature that may follow it.

    A guest trusts who gives it its modules, as it does for its kernel: to verify one takes 20 million
    instructions. Source: Linux, kernel/module_signature.c, `struct module_signature`.

    >>> unsigned(b"module" + b"sig" + bytes(11) + b"\\x03" + b"~Module signature appended~\\n")
    b'module'
    """
    if not module.endswith(_SIGNED):
        return module
    end = len(module) - len(_SIGNED)
    (length,) = struct.unpack_from(">I", module, end - 4)
    return module[: end - _SIGNATURE_BYTES - length]


def info(module: bytes, name: str) -> Info:
    """Read what a module says of itself.

    Raises: CorruptContent when it is no module.
    """
    try:
        fields = [field.decode("utf-8", "replace").partition("=") for field in _section(module).split(b"\0")]
    except (struct.error, StopIteration):
        raise CorruptContent(f"the module {name} is damaged") from None
    said = [(key, value) for key, _, value in fields]
    depends = [one for key, value in said if key == "depends" for one in value.split(",") if one]
    before = [
        one
        for key, value in said
        if key == "softdep"
        for soft in _SOFT.findall(value)
        for one in soft.split()
    ]
    return Info(
        tuple(one.replace("-", "_") for one in depends),
        tuple(one.replace("-", "_") for one in before),
        tuple(value.replace("-", "_") for key, value in said if key == "alias"),
    )


def _section(module: bytes) -> bytes:
    """Return `.modinfo` of a 64-bit little-endian ELF file."""
    if module[:6] != b"\x7fELF\x02\x01":
        raise struct.error
    (at,), (size, count, names) = struct.unpack_from("<Q", module, 40), struct.unpack_from("<HHH", module, 58)
    headers = [struct.unpack_from("<IIQQQQ", module, at + i * size) for i in range(count)]
    if names >= count:
        raise struct.error
    start = headers[names][4]
    _, _, _, _, offset, length = next(
        header for header in headers if module.startswith(b".modinfo\0", start + header[0])
    )
    return module[offset : offset + length]
