"""What a guest sees is what the store says, whatever its root was made of."""

from __future__ import annotations

import stat

import pytest

from containerlab.backends.embedded.machines import shared_root
from containerlab.store.images import Images
from containerlab.store.layers import Layers
from containerlab.vm.rootfs.roots import Wishes, bare, prepare
from containerlab.vm.tiers import TIERS
from tests.kernels import kernel_of
from tests.vm.rootfs.booting import booted, machine_of, served
from tests.vm.rootfs.trees import awkward, expected, seen_in

pytestmark = [
    pytest.mark.system("qemu-system-x86", "busybox-static", "squashfs-tools"),
    pytest.mark.slow,
    pytest.mark.timeout(180),
]
DISKLESS = Wishes(needs=(), free_bytes=64 << 20)


@pytest.mark.parametrize(
    ("tier", "filesystem", "series"),
    [
        ("microvm", "initramfs", "6.12"),
        ("microvm", "initramfs", "6.1"),
        ("microvm", "ext4", "6.12"),
        ("image", "ext4", "6.12"),
        ("image", "ext4", "6.1"),
        ("image", "squashfs", "6.12"),
    ],
)
def test_a_guest_sees_what_the_store_says(images: Images, tier: str, filesystem: str, series: str) -> None:
    image, kernel = awkward(images), kernel_of(series)
    root = prepare(images.home, image, kernel, TIERS[tier], filesystem, DISKLESS)
    with booted(machine_of(root, kernel, tier)) as guest:
        seen, wanted = seen_in(guest), expected(images, image)
        assert seen.keys() == wanted.keys()
        assert {name: seen[name] for name in seen if seen[name] != wanted[name]} == {}
        assert guest.run("/bin/busybox", "touch", "/t/written").code == 0


@pytest.mark.root
@pytest.mark.parametrize("tier", ["microvm", "image"])
def test_a_guest_sees_the_layers_that_are_shared_with_it(
    images: Images, tmp_path_factory: pytest.TempPathFactory, tier: str
) -> None:
    image, kernel = awkward(images), kernel_of()
    root = prepare(images.home, image, kernel, TIERS[tier], "virtiofs", DISKLESS)
    share = shared_root.share(images.home, image)
    machine = machine_of(root, kernel, tier)._replace(shares=(share,))
    sockets = str(tmp_path_factory.mktemp("s"))
    with served(share, sockets), booted(machine, sockets) as guest:
        seen, wanted = seen_in(guest), expected(images, image)
        assert seen.keys() == wanted.keys()
        # As in containers, a directory is what the topmost layer makes of it, also one that has it only as
        # part of other names.
        files = {name for name in seen if not stat.S_ISDIR(seen[name].mode)} | {"/t/emptied"}
        assert {name: seen[name] for name in files if seen[name] != wanted[name]} == {}
        assert guest.run("/bin/busybox", "touch", "/t/written").code == 0
    assert "written" not in {path.name for path in Layers(images.home).path(image.diff_ids[-1]).rglob("*")}


def test_a_guest_without_an_image_answers(images: Images) -> None:
    kernel = kernel_of()
    with booted(machine_of(bare(images.home, kernel, TIERS["microvm"]), kernel, "microvm", 128 << 20)):
        pass
