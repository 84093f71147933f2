"""Layers as one tar stream: what is seen of them, and what they hide."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.errors import HostileArchive
from containerlab.oci.image import Descriptor
from containerlab.store import tar_write as tar
from containerlab.store.copy import copy_over
from containerlab.store.flatten import flattened, merge
from containerlab.store.home import Home
from containerlab.store.images import Images
from containerlab.store.layer_writer import layer_writer
from containerlab.store.unpack import unpack
from tests.store.tars import archive, entry, link, read_from


def stored(images: Images, *layers: bytes) -> list[Descriptor]:
    found = []
    for each in layers:
        with layer_writer(images.blobs) as writer:
            writer.write(each)
            found.append(writer.commit().descriptor)
    return found


def together(images: Images, *layers: bytes, whiteouts: bool = False) -> tarfile.TarFile:
    blobs = stored(images, *layers)
    merged = merge(images.blobs, blobs)
    data = b"".join(flattened(images.blobs, blobs, merged, whiteouts=whiteouts)) + tar.END
    return tarfile.open(fileobj=io.BytesIO(data))


def names(found: tarfile.TarFile) -> list[str]:
    return sorted(found.getnames())


def content(found: tarfile.TarFile, name: str) -> bytes:
    file = found.extractfile(name)
    assert file is not None
    return file.read()


def test_the_upper_file_wins(images: Images) -> None:
    found = together(images, archive(entry("a", content=b"old")), archive(entry("a", content=b"new", uid=7)))
    assert content(found, "a") == b"new"
    assert found.getmember("a").uid == 7


def test_of_two_files_in_one_layer_the_last_wins(images: Images) -> None:
    found = together(images, archive(entry("a", content=b"old"), entry("./a", content=b"new")))
    assert names(found) == ["a"]
    assert content(found, "a") == b"new"


@pytest.mark.parametrize(
    "upper",
    [
        archive(entry(".wh.d")),
        archive(entry("d", content=b"now a file")),
        archive(entry("d/", tar.DIRECTORY), entry("d/.wh..wh..opq")),
        archive(entry("d/", tar.DIRECTORY), entry(".wh.d")),
    ],
    ids=["whiteout", "replaced", "opaque", "removed and made again"],
)
def test_what_an_upper_layer_takes_away_is_gone(images: Images, upper: bytes) -> None:
    lower = archive(entry("d/", tar.DIRECTORY), entry("d/secret", content=b"x"), entry("kept", content=b"y"))
    found = together(images, lower, upper)
    assert "d/secret" not in names(found)
    assert "kept" in names(found)
    assert not [name for name in names(found) if ".wh." in name]


def test_a_whiteout_spares_its_own_layer(images: Images) -> None:
    upper = archive(entry("d/new", content=b"x"), entry(".wh.d"))
    assert names(together(images, archive(entry("d/old", content=b"y")), upper)) == ["d/new"]


def test_a_directory_over_a_file_hides_what_is_below_the_file(images: Images) -> None:
    lowest, middle = archive(entry("p/", tar.DIRECTORY), entry("p/x")), archive(entry("p", content=b"file"))
    found = together(images, lowest, middle, archive(entry("p/", tar.DIRECTORY), entry("p/y")))
    assert names(found) == ["p", "p/y"]


def test_a_name_of_a_file_lives_on_without_its_first(images: Images) -> None:
    lower = archive(
        entry("a", content=b"shared", mode=0o4755),
        link("b", "a", tar.HARD_LINK),
        link("c", "b", tar.HARD_LINK),
    )
    found = together(images, lower, archive(entry(".wh.a")))
    assert content(found, "b") == content(found, "c") == b"shared"
    assert found.getmember("b").mode == 0o4755
    assert found.getmember("c").islnk()


def test_a_name_that_leads_through_a_link_of_its_layer(images: Images) -> None:
    lower = archive(
        entry("usr/lib/", tar.DIRECTORY), link("lib", "usr/lib"), entry("lib/x", content=b"secret")
    )
    assert "usr/lib/x" in names(together(images, lower))
    assert "usr/lib/x" not in names(together(images, lower, archive(entry("usr/lib/.wh.x"))))


def test_a_hard_link_to_nothing_is_refused(images: Images) -> None:
    with pytest.raises(HostileArchive):
        together(images, archive(link("a", "b", tar.HARD_LINK)))


def test_attributes_owners_and_devices_stay(images: Images) -> None:
    lower = archive(
        entry("f", content=b"x", uid=4_000_000, gid=5, mtime=7, xattrs={"user.k": b"v"}),
        entry("null", tar.CHARACTER, device=(1, 3), mode=0o666),
    )
    found = together(images, lower, archive(entry("other")))
    assert (found.getmember("f").uid, found.getmember("f").mtime) == (4_000_000, 7)
    assert found.getmember("f").pax_headers["SCHILY.xattr.user.k"] == "v"
    assert (found.getmember("null").devmajor, found.getmember("null").devminor) == (1, 3)


PATHS = st.sampled_from(["a", "a/b", "a/b/c", "d", "d/e"])
ENTRIES = st.one_of(
    st.builds(lambda path, text: entry(path, content=text), PATHS, st.binary(max_size=3)),
    st.builds(
        lambda path, mode: entry(f"{path}/", tar.DIRECTORY, mode=mode), PATHS, st.sampled_from([0o755, 0o700])
    ),
    st.builds(lambda path: entry("/".join([*path.split("/")[:-1], f".wh.{path.split('/')[-1]}"])), PATHS),
    st.builds(lambda path: entry(f"{path}/.wh..wh..opq"), st.sampled_from(["a", "a/b", "d"])),
)


def _clean(entries: list[bytes]) -> bytes | None:
    """Return a layer with the directories above its names, or None for one that contradicts itself."""
    with tarfile.open(fileobj=io.BytesIO(archive(*entries))) as found:
        members = found.getmembers()
    plain = [m.name for m in members if not m.isdir()]
    directories = {m.name for m in members if m.isdir()}
    above = {str(each) for m in members for each in Path(m.name).parents} - {"."} - directories
    is_odd = len({m.name for m in members}) != len(members)
    if is_odd or above & set(plain):
        return None
    return archive(*(entry(f"{name}/", tar.DIRECTORY) for name in sorted(above)), *entries)


def _shown(found: tarfile.TarFile) -> dict[str, bytes | None]:
    """Return the files with their contents, and the directories, those above a name included."""
    shown: dict[str, bytes | None] = {}
    for member in found.getmembers():
        shown[member.name] = content(found, member.name) if member.isfile() else None
        above = member.name
        while above := above.rpartition("/")[0]:
            shown.setdefault(above, None)
    return shown


def _unpacked(layers: list[bytes], place: Path) -> dict[str, bytes | None]:
    """Return what is seen when each layer is unpacked and they are laid over each other."""
    whole = place / "whole"
    whole.mkdir()
    target = os.open(whole, os.O_RDONLY)
    for number, layer in enumerate(layers):
        (place / str(number)).mkdir()
        source = os.open(place / str(number), os.O_RDONLY)
        unpack(read_from(layer), source)
        copy_over(source, target)
        os.close(source)
    os.close(target)
    paths = list(whole.rglob("*"))
    return {str(p.relative_to(whole)): p.read_bytes() if p.is_file() else None for p in paths}


@pytest.mark.root
@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(layers=st.lists(st.lists(ENTRIES, max_size=4).map(_clean), min_size=2, max_size=4))
def test_any_layers_show_what_they_show_unpacked(layers: list[bytes | None], base: Path) -> None:
    real = [layer for layer in layers if layer]
    with tempfile.TemporaryDirectory(dir=base) as place:
        images = Images(Home.open(f"{place}/home"))
        try:
            shown, unpacked = _shown(together(images, *real)), _unpacked(real, Path(place))
            assert shown.items() <= unpacked.items()  # whose whiteouts of nothing make directories
            assert _files(shown) == _files(unpacked)
            squashed = [real[0], _squashed(images, *real[1:])] if real else []
            assert _files(_shown(together(images, *squashed))) == _files(shown)
        finally:
            images.close()


def _files(shown: dict[str, bytes | None]) -> dict[str, bytes | None]:
    return {name: found for name, found in shown.items() if found is not None}


def _squashed(images: Images, *layers: bytes) -> bytes:
    blobs = stored(images, *layers)
    return b"".join(flattened(images.blobs, blobs, merge(images.blobs, blobs), whiteouts=True)) + tar.END


def test_replacing_directories_for_ever_is_refused(images: Images) -> None:
    with pytest.raises(HostileArchive, match="again and again"):
        together(images, archive(*[entry("a/", tar.DIRECTORY), entry("a")] * 1001))


def test_a_file_in_the_place_of_a_directory_of_its_layer(images: Images) -> None:
    assert names(together(images, archive(entry("a/b"), entry("a/", tar.DIRECTORY), entry("a")))) == ["a"]
