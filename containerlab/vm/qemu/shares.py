"""Directories of the host in a guest: which way they come there, and who serves them."""

from __future__ import annotations

import os
import shutil

from containerlab import errors
from containerlab.vm.qemu.plan import Share

__all__ = ["companion", "virtiofsd"]

_PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd")


def virtiofsd() -> str:
    """Return the program that serves directories by virtiofs.

    Raises: Unsupported when there is none, or this user may not use it.
    """
    found = shutil.which("virtiofsd") or next((path for path in _PLACES if os.access(path, os.X_OK)), "")
    if not found:
        raise errors.Unsupported(
            "directories of the host in a virtual machine need virtiofsd, which is not installed",
            "apt-get install virtiofsd, or your system's package of it",
        )
    if os.geteuid() and _is_old(found):
        raise errors.Unsupported(f"{found} works for root only", "install virtiofsd 1.0 or newer")
    return found


def companion(program: str, share: Share) -> tuple[str, ...]:
    """Return the command line that serves a share, see `Launch.companions`.

    The old one cannot be told to refuse writing: there, only the guest's own kernel does.
    """
    if _is_old(program):
        return (program, "-f", "--fd={socket}", "-o", f"source={share.path}", "-o", "cache=auto")
    refuse = ("--readonly",) if share.is_readonly else ()
    alone = () if os.geteuid() == 0 else ("--sandbox", "none")
    return (program, "--fd={socket}", "--shared-dir", share.path, "--cache", "auto", *alone, *refuse)


def _is_old(program: str) -> bool:
    """Say whether it is the one that came with QEMU until 7.2, which is not written in Rust."""
    return "/qemu/" in os.path.realpath(program)
