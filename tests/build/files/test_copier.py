"""The layers that COPY and ADD make: modes, owners, times, links, nodes, attributes, archives."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import socket
import stat
import struct
import tarfile
from pathlib import Path
from typing import Any

import pytest

from containerlab import errors
from containerlab.build.files.selection import Source
from containerlab.store import unpack
from containerlab.store.layer_writer import zstd
from tests.build.layers_of_copy import NOW_S, context, layer, lines, make, members, names


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make(tmp_path / "context", {"d/f": "f", "d/sub/g": "g", "top": "top"})


def test_modes_are_kept_with_their_set_id_bits(tree: Path) -> None:
    (tree / "d/f").chmod(0o4750)
    (tree / "d/sub").chmod(0o2700)
    assert lines(layer(context(tree), "d", to="/n")) == [
        *("n/ 755 0:0", "n/f 4750 0:0 f", "n/sub/ 2700 0:0", "n/sub/g 644 0:0 g")
    ]


def test_chmod_is_for_all_but_links_and_the_folders_on_the_way(tree: Path) -> None:
    (tree / "d/l").symlink_to("f")
    assert lines(layer(context(tree), "d", to="/m/n", chmod="u=rwX,go=")) == [
        *("m/ 755 0:0", "m/n/ 755 0:0", "m/n/f 600 0:0 f", "m/n/l 777 0:0 -> f"),
        *("m/n/sub/ 700 0:0", "m/n/sub/g 600 0:0 g"),
    ]
    assert lines(layer(context(tree), "top", to="/n", chmod="4711")) == ["n 4711 0:0 top"]


def test_a_wrong_mode_is_refused(tree: Path) -> None:
    with pytest.raises(errors.InvalidInput, match="--chmod=rwx"):
        layer(context(tree), "top", to="/n", chmod="rwx")


def test_chown_is_also_for_new_folders_on_the_way(tree: Path, tmp_path: Path) -> None:
    image = make(tmp_path / "image", {"opt": None})
    assert lines(layer(context(tree), "top", to="/opt/n/", onto=(image,), owner=(5, 6))) == [
        *("opt/ 755 0:0", "opt/n/ 755 5:6", "opt/n/top 644 5:6 top")
    ]


@pytest.mark.root
def test_what_is_below_keeps_what_it_is(tree: Path, tmp_path: Path) -> None:
    image = make(tmp_path / "image", {"opt/d/sub": None})
    os.chown(image / "opt", 7, 8)
    (image / "opt").chmod(0o1711)
    os.setxattr(image / "opt", "user.note", b"kept")
    os.utime(image / "opt", (5, 5))
    data = layer(context(tree), "d", to="/opt/d/", onto=(image,), owner=(1, 2))
    assert lines(data) == [
        *(
            "opt/ 1711 7:8",
            "opt/d/ 755 0:0",
            "opt/d/f 644 1:2 f",
            "opt/d/sub/ 755 1:2",
            "opt/d/sub/g 644 1:2 g",
        )
    ]
    first = members(data)[0]
    assert first.mtime == 5
    assert first.pax_headers["SCHILY.xattr.user.note"] == "kept"


@pytest.mark.root
def test_new_folders_inherit_the_group_of_a_set_group_id_folder(tree: Path, tmp_path: Path) -> None:
    image = make(tmp_path / "image", {"shared": None})
    os.chown(image / "shared", 0, 9)
    (image / "shared").chmod(0o2775)
    assert lines(layer(context(tree), "top", to="/shared/a/b/", onto=(image,))) == [
        *("shared/ 2775 0:9", "shared/a/ 2755 0:9", "shared/a/b/ 2755 0:9", "shared/a/b/top 644 0:0 top")
    ]


@pytest.mark.root
def test_a_context_belongs_to_root_and_a_stage_to_whom_it_belongs(tree: Path) -> None:
    os.chown(tree / "d/sub", 11, 12)
    os.chown(tree / "d/f", 13, 14)
    assert lines(layer(context(tree), "d", to="/n"))[1:3] == ["n/f 644 0:0 f", "n/sub/ 755 0:0"]
    stage = Source((str(tree),))
    assert lines(layer(stage, "d", to="/n"))[1:3] == ["n/f 644 13:14 f", "n/sub/ 755 11:12"]


def test_times_are_kept_and_bounded(tree: Path) -> None:
    os.utime(tree / "d/f", (77, 77.9))
    os.utime(tree / "d", (3000, 3000))
    times = {member.name: member.mtime for member in members(layer(context(tree), "d", to="/m/n"))}
    assert (times["m"], times["m/n"], times["m/n/f"]) == (NOW_S, 3000, 77)
    bounded = members(layer(context(tree), "d", to="/m/n", newest_s=1000))
    assert [member.mtime for member in bounded] == [1000, 1000, 77, 1000, 1000]


def test_hard_links_are_kept_within_one_source(tree: Path) -> None:
    os.link(tree / "d/f", tree / "d/sub/again")
    os.link(tree / "d/f", tree / "other")
    assert lines(layer(context(tree), "d", "other", to="/n/")) == [
        *("n/ 755 0:0", "n/f 644 0:0 f", "n/sub/ 755 0:0", "n/sub/again 644 0:0 = n/f", "n/sub/g 644 0:0 g"),
        "n/other 644 0:0 f",
    ]


@pytest.mark.root
def test_nodes(tree: Path) -> None:
    os.mkfifo(tree / "d/fifo", 0o640)
    os.mknod(tree / "d/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(tree / "d/looks-deleted", stat.S_IFCHR, 0)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "d/socket"))
    found = {member.name: member for member in members(layer(context(tree), "d", to="/n"))}
    assert found.keys() == {"n", "n/f", "n/fifo", "n/null", "n/sub", "n/sub/g"}
    assert found["n/fifo"].isfifo()
    assert (found["n/null"].devmajor, found["n/null"].devminor) == (1, 3)


@pytest.mark.root
def test_of_a_context_only_capabilities_are_kept_of_the_attributes(tree: Path) -> None:
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(tree / "d/f", "security.capability", capability)
    os.setxattr(tree / "d/f", "user.origin", b"https://example.com/?token=1")
    os.setxattr(tree / "d/sub", "user.origin", b"folder")
    of_context = {member.name: member.pax_headers for member in members(layer(context(tree), "d", to="/n"))}
    assert of_context["n/f"].keys() == {"SCHILY.xattr.security.capability"}
    assert of_context["n/sub"] == {}
    of_stage = {m.name: m.pax_headers for m in members(layer(Source((str(tree),)), "d", to="/n"))}
    assert of_stage["n/f"].keys() == {"SCHILY.xattr.security.capability", "SCHILY.xattr.user.origin"}
    assert of_stage["n/sub"] == {"SCHILY.xattr.user.origin": "folder"}


def test_heredocs(tree: Path) -> None:
    documents = context(tree, inline=(("A", b"one\n"), ("B", b"")))
    assert lines(layer(documents, to="/n/", owner=(3, 4), chmod="u+x")) == [
        *("n/ 755 3:4", "n/A 744 3:4 one\n", "n/B 744 3:4 ")
    ]
    single = layer(Source(inline=(("A", b"one"),)), to="/etc/conf")
    assert lines(single) == ["etc/ 755 0:0", "etc/conf 644 0:0 one"]
    assert members(single)[1].mtime == NOW_S


def test_heredocs_that_are_named(tree: Path) -> None:
    documents = Source(inline=(("A", b"a"), ("B", b"b")))
    assert names(layer(documents, "B", to="/n/")) == ["n", "n/B"]


def test_a_folder_alone(tmp_path: Path) -> None:
    image = make(tmp_path / "image", {"opt/there": None, "l": "-> opt", "file": ""})
    assert lines(layer(Source(), to="/l/n/m/", onto=(image,), owner=(5, 6))) == [
        *("opt/ 755 0:0", "opt/n/ 755 5:6", "opt/n/m/ 755 5:6")
    ]
    assert lines(layer(Source(), to="/l/there/", onto=(image,), owner=(5, 6))) == []
    with pytest.raises(errors.Conflict, match="/file: there is a file"):
        layer(Source(), to="/file/", onto=(image,))


def test_big_files_and_names(tmp_path: Path) -> None:
    content = os.urandom(3_000_001)
    tree = make(tmp_path / "context", {"big": content, "x" * 200: "long", "é": "not ASCII"})
    os.mkdir(os.fsencode(tree) + b"/\xff")
    data = layer(context(tree), ".", to="/n")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        file = archive.extractfile("n/big")
        assert file is not None
        assert file.read() == content
    assert {"n/" + "x" * 200, "n/é", "n/\udcff"} < set(names(data))


def test_the_same_twice_gives_the_same_bytes(tree: Path) -> None:
    assert layer(context(tree), ".", to="/n") == layer(context(tree), ".", to="/n")


def test_names_that_delete_are_refused(tree: Path) -> None:
    (tree / "d/.wh.f").touch()
    with pytest.raises(errors.InvalidInput, match=r"cannot copy /n/.wh.f"):
        layer(context(tree), "d", to="/n")


# --- archives of ADD ------------------------------------------------------------------------------


def archive(*entries: dict[str, Any]) -> bytes:
    """Make a tar archive; an entry has the fields of TarInfo, and content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for entry in entries:
            content = entry.pop("content", b"")
            info = tarfile.TarInfo(entry.pop("name"))
            for field, value in entry.items():
                setattr(info, field, value)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def added(tmp_path: Path, data: bytes, to: str = "/n/", onto: tuple[Path, ...] = (), **options: Any) -> bytes:
    tree = make(tmp_path / "archives", {"archive": data})
    return layer(context(tree), "archive", to=to, onto=onto, unpacks=True, **options)


