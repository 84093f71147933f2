"""Looking into a layer: what is shown, and that nothing in it costs more than it may."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from containerlab import errors
from containerlab.distribution.api.layers import Layer
from containerlab.distribution.server.content import layer_listing
from containerlab.distribution.server.content.bounded import BOUNDS, Bounds


def layer(*members: tarfile.TarInfo) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return output.getvalue()


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.type, found.linkname, found.mtime = size, kind, link, 5
    return found


def listed(raw: bytes, bounds: Bounds = BOUNDS) -> Layer:
    return layer_listing.read(io.BytesIO(raw), len(raw), bounds)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_files_are_listed_with_what_they_take_away(pack: type[bytes]) -> None:
    raw = layer(
        member("etc", kind=tarfile.DIRTYPE),
        member("etc/passwd", 100_000),
        member("sh", kind=tarfile.SYMTYPE, link="busybox"),
        member("etc/.wh.shadow"),
        member("var/.wh..wh..opq"),
    )
    found = listed(pack(raw))
    assert found.is_complete
    assert [(each.path, each.kind, each.size) for each in found.files] == [
        ("etc", "directory", 0),
        ("etc/passwd", "file", 100_000),
        ("sh", "symlink", 0),
        ("etc/shadow", "removed", 0),
        ("var", "emptied", 0),
    ]
    assert (found.files[2].link, found.files[1].mtime, found.files[1].mode) == ("busybox", 5.0, 0o644)


def test_hostile_names_are_text_and_lead_nowhere() -> None:
    raw = layer(member("../../etc/passwd"), member("/abs"), member("<script>\x1b[31m"))
    raw = raw.replace(b"/abs", b"/\xff\xfes").replace(b"011474", b"011474")
    found = [
        each.path for each in listed(layer(member("../../etc/passwd"), member("<script>\x1b[31m"))).files
    ]
    assert found == ["../../etc/passwd", "<script>\x1b[31m"]
    assert "\ufffd" in listed(layer(member("a\udcff"))).files[0].path


def test_more_entries_than_shown_are_said() -> None:
    found = listed(layer(*(member(f"f{i}") for i in range(20))), Bounds(entries=10))
    assert (len(found.files), found.is_complete) == (10, False)
    assert "first 10" in found.note


def test_bomb_is_refused() -> None:
    raw = gzip.compress(layer(member("zeros", 66 << 20)))
    with pytest.raises(errors.HostileArchive, match="200 times"):
        listed(raw)


def test_long_layer_is_cut() -> None:
    raw = layer(member("first"), member("zeros", 8 << 20), member("last"))
    found = listed(raw, Bounds(inflated_bytes=4 << 20))
    assert [each.path for each in found.files] == ["first", "zeros"]
    assert not found.is_complete
    assert not listed(raw, Bounds(time_s=0)).is_complete


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"\x1f\x8b\x08\x00cut", b"x" * 2000, layer(member("a", 99999))[:700]]
)
def test_what_is_no_layer_is_said_to_be_none(raw: bytes) -> None:
    if not raw:
        assert listed(raw).files == ()
        return
    with pytest.raises(errors.CorruptContent):
        listed(raw)
