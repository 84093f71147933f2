"""Unpacking archives from anyone: what is refused, what is made, and that nothing outside changes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containerlab.errors import CorruptContent, HostileArchive
from containerlab.linux.files import remove_tree
from containerlab.store import tar_write as tar
from containerlab.store import unpack as unpacking
from containerlab.store.unpack import Limits, Report
from tests.store import tars
from tests.store.tars import archive, entry, link, pax


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a directory to unpack to, with canaries around it where `..` and `/outside` would lead."""
    for name in ("outside", "written"):
        (tmp_path / name).write_bytes(b"canary")
    (tmp_path / "outside-directory").mkdir()
    path = tmp_path / "root"
    path.mkdir()
    return path


def unpack(root: Path, data: bytes, limits: Limits = unpacking.GENEROUS, whiteouts: bool = True) -> Report:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return unpacking.unpack(tars.read_from(data), fd, limits, whiteouts=whiteouts)
    finally:
        os.close(fd)


def fingerprint(directory: Path, without: Path) -> str:
    """Hash names, metadata and content of all that is below a directory, but for one tree."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if Path(folder, name) != without)
        for name in sorted([*folders, *files]):
            path = Path(folder, name)
            found = path.lstat()
            digest.update(
                f"{path} {found.st_mode} {found.st_nlink} {found.st_mtime_ns} {found.st_size}".encode()
            )
            if stat.S_ISREG(found.st_mode):
                digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.mark.parametrize("name", tars.HOSTILE)
def test_a_hostile_archive_is_refused_and_touches_nothing_outside(root: Path, name: str) -> None:
    before = fingerprint(root.parent, root)
    host = os.stat("/etc/passwd")
    with pytest.raises(CorruptContent):
        unpack(root, tars.HOSTILE[name])
    assert fingerprint(root.parent, root) == before
    after = os.stat("/etc/passwd")
    assert (after.st_mtime_ns, after.st_nlink, after.st_ino) == (host.st_mtime_ns, host.st_nlink, host.st_ino)


@pytest.mark.parametrize("name", tars.ANSWERED)
def test_an_odd_archive_stays_below_its_root(root: Path, name: str) -> None:
    before = fingerprint(root.parent, root)
    unpack(root, tars.ANSWERED[name])
    assert fingerprint(root.parent, root) == before
    remove_tree(root)  # pytest cannot, when it is very deep


def test_an_escape_says_what_tried_it(root: Path) -> None:
    with pytest.raises(HostileArchive, match=r"leads out: '\.\./outside'"):
        unpack(root, tars.HOSTILE["dotdot"])


def test_links_lead_where_they_would_in_a_container(root: Path) -> None:
    data = archive(
        entry("usr/lib/", tar.DIRECTORY), link("lib", "/usr/lib"), entry("lib/libc.so", content=b"library")
    )
    unpack(root, data)
    assert (root / "usr/lib/libc.so").read_bytes() == b"library"
    assert os.readlink(root / "lib") == "/usr/lib"


def test_the_last_of_equal_names_wins(root: Path) -> None:
    kinds = {
        "file": entry("x", content=b"file"),
        "directory": entry("x/", tar.DIRECTORY) + entry("x/in", content=b"in"),
        "link": link("x", "elsewhere"),
        "fifo": entry("x", tar.FIFO),
        "hard": entry("other", content=b"other") + link("x", "other", tar.HARD_LINK),
    }
    tests = {
        "file": lambda: (root / "x").read_bytes() == b"file",
        "directory": lambda: (root / "x/in").read_bytes() == b"in",
        "link": lambda: os.readlink(root / "x") == "elsewhere",
        "fifo": lambda: stat.S_ISFIFO((root / "x").lstat().st_mode),
        "hard": lambda: (root / "x").samefile(root / "other"),
    }
    for first in kinds:
        for second in kinds:
            unpack(root, archive(kinds[first], kinds[second]))
            assert tests[second](), f"{first}, then {second}"


def test_a_directory_that_comes_again_keeps_its_content(root: Path) -> None:
    first = entry("d/", tar.DIRECTORY, mode=0o755) + entry("d/in", content=b"x")
    unpack(root, archive(first, entry("d/", tar.DIRECTORY, mode=0o2750)))
    assert (root / "d/in").exists()
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o2750


@pytest.mark.root
def test_modes_and_times_are_kept_whatever_the_order(root: Path) -> None:
    data = archive(
        entry("d/", tar.DIRECTORY, mode=0o555, mtime=1000),
        entry("d/suid", content=b"x", mode=0o4755, mtime=2000),
        entry("d/sub/", tar.DIRECTORY, mode=0o1777, mtime=3000),
        entry("d/sub/x", content=b"x", mode=0o640, mtime=-5),
        entry("./", tar.DIRECTORY, mode=0o711, mtime=4000),
    )
    unpack(root, data)
    found = {path: (root / path).stat() for path in (".", "d", "d/suid", "d/sub", "d/sub/x")}
    assert {path: (stat.S_IMODE(s.st_mode), int(s.st_mtime)) for path, s in found.items()} == {
        ".": (0o711, 4000), "d": (0o555, 1000), "d/suid": (0o4755, 2000), "d/sub": (0o1777, 3000),
        "d/sub/x": (0o640, -5),
    }  # fmt: skip


@pytest.mark.root
def test_owners_capabilities_and_devices_are_kept_as_root(root: Path) -> None:
    capability = bytes.fromhex("0100000200240000000000000000000000000000")
    data = archive(
        pax({"uid": "3000000000", "SCHILY.xattr.security.capability": capability}), entry("ping", gid=7),
        entry("null", tar.CHARACTER, device=(1, 3), mode=0o666, uid=1),
        entry("owned", tar.SYMLINK, link=b"x", uid=5, gid=6),
    )  # fmt: skip
    assert unpack(root, data).notices == ()
    ping, null, owned = ((root / name).lstat() for name in ("ping", "null", "owned"))
    assert (ping.st_uid, ping.st_gid) == (3_000_000_000, 7)
    assert os.getxattr(root / "ping", "security.capability") == capability
    assert stat.S_ISCHR(null.st_mode)
    assert (null.st_rdev, null.st_uid, stat.S_IMODE(null.st_mode)) == (os.makedev(1, 3), 1, 0o666)
    assert (owned.st_uid, owned.st_gid) == (5, 6)


@pytest.mark.root
def test_a_file_below_a_setgid_directory_has_the_archive_s_group(root: Path) -> None:
    unpack(root, archive(entry("d/", tar.DIRECTORY, mode=0o2755, gid=50), entry("d/x", content=b"x")))
    assert (root / "d/x").stat().st_gid == 0


def test_attributes_are_kept_but_not_those_that_steer_an_overlay(root: Path) -> None:
    records = {"SCHILY.xattr.user.note": b"\0binary\n", "LIBARCHIVE.xattr.user.%66ull": b"Zm9v"}
    unpack(root, archive(pax(records), entry("x"), tars.ANSWERED["overlay attributes"]))
    assert {name: os.getxattr(root / "x", name) for name in os.listxattr(root / "x")} == {
        "user.note": b"\0binary\n", "user.full": b"foo"
    }  # fmt: skip
    assert os.listxattr(root / "d") == []


@pytest.mark.parametrize(
    "tar_format", ["--format=gnu", "--sparse-version=0.0", "--sparse-version=0.1", "--sparse-version=1.0"]
)
def test_sparse_files_of_gnu_tar(root: Path, tmp_path: Path, tar_format: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as file:
        for i in range(60):  # more pieces than fit into a header
            file.seek(i * 100_000)
            file.write(b"piece %d" % i)
        file.truncate(7_000_000)
    data = subprocess.run(
        ["tar", "-cS", *([] if "gnu" in tar_format else ["--format=posix"]), tar_format, "-C", source, "."],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert len(data) < 1_000_000
    unpack(root, data)
    assert (root / "sparse").read_bytes() == (source / "sparse").read_bytes()
    assert (root / "sparse").stat().st_blocks * 512 < 1_000_000


@pytest.mark.parametrize("limits", [Limits(entries=10), Limits(total_bytes=1000), Limits(path_length=20)])
def test_a_bomb_is_stopped(root: Path, limits: Limits) -> None:
    many = archive(*(entry(f"directory-with-a-name/{i}", content=b"x" * 100) for i in range(100)))
    with pytest.raises(HostileArchive):
        unpack(root, many, limits)
    assert sum(1 for _ in root.rglob("*")) <= 12


def test_a_sparse_file_counts_what_it_stores(root: Path) -> None:
    data = archive(
        pax({"GNU.sparse.map": "0,4", "GNU.sparse.size": str(1 << 33)}), entry("x", content=b"data")
    )
    assert unpack(root, data, Limits(total_bytes=1000)).total_bytes == 4
    assert (root / "x").stat().st_size == 1 << 33


def test_more_directories_than_may_be_open(root: Path) -> None:
    data = archive(*(entry(f"d{i % 700}/f{i}", content=b"x") for i in range(1400)))
    assert unpack(root, data).entries == 1400
    assert len(os.listdir(root)) == 700


def test_whiteouts_are_literal_where_nothing_lies_below(root: Path) -> None:
    unpack(root, archive(entry(".wh.x", content=b"kept")), whiteouts=False)
    assert (root / ".wh.x").read_bytes() == b"kept"


def test_a_global_header_counts_but_not_for_names(root: Path) -> None:
    headers = pax({"mtime": "1234.5", "path": "../outside", "comment": "x"}, "g")
    unpack(root, archive(headers, entry("x"), pax({"mtime": "99"}), entry("y")))
    assert (root / "x").stat().st_mtime == 1234.5
    assert (root / "y").stat().st_mtime == 99


def test_what_follows_the_end_is_read_but_not_unpacked(root: Path) -> None:
    data = archive(entry("x")) + archive(entry("y")) * 100
    stream = io.BytesIO(data)
    fd = os.open(root, os.O_RDONLY)
    unpacking.unpack(stream.read, fd)
    os.close(fd)
    assert stream.read() == b""
    assert os.listdir(root) == ["x"]


_LETTERS = st.characters(exclude_characters="/\0", codec="utf-8")
_PART = st.text(_LETTERS, min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.") and len(name.encode()) <= 255
)
_NAMES = st.lists(_PART, min_size=1, max_size=4).map("/".join)


@given(
    st.dictionaries(_NAMES, st.binary(max_size=2000), max_size=6),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_tarfile_writes_is_unpacked_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], tar_format: int
) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tar_format) as output:
        try:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                output.addfile(member, io.BytesIO(content))
        except ValueError:  # a name too long for ustar
            return
    root = tmp_path_factory.mktemp("root")
    parents = {parent for name in files for parent in _parents(name)}
    if parents & files.keys():
        return
    unpack(root, stream.getvalue())
    assert {name: (root / name).read_bytes() for name in files} == files


def _parents(name: str) -> Iterator[str]:
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


@given(st.binary(max_size=3000), st.integers(0, 4000))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_archives_raise_nothing_but_corrupt_content(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    good = archive(entry("d/", tar.DIRECTORY), pax({"path": "n" * 200}), entry("x", content=b"y" * 900))
    damaged = bytearray(good)
    damaged[at : at + len(noise)] = noise
    with contextlib.suppress(CorruptContent):
        unpack(tmp_path_factory.mktemp("root"), bytes(damaged), Limits(total_bytes=1 << 20))