DIRECTORY: dict[str, Any] = {"type": tarfile.DIRTYPE, "mode": 0o711, "uid": 1, "gid": 2}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_archives_are_unpacked_whatever_they_are_called(tmp_path: Path, compress: Any) -> None:
    data = archive(
        {"name": "./", **DIRECTORY},
        {"name": "d/", **DIRECTORY},
        {"name": "d/f", "content": b"f", "mode": 0o4755, "uid": 3, "gid": 4, "mtime": 99},
        {"name": "d/h", "type": tarfile.LNKTYPE, "linkname": "d/f"},
        {"name": "l", "type": tarfile.SYMTYPE, "linkname": "/anywhere", "mode": 0o777},
        {"name": "far/off/g", "content": b"g"},
    )
    layer_ = added(tmp_path, compress(data))
    assert lines(layer_) == [
        *(
            "n/ 755 0:0",
            "n/d/ 711 1:2",
            "n/d/f 4755 3:4 f",
            "n/d/h 644 0:0 = n/d/f",
            "n/l 777 0:0 -> /anywhere",
        ),
        *("n/far/ 755 0:0", "n/far/off/ 755 0:0", "n/far/off/g 644 0:0 g"),
    ]
    assert members(layer_)[2].mtime == 99


def test_what_is_no_archive_is_copied(tmp_path: Path) -> None:
    for content in (b"", b"text", gzip.compress(b"no archive"), bytes(10240), os.urandom(2000)):
        assert names(added(tmp_path, content)) == ["n", "n/archive"]


