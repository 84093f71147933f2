"""Where a guest's kernel comes from: a path, the cache, a mirror, apt; and what is said when it does not."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.store.home import Home
from containerlab.vm.kernel import cache, kernels, modules
from containerlab.vm.kernel.mirror import VARIABLE
from tests.vm.kernel import fakes

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a mirror with one package of a kernel."""
    folder = tmp_path / "mirror"
    fakes.mirror(folder)
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


@pytest.fixture
def no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def _is_clean(home: Home) -> bool:
    """Tell whether nothing half-made is left."""
    return not list(home.temporary.iterdir()) and not kernels.cached(home)


def test_a_kernel_is_downloaded_once_and_then_found(home: Home, mirror: Path) -> None:
    said: list[str] = []
    kernel = kernels.find(home, architecture="x86_64", say=said.append)
    assert (kernel.release, kernel.architecture) == (fakes.RELEASE, "x86_64")
    assert kernel.image.read_bytes() == fakes.vmlinux()
    assert kernel.digest == cache.digest(kernel.image)
    assert [module.name for module in modules.load_order(kernel, ["second", "inside"])] == ["first", "second"]
    shutil.rmtree(mirror)
    assert kernels.find(home, architecture="x86_64", say=said.append) == kernel
    assert len(said) == 1
    assert fakes.RELEASE in said[0]


def test_a_damaged_kernel_is_fetched_again(home: Home, mirror: Path) -> None:
    kernel = kernels.find(home)
    whole = kernel.image.read_bytes()
    for damaged in (whole[:-1], b""):
        kernel.image.write_bytes(damaged)
        assert kernels.find(home) == kernel
        assert kernel.image.read_bytes() == whole
    kernel.image.unlink()
    assert kernels.find(home) == kernel


def test_pull_brings_a_newer_one_and_the_older_stays(home: Home, mirror: Path) -> None:
    kernels.find(home, architecture="x86_64")
    fakes.mirror(mirror, "6.12.10-cloud-amd64")
    assert kernels.find(home, architecture="x86_64").release == fakes.RELEASE
    assert kernels.pull(home, "x86_64").release == "6.12.10-cloud-amd64"
    assert kernels.find(home, architecture="x86_64").release == "6.12.10-cloud-amd64"
    assert [kept.kernel.release for kept in kernels.cached(home)] == ["6.12.10-cloud-amd64", fakes.RELEASE]


def test_kept_ones_are_listed_and_removed(home: Home, mirror: Path) -> None:
    kernel = kernels.find(home, architecture="x86_64")
    (kept,) = kernels.cached(home)
    assert kept.kernel == kernel
    assert kept.size_bytes > len(fakes.vmlinux())
    assert kept.source.startswith(str(mirror))
    kernels.remove(home, kept.id)
    assert _is_clean(home)
    with pytest.raises(errors.NotFound, match="no such guest kernel"):
        kernels.remove(home, kept.id)


@pytest.mark.slow
def test_of_several_processes_one_downloads(home: Home, mirror: Path) -> None:
    program = (
        "import sys; from containerlab.store.home import Home; from containerlab.vm.kernel import kernels\n"
        "home = Home.open(sys.argv[1])\n"
        "print(kernels.find(home, architecture='x86_64', say=lambda _: print('said')).digest)"
    )
    command = [sys.executable, "-c", program, str(home.root)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate()[0].split() for process in started]
    assert sum(words.count("said") for words in told) == 1
    assert len({words[-1] for words in told}) == 1


@pytest.mark.parametrize(("suite", "form"), [("stable", "xz"), ("bookworm", "gz")])
def test_a_mirror_need_not_have_all(
    suite: str, form: str, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes.mirror(tmp_path / "small", suite=suite, form=form)
    monkeypatch.setenv(VARIABLE, f"file://{tmp_path}/small")
    assert kernels.find(home, architecture="x86_64").release == fakes.RELEASE


@pytest.mark.usefixtures("no_apt")
def test_a_wrong_package_is_refused(home: Home, mirror: Path) -> None:
    (package,) = mirror.glob("pool/**/*.deb")
    whole = package.read_bytes()
    for wrong, message in (
        (whole[:-9], "another length"),
        (whole + b"more", "another length"),
        (whole[:-9] + b"otherwise", "has the SHA-256"),
    ):
        package.write_bytes(wrong)
        with pytest.raises(errors.DigestMismatch, match=message):
            kernels.find(home, architecture="x86_64")
        assert _is_clean(home)


def test_a_wrong_index_is_refused(home: Home, mirror: Path) -> None:
    index = mirror / "dists/trixie/main/binary-amd64/Packages.gz"
    index.write_bytes(gzip.compress(b"Package: linux-image-cloud-amd64\n"))
    with pytest.raises(errors.DigestMismatch, match=r"Packages\.gz has the SHA-256"):
        kernels.find(home, architecture="x86_64")
    assert _is_clean(home)


@pytest.mark.usefixtures("no_apt")
def test_without_a_network_it_is_said_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "https://127.0.0.1:9/debian")
    with pytest.raises(errors.Unavailable, match=r"cannot connect to 127\.0\.0\.1:9") as caught:
        kernels.find(home, architecture="x86_64")
    assert VARIABLE in caught.value.hint
    assert "--kernel" in caught.value.hint
    assert _is_clean(home)


def test_an_architecture_without_guests_is_refused(home: Home) -> None:
    with pytest.raises(errors.Unsupported, match="no guest kernel for riscv64"):
        kernels.find(home, architecture="riscv64")


def test_a_mirror_must_be_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "ftp://example.com")
    with pytest.raises(errors.InvalidInput, match="is no mirror"):
        kernels.find(home)


@pytest.mark.root
@pytest.mark.slow
def test_a_full_disk_leaves_nothing_behind(base: Path, mirror: Path) -> None:
    place = base / "small-disk-of-kernels"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], check=True)
    try:
        home = Home.open(place / "home")
        room = os.statvfs(place)
        with (place / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, room.f_bavail * room.f_frsize - 4096)
        with pytest.raises(errors.Unavailable, match="No space left"):
            kernels.find(home, architecture="x86_64")
        assert _is_clean(home)
    finally:
        subprocess.run(["umount", place], check=True)
        place.rmdir()
