"""An image whose files are of all kinds, and how its guest is asked about them."""

from __future__ import annotations

import hashlib
import io
import shutil
import stat
import tarfile
from pathlib import Path
from typing import NamedTuple

from containerlab.oci.image import History, ImageConfig, RootFS
from containerlab.store import flatten
from containerlab.store import tar_write as tar
from containerlab.store.assemble import Layer, assemble
from containerlab.store.images import Image, Images
from containerlab.store.layer_writer import layer_writer
from tests.store.tars import archive, device, entry, link
from tests.vm.guest.machine import Machine

__all__ = ["LAYERS", "Seen", "awkward", "busybox", "expected", "image_of", "seen_in"]

_CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
"""cap_net_raw, effective: of `setcap cap_net_raw+ep`."""


def busybox() -> bytes:
    """Return entries of a static busybox, which can list files in a guest."""
    program = shutil.which("busybox")
    assert program, "the busybox-static package is missing"
    content = Path(program).resolve().read_bytes()
    return entry("bin/busybox", content=content, mode=0o755) + entry(
        "t/capable", content=content, mode=0o755, xattrs={"security.capability": _CAPABILITY}
    )


LAYERS = (
    (
        entry("t", tar.DIRECTORY, mode=0o1777, uid=3, gid=70000),
        entry("t/file", content=b"hello\n" * 5000, uid=70001, gid=5, mode=0o4751, mtime=1_000_000_000),
        entry("t/other name", tar.HARD_LINK, link=b"t/file"),
        entry("t/dir/third", tar.HARD_LINK, link=b"t/file"),
        link("t/short", "file"),
        link("t/long", "x" * 300),
        device("t/null", 1, 3),
        device("t/disk", 253, 70000, tar.BLOCK),
        entry("t/pipe", tar.FIFO, mode=0o620, uid=9),
        entry("t/empty"),
        entry("t/gone", content=b"gone"),
        entry("t/emptied/old", content=b"old"),
        entry("t/replaced", content=b"first"),
        entry("t/caf\u00e9", content=b"x" * 4096),
        *(entry(f"t/many/{n:04}", content=b"%d" % n, mtime=n) for n in range(400)),
    ),
    (
        entry("t/.wh.gone"),
        entry("t/emptied", tar.DIRECTORY, mode=0o700),
        entry("t/emptied/.wh..wh..opq"),
        entry("t/emptied/new", content=b"new"),
        entry("t/replaced", content=b"second", uid=1),
    ),
)


def image_of(images: Images, *layers: bytes, architecture: str = "amd64") -> Image:
    """Bring in an image of these layers, called test."""
    with images.blobs.lease():
        parts = []
        for each in layers:
            with layer_writer(images.blobs) as writer:
                writer.write(each)
                committed = writer.commit()
            parts.append(Layer(committed.descriptor, committed.diff_id, History(created_by="test")))
        rootfs = RootFS(diff_ids=())
        config = ImageConfig(
            created="1970-01-01T00:00:00Z", architecture=architecture, os="linux", rootfs=rootfs
        )
        images.put("test", assemble(images.blobs, parts, config))
    return images.get("test", f"linux/{architecture}")


def awkward(images: Images) -> Image:
    """Bring in an image whose files are of all kinds, busybox among them."""
    lowest, *others = LAYERS
    return image_of(images, archive(busybox(), *lowest), *(archive(*each) for each in others))


class Seen(NamedTuple):
    """What is known of a name: mode with the kind, device, what a link says or the digest of a content."""

    mode: int
    uid: int
    gid: int
    device: tuple[int, int]
    mtime: int
    content: str
    names: frozenset[str]
    """All names of the same file; of a directory none."""


_UNSAID = Seen(stat.S_IFDIR | 0o755, 0, 0, (0, 0), 0, "", frozenset())
"""A directory that the layers have only as part of other names."""


def expected(images: Images, image: Image) -> dict[str, Seen]:
    """Return what the store says of everything below /t."""
    merged = flatten.merge(images.blobs, image.layers)
    data = b"".join(flatten.flattened(images.blobs, image.layers, merged)) + tar.END
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        members = {member.name: member for member in found if member.name.split("/")[0] == "t"}
        names: dict[str, set[str]] = {}
        for name, member in members.items():
            names.setdefault(member.linkname if member.islnk() else name, set()).add(name)
        seen = {
            "/" + name: _seen(found, members[member.linkname] if member.islnk() else member, names)
            for name, member in members.items()
        }
    above = {str(Path(name).parent) for name in seen} - {"/"}
    return dict.fromkeys(above, _UNSAID) | seen


_KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


def _seen(found: tarfile.TarFile, member: tarfile.TarInfo, names: dict[str, set[str]]) -> Seen:
    content = member.linkname
    if member.isfile():
        file = found.extractfile(member)
        assert file is not None
        content = hashlib.sha256(file.read()).hexdigest()
    mode = _KINDS[member.type] | (0o777 if member.issym() else member.mode)
    together = frozenset(() if member.isdir() else ("/" + name for name in names[member.name]))
    device = (member.devmajor, member.devminor)
    return Seen(mode, member.uid, member.gid, device, int(member.mtime), content, together)


def seen_in(guest: Machine) -> dict[str, Seen]:
    """Return what a guest sees below /t."""
    numbers = _asked(guest, "-exec", "/bin/busybox", "stat", "-c", "%n|%f|%u|%g|%t|%T|%Y|%d %i", "{}", "+")
    rows = [line.split("|") for line in numbers]
    names: dict[str, set[str]] = {}
    for row in rows:
        names.setdefault(row[7], set()).add(row[0])
    contents = dict(reversed(line.split("  ", 1)) for line in _asked(guest, *_SUMS))
    links = dict(line.split("|", 1) for line in _asked(guest, *_LINKS))
    found = {}
    for name, mode, uid, gid, major, minor, mtime, inode in rows:
        kind = int(mode, 16)
        together = frozenset() if stat.S_ISDIR(kind) else frozenset(names[inode])
        device = (int(major, 16), int(minor, 16))
        content = contents.get(name, links.get(name, ""))
        found[name] = Seen(kind, int(uid), int(gid), device, int(mtime), content, together)
    return found


_SUMS = ("-type", "f", "-exec", "/bin/busybox", "sha256sum", "{}", "+")
_LINKS = (
    "-type",
    "l",
    "-exec",
    "/bin/busybox",
    "sh",
    "-c",
    'echo "$0|$(/bin/busybox readlink $0)"',
    "{}",
    ";",
)


def _asked(guest: Machine, *words: str) -> list[str]:
    ended = guest.run("/bin/busybox", "find", "/t", *words)
    assert ended.code == 0, ended
    return ended.stdout.decode(errors="surrogateescape").splitlines()