def test_without_unpacking_archives_are_files(tmp_path: Path) -> None:
    tree = make(tmp_path / "archives", {"archive": archive({"name": "f"})})
    assert names(layer(context(tree), "archive", to="/n/")) == ["n", "n/archive"]


def test_chown_is_for_the_files_of_an_archive_and_chmod_is_not(tmp_path: Path) -> None:
    data = archive({"name": "a/f", "content": b"f", "mode": 0o640})
    assert lines(added(tmp_path, data, owner=(8, 9), chmod="777")) == [
        *("n/ 755 8:9", "n/a/ 755 0:0", "n/a/f 640 8:9 f")
    ]


def test_an_archive_writes_over_what_is_there(tmp_path: Path) -> None:
    image = make(
        tmp_path / "image", {"opt/f": "old", "opt/folder/in": "old", "opt/ls": "-> sub", "opt/sub": None}
    )
    data = archive(
        {"name": "f/", **DIRECTORY},
        {"name": "folder", "content": b"file now"},
        {"name": "ls/through", "content": b"t"},
        {"name": "sub/", **DIRECTORY},
    )
    assert lines(added(tmp_path, data, "/opt", (image,))) == [
        *("opt/ 755 0:0", "opt/f/ 711 1:2", "opt/folder 644 0:0 file now"),
        *("opt/sub/ 755 0:0", "opt/sub/through 644 0:0 t", "opt/sub/ 711 1:2"),
    ]


