"""Layers: unpacked once, verified, right under a real overlay, and back again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from containerlab.errors import CorruptContent, DigestMismatch, HostileArchive, InvalidInput, NotFound
from containerlab.linux.idmap import HOST
from containerlab.oci import image as documents
from containerlab.oci.image import Descriptor
from containerlab.store import merged, trees
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home
from containerlab.store.layer_writer import COMPRESSIONS, Committed, layer_writer
from containerlab.store.layers import Layers, PackOptions
from containerlab.store.pack_order import Order
from containerlab.store.pack_order import perform as perform_order
from containerlab.store.unpack import Limits
from tests.store import tars
from tests.store.overlaid import SOURCE
from tests.store.tars import archive, entry
from tests.users import REPOSITORY, User


class Image(NamedTuple):
    layers: tuple[Descriptor, ...]
    diff_ids: tuple[str, ...]


def stored(home: Home, data: bytes, compression: str = "gzip") -> Committed:
    with layer_writer(Blobs(home), compression) as writer:
        writer.write(data)
        return writer.commit()


def image(*layers: Committed) -> Image:
    return Image(tuple(layer.descriptor for layer in layers), tuple(layer.diff_id for layer in layers))


def is_clean(home: Home) -> bool:
    return not os.listdir(home.temporary)


def perform(user: User, script: str) -> str:
    result = user.script(SOURCE + script)
    assert result.returncode == 0, result.stderr
    return str(result.stdout)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_layers_come_topmost_first_whatever_the_compression(home: Home, compression: str) -> None:
    lower = stored(home, archive(entry("x", content=b"lower")), compression)
    upper = stored(home, archive(entry("x", content=b"upper")), compression)
    layers = Layers(home)
    paths = layers.ensure(image(lower, upper))
    assert [(path / "x").read_bytes() for path in paths] == [b"upper", b"lower"]
    assert paths == [layers.path(upper.diff_id), layers.path(lower.diff_id)]
    assert is_clean(home)


@pytest.mark.system("strace")
def test_a_layer_is_on_the_medium_before_it_has_its_name(home: Home, tmp_path: Path) -> None:
    one, trace = stored(home, archive(entry("x"))), tmp_path / "trace"
    source = f"""
