"""A machine as QEMU's command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab import errors
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.qemu import plan
from containerlab.vm.qemu.plan import Forward, Hardware, Share
from containerlab.vm.qemu.program import Program
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS

X86 = Program("/usr/bin/qemu", "x86_64", "7.2", ("microvm", "q35"), True, "id")
ARM = X86._replace(architecture="aarch64", machines=("virt",))
KERNEL = Kernel("6.12", "x86_64", Path("/k/vmlinux"), None, "sha256:0")
INITRAMFS = Root(Path("/r/initrd"), None, "initramfs", True)
DISK = Root(Path("/r/initrd"), Path("/r/a,b"), "ext4", True)


def machine(tier: str = "microvm", **changes: object) -> Hardware:
    return Hardware(TIERS[tier], X86, KERNEL, INITRAMFS, "tcg", 256 << 20)._replace(**changes)  # type: ignore[arg-type]  # any field


def value(words: tuple[str, ...], option: str) -> str:
    return words[words.index(option) + 1]


def test_all_its_devices_are_on_no_bus_in_a_microvm() -> None:
    words = plan.words(machine())
    assert not any(word.startswith("virtio-") and "-pci" in word for word in words)
    assert value(words, "-M").startswith("microvm,")


def test_a_pc_has_them_on_pci_and_does_not_boot_from_the_network() -> None:
    words = plan.words(machine("image", root=DISK))
    assert "virtio-net-pci,netdev=net,romfile=" in words
    assert value(words, "-M").startswith("q35")


def test_a_guest_of_the_other_architecture_has_a_console_of_its_own() -> None:
    words = plan.words(machine(program=ARM))
    assert value(words, "-M").startswith("virt")
    assert "console=ttyAMA0" in value(words, "-append")
    assert "tsc_early_khz" not in value(words, "-append")


def test_emulation_is_told_the_speed_of_the_clock_and_kvm_is_not() -> None:
    assert {"tsc_early_khz=2000", "tsc=reliable"} <= set(plan.kernel_words(machine(tsc_khz=2000)))
    assert not [w for w in plan.kernel_words(machine(accelerator="kvm", tsc_khz=2000)) if "tsc" in w]


def test_an_emulated_kernel_leaves_out_what_takes_it_long() -> None:
    assert "jent_mod_init" in value(plan.words(machine()), "-append")
    assert "initcall_blacklist" not in value(plan.words(machine(accelerator="kvm")), "-append")


def test_what_is_written_to_a_disk_is_thrown_away() -> None:
    drive = value(plan.words(machine(root=DISK)), "-drive")
    assert "snapshot=on" in drive
    assert "cache=unsafe" in drive
    assert "file=/r/a,,b," in drive


def test_a_disk_that_may_not_be_written_to_gets_something_above_it() -> None:
    root = DISK._replace(is_writable=False, filesystem="erofs")
    words = plan.words(machine(root=root))
    assert "readonly=on" in value(words, "-drive")
    assert value(words, "-append").endswith("conlab.root=/dev/vda conlab.fs=erofs conlab.overlay")


def test_ports_are_forwarded() -> None:
    forwards = (Forward("tcp", "127.0.0.1", 8080, 80), Forward("udp", "", 53, 5353))
    netdev = value(plan.words(machine(forwards=forwards)), "-netdev")
    assert netdev.endswith("hostfwd=tcp:127.0.0.1:8080-:80,hostfwd=udp::53-:5353")


def test_no_network_is_no_card() -> None:
    assert "-netdev" not in plan.words(machine(network="none"))


def test_a_directory_by_virtiofs_takes_memory_that_its_server_sees() -> None:
    words = plan.words(machine("image", shares=(Share("virtiofs", "v0", "/data", False),)))
    assert "memory-backend-memfd,share=on,id=memory,size=268435456" in words
    assert "vhost-user-fs-pci,chardev=share-0,tag=v0" in words


def test_a_directory_by_9p_is_served_by_qemu() -> None:
    words = plan.words(machine("image", shares=(Share("9p", "v0", "/data", True),)))
    assert "local,id=v0,path=/data,security_model=none,readonly=on" in words


def test_qemu_is_denied_what_it_does_not_need() -> None:
    assert "spawn=deny" in value(plan.words(machine()), "-sandbox")
    assert "-sandbox" not in plan.words(machine(program=X86._replace(is_sandboxed=False)))


def test_a_restored_machine_needs_no_kernel_and_changes_no_snapshot() -> None:
    words = plan.words(machine("resume", memory_file="/s/memory", is_restored=True))
    assert "-kernel" not in words
    assert value(words, "-incoming") == "defer"
    assert any("mem-path=/s/memory,share=off" in word for word in words)


def test_a_machine_type_that_this_qemu_lacks_is_said() -> None:
    with pytest.raises(errors.Unsupported, match="no machine type microvm"):
        plan.words(machine(program=X86._replace(machines=("q35",))))


@pytest.mark.parametrize("text", ["", "x", "1:2:3:4", "80/sctp", "0:80", "70000", "name:80:80", "80:"])
def test_a_wrong_port_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidInput, match="cannot publish"):
        plan.parse_forward(text)


def test_a_port_alone_is_the_same_on_both_sides() -> None:
    assert plan.parse_forward("80") == Forward("tcp", "", 80, 80)
