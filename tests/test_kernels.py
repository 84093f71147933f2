"""The kernel that the suite lends to homes."""

from __future__ import annotations

from pathlib import Path

from containerlab.store.home import Home
from containerlab.vm.kernel import kernels, modules
from containerlab.vm.kernel.kernel import Kernel
from tests.kernels import seed


def test_a_home_finds_the_kernel_that_it_was_lent(guest_kernel: Kernel, tmp_path: Path) -> None:
    lent = seed(tmp_path / "home")
    home = Home.open(tmp_path / "home")
    assert kernels.find(home) == lent
    assert lent.digest == guest_kernel.digest
    assert modules.has(lent, "erofs")
    (kept,) = kernels.cached(home)
    kernels.remove(home, kept.id)
    assert guest_kernel.image.exists()
