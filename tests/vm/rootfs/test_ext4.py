"""The ext4 file systems that we write, in the eyes of those who wrote ext4."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.store import tar_write as tar
from containerlab.store.images import Images
from containerlab.vm.rootfs.ext4.write import write
from containerlab.vm.rootfs.source import Source
from tests.store.tars import archive, device, entry, link, pax
from tests.store.test_flatten import stored

pytestmark = [pytest.mark.system("e2fsprogs"), pytest.mark.slow]


def made(images: Images, path: Path, *layers: bytes, free_bytes: int = 1 << 20) -> Path:
    source = Source(images.blobs, stored(images, *layers))
    with open(path, "wb") as file:
        write(file.fileno(), source, free_bytes)
    return path


def check(path: Path) -> None:
    found = subprocess.run(["e2fsck", "-fn", path], capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout


def asked(path: Path, question: str) -> str:
    words = ["debugfs", "-R", question, path]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout


def test_files_of_all_kinds_are_sound(images: Images, tmp_path: Path) -> None:
    long, nobody = "x" * 200, 0xFFFFFFFF
    entries = ((1, nobody), (2, 100), (4, nobody), (16, nobody), (32, nobody))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 6, id_) for tag, id_ in entries)
    layer = archive(
        entry("etc", tar.DIRECTORY, uid=7, gid=70000, mode=0o1777),
        entry("etc/file", content=b"hello" * 2000, uid=70000, mode=0o4755, mtime=1 << 32),
        entry("etc/other", tar.HARD_LINK, link=b"etc/file"),
        link("etc/short", "file"),
        link("etc/long", long),
        device("null", 1, 3),
        device("large", 300, 70000),
        entry("pipe", tar.FIFO),
        entry("missing/parent/file", content=b""),
        entry("cap", content=b"x", xattrs={"security.capability": b"\1\0\0\2\0\4" + bytes(14)}),
        entry("acl", content=b"x", xattrs={"system.posix_acl_access": acl}),
        entry("many", content=b"x", xattrs={f"user.{n}": b"value" * n for n in range(20)}),
    )
    path = made(images, tmp_path / "disk", layer)
    check(path)
    assert "Inode: " in asked(path, "stat /etc/file")
    assert asked(path, "cat /etc/other") == "hello" * 2000
    stat = asked(path, "stat /etc/file")
    assert "User: 70000" in stat
    assert "Mode:  04755" in stat
    assert "Links: 2" in stat
    assert "2106" in stat
    assert 'Fast link dest: "file"' in asked(path, "stat /etc/short")
    assert asked(path, "cat /etc/long") == long
    assert "(New-style) Device major/minor number: 300:70000" in asked(path, "stat /large")
    assert "Device major/minor number: 01:03" in asked(path, "stat /null")
    assert "security.capability (20)" in asked(path, "stat /cap")
    assert "directory    Mode:  0755" in asked(path, "stat /missing/parent")
    assert asked(path, "ea_get /many user.19").strip() == 'user.19 (95) = "' + "value" * 19 + '"'


def test_the_same_layers_give_the_same_bytes(images: Images, tmp_path: Path) -> None:
    layer = archive(entry("a", content=b"a" * 5000), entry("b", content=b"b"))
    one, two = made(images, tmp_path / "one", layer), made(images, tmp_path / "two", layer)
    assert one.read_bytes() == two.read_bytes()


def test_a_change_in_the_upper_layer_moves_nothing_of_the_lower(images: Images, tmp_path: Path) -> None:
    base = archive(*(entry(f"lib/{n}", content=b"%d" % n * 3000) for n in range(200)))
    disks = [
        made(images, tmp_path / f"{n}", base, archive(entry("app", content=text), entry("z", content=b"z")))
        for n, text in enumerate((b"one", b"two and more"))
    ]
    one, two = (disk.read_bytes() for disk in disks)
    changed = [at for at in range(0, len(one), 4096) if one[at : at + 4096] != two[at : at + 4096]]
    assert len(one) == len(two)
    assert len(changed) <= 2, "the content and the inode"


def test_large_directories_and_sparse_files(images: Images, tmp_path: Path) -> None:
    names = [f"dir/{'n' * (n % 200)}{n}" for n in range(5000)]
    path = made(images, tmp_path / "disk", archive(*(entry(name) for name in names)), free_bytes=0)
    check(path)
    assert asked(path, "ls -p /dir").count("/100644/") == 5000


def test_the_guest_gets_the_room_that_it_is_promised(images: Images, tmp_path: Path) -> None:
    path = made(images, tmp_path / "disk", archive(entry("a")), free_bytes=1 << 30)
    check(path)
    free = next(line for line in asked(path, "stats").splitlines() if line.startswith("Free blocks"))
    assert int(free.split()[-1]) * 4096 >= 1 << 30
    assert path.stat().st_blocks * 512 < 1 << 20


def test_sparse_files_stay_sparse(images: Images, tmp_path: Path) -> None:
    size, pieces = 300 << 20, [(n * (1 << 20), 10) for n in range(200)]
    text = ",".join(f"{at},{length}" for at, length in pieces) + f",{size},0"
    records = {"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "sparse"}
    records |= {"GNU.sparse.map": text, "GNU.sparse.size": str(size)}
    layer = archive(pax(records) + entry("stored", content=b"0123456789" * 200))
    path = made(images, tmp_path / "disk", layer)
    check(path)
    whole = asked(path, "cat /sparse")
    assert len(whole) == size
    assert [whole[at : at + 12] for at, _ in pieces] == ["0123456789\0\0"] * len(pieces)
    assert path.stat().st_blocks * 512 < 4 << 20


def test_any_tree_is_sound(images: Images, tmp_path: Path) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.one_of(_FILES, _LINKS, _DEVICES), max_size=12))
    def any_tree(entries: list[bytes]) -> None:
        path = tmp_path / "disk"
        check(made(images, path, archive(*entries), free_bytes=0))

    any_tree()


_NAMES = st.text("abé", min_size=1, max_size=3).map(lambda name: f"d/{name}")
_IDS = st.integers(0, 0xFFFFFFFE)
_XATTRS = st.dictionaries(
    st.text("ab", min_size=1, max_size=40).map("user.{}".format), st.binary(max_size=300), max_size=4
)
_FILES = st.builds(
    lambda name, content, uid, mtime, xattrs: entry(
        name, content=content, uid=uid, mtime=mtime, xattrs=xattrs
    ),
    _NAMES,
    st.integers(0, 20000).map(bytes),
    _IDS,
    st.integers(0, (1 << 34) - 1),
    _XATTRS,
)
_LINKS = st.builds(link, _NAMES, st.text("ab/", min_size=1, max_size=200))
_DEVICES = st.builds(device, _NAMES, st.integers(1, 0xFFF), st.integers(0, 0xFFFFF))