from tests.store.test_layers import *
Layers(Home.open({str(home.root)!r})).ensure(Image(({one.descriptor!r},), ({one.diff_id!r},)))
"""
    words = ["strace", "-f", "-o", str(trace), "-e", "trace=syncfs,/^rename", sys.executable, "-c", source]
    subprocess.run(words, check=True, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)})
    calls = [line for line in trace.read_text().splitlines() if "syncfs" in line or "/layers/" in line]
    assert ["syncfs" in call for call in calls] == [True, False], calls


def test_a_layer_is_unpacked_once(home: Home) -> None:
    one = stored(home, archive(entry("x")))
    layers = Layers(home)
    first = layers.ensure(image(one, one, one))
    before = first[0].stat()
    assert layers.ensure(image(one)) == first == [layers.path(one.diff_id)]
    assert first[0].stat() == before


def test_many_at_once_unpack_once(home: Home) -> None:
    committed = [stored(home, archive(entry(f"{i}", content=b"x" * 10_000))) for i in range(4)]
    results: list[list[int]] = []

    def ensure() -> None:
        results.append([path.stat().st_ino for path in Layers(home).ensure(image(*committed))])

    threads = [threading.Thread(target=ensure) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all(result == results[0] for result in results)
    assert is_clean(home)


def test_a_wrong_diff_id_leaves_nothing(home: Home) -> None:
    good, other = stored(home, archive(entry("x"))), stored(home, archive(entry("y")))
    layers = Layers(home)
    with pytest.raises(DigestMismatch, match=good.diff_id):
        layers.ensure(Image((other.descriptor,), (good.diff_id,)))
    assert not layers.unpacked()
    assert is_clean(home)


def test_a_damaged_blob_leaves_nothing(home: Home) -> None:
    committed = stored(home, archive(entry("x", content=os.urandom(100_000))), "none")
    path = Blobs(home).path(committed.descriptor.digest)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    layers = Layers(home)
    with pytest.raises(DigestMismatch):
        layers.ensure(image(committed))
    assert not layers.unpacked()
    assert is_clean(home)


def test_a_missing_blob_leaves_nothing(home: Home) -> None:
    committed = stored(home, archive(entry("x")))
    Blobs(home).remove(committed.descriptor.digest)
    with pytest.raises(NotFound):
        Layers(home).ensure(image(committed))
    assert is_clean(home)


@pytest.mark.parametrize("name", ["dotdot", "cut off in the data", "hard link to the host", "device 0:0"])
def test_a_hostile_layer_leaves_nothing(home: Home, name: str) -> None:
    fine = stored(home, archive(entry("x")))
    hostile = stored(home, tars.HOSTILE[name])
    layers = Layers(home)
    with pytest.raises(CorruptContent):
        layers.ensure(image(fine, hostile))
    assert not layers.path(hostile.diff_id).exists()
    assert is_clean(home)


def test_a_bomb_is_stopped_while_it_is_unpacked(home: Home) -> None:
    bomb = stored(home, archive(*(entry(f"{i}", content=bytes(100_000)) for i in range(50))))
    layers = Layers(home, limits=Limits(total_bytes=1_000_000))
    with pytest.raises(HostileArchive, match="more than 1000000 bytes"):
        layers.ensure(image(bomb))
    assert is_clean(home)


def test_a_compression_bomb_is_stopped(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("containerlab.store.layer_processes._RATIO_FROM_BYTES", 1 << 20)
    bomb = stored(home, archive(entry("zeros", content=bytes(8 << 20))))
    with pytest.raises(HostileArchive, match="100 times"):
        Layers(home, limits=Limits(ratio=100)).ensure(image(bomb))
    assert is_clean(home)


def test_layers_that_no_image_has_are_found_and_removed(home: Home) -> None:
    keep, drop = stored(home, archive(entry("x"))), stored(home, archive(entry("y")))
    layers = Layers(home)
    layers.ensure(image(keep, drop))
    assert layers.unreferenced([keep.diff_id]) == {drop.diff_id}
    layers.remove(drop.diff_id)
    layers.remove(drop.diff_id)
    assert layers.unreferenced([]) == {keep.diff_id}
    assert is_clean(home)


def test_an_unknown_compression_is_refused(home: Home) -> None:
    with pytest.raises(InvalidInput, match="lz4"):
        stored(home, b"", "lz4")
    assert is_clean(home)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_commit_gives_the_same_bytes_each_time(home: Home, tmp_path: Path, compression: str) -> None:
    (tmp_path / "upper/d").mkdir(parents=True)
    (tmp_path / "upper/d/x").write_bytes(b"x" * 100_000)
    layers = Layers(home)
    first, second = (layers.commit(tmp_path / "upper", PackOptions(compression)) for _ in range(2))
    assert first == second
    assert documents.is_layer(first.descriptor.media_type)
    assert layers.ensure(image(first))[0].joinpath("d/x").read_bytes() == b"x" * 100_000


def test_a_change_of_nothing_is_the_empty_layer(home: Home, tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    for kind in ("none", "single"):
        committed = Layers(home, HOST._replace(kind=kind)).commit(tmp_path / "upper")
        assert committed.descriptor.digest.startswith("sha256:4f4fb700ef54")


def test_no_time_in_a_layer_is_later_than_asked(home: Home, tmp_path: Path) -> None:
    (tmp_path / "upper/d").mkdir(parents=True)
    for name, mtime in (("old", 1000), ("new", 3000)):
        (tmp_path / "upper/d" / name).touch()
        os.utime(tmp_path / "upper/d" / name, (mtime, mtime))
    layers = Layers(home)
    (unpacked,) = layers.ensure(image(layers.commit(tmp_path / "upper", PackOptions(newest_s=2000))))
    assert [(unpacked / path).stat().st_mtime for path in ("d", "d/old", "d/new")] == [2000, 1000, 2000]
    (copied,) = layers.ensure(image(layers.commit_copy(tmp_path / "upper", [], PackOptions(newest_s=500))))
    assert {path.stat().st_mtime for path in copied.rglob("*")} == {500}


@pytest.mark.parametrize("kind", ["change-set", "copy", "tree"])
def test_a_tree_is_packed_alike_here_and_by_a_process(tmp_path: Path, kind: str) -> None:
    (tmp_path / "upper/d").mkdir(parents=True)
    (tmp_path / "upper/d/x").write_bytes(b"x" * 1_000_000)
    (tmp_path / "upper/skipped").touch()
    (tmp_path / "lower").mkdir()
    lowers = (str(tmp_path / "lower"),) if kind == "copy" else ()
    order = Order(kind, str(tmp_path / "upper"), lowers, ("skipped",), 1000)
    pieces: list[bytes] = []
    perform_order(order, pieces.append)
    made = trees.perform(HOST, "containerlab.store.packer", order.words)
    assert b"".join(pieces) == made
    assert Order.parse(order.words) == order


def test_a_commit_of_what_cannot_be_read_leaves_nothing(home: Home, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="missing"):
        Layers(home).commit(tmp_path / "missing")
    assert not list(Blobs(home).digests())
    assert is_clean(home)


def test_a_killed_unpacking_leaves_only_what_sweep_removes(home: Home) -> None:
    committed = stored(
        home, archive(*(entry(f"d{i}/{j}", content=b"x") for i in range(20) for j in range(20)))
    )
    source = (
        "import sys, threading\n"
        "from tests.store import test_layers as t\n"
        "from containerlab.store import layer_processes as l\n"
        "home = t.Home.open(sys.argv[1])\n"
        "def stop(pipe, chunk):\n"
        "    l.os.write(pipe, chunk[:100_000])\n"
        "    print('unpacking', flush=True)\n"
        "    threading.Event().wait()\n"
        "l.write_all = stop\n"
        "t.Layers(home).ensure(t.image(t.stored(home, eval(sys.stdin.read()))))\n"
    )
    data = repr(archive(*(entry(f"d{i}/{j}", content=b"x") for i in range(20) for j in range(20))))
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(home.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(data)
        process.stdin.close()
        assert process.stdout.readline() == "unpacking\n"
        process.send_signal(signal.SIGKILL)
    layers = Layers(home)
    assert not layers.unpacked()
    assert not is_clean(home)
    _wait_for_unlocked(home)
    layers.sweep()
    assert is_clean(home)
    assert len(list(layers.ensure(image(committed))[0].iterdir())) == 20


def _wait_for_unlocked(home: Home) -> None:
    """Wait for the process that unpacks, which ends by itself when its standard input does."""
    for name in os.listdir(home.temporary):
        if name.startswith("layer-"):
            with contextlib.suppress(subprocess.CalledProcessError):
                subprocess.run(["flock", "--exclusive", home.temporary / name, "true"], check=True)


OVERLAYS = r"""
lowest = layer(
    member("./", mode=0o755), member("d"), member("d/kept", b"1"), member("d/gone", b"2"),
    member("d/changed", b"3"),
    member("hidden"), member("hidden/old", b"4"), member("again"), member("again/old", b"5"),
    member("file", b"6"), member("folder"), member("folder/in", b"7"), member("lib", link="usr/lib"),
    member("usr/lib"),
)
middle = layer(
    member("d/.wh.gone", b""), member("d/changed", b"changed"), member("hidden"),
    member("hidden/.wh..wh..opq", b""),
    member("hidden/new", b"8"), member(".wh.again", b""), member("again"), member("again/new", b"9"),
    member("file"), member("file/in", b"10"), member("folder", b"now a file"), member("usr/lib/x", b"11"),
)
top = layer(member("d/back", b"12"), member("d/.wh.kept", b""), member(".wh.lib", b""), member("lib", b"13"))
lowers = layers.ensure(image(lowest, middle, top))
snapshot = snapshots.prepare(home, container("c1"), lowers, idmap=idmap)
found = run(snapshot, "find . -mindepth 1 -printf '%P '")
assert set(found.split()) == {
    "d", "d/changed", "d/back", "hidden", "hidden/new", "again", "again/new", "file", "file/in", "folder",
    "lib", "usr", "usr/lib", "usr/lib/x",
}, found
assert run(snapshot, "cat d/changed folder lib") == "changed" + "now a file" + "13"
for path in ("d/changed", "hidden/new", "lib"):
    assert merged.read_file(lowers, snapshot.upper, path) == run(snapshot, f"cat {path}").encode()
