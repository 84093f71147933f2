"""Kernels that were found boot, and load their modules in the order that was found for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from containerlab.vm.kernel import modules, needs
from containerlab.vm.kernel.kernel import Kernel
from tests.vm import archives

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.slow,
    pytest.mark.system("qemu-system-x86", "busybox-static", "e2fsprogs"),
]
NEEDS = [need for need in needs.NEEDS if need != "9p"]
INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
for module in /modules/*.ko; do /bin/busybox insmod $module || echo "refused: $module"; done
/bin/busybox mount -t proc none /proc
/bin/busybox cat /proc/filesystems
/bin/busybox mount -t ext4 -o ro /dev/vda /disk && /bin/busybox cat /disk/word
/bin/busybox uname -r
echo told-all
/bin/busybox reboot -f
"""


def test_all_modules_load_and_a_disk_is_read(each_guest_kernel: Kernel, tmp_path: Path) -> None:
    names = needs.modules(*NEEDS)
    told = _boot(each_guest_kernel, modules.load_order(each_guest_kernel, names), tmp_path)
    assert "refused" not in told
    assert {"ext4", "erofs", "squashfs", "overlay", "virtiofs"} <= set(told.split())
    assert "a word on the disk" in told
    assert each_guest_kernel.release in told


def _boot(kernel: Kernel, loaded: tuple[modules.Module, ...], place: Path) -> str:
    """Start a machine whose first process loads modules and mounts its disk; return its console."""
    initrd = place / "initrd"
    initrd.write_bytes(_initrd(loaded))
    command = [
        *("qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-m", "256", "-nodefaults", "-no-user-config"),
        *("-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel.image, "-initrd", initrd),
        *("-append", "console=ttyS0 quiet panic=-1 reboot=t random.trust_cpu=on cryptomgr.notests"),
        *("-drive", f"if=virtio,format=raw,readonly=on,file={_disk(place)}"),
    ]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    assert "told-all" in done.stdout, done.stdout[-2000:] + done.stderr
    return done.stdout


def _disk(place: Path) -> Path:
    """Make an ext4 file system with checksums, which are CRC-32C."""
    content = place / "content"
    content.mkdir()
    (content / "word").write_text("a word on the disk\n")
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "metadata_csum", "-d", content, place / "disk", "8M"]
    subprocess.run(command, check=True, capture_output=True)
    return place / "disk"


def _initrd(loaded: tuple[modules.Module, ...]) -> bytes:
    folders = dict.fromkeys(("dev", "disk", "modules", "proc"), 0o755)
    found = {f"modules/{number:02}-{module.name}.ko": module.content for number, module in enumerate(loaded)}
    return archives.packed({**archives.busybox(), **folders, "init": INIT.encode(), **found})
