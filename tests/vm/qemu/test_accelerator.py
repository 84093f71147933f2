"""Accelerators are found by trial."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.vm.qemu import accelerator, program
from containerlab.vm.qemu.accelerator import Verdict
from containerlab.vm.rootfs.root import Root
from tests.vm.machines import Bench

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.slow,
    pytest.mark.system("qemu-system-x86", "busybox-static"),
]


def choose(bench: Bench, wish: str = "", bare: Root | None = None) -> Verdict:
    def root() -> Root:
        assert bare, "a trial that nobody needs"
        return bare

    qemu = program.find(cache=bench.home.cache)
    return accelerator.choose(bench.home, bench.workshop, qemu, bench.kernel, root, wish)


def test_a_trial_decides_once(bench: Bench) -> None:
    verdict = choose(bench, bare=bench.bare)
    assert verdict.accelerator in ("kvm", "tcg")
    assert verdict.reason
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        assert verdict.accelerator == "tcg"
    assert choose(bench) == verdict


def test_a_verdict_that_was_forgotten_is_tried_again(bench: Bench) -> None:
    first = choose(bench, bare=bench.bare)
    accelerator.forget(bench.home)
    assert choose(bench, bare=bench.bare).accelerator == first.accelerator


def test_a_guest_that_does_not_answer_condemns_the_accelerator(bench: Bench, tmp_path: Path) -> None:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/kvm")
    accelerator.forget(bench.home)
    broken = tmp_path / "initrd"
    broken.write_bytes(b"no archive")
    verdict = choose(bench, bare=Root(broken, None, "initramfs", True))
    assert verdict.accelerator == "tcg"
    assert verdict.reason.startswith("kvm does not work here: ")
    accelerator.forget(bench.home)


def test_emulation_is_granted_without_a_trial(bench: Bench) -> None:
    assert choose(bench, "tcg").accelerator == "tcg"
    assert choose(bench, "tcg").is_emulated


def test_a_wish_that_does_not_work_here_is_told_with_the_reason(bench: Bench) -> None:
    found = choose(bench, bare=bench.bare)
    wish = "hvf" if found.accelerator != "hvf" else "kvm"
    with pytest.raises(errors.Unsupported, match=f"no {wish}: ") as refused:
        choose(bench, wish)
    assert found.reason in refused.value.message


def test_a_wish_that_is_none_is_refused(bench: Bench) -> None:
    with pytest.raises(errors.InvalidInput, match="no such accelerator: kvn") as refused:
        choose(bench, "kvn")
    assert refused.value.hint == "did you mean kvm?"
