"""A virtual machine whose kernel has cgroup v2 as its only hierarchy, and which can be cut off from power.

Its root is a small Debian that debootstrap makes once, below build/guest. QEMU emulates the processor, so
that /dev/kvm is not needed, and everything takes some ten times as long as outside. Each start gets a fresh
copy of the root, and a tar archive as second disk: this repository, and the orders that the first process
obeys.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.users import REPOSITORY

__all__ = ["Machine", "Root", "archive", "disk", "root"]

PLACE = REPOSITORY / "build" / "guest" / "power"
SUITE = "bookworm"
PACKAGES = (
    *("linux-image-cloud-amd64", "kmod", "python3", "python3-venv", "busybox-static", "uidmap", "procps"),
    *("attr", "crun", "libcap2-bin", "strace"),
)
PYTHON = "3.11"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
WHEELS = (*PROJECT["dependencies"], "pytest>=8", "pytest-timeout>=2.3", "hypothesis>=6.100")
SITE = f"usr/local/lib/python{PYTHON}/dist-packages"
MEMORY_MIB = 2048
ROOT_MIB = 3000
INIT = Path(__file__).parent / "inside" / "init"
_LAST_WORD = "machine: exit code "


class Root(NamedTuple):
    """What a machine starts from."""

    kernel: Path
    initrd: Path
    disk: Path


def root() -> Root:
    """Return the root of every machine, made if it is not there."""
    recipe = repr((SUITE, PACKAGES, WHEELS, INIT.read_text(), ROOT_MIB))
    place = PLACE / hashlib.sha256(recipe.encode()).hexdigest()[:12]
    made = Root(place / "vmlinuz", place / "initrd.img", place / "root.ext4")
    if not place.exists():
        shutil.rmtree(PLACE, ignore_errors=True)
        draft = PLACE / "draft"
        draft.mkdir(parents=True)
        _build(draft)
        draft.rename(place)
    return made


def _build(draft: Path) -> None:
    tree = draft / "tree"
    packages = f"--include={','.join(PACKAGES)}"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, SUITE, str(tree)], check=True, stdout=sys.stderr
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tree / SITE)]
    subprocess.run([*pip, "--python-version", PYTHON, "--only-binary=:all:", *WHEELS], check=True)
    (tree / SITE / "code.pth").write_text("/code\n")
    shutil.copy(INIT, tree / "init")
    (tree / "init").chmod(0o755)
    for file in ("vmlinuz", "initrd.img"):
        shutil.copy(tree / file, draft / file)
    shutil.rmtree(tree / "var" / "cache" / "apt")
    disk(draft / "root.ext4", ROOT_MIB, tree)
    shutil.rmtree(tree)


def disk(path: Path, size_mib: int, tree: Path | None = None) -> Path:
    """Make a disk image with ext4 on it, empty or with the files of a tree."""
    content = ["-d", str(tree)] if tree else []
    subprocess.run(["mke2fs", "-q", "-t", "ext4", *content, str(path), f"{size_mib}M"], check=True)
    return path


def archive(path: Path, orders: str, files: Mapping[str, str] = {}) -> Path:
    """Write what a machine finds at /code: the package, its tests, `files`, and `orders`, a shell script."""
    version = metadata.version("containerlab")
    about = {f"containerlab-{version}.dist-info/METADATA": f"Name: containerlab\nVersion: {version}\n"}
    with tarfile.open(path, "w") as output:
        for name in ("containerlab", "tests", "pyproject.toml", "system-packages.txt"):
            output.add(REPOSITORY / name, name, filter=_plain)
        for name, text in {**about, **files, "orders": orders}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            output.addfile(entry, io.BytesIO(text.encode()))
    return path


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


class Machine:
    """One start of a machine; at the end of the block its power is cut, if it has not switched itself off."""

    def __init__(self, root: Root, code: Path, *disks: Path) -> None:
        self.exit_code: int | None = None
        """Of the orders, once they have ended."""
        drives = [f"file={root.disk},snapshot=on", f"file={code},readonly=on"]
        drives += [f"file={disk},cache=unsafe" for disk in disks]
        words = [word for drive in drives for word in ("-drive", f"if=virtio,format=raw,{drive}")]
        kernel_words = "root=/dev/vda rw init=/init console=ttyS0 quiet panic=-1 swapaccount=1"
        self._process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-M", "q35", "-accel", os.environ.get("CONLAB_GUEST_ACCEL", "tcg")),
                *("-smp", "2", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config", "-display", "none"),
                *("-no-reboot", "-serial", "stdio", "-kernel", str(root.kernel), "-initrd", str(root.initrd)),
                *("-append", kernel_words, *words),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def lines(self) -> Iterator[str]:
        """Yield what the machine prints, until it is off."""
        assert self._process.stdout
        for line in self._process.stdout:
            if not line.endswith("\n"):
                return  # its power was cut within the line
            line = line.rstrip()
            if line.startswith(_LAST_WORD):
                self.exit_code = int(line.removeprefix(_LAST_WORD))
            yield line

    def cut(self) -> None:
        """Cut the power: what the kernel had not written to its disks is lost."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Machine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        assert self._process.stdout
        self._process.stdout.close()