for path in ("d/gone", "hidden/old", "again/old", "folder/in", "d", "file"):
    assert merged.read_file(lowers, snapshot.upper, path) is None, path
"""


def test_whiteouts_and_opaque_directories_hide_under_a_real_overlay(anyone: User) -> None:
    perform(anyone, OVERLAYS + "snapshots.remove(home.containers / 'c1', idmap)")


def test_what_a_container_changed_can_be_told_and_committed(anyone: User) -> None:
    perform(
        anyone,
        OVERLAYS
        + r"""
run(snapshot, "rm -r again; mkdir again; echo new >again/x; rm d/back; echo more >>d/changed; mkdir -p a/b;"
              "touch a/b/c; chmod 700 hidden; ln usr/lib/x usr/lib/y; mkfifo p; rm -r file; touch file;"
              "touch stub; chmod 1777 usr")
told = changes.changes(snapshot.upper, snapshot.root, lowers, idmap=idmap, stubs=("/stub", "/a"))
assert [tuple(change) for change in told] == [
    ("A", "/a"), ("A", "/a/b"), ("A", "/a/b/c"), ("C", "/again"), ("D", "/again/new"), ("A", "/again/x"),
    ("C", "/d"), ("D", "/d/back"), ("C", "/d/changed"), ("C", "/file"), ("C", "/hidden"), ("A", "/p"),
    ("C", "/usr"), ("C", "/usr/lib"), ("C", "/usr/lib/x"), ("A", "/usr/lib/y"),
], told
before = run(snapshot, "rm stub; " + LIST)
committed = layers.commit(snapshot.upper)
again = layers.ensure(image(lowest, middle, top, committed))
other = snapshots.prepare(home, container("c2"), again, idmap=idmap)
after = run(other, LIST)
assert after == before, (before, after)
assert layers.commit(layers.path(committed.diff_id)).diff_id == committed.diff_id
for name in ("c1", "c2"):
    snapshots.remove(home.containers / name, idmap)
