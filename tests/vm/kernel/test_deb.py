"""Debian packages: only what a guest needs leaves them, and only into the directory that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab import errors
from containerlab.vm.kernel import deb
from tests.vm.kernel import fakes


def _unpacked(tmp_path: Path, *packages: bytes) -> list[str]:
    paths = []
    for number, content in enumerate(packages):
        paths.append(tmp_path / f"{number}.deb")
        paths[-1].write_bytes(content)
    target = tmp_path / "target"
    target.mkdir()
    deb.unpack(paths, target)
    return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["xz", "zst", "gz", ""])
def test_kernel_and_modules_are_unpacked_and_nothing_else(form: str, tmp_path: Path) -> None:
    files = {
        "boot/vmlinuz-6.1.0": b"kernel",
        "boot/System.map-6.1.0": b"map",
        "lib/modules/6.1.0/kernel/fs/one.ko": b"one",
        "usr/lib/modules/6.1.0/kernel/fs/two.ko.zst": b"two",
        "usr/lib/modules/6.1.0/modules.builtin": b"three",
        "usr/share/doc/linux/copyright": b"",
    }
    expected = [
        "modules/kernel/fs/one.ko",
        "modules/kernel/fs/two.ko.zst",
        "modules/modules.builtin",
        "vmlinuz",
    ]
    assert _unpacked(tmp_path, fakes.deb(files, form)) == expected


def test_names_that_lead_elsewhere_are_left_out(tmp_path: Path) -> None:
    files = {
        "boot/vmlinuz-6.1.0": b"kernel",
        "lib/modules/6.1.0/kernel/../../../../../evil.ko": b"",
        "../lib/modules/6.1.0/kernel/evil.ko": b"",
    }
    assert _unpacked(tmp_path, fakes.deb(files)) == ["vmlinuz"]


def test_a_kernel_may_be_split_into_packages(tmp_path: Path) -> None:
    parts = [{"boot/vmlinuz-6.8.0": b"kernel"}, {"lib/modules/6.8.0/kernel/a.ko": b"a"}]
    assert _unpacked(tmp_path, *map(fakes.deb, parts)) == ["modules/kernel/a.ko", "vmlinuz"]


def test_a_package_without_kernel_is_named(tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound, match=r"no kernel in 0\.deb"):
        _unpacked(tmp_path, fakes.deb({"usr/share/doc/readme": b""}))


@pytest.mark.parametrize("length", [0, 7, 30, 100, 300, -20])
def test_one_that_is_cut_off_is_damaged(length: int, tmp_path: Path) -> None:
    whole = fakes.deb({"boot/vmlinuz-6.1.0": bytes(range(256)) * 8})
    with pytest.raises(errors.CorruptContent):
        _unpacked(tmp_path, whole[:length])
