"""Where the image's files lie, programs see the same machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from containerlab.vm.guest import layout, wire
from containerlab.vm.guest.setup import Program, Setup
from containerlab.vm.kernel.kernel import Kernel
from tests.vm.archives import Files, busybox
from tests.vm.guest.machine import Machine, booted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
_DISK = (f"{layout.ROOT_WORD}=/dev/vda", f"{layout.FILESYSTEM_WORD}=ext4")


def _disk(directory: Path, files: Files, options: str) -> tuple[str, ...]:
    """Make a disk of files and return QEMU's words for it."""
    tree, disk = directory / "tree", directory / "disk"
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, int):
            path.mkdir(exist_ok=True)
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
            path.chmod(0o755)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(disk), "32M"], check=True)
    drive = f"if=none,id=root,file={disk},format=raw,{options}"
    return "-drive", drive, "-device", "virtio-blk-device,drive=root"


def _is_usual(machine: Machine) -> None:
    assert machine.set_up(Setup("lab")) == (wire.READY, b"")
    script = "set -e; echo x >/etc/new; cat /etc/new; test -d /proc/self; test -c /dev/null; ls /"
    assert machine.shell(script).split() == ["x", "bin", "dev", "etc", "lost+found", "proc", "sys", "tmp"]


def test_a_disk_is_the_root(directory: Path, guest_kernel: Kernel) -> None:
    devices = _disk(directory, busybox(), "snapshot=on")
    with booted(
        directory, guest_kernel, None, words=_DISK, devices=devices, also=["block", "ext4"]
    ) as machine:
        _is_usual(machine)
        assert "/dev/vda / ext4 rw" in machine.shell("cat /proc/mounts")


def test_a_disk_that_cannot_be_written_has_memory_above_it(directory: Path, guest_kernel: Kernel) -> None:
    devices = _disk(directory, busybox(), "readonly=on")
    also, words = ["block", "ext4", "overlay"], (*_DISK, layout.OVERLAY_WORD)
    with booted(directory, guest_kernel, None, words=words, devices=devices, also=also) as machine:
        _is_usual(machine)
        assert "overlay / overlay rw" in machine.shell("cat /proc/mounts")


def test_an_older_kernel_and_another_machine(directory: Path, each_guest_kernel: Kernel) -> None:
    with booted(directory, each_guest_kernel, busybox(), machine="q35") as machine:
        kind, payload = machine.get()
        assert kind == wire.HELLO
        said = dict(wire.unpaired(payload))
        assert (said["version"], said["release"]) == (wire.VERSION, each_guest_kernel.release)
        machine.send(wire.SETUP, Setup("lab").payload())
        assert machine.get() == (wire.READY, b"")
        assert machine.run("echo", "hi").stdout == b"hi\n"
        machine.send(wire.POWEROFF)
        machine.wait()


def test_an_image_of_one_file(directory: Path, guest_kernel: Kernel) -> None:
    program = busybox()["bin/busybox"]
    with booted(directory, guest_kernel, {"echo": program}) as machine:
        assert machine.set_up(Setup("lab")) == (wire.READY, b"")
        machine.start(Program(("/echo", "alone"), directory="/made/for/it"), wire.MAIN)
        assert machine.end(wire.MAIN).stdout == b"alone\n"


def test_a_missing_disk_is_told_on_the_console(directory: Path, guest_kernel: Kernel) -> None:
    with booted(directory, guest_kernel, busybox(), words=_DISK) as machine:
        machine.wait()
        assert "conlab: mounting the root /dev/vda failed: errno 2" in machine.last_words()
