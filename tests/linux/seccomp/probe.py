"""Run as a program: load a filter, make system calls, and say the error number of each.

Standard input: {"programs": [hex, …], "flags": 0, "privileged": false, "calls": [[number, arguments…], …],
"calls_32": [[…], …]}; standard output: one error number (0 = success) a line, those of `calls_32`, made
through int 0x80, last. Unprivileged sets no_new_privs first.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import sys
from collections.abc import Callable

from containerlab.linux.seccomp.loading import load
from containerlab.linux.syscalls import prctl

PR_SET_NO_NEW_PRIVS = 38
# push rbx; mov eax, edi; mov ebx, esi; mov ecx, edx; int 0x80; cdqe; pop rbx; ret
INT_80 = bytes.fromhex("53 89f8 89f3 89d1 cd80 4898 5b c3")


def door_32() -> Callable[[int, int, int], int]:
    """Return a function that makes a 32-bit call (number, first, second argument): result or -errno."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(INT_80)
    code = ctypes.c_char.from_buffer(page)
    call = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_int, ctypes.c_int, ctypes.c_int)(ctypes.addressof(code))
    call.code = code  # keeps the page
    return call


def main() -> None:
    order = json.load(sys.stdin)
    libc = ctypes.CDLL(None, use_errno=True)
    call_32 = door_32() if order["calls_32"] else None
    if not order["privileged"]:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
    for program in order["programs"]:
        load(bytes.fromhex(program), order["flags"])
    for number, *arguments in order["calls"]:
        result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_ulong, arguments))
        print(ctypes.get_errno() if result == -1 else 0, flush=True)
    for number, *arguments in order["calls_32"]:
        assert call_32 is not None
        print(max(0, -call_32(number, *arguments, *[0] * (2 - len(arguments)))), flush=True)


if __name__ == "__main__":
    main()
