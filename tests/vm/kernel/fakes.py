"""Kernels of a few hundred bytes, packages and a mirror with them: for all that need not boot."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path

from containerlab.store.compression import zstd

__all__ = [
    "BANNER",
    "RELEASE",
    "arm_image",
    "bz_image",
    "deb",
    "lz4",
    "mirror",
    "module",
    "package",
    "vmlinux",
    "zboot",
]

RELEASE = "6.12.1-cloud-amd64"
BANNER = "Linux version {} (somebody@somewhere) #1 SMP\n"


def vmlinux(release: str = RELEASE, *, machine: int = 62, has_pvh: bool = True) -> bytes:
    """Return an ELF file with the note that QEMU looks for, and the banner of a kernel."""
    note = struct.pack("<III4sQ", 4, 8, 18 if has_pvh else 1, b"Xen\0", 0x1000000)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<II6Q", 4, 4, 120, 0, 0, len(note), len(note), 4)
    return head + segment + note + BANNER.format(release).encode()


def arm_image(release: str = RELEASE) -> bytes:
    return b"MZ".ljust(56, b"\0") + b"ARM\x64" + bytes(4) + BANNER.format(release).encode()


def bz_image(payload: bytes) -> bytes:
    """Return a compressed kernel with the head that tells where it lies."""
    head = bytearray(1024)
    head[0x1F1], head[0x202:0x206] = 1, b"HdrS"
    struct.pack_into("<II", head, 0x248, 16, len(payload))
    return bytes(head) + bytes(16) + payload + b"behind it"


def zboot(payload: bytes) -> bytes:
    return b"MZ\0\0zimg" + struct.pack("<II", 64, len(payload)).ljust(56, b"\0") + payload


def lz4(data: bytes) -> bytes:
    """Return a legacy frame with one block of literals alone, and the kernel's length behind it."""
    count, lengths = len(data), b""
    if count >= 15:
        lengths = b"\xff" * ((count - 15) // 255) + bytes([(count - 15) % 255])
    block = bytes([min(count, 15) << 4]) + lengths + data
    return b"\x02\x21\x4c\x18" + struct.pack("<I", len(block)) + block + struct.pack("<I", count)


def module(**said: str) -> bytes:
    """Return a module that says of itself what is given."""
    info = b"".join(f"{key}={value}".encode() + b"\0" for key, value in said.items())
    names = b"\0.modinfo\0.shstrtab\0"
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    at = 64 + len(info) + len(names)
    head = ident + struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, at, 0, 64, 0, 0, 64, 3, 2)
    sections = [(0, 0, 0), (1, 64, len(info)), (10, 64 + len(info), len(names))]
    table = b"".join(
        struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, start, size, 0, 0, 1, 0) for name, start, size in sections
    )
    return head + info + names + table


def deb(files: Mapping[str, bytes], form: str = "xz", control: str = "") -> bytes:
    """Return a package; its files are compressed in this form, or not for an empty one."""
    fields = {"control": control.encode()}
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": gzip.compress(_tar(fields)),
        f"data.tar{form and '.' + form}": _COMPRESS[form](
            _tar({f"./{name}": data for name, data in files.items()})
        ),
    }
    found = b"!<arch>\n"
    for name, data in members.items():
        found += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        found += data + b"\n" * (len(data) % 2)
    return found


_COMPRESS = {"xz": lzma.compress, "gz": gzip.compress, "zst": zstd.compress, "": bytes}


def _tar(files: Mapping[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return written.getvalue()


def package(release: str = RELEASE) -> bytes:
    """Return the package of a kernel with two modules."""
    below = f"usr/lib/modules/{release}"
    control = (
        f"Package: linux-image-{release}\nVersion: 1\nArchitecture: amd64\nMaintainer: me\nDescription: x\n"
    )
    return deb(
        {
            f"boot/vmlinuz-{release}": bz_image(gzip.compress(vmlinux(release))),
            f"{below}/kernel/fs/first.ko": module(name="first"),
            f"{below}/kernel/fs/second.ko.xz": lzma.compress(module(name="second", depends="first")),
            f"{below}/modules.builtin": b"kernel/fs/inside.ko\n",
            "usr/share/doc/readme": b"not for guests",
        },
        control=control,
    )


def mirror(folder: Path, release: str = RELEASE, suite: str = "trixie", form: str = "gz") -> Path:
    """Make an unsigned mirror that has one kernel; return the path of its package."""
    built = package(release)
    place = folder / f"pool/main/l/linux/linux-image-{release}_1_amd64.deb"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(built)
    index = (
        "Package: linux-image-cloud-amd64\nVersion: 1\nArchitecture: amd64\n"
        f"Depends: linux-image-{release} (= 1)\nFilename: pool/none.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
        f"Package: linux-image-{release}\nVersion: 1\nArchitecture: amd64\n"
        f"Depends: kmod, linux-base (>= 4)\nFilename: {place.relative_to(folder)}\n"
        f"Size: {len(built)}\nSHA256: {hashlib.sha256(built).hexdigest()}\n\n"
    )
    packages = _COMPRESS[form](index.encode())
    name = f"main/binary-amd64/Packages.{form}"
    below = folder / "dists" / suite
    (below / name).parent.mkdir(parents=True, exist_ok=True)
    (below / name).write_bytes(packages)
    listed = f"SHA256:\n {hashlib.sha256(packages).hexdigest()} {len(packages)} {name}\n"
    (below / "InRelease").write_text(f"Origin: Debian\nSuite: stable\n{listed}")
    return place
