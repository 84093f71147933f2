"""Trees and change sets as tar streams, read back by Python's tarfile, GNU tar and our own reader."""

from __future__ import annotations

import io
import os
import socket
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.linux.files import remove_tree
from containerlab.store import pack, tar_read
from containerlab.store import tar_write as tar
from containerlab.store.tar_write import Member
from containerlab.store.unpack import unpack


def written(write: Callable[[int, Callable[[bytes], object]], None], directory: Path) -> bytes:
    stream = io.BytesIO()
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        write(fd, stream.write)
    finally:
        os.close(fd)
    return stream.getvalue()


def change_set(directory: Path, *skip: bytes) -> bytes:
    return written(lambda fd, write: pack.write_change_set(fd, write, skip), directory)


def whole(directory: Path) -> bytes:
    return written(lambda fd, write: pack.write_tree(fd, b".", write, b""), directory)


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getnames()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with one of everything."""
    root = tmp_path / "tree"
    (root / "d/sub").mkdir(parents=True)
    (root / "d/file").write_bytes(b"content" * 1000)
    (root / "d/second").hardlink_to(root / "d/file")
    (root / "empty").touch()
    (root / "link").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo", 0o640)
    (root / ("long" * 60)).write_text("long name")
    (root / "d" / "é").write_text("not ASCII")
    os.mkdir(os.fsencode(root) + b"/\xff")
    os.setxattr(root / "d/file", "user.note", b"\0\n=")
    (root / "d/sub").chmod(0o1777)
    (root / "empty").chmod(0o4711)
    for path in (root / "d/file", root / "d", root / "empty"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return root


def look(root: Path) -> dict[str, object]:
    """Return all that must survive a round trip."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content: object = None
        if stat.S_ISREG(status.st_mode):
            content = (
                path.read_bytes(),
                status.st_nlink,
                [(n, os.getxattr(path, n)) for n in os.listxattr(path)],
            )
        elif path.is_symlink():
            content = os.readlink(path)
        found[str(path.relative_to(root))] = (
            status.st_mode, status.st_uid, status.st_gid, int(status.st_mtime), content
        )  # fmt: skip
    return found


def test_our_own_reader_gives_the_same_tree(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    before = os.umask(0)
    fd = os.open(copy, os.O_RDONLY)
    unpack(io.BytesIO(whole(tree)).read, fd)
    os.close(fd)
    os.umask(before)
    assert look(copy) == look(tree)


def test_gnu_tar_gives_the_same_tree(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    command = ["tar", "-xp", "--xattrs", "--xattrs-include=*", "-C", str(copy)]
    subprocess.run(command, input=whole(tree), check=True)
    assert look(copy) == look(tree)


def test_equal_trees_give_equal_bytes(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", tree, copy], check=True)
    assert change_set(copy) == change_set(tree)
    assert names(change_set(tree)) == names(change_set(copy))


def test_parents_come_before_what_is_in_them_and_hard_links_after(tree: Path) -> None:
    order = names(change_set(tree))
    assert order.index("d") < order.index("d/file") < order.index("d/second")
    with tarfile.open(fileobj=io.BytesIO(change_set(tree))) as archive:
        assert archive.getmember("d/second").islnk()
        assert archive.getmember("d/second").linkname == "d/file"


def test_sockets_and_what_is_skipped_are_left_out(tmp_path: Path) -> None:
    root = tmp_path / "r"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").touch()
    (root / "etc/kept").touch()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        assert names(change_set(root, b"etc/hosts")) == ["etc", "etc/kept"]


@pytest.mark.root
def test_overlay_notes_become_whiteouts_and_its_attributes_stay_home(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "opaque").mkdir(parents=True)
    os.setxattr(upper / "opaque", "trusted.overlay.opaque", b"y")
    os.setxattr(upper / "opaque", "trusted.overlay.impure", b"y")
    os.mknod(upper / "gone", stat.S_IFCHR, os.makedev(0, 0))
    os.link(upper / "gone", upper / "opaque" / "gone")  # as the kernel shares them
    os.mknod(upper / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    data = change_set(upper)
    assert names(data) == [".wh.gone", "null", "opaque", "opaque/.wh..wh..opq", "opaque/.wh.gone"]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert not any(key.startswith("SCHILY") for member in archive for key in member.pax_headers)
        assert archive.getmember("null").ischr()


def test_one_file_is_written_under_another_name(tree: Path) -> None:
    data = written(lambda fd, write: pack.write_tree(fd, b"d", write, b"renamed"), tree)
    assert names(data)[0] == "renamed"
    assert "renamed/sub" in names(data)
    data = written(lambda fd, write: pack.write_tree(fd, b"link", write, b"l"), tree)
    assert names(data) == ["l"]


def test_a_link_on_the_way_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tree / "outside").symlink_to(tmp_path)
    assert not any(name.startswith("outside/") for name in names(whole(tree)))


def test_a_tree_deeper_than_descriptors_and_recursion_allow(tmp_path: Path) -> None:
    root = tmp_path / "deep"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    try:
        assert len(list(tar_read.Reader(io.BytesIO(whole(root)).read))) == 1200
    finally:
        remove_tree(root)
    assert not root.exists()


@given(
    name=st.text(min_size=1, max_size=300).map(lambda text: text.replace("\0", "")).filter(bool),
    link=st.text(max_size=300).map(lambda text: text.replace("\0", "")),
    uid=st.integers(0, (1 << 32) - 2),
    mtime=st.integers(-(1 << 33), 1 << 33),
    value=st.binary(max_size=300),
)
@settings(max_examples=200, deadline=None)
def test_any_header_is_read_back_as_it_was(name: str, link: str, uid: int, mtime: int, value: bytes) -> None:
    member = Member(
        name.encode("utf-8", "surrogatepass"), tar.SYMLINK, uid=uid, gid=uid, mtime=mtime,
        link=link.encode("utf-8", "surrogatepass"), xattrs={"user.x": value},
    )  # fmt: skip
    data = tar.header(member) + tar.END
    (found,) = tar_read.Reader(io.BytesIO(data).read)
    assert (found.name, found.link, found.uid, found.mtime_ns, found.xattrs) == (
        member.name, member.link, uid, mtime * 10**9, {"user.x": value}
    )  # fmt: skip


@given(
    st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=300).map(lambda name: name + "x"),
    st.integers(0, 1 << 40),
)
@settings(max_examples=100, deadline=None)
def test_tarfile_reads_any_header(name: str, size: int) -> None:
    data = tar.header(Member(name.encode(), tar.FILE, size=size))
    with tarfile.open(fileobj=io.BytesIO(data + tar.END)) as archive:
        member = archive.next()
    assert member is not None
    assert (member.name, member.size) == (name, size)
