"""Who `--user` means, from the container's own /etc/passwd and /etc/group, read as bytes.

No name service is asked (CVE-2019-14271), a number is always a number even when passwd has an entry of
that name (CVE-2016-3697), and what does not parse is an error, never uid 0 (CVE-2026-30892).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from containerlab.errors import InvalidInput

__all__ = ["Account", "resolve"]

_LARGEST_ID = 2**31 - 1


class Account(NamedTuple):
    """Numeric ids; `home` is empty when passwd does not know the user."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


def resolve(
    user: str, passwd: bytes | None, group: bytes | None, extra_groups: Sequence[str] = ()
) -> Account:
    """Turn NAME, UID, NAME:GROUP or UID:GID into ids, as Docker does.

    Without a group part the gid and supplementary groups come from the files; the primary gid is always
    among the supplementary ones (CVE-2022-36109).
    Raises: InvalidInput for a name that is not there or a number out of range.
    """
    wanted_user, colon, wanted_group = (user or "0").partition(":")
    if not wanted_user or (colon and not wanted_group):
        raise InvalidInput(f"--user {user!r} lacks a part", "write it as NAME, UID, NAME:GROUP or UID:GID")
    entry = _find(wanted_user, _entries(passwd, 7), "user")
    name, uid, gid, home = entry if entry else ("", _number(wanted_user, "user"), 0, "")
    groups = list(_entries(group, 4))
    if colon:
        gid = _group(wanted_group, groups)
        member_of: list[int] = []
    else:
        member_of = [int(g[2]) for g in groups if name and os.fsencode(name) in g[3].split(b",")]
    added = [_group(each, groups) for each in extra_groups]
    return Account(uid, gid, tuple(dict.fromkeys((gid, *member_of, *added))), home)


def _entries(content: bytes | None, fields: int) -> Iterator[list[bytes]]:
    """Yield the lines whose ids are ids: what the kernel would cut to 32 bits could become 0, or "keep"."""
    ids = slice(2, 4) if fields == 7 else slice(2, 3)
    for line in (content or b"").splitlines():
        entry = line.split(b":")
        if (
            len(entry) >= fields - 1
            and all(map(_is_id, entry[ids]))
            and not line.startswith((b"#", b"+", b"-"))
        ):
            yield entry + [b""] * (fields - len(entry))


def _is_id(text: bytes) -> bool:
    return bool(re.fullmatch(rb"[0-9]{1,10}", text)) and int(text) <= _LARGEST_ID


def _find(wanted: str, entries: Iterable[list[bytes]], kind: str) -> tuple[str, int, int, str] | None:
    number = _number(wanted, kind) if _is_number(wanted) else None
    for entry in entries:
        same = entry[0] == os.fsencode(wanted) if number is None else int(entry[2]) == number
        if same:
            return os.fsdecode(entry[0]), int(entry[2]), int(entry[3]), os.fsdecode(entry[5])
    if number is not None:
        return None
    raise InvalidInput(f"the image has no {kind} {wanted!r} in /etc/passwd", "use a number, or add the user")


def _group(wanted: str, groups: Iterable[list[bytes]]) -> int:
    if _is_number(wanted):
        return _number(wanted, "group")
    for entry in groups:
        if entry[0] == os.fsencode(wanted):
            return int(entry[2])
    raise InvalidInput(f"the image has no group {wanted!r} in /etc/group", "use a number, or add the group")


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?[0-9]+", text))


def _number(text: str, kind: str) -> int:
    if not _is_id(text.encode()):
        raise InvalidInput(f"{kind} id {text[:20]} is out of range", f"use 0 to {_LARGEST_ID}")
    return int(text)
