"""Roots are made once, are complete or not there, and go with their images."""

from __future__ import annotations

import os
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from containerlab.errors import InvalidInput, LabError, Unsupported
from containerlab.store.images import Image, Images
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.rootfs import cache
from containerlab.vm.rootfs.root import least_memory_bytes
from containerlab.vm.rootfs.roots import Wishes, prepare
from containerlab.vm.tiers import TIERS
from tests.store.tars import archive, entry
from tests.vm.rootfs.trees import image_of

IMAGE, MICRO = TIERS["image"], TIERS["microvm"]
WISHES = Wishes(needs=(), free_bytes=1 << 20)


@pytest.fixture
def image(images: Images) -> Image:
    return image_of(images, archive(entry("a", content=b"content", xattrs={"user.a": b"b"})))


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """Return what looks like a kernel without modules."""
    path = tmp_path / "vmlinux"
    path.write_bytes(bytes(1 << 20))
    return Kernel("6.0", "x86_64", path, None, "sha256:" + "0" * 64)


def test_what_was_made_is_found_again(images: Images, image: Image, kernel: Kernel) -> None:
    first = prepare(images.home, image, kernel, IMAGE, "", WISHES)
    assert (first.filesystem, first.is_writable) == ("ext4", True)
    assert first.disk is not None
    inode = first.disk.stat().st_ino
    assert prepare(images.home, image, kernel, IMAGE, "", WISHES) == first
    assert first.disk.stat().st_ino == inode


def test_several_at_once_make_it_once(images: Images, image: Image, kernel: Kernel) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = {*pool.map(lambda _: prepare(images.home, image, kernel, IMAGE, "", WISHES), range(8))}
    assert len(found) == 1
    assert not [entry for entry in os.scandir(images.home.temporary) if entry.name.startswith("root-")]


def test_a_small_image_is_in_memory_where_that_is_fast(images: Images, image: Image, kernel: Kernel) -> None:
    root = prepare(images.home, image, kernel, MICRO, "", WISHES)
    assert (root.filesystem, root.disk) == ("initramfs", None)


@pytest.mark.slow
def test_a_large_image_is_on_a_disk_that_nobody_writes_to(images: Images, kernel: Kernel) -> None:
    layer = archive(entry("large", content=bytes(101 << 20)))
    root = prepare(images.home, image_of(images, layer), kernel, MICRO, "", WISHES)
    assert (root.filesystem, root.is_writable) == ("ext4", False)


def test_what_an_initramfs_cannot_keep_is_said(images: Images, image: Image, kernel: Kernel) -> None:
    said: list[str] = []
    prepare(images.home, image, kernel, MICRO, "initramfs", WISHES._replace(say=said.append))
    assert len(said) == 1
    assert "attributes" in said[0]


def test_another_kernel_gets_another_archive(images: Images, image: Image, kernel: Kernel) -> None:
    other = kernel._replace(release="6.1")
    one, two = (prepare(images.home, image, each, IMAGE, "", WISHES) for each in (kernel, other))
    assert one.disk == two.disk
    assert one.initrd != two.initrd


def test_another_architecture_is_refused(images: Images, kernel: Kernel) -> None:
    image = image_of(images, archive(entry("a")), architecture="arm64")
    with pytest.raises(Unsupported, match="image test:latest is for linux/arm64"):
        prepare(images.home, image, kernel, IMAGE)


def test_an_image_without_files_is_refused(images: Images, kernel: Kernel) -> None:
    with pytest.raises(Unsupported, match="no layers"):
        prepare(images.home, image_of(images), kernel, IMAGE)


def test_a_file_system_that_is_none_is_refused(images: Images, image: Image, kernel: Kernel) -> None:
    with pytest.raises(InvalidInput, match="ext3") as caught:
        prepare(images.home, image, kernel, IMAGE, "ext3")
    assert "ext4" in caught.value.hint


def test_a_full_disk_leaves_nothing(images: Images, image: Image, kernel: Kernel) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        with pytest.raises(LabError, match="cannot make a root file system"):
            prepare(images.home, image, kernel, IMAGE, "", WISHES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    left = [path.name for path in images.home.cache.rglob("*") if path.is_file()]
    assert not [name for name in left if name.startswith("ext4")]
    assert not list(images.home.temporary.iterdir())


def test_roots_go_with_their_images(images: Images, image: Image, kernel: Kernel) -> None:
    prepare(images.home, image, kernel, IMAGE, "", WISHES)
    assert cache.image_ids(images.home) == [image.id, cache.OF_NONE]
    assert cache.drop(images.home, {*images.ids(), cache.OF_NONE}) == []
    [gone] = cache.drop(images.home, {cache.OF_NONE})
    assert gone.image_id == image.id
    assert gone.size_bytes > 0
    assert cache.image_ids(images.home) == [cache.OF_NONE]


def test_a_guest_needs_memory_for_its_archive_twice(images: Images, image: Image, kernel: Kernel) -> None:
    small = prepare(images.home, image, kernel, MICRO, "initramfs", WISHES)
    large = small._replace(initrd=kernel.image)
    more = large.initrd.stat().st_size - small.initrd.stat().st_size
    assert least_memory_bytes(large, kernel) - least_memory_bytes(small, kernel) == 2 * more
