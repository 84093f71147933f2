"""System call numbers: name → number, for each instruction set that a filter can tell apart.

The tables reach to Linux 6.18. A name that is not there is one the kernel of that machine does not have.
"""

from __future__ import annotations

import importlib
from functools import cache

__all__ = ["numbers"]

_RECENT = {
    # The same on every architecture since Linux 5.1. Source: Linux, scripts/syscall.tbl, 6.18.
    424: """
        pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen
        fsconfig fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2
        process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule
        landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node
        cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount
        lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat
        removexattrat open_tree_attr file_getattr file_setattr
    """,
}


@cache
def numbers(table: str) -> dict[str, int]:
    """Return the numbers of "x86_64", "i386" or "aarch64"; not to be changed by the caller.

    >>> numbers("x86_64")["clone3"], numbers("i386")["socketcall"]
    (435, 102)
    """
    module = importlib.import_module(f"{__package__}.numbers_{table}")
    blocks: dict[int, str] = {**module.BLOCKS, **_RECENT}
    return {
        name: first + offset for first, text in blocks.items() for offset, name in enumerate(text.split())
    }
