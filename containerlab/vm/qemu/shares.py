"""Directories of the host in a guest: who serves them, and how little else that program can reach.

What is read-only is so on the host, in the server's own mount namespace; the guest's kernel is not trusted.
"""

from __future__ import annotations

import os
import shutil

from containerlab import errors
from containerlab.linux.idmap import IdMap
from containerlab.store import trees
from containerlab.vm.qemu import share_server
from containerlab.vm.qemu.plan import Share
from containerlab.vm.qemu.share_server import Served

__all__ = ["companion", "virtiofsd"]

_PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd")


def virtiofsd() -> str:
    """Return the program that serves directories by virtiofs.

    Raises: Unsupported when there is none.
    """
    found = shutil.which("virtiofsd") or next((path for path in _PLACES if os.access(path, os.X_OK)), "")
    if not found:
        raise errors.Unsupported(
            "directories of the host in a virtual machine need virtiofsd, which is not installed",
            "apt-get install virtiofsd, or your system's package of it",
        )
    return found


def companion(program: str, share: Share, idmap: IdMap) -> tuple[str, ...]:
    """Return the command line that serves a share, see `Launch.companions`.

    idmap: whose ids the guest's are on the host. The server stays in the sandbox that it makes for itself.

    Raises: Unsupported for a user with a single id, whom the old server cannot serve.
    """
    if _is_old(program) and idmap.kind == "single":
        raise errors.Unsupported(
            f"{program} cannot share directories for a user with a single id ({idmap.reason})",
            "install virtiofsd 1.0 or newer, or have subordinate ids given to this user",
        )
    server = _old(program, share) if _is_old(program) else _new(program, share)
    words = share_server.words(idmap, Served(share.path, share.is_readonly, share.laid), server)
    return tuple(trees.words_of("containerlab.vm.qemu.share_server", words))


def _new(program: str, share: Share) -> list[str]:
    return [program, "--fd={socket}", "--shared-dir", share.path, "--cache", "auto"]


def _old(program: str, share: Share) -> list[str]:
    """Return the words for the one that is part of QEMU until 7.2; it need not raise its own limits."""
    escaped = share.path.replace("\\", "\\\\").replace(",", "\\,")
    options = [f"source={escaped}", "cache=auto", "sandbox=namespace"]
    return [program, "-f", "--fd={socket}", "--rlimit-nofile=0", "-o", ",".join(options)]


def _is_old(program: str) -> bool:
    """Say whether it is the one that came with QEMU until 7.2, which is not written in Rust."""
    return "/qemu/" in os.path.realpath(program)
