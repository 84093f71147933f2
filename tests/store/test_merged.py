"""Reading a file as a container would see it, before there is a mount."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab.store.merged import read_file


@pytest.fixture
def layers(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return an upper directory, a middle one and a lowest."""
    found = tuple(tmp_path / name for name in ("upper", "middle", "lowest"))
    for path in found:
        (path / "etc").mkdir(parents=True)
    (tmp_path / "secret").write_text("of the host")
    upper, middle, lowest = found
    return upper, middle, lowest


def read(layers: tuple[Path, Path, Path], path: str) -> bytes | None:
    upper, *lowers = layers
    return read_file(lowers, upper, path)


def test_the_topmost_wins(layers: tuple[Path, Path, Path]) -> None:
    for layer, text in zip(layers[1:], ("middle", "lowest"), strict=True):
        (layer / "etc/passwd").write_text(text)
    assert read(layers, "etc/passwd") == read(layers, "/etc//./passwd") == b"middle"
    (layers[0] / "etc/passwd").write_text("upper")
    assert read(layers, "etc/passwd") == b"upper"
    assert read_file(layers[1:], None, "etc/passwd") == b"middle"


@pytest.mark.parametrize(
    "target", ["/real/passwd", "../real/passwd", "../../../../real/passwd", "/etc/../real/passwd"]
)
def test_links_are_followed_inside(layers: tuple[Path, Path, Path], target: str) -> None:
    upper, _, lowest = layers
    (upper / "etc/passwd").symlink_to(target)
    (lowest / "real").mkdir()
    (lowest / "real/passwd").write_text("found")
    assert read(layers, "etc/passwd") == b"found"


def test_links_do_not_lead_out(layers: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (layers[0] / "etc/passwd").symlink_to(tmp_path / "secret")
    (layers[0] / "up").symlink_to("../../..")
    assert read(layers, "etc/passwd") is None
    assert read(layers, f"up/{tmp_path}/secret") is None
    assert read(layers, f"../../..{tmp_path}/secret") is None


def test_a_loop_of_links_ends(layers: tuple[Path, Path, Path]) -> None:
    (layers[0] / "etc/passwd").symlink_to("other")
    (layers[1] / "etc/other").symlink_to("passwd")
    assert read(layers, "etc/passwd") is None


def test_nothing_blocks_or_grows(layers: tuple[Path, Path, Path]) -> None:
    os.mkfifo(layers[0] / "etc/passwd")
    assert read(layers, "etc/passwd") is None
    (layers[0] / "etc/group").write_bytes(b"x" * 3_000_000)
    assert len(read(layers, "etc/group") or b"") == 1 << 20


def test_a_file_is_no_directory(layers: tuple[Path, Path, Path]) -> None:
    (layers[0] / "etc/passwd").write_text("x")
    (layers[1] / "etc/passwd").mkdir()
    (layers[1] / "etc/passwd/in").write_text("hidden")
    assert read(layers, "etc/passwd/in") is None
    assert read(layers, "etc/passwd/..") is None
    assert read(layers, "etc") is None
    assert read(layers, "missing") is None


def test_what_fuse_overlayfs_writes_hides(layers: tuple[Path, Path, Path]) -> None:
    (layers[2] / "etc/a").write_text("below")
    (layers[2] / "etc/b").write_text("below")
    (layers[0] / "etc/.wh.a").touch()
    assert (read(layers, "etc/a"), read(layers, "etc/b")) == (None, b"below")
    (layers[0] / "etc/.wh..wh..opq").touch()
    assert read(layers, "etc/b") is None
