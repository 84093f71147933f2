"""A kernel that the user names: what is accepted, where its modules are found, how long it is kept."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.store.home import Home
from containerlab.vm.kernel import kernels
from containerlab.vm.kernel.kernel import Kernel
from tests.vm.kernel import fakes

PACKED = fakes.bz_image(gzip.compress(fakes.vmlinux()))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    place.mkdir()
    return place


def _found(home: Home, path: Path) -> Kernel:
    return kernels.find(home, str(path), "x86_64")


def _with_modules(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modules.builtin").write_text("")
    return folder


def test_an_image_is_unpacked_once(home: Home, place: Path) -> None:
    (place / "vmlinuz").write_bytes(PACKED)
    kernel = _found(home, place / "vmlinuz")
    assert kernel.image.read_bytes() == fakes.vmlinux()
    assert kernel.modules is None
    assert _found(home, place / "vmlinuz") == kernel
    assert [kept.source for kept in kernels.cached(home)] == [str(place / "vmlinuz")]


def test_what_is_unpacked_already_stays_where_it_is(home: Home, place: Path) -> None:
    (place / "vmlinux").write_bytes(fakes.vmlinux())
    assert _found(home, place / "vmlinux").image == place / "vmlinux"


def test_a_file_that_has_changed_is_read_again(home: Home, place: Path) -> None:
    (place / "vmlinuz").write_bytes(PACKED)
    _found(home, place / "vmlinuz")
    (place / "vmlinuz").write_bytes(fakes.bz_image(gzip.compress(fakes.vmlinux("6.13.0"))))
    assert _found(home, place / "vmlinuz").release == "6.13.0"


def test_a_named_kernel_is_not_what_others_get(
    home: Home, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "vmlinuz").write_bytes(fakes.bz_image(gzip.compress(fakes.vmlinux("99.0.0"))))
    _found(home, place / "vmlinuz")
    fakes.mirror(place / "mirror")
    monkeypatch.setenv("CONTAINERLAB_DEBIAN_MIRROR", str(place / "mirror"))
    assert kernels.find(home, architecture="x86_64").release == fakes.RELEASE


@pytest.mark.parametrize("below", ["lib/modules/" + fakes.RELEASE, "usr/lib/modules/" + fakes.RELEASE])
def test_modules_of_an_unpacked_package_are_found(below: str, home: Home, place: Path) -> None:
    (place / "boot").mkdir()
    (place / "boot" / f"vmlinuz-{fakes.RELEASE}").write_bytes(PACKED)
    assert _found(home, place).modules is None
    modules = _with_modules(place / below)
    assert _found(home, place).modules == modules


def test_modules_around_an_image_are_found(home: Home, place: Path) -> None:
    folder = _with_modules(place / "lib" / "modules" / fakes.RELEASE)
    (folder / "vmlinuz").write_bytes(PACKED)
    assert _found(home, folder).modules == folder


def test_a_package_is_unpacked(home: Home, place: Path) -> None:
    (place / "linux.deb").write_bytes(fakes.package())
    kernel = _found(home, place / "linux.deb")
    assert kernel.image.read_bytes() == fakes.vmlinux()
    assert kernel.modules is not None
    assert (kernel.modules / "kernel" / "fs" / "first.ko").exists()


def test_a_directory_with_several_asks_for_one(home: Home, place: Path) -> None:
    for name in ("vmlinuz-6.1.0", "vmlinuz-6.12.0"):
        (place / name).write_bytes(PACKED)
    with pytest.raises(errors.InvalidInput, match=r"several kernels \(vmlinuz-6.1.0, vmlinuz-6.12.0\)"):
        _found(home, place)


def test_nothing_there_is_said(home: Home, place: Path) -> None:
    with pytest.raises(errors.NotFound, match="there is no kernel in"):
        _found(home, place)
    with pytest.raises(errors.NotFound, match="there is no kernel") as raised:
        _found(home, place / "missing")
    assert "vm kernel ls" in raised.value.hint


def test_a_kernel_for_another_architecture_is_refused(home: Home, place: Path) -> None:
    (place / "Image").write_bytes(fakes.arm_image())
    with pytest.raises(errors.InvalidInput, match="is for aarch64, and the guest is to be x86_64"):
        _found(home, place / "Image")


def test_what_is_no_kernel_leaves_nothing_behind(home: Home, place: Path) -> None:
    (place / "vmlinuz").write_bytes(b"a text")
    with pytest.raises(errors.InvalidInput, match="is no Linux kernel"):
        _found(home, place)
    assert not kernels.cached(home)
    assert not list(home.temporary.iterdir())
