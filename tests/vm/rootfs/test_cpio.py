"""Archives for Linux to unpack at boot, in the eyes of another program and of a reader of our own."""

from __future__ import annotations

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.errors import Unsupported
from containerlab.vm.rootfs import cpio
from containerlab.vm.rootfs.cpio import Member

_NUMBERS = st.integers(0, 0xFFFFFFFF)
_NAMES = st.binary(min_size=1, max_size=300).map(lambda name: name.replace(b"\0", b"0"))
_MEMBERS = st.builds(
    Member,
    name=_NAMES,
    mode=_NUMBERS,
    number=_NUMBERS,
    uid=_NUMBERS,
    gid=_NUMBERS,
    link_count=_NUMBERS,
    mtime=_NUMBERS,
    size=_NUMBERS,
    device=st.tuples(_NUMBERS, _NUMBERS),
)


def read(header: bytes) -> Member:
    """Read a header as the kernel does: parse_header of init/initramfs.c."""
    assert header[:6] == b"070701"
    fields = [int(header[at : at + 8], 16) for at in range(6, 110, 8)]
    number, mode, uid, gid, links, mtime, size, _, _, major, minor, length, _ = fields
    assert header[110 + length - 1 :].strip(b"\0") == b""
    return Member(header[110 : 110 + length - 1], mode, number, uid, gid, links, mtime, size, (major, minor))


@given(_MEMBERS)
def test_what_is_written_is_read(member: Member) -> None:
    header = cpio.header(member)
    assert len(header) % 4 == 0
    assert read(header) == member


@given(st.integers(-(1 << 40), 1 << 40))
def test_times_that_do_not_fit_are_the_nearest_that_do(mtime: int) -> None:
    found = read(cpio.header(Member(b"a", stat.S_IFREG, mtime=mtime))).mtime
    assert found == max(0, min(mtime, 0xFFFFFFFF))


def test_a_file_of_four_gib_is_refused() -> None:
    cpio.header(Member(b"most", stat.S_IFREG, size=(1 << 32) - 1))
    with pytest.raises(Unsupported, match="more than 4 GiB"):
        cpio.header(Member(b"large", stat.S_IFREG, size=1 << 32))


def test_a_path_that_the_kernel_would_skip_is_refused() -> None:
    cpio.header(Member(b"n" * 4095, stat.S_IFREG))
    with pytest.raises(Unsupported, match="path is too long"):
        cpio.header(Member(b"n" * 4096, stat.S_IFREG))
