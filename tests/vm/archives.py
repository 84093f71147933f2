"""Archives that guests of tests find in memory: our first process, modules, and busybox as the image."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from containerlab.vm.guest import layout
from containerlab.vm.kernel import modules, needs
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.rootfs import cpio, initramfs

__all__ = ["Files", "boot", "busybox", "first_process", "image", "packed"]

Files = Mapping[str, bytes | str | int]
"""What lies at each path: bytes are a program, text is a link's target, a number a directory's mode."""
_APPLETS = (
    *("cat", "chmod", "date", "dd", "df", "echo", "env", "false", "head", "hostname", "id", "ip", "kill"),
    *("ls", "mkdir", "mount", "nc", "printf", "ps", "pwd", "readlink", "reboot", "seq", "sh", "sleep"),
    *("stty", "test", "touch", "true", "tty", "ulimit", "umount", "wc", "wget", "yes"),
)


def busybox() -> Files:
    """Return an image of busybox alone, without any directory that a machine needs."""
    program = shutil.which("busybox")
    assert program, "the busybox package is missing"
    links = {f"bin/{applet}": "busybox" for applet in _APPLETS}
    return {"bin": 0o755, "bin/busybox": Path(program).read_bytes(), **links}


def first_process(architecture: str = "x86_64") -> Path:
    """Return where our first process lies."""
    return Path(layout.__file__).with_name(layout.binary(architecture))


def boot(kernel: Kernel, wanted: Sequence[str]) -> bytes:
    """Return the archive of our first process with the modules for what is wanted, see `needs`."""
    order = modules.load_order(kernel, needs.modules(*wanted))
    init = first_process(kernel.architecture).read_bytes()
    return initramfs.boot_part(init, [(module.name, module.content) for module in order])


def image(files: Files) -> bytes:
    """Return the archive of an image's files, which follows that of `boot`."""
    return packed({layout.IMAGE: 0o755, **{f"{layout.IMAGE}/{path}": each for path, each in files.items()}})


def packed(files: Files) -> bytes:
    """Return an archive of files, directories before what is in them."""
    return b"".join(_member(path.encode(), content) for path, content in files.items()) + cpio.END


def _member(name: bytes, content: bytes | str | int) -> bytes:
    if isinstance(content, int):
        return cpio.header(cpio.Member(name, stat.S_IFDIR | content))
    data = os.fsencode(content)
    mode = stat.S_IFLNK | 0o777 if isinstance(content, str) else stat.S_IFREG | 0o755
    return cpio.header(cpio.Member(name, mode, size=len(data))) + data + cpio.padding(len(data))