assert not list(home.containers.iterdir())
""",
    )


def test_an_upper_directory_becomes_the_layer_that_it_was_packed_as(anyone: User) -> None:
    perform(
        anyone,
        OVERLAYS
        + r"""
run(snapshot, "rm -r again; mkdir again; echo new >again/x; rm d/back; echo more >>d/changed; mkdir -p a/b;"
              "chmod 700 hidden; ln usr/lib/x usr/lib/y; rm -r file; touch file; chmod 1777 usr")
before = run(snapshot, LIST)
committed = layers.commit(snapshot.upper)
assert layers.adopt(snapshot.upper, committed) == layers.path(committed.diff_id)
assert not snapshot.upper.exists()
again = layers.ensure(image(lowest, middle, top, committed))
other = snapshots.prepare(home, container("c2"), again, idmap=idmap)
assert run(other, LIST) == before
assert layers.commit(again[0]).diff_id == committed.diff_id
third = snapshots.prepare(home, container("c3"), again[1:], idmap=idmap)
run(third, "touch stays")
layers.adopt(third.upper, committed)
assert (third.upper / "stays").exists()
layers.remove(committed.diff_id)
for name in ("c1", "c2", "c3"):
    snapshots.remove(home.containers / name, idmap)
""",
    )


def test_owners_are_kept_with_subordinate_ids_and_can_be_removed(subids_user: User) -> None:
    perform(
        subids_user,
        r"""
notices = []
committed = layer(member("./", mode=0o555, uid=7), member("d", mode=0o700, uid=1000, gid=1000),
                  member("d/x", b"x", mode=0o600, uid=1000, gid=50), member("s", b"s", mode=0o4755, uid=33))
lowers = layers.ensure(image(committed), notices.append)
assert notices == []
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap)
found = run(snapshot, LIST + "; chown 5:6 d/x; echo more >>d/x; mkdir -m 0 own; chown 12:13 own")
assert found.splitlines() == ["d d 700 1000 1000 4096 ", "d/x f 600 1000 50 1 ", "s f 4755 33 0 1 "], found
assert os.stat(lowers[0] / "s").st_uid == idmap.outside_uid(33)
committed = layers.commit(snapshot.upper)
again = layers.ensure(image(committed))
assert os.stat(again[0] / "own").st_uid == idmap.outside_uid(12)
snapshots.remove(home.containers / "c", idmap)
for diff_id in layers.unreferenced([]):
    layers.remove(diff_id)
