"""Lines about requests, on the standard error; nothing a client sends can make a line look like another."""

from __future__ import annotations

import os
import sys
import time

from containerlab.distribution.server.protocol.request import Request

__all__ = ["bound", "is_usual", "write"]

_MOST = 300


def bound(fd: int, most_bytes: int) -> None:
    """Begin a log anew when it is too long: who is refused ten thousand times must not fill the disk.

    fd: of a file that is written to at its end only.
    """
    if os.fstat(fd).st_size > most_bytes:
        os.ftruncate(fd, 0)
        os.write(fd, b"earlier lines were dropped\n")


def is_usual(request: Request, status: int) -> bool:
    """Tell whether every client is refused so at times: it asks what is there, or how to log in."""
    if status == 404:
        return request.method == "HEAD"
    return status == 401 and not request.header("authorization")


def write(request: Request, status: int, began: float, remark: str = "") -> None:
    """Write a line: time, address, account, request, status, milliseconds, and why it was refused."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    took_ms = (time.monotonic() - began) * 1000
    who = _harmless(request.identity.name) or "-"
    what = _harmless(f"{request.method} {request.path}")
    line = f'{stamp} {request.address or "-"} {who} "{what}" {status} {took_ms:.1f}ms {_harmless(remark)}'
    print(line.rstrip(), file=sys.stderr, flush=True)


def _harmless(text: str) -> str:
    r"""Shorten text, and write out what could end a line, its quotation or a terminal's patience.

    >>> _harmless('a"\nb')
    'a\\x22\\x0ab'
    """
    shown = text if len(text) <= _MOST else f"{text[:_MOST]}…"
    return "".join(each if each.isprintable() and each not in '"\\' else _escaped(each) for each in shown)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
