"""What machines start from is in `system df`, and goes with its image or a prune."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.rootfs import cache
from containerlab.vm.rootfs.roots import Wishes, prepare
from containerlab.vm.tiers import TIERS
from tests import busybox

pytestmark = [pytest.mark.system("busybox-static"), pytest.mark.slow]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return an engine with an image from which a machine was started once."""
    found = busybox.engine(tmp_path / "home")
    kernel = tmp_path / "vmlinux"
    kernel.touch()
    store = found.backend.store  # type: ignore[attr-defined]  # embedded
    wishes = Wishes(needs=(), free_bytes=1 << 20)
    image = store.get(busybox.NAME)
    prepare(store.home, image, Kernel("6", "x86_64", kernel, None, "sha256:0"), TIERS["image"], "", wishes)
    return found


def kept(engine: Engine) -> list[str]:
    return cache.image_ids(engine.backend.home)  # type: ignore[attr-defined]  # embedded


def test_df_has_a_line(engine: Engine) -> None:
    [line] = [each for each in engine.system.df().to_records() if each["kind"] == "Machine Roots"]
    assert line["size_bytes"] > 0
    assert line["reclaimable_bytes"] == line["size_bytes"]


def test_a_prune_takes_all_that_no_machine_has(engine: Engine) -> None:
    before = [each["size_bytes"] for each in engine.system.df().to_records()][-1]
    assert engine.system.prune().freed_bytes >= before
    assert kept(engine) == []
    assert "Machine Roots" not in {each["kind"] for each in engine.system.df().to_records()}


def test_what_was_made_of_an_image_goes_with_it(engine: Engine) -> None:
    engine.images.remove(busybox.NAME)
    assert kept(engine) == [cache.OF_NONE]
