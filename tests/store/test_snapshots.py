"""Snapshots: each kind really mounted, the trial that chooses, removal of what belongs to others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab.errors import InvalidInput, NotPermitted, Unsupported
from containerlab.linux import idmap as idmaps
from containerlab.linux.idmap import HOST
from containerlab.store import snapshots
from containerlab.store.home import Home
from tests.store.test_layers import OVERLAYS, perform
from tests.users import User


def test_the_trial_finds_overlay_and_is_remembered(anyone: User) -> None:
    perform(
        anyone,
        r"""
first = snapshots.trial(home, idmap)
assert first.kind == "overlay", first
assert not os.listdir(home.temporary)
snapshots._refusal = None  # a second trial would fail
assert snapshots.trial(home, idmap) == first
""",
    )


def test_a_trial_of_another_boot_is_made_again(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    (home.cache / "snapshots-none").write_text("another boot\ncopy\n")
    assert snapshots.trial(home, idmaps.choose()).kind in snapshots.KINDS
    assert (
        "another boot" not in next(home.cache.glob("snapshots-*")).read_text().partition("\n")[0]
        or os.geteuid()
    )


@pytest.mark.system("fuse-overlayfs")
@pytest.mark.root
def test_fuse_overlayfs_shows_the_same(anyone: User) -> None:
    if anyone.kind != "root" and not os.stat("/dev/fuse").st_mode & 0o006:
        pytest.skip("/dev/fuse is closed to ordinary users here")
    perform(anyone, _of_kind("fuse-overlayfs"))


def test_a_copy_shows_the_same(anyone: User) -> None:
    perform(anyone, _of_kind("copy"))


def test_a_copy_that_fails_leaves_no_half_of_a_file_system(home: Home) -> None:
    layer, container = home.layers / ("a" * 64), home.containers / "c"
    layer.mkdir()
    container.mkdir()
    (layer / "x").write_text("content")
    with pytest.raises(NotPermitted):
        snapshots.prepare(home, container, [home.layers / "missing", layer], idmap=HOST, kind="copy")
    assert not list((container / "root").iterdir())
    snapshots.prepare(home, container, [layer], idmap=HOST, kind="copy")
    assert [file.name for file in (container / "root").iterdir()] == ["x"]


def _of_kind(kind: str) -> str:
    """Return a script that compares one kind with the overlay."""
    return (
        OVERLAYS
        + f"kind = {kind!r}"
        + r"""
other = snapshots.prepare(home, container("c2"), lowers, idmap=idmap, kind=kind)
assert other.kind == kind
LINKS = "find . -mindepth 1 ! -type d -printf '%P %s %T@ %n\\n' | sort; " + LIST.replace("%s", "")
assert run(other, LINKS) == run(snapshot, LINKS)
run(other, "echo more >>d/changed; rm lib; mkdir new")
told = changes.changes(other.upper, other.root, lowers, idmap=idmap)
told = [tuple(change) for change in told]
assert told == [("C", "/d"), ("C", "/d/changed"), ("D", "/lib"), ("A", "/new")], told
committed = layers.commit(other.upper) if other.upper else layers.commit_copy(other.root, lowers)
again = layers.ensure(image(lowest, middle, top, committed))
third = snapshots.prepare(home, container("c3"), again, idmap=idmap)
assert run(third, LIST) == run(other, LIST)
for name in ("c1", "c2", "c3"):
    snapshots.remove(home.containers / name, idmap)
assert not list(home.containers.iterdir())
"""
    )


def test_most_layers_and_a_home_with_a_long_and_odd_name(anyone: User) -> None:
    perform(
        anyone,
        r"""
home = Home.open(Path.home() / ("long name, with: all\\ that " * 3))
lowers = []
most = snapshots.MOST_LAYERS
for i in range(most):
    path = home.layers / f"{i:064x}"
    path.mkdir()
    (path / f"{i}").write_text("x")
    lowers.append(path)
for count in (most, 3):
    snapshot = snapshots.prepare(home, container(f"c{count:063}"), lowers[:count], idmap=idmap)
    assert run(snapshot, "touch new; ls | wc -l").strip() == str(count + 1)
    readonly = snapshots.prepare(home, container(f"r{count:063}"), lowers[:count], idmap=idmap, readonly=True)
    assert readonly.upper is None
    assert run(readonly, "! touch new 2>/dev/null; ls | wc -l").strip() == str(count)
snapshots.remove(home.root, idmap)
assert not home.root.exists()
""",
    )


def test_one_layer_read_only(anyone: User) -> None:
    perform(
        anyone,
        r"""
lowers = layers.ensure(image(layer(member("x", b"content"))))
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap, readonly=True)
assert run(snapshot, "cat x; ! touch y 2>/dev/null; ls -A") == "contentx\n"
""",
    )


def test_the_root_directory_looks_as_in_the_topmost_layer(anyone: User) -> None:
    perform(
        anyone,
        r"""
lowers = layers.ensure(image(layer(member("x", b"")), layer(member("./", mode=0o1711))))
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap)
assert run(snapshot, "stat -c %a .") == "1711\n"
""",
    )


def test_prepare_again_keeps_what_was_written(anyone: User) -> None:
    perform(
        anyone,
        r"""
lowers = layers.ensure(image(layer(member("x", b""))))
for words in ("echo kept >y", "cat y"):
    assert run(snapshots.prepare(home, container("c"), lowers, idmap=idmap), words) in ("", "kept\n")
""",
    )


def test_too_many_layers_are_refused_with_a_reason(home: Home) -> None:
    lowers = [home.layers / f"{i:064x}" for i in range(300)]
    for lower in lowers:
        lower.mkdir()
    (home.containers / "c").mkdir()
    with pytest.raises(Unsupported, match="300 layers"):
        snapshots.prepare(home, home.containers / "c", lowers, idmap=HOST, kind="overlay")


def test_no_layer_is_refused(home: Home) -> None:
    with pytest.raises(InvalidInput, match="at least one layer"):
        snapshots.prepare(home, home.containers / "c", [], idmap=HOST)