for folder in (home.layers, home.containers, home.temporary):
    assert not list(folder.iterdir())
""",
    )


def test_a_user_of_one_id_is_told_what_was_not_kept(single_id_user: User) -> None:
    out = perform(
        single_id_user,
        r"""
device = member("null", b"", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)
files = member("x", b"x", uid=7), member("y", b"y", gid=8), member("l", link="x", uid=9)
layers.ensure(image(layer(*files, device)), print)
""",
    )
    assert sorted(out.splitlines()) == [
        "1 device nodes left out: not possible for this user",
        "1 owners of links, pipes and devices not kept: not possible for this user",
    ]


def test_a_user_of_one_id_keeps_owners_in_notes(single_id_user: User) -> None:
    perform(
        single_id_user,
        r"""
lowest = layer(member("d", uid=7), member("d/x", b"x", uid=7, gid=8), member("d/mine", b"x"))
middle = layer(member("d"), member("d/y", b"y", gid=2**32 - 2))
lowers = layers.ensure(image(lowest, middle))
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap)
run(snapshot, "echo more >>d/x; echo more >>d/mine; chmod 600 d/y; echo new >d/new")

def owners(committed):
    members = {}
    with blobs.open(committed.descriptor) as blob, tarfile.open(fileobj=blob, mode="r|gz") as archive:
        return {each.name: (each.uid, each.gid) for each in archive}

committed = layers.commit(snapshot.upper)
assert owners(committed) == {
    "d": (0, 0), "d/x": (7, 8), "d/y": (0, 2**32 - 2), "d/mine": (0, 0), "d/new": (0, 0),
}, owners(committed)
# As another user than root, who has the only id then.
noted = Noted("", (1000, 50), tuple(map(str, lowers)))
as_user = owners(layers.commit(snapshot.upper, PackOptions(noted=noted)))
assert as_user == {**owners(committed), "d/new": (1000, 50)}, as_user
# What was created is noted from then on, so that the next layer keeps it.
layers.adopt(snapshot.upper, committed)
other = snapshots.prepare(home, container("c2"), [layers.path(committed.diff_id), *lowers], idmap=idmap)
run(other, "chmod 600 d/new")
assert owners(layers.commit(other.upper))["d/new"] == (1000, 50)
for name in ("c", "c2"):
    snapshots.remove(home.containers / name, idmap)
""",
    )


def test_a_copy_has_the_notes_of_owners_too(single_id_user: User) -> None:
    perform(
        single_id_user,
        r"""
lowers = layers.ensure(image(layer(member("d", uid=7), member("d/x", b"x", uid=7, gid=8),
                                  member("d/y", b"y"), member("d/z", b"z", uid=9))))
snapshot = snapshots.prepare(home, container("c"), lowers, idmap=idmap, kind="copy")
run(snapshot, "echo more >>d/x")
os.setxattr(snapshot.root / "d/y", "user.containers.override_stat", b"3:4:0644")
committed = layers.commit_copy(snapshot.root, lowers)
with blobs.open(committed.descriptor) as blob, tarfile.open(fileobj=blob, mode="r|gz") as archive:
    found = {each.name: (each.uid, each.gid) for each in archive}
assert found == {"d": (7, 0), "d/x": (7, 8), "d/y": (3, 4)}, found
snapshots.remove(home.containers / "c", idmap)
""",
    )


def test_attribute_whiteouts_hide_too(tmp_path: Path) -> None:
    """What a user namespace has where mknod is refused; this kernel allows it, so it is written by hand."""
    upper, lower = tmp_path / "upper", tmp_path / "lower"
    for folder in (upper, lower):
        (folder / "d").mkdir(parents=True)
        (folder / "d/x").touch()
    (lower / "d/x").write_text("below")
    os.setxattr(upper / "d", "user.overlay.opaque", b"x")
    os.setxattr(upper / "d/x", "user.overlay.whiteout", b"")
    assert merged.read_file([upper, lower], None, "d/x") is None
