"""Modules of real kernels: what each needs comes before it, and the guest can load them in that order."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.vm.kernel import modinfo, modules, needs
from containerlab.vm.kernel.kernel import Kernel

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("need", [need for need in needs.NEEDS if need != "9p"])
def test_each_need_can_be_met(each_guest_kernel: Kernel, need: str) -> None:
    names = [module.name for module in modules.load_order(each_guest_kernel, needs.modules(need))]
    assert len(set(names)) == len(names)
    for at, module in enumerate(modules.load_order(each_guest_kernel, names)):
        assert module.content[:4] == b"\x7fELF"
        assert set(modinfo.info(module.content, module.name).depends) <= set(names[:at])


def test_no_module_is_signed_so_that_the_guest_need_not_verify_it(each_guest_kernel: Kernel) -> None:
    for module in modules.load_order(each_guest_kernel, needs.modules("net")):
        assert b"signature appended" not in module.content
        assert modinfo.unsigned(module.content) == module.content


def test_what_is_built_in_is_left_out(guest_kernel: Kernel) -> None:
    assert modules.load_order(guest_kernel, needs.modules("ext4", "virtio-pci", "console")) == ()
    assert modules.has(guest_kernel, "ext4")


def test_a_kernel_without_modules_has_all_built_in(guest_kernel: Kernel) -> None:
    assert modules.load_order(guest_kernel._replace(modules=None), ["no_such_module"]) == ()


def test_dashes_and_underscores_are_one(guest_kernel: Kernel) -> None:
    assert [module.name for module in modules.load_order(guest_kernel, ["virtio-mmio"])] == ["virtio_mmio"]


def test_a_missing_module_is_named_with_its_kernel(guest_kernel: Kernel) -> None:
    assert not modules.has(guest_kernel, "9p")
    with pytest.raises(errors.NotFound, match=rf"{guest_kernel.release.split('+')[0]}.* has no module 9p"):
        modules.load_order(guest_kernel, ["9p"])
    with pytest.raises(errors.NotFound, match="did you mean overlay"):
        modules.load_order(guest_kernel, ["overlayy"])
