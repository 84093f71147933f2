"""Which kernel parameters a container may set: those that its own namespaces have.

Source: moby, opts/parse ValidateSysctl; sysctl(8); CVE-2022-0811 is why the syntax is strict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from containerlab.errors import InvalidInput

__all__ = ["check"]

_IPC = ("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax")
_IPC_ALL = (*_IPC, "kernel.shmmni", "kernel.shm_rmid_forced")
_KEY = r"[a-z0-9_]+(\.[A-Za-z0-9_:-]+)+"
_VALUE = r"[A-Za-z0-9 \t_.,:-]*"


def check(sysctls: Mapping[str, str], *, own_ipc: bool, own_network: bool, own_uts: bool) -> None:
    """Raise InvalidInput for what is not of a namespace of its own, or not well formed."""
    for key, value in sysctls.items():
        if not re.fullmatch(_KEY, key) or not re.fullmatch(_VALUE, value):
            raise InvalidInput(
                f"--sysctl {f'{key}={value}'!r} is not well formed", "write it as net.core.somaxconn=1024"
            )
        if not _is_own(key, own_ipc=own_ipc, own_network=own_network, own_uts=own_uts):
            raise InvalidInput(
                f"--sysctl {key} belongs to the host, not to a namespace of the container",
                "net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm* and kernel.domainname can be set",
            )


def _is_own(key: str, *, own_ipc: bool, own_network: bool, own_uts: bool) -> bool:
    if key in _IPC_ALL or key.startswith("fs.mqueue."):
        return own_ipc
    if key in ("kernel.domainname", "kernel.hostname"):
        return own_uts
    return key.startswith("net.") and own_network