def test_a_folder_that_was_replaced_and_made_again_is_empty(tmp_path: Path) -> None:
    image = make(tmp_path / "image", {"n/d/old": "old"})
    data = archive({"name": "d", "content": b"f"}, {"name": "d/", **DIRECTORY}, {"name": "d/new"})
    assert names(added(tmp_path, data, "/n", (image,))) == ["n", "n/d", "n/d/.wh..wh..opq", "n/d", "n/d/new"]


def test_links_of_an_archive_are_followed_within_the_destination(tmp_path: Path) -> None:
    link = {"type": tarfile.SYMTYPE}
    data = archive(
        {"name": "abs", "linkname": "/d", **link},
        {"name": "up/rel", "linkname": "../d", **link},
        {"name": "d/", **DIRECTORY},
        {"name": "abs/one"},
        {"name": "up/rel/two"},
        {"name": "d/h", "type": tarfile.LNKTYPE, "linkname": "abs/one"},
    )
    assert names(added(tmp_path, data))[3:] == ["n/up/rel", "n/d", "n/d/one", "n/d/two", "n/d/h"]
    assert "n/d/h 644 0:0 = n/d/one" in lines(added(tmp_path, data))


@pytest.mark.parametrize(
    "entries",
    [
        [{"name": "../out", "content": b"x"}],
        [{"name": "d/../../out"}],
        [{"name": "l", "type": tarfile.SYMTYPE, "linkname": "../.."}, {"name": "l/out"}],
        [{"name": "p", "type": tarfile.SYMTYPE, "linkname": "p"}, {"name": "p/f"}],
        [{"name": "a/.wh.b"}],
        [{"name": ".wh..wh..opq"}],
        [{"name": "dev", "type": tarfile.CHRTYPE}],
    ],
)
def test_hostile_archives_are_refused(tmp_path: Path, entries: list[dict[str, Any]]) -> None:
    with pytest.raises(errors.HostileArchive):
        added(tmp_path, archive(*entries))


def test_a_hard_link_to_what_is_not_in_the_archive_is_refused(tmp_path: Path) -> None:
    image = make(tmp_path / "image", {"n/secret": "x"})
    data = archive({"name": "h", "type": tarfile.LNKTYPE, "linkname": "secret"})
    with pytest.raises(errors.CorruptContent, match="hard link to secret"):
        added(tmp_path, data, "/n", (image,))


def test_an_archive_that_is_cut_off(tmp_path: Path) -> None:
    data = gzip.compress(archive({"name": "f", "content": os.urandom(100_000)}))
    with pytest.raises(errors.CorruptContent):
        added(tmp_path, data[:-50_000])


@pytest.mark.root
def test_layers_of_archives_can_be_unpacked(tmp_path: Path) -> None:
    data = archive(
        {"name": "d/", **DIRECTORY},
        {"name": "d/f", "content": b"f"},
        {"name": "d/h", "type": tarfile.LNKTYPE, "linkname": "d/f"},
    )
    stream = io.BytesIO(added(tmp_path, data))
    (tmp_path / "out").mkdir()
    fd = os.open(tmp_path / "out", os.O_RDONLY)
    try:
        unpack.unpack(stream.read, fd)
    finally:
        os.close(fd)
    assert (tmp_path / "out/n/d/h").stat().st_nlink == 2
