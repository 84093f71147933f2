"""Who `--user` means, from the container's own /etc/passwd and /etc/group, read as bytes.

No name service is asked (CVE-2019-14271), a number is always a number even when passwd has an entry of
that name (CVE-2016-3697), and what does not parse is an error, never uid 0 (CVE-2026-30892).
"""

from __future__ import annotations

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
        member_of = [_field(g[2]) for g in groups if name and name.encode() in g[3].split(b",")]
    added = [_group(each, groups) for each in extra_groups]
    return Account(uid, gid, tuple(dict.fromkeys((gid, *member_of, *added))), home)


def _entries(content: bytes | None, fields: int) -> Iterator[list[bytes]]:
    for line in (content or b"").splitlines():
        entry = line.split(b":")
        if len(entry) >= fields - 1 and entry[2].isdigit() and not line.startswith((b"#", b"+", b"-")):
            yield entry + [b""] * (fields - len(entry))


def _find(wanted: str, entries: Iterable[list[bytes]], kind: str) -> tuple[str, int, int, str] | None:
    number = wanted.lstrip("-").isdecimal()
    for entry in entries:
        same = _field(entry[2]) == int(wanted) if number else entry[0] == wanted.encode()
        if same:
            home = entry[5].decode("utf-8", "surrogateescape")
            return entry[0].decode("utf-8", "surrogateescape"), _field(entry[2]), _field(entry[3]), home
    if number:
        return None
    raise InvalidInput(f"the image has no {kind} {wanted!r} in /etc/passwd", "use a number, or add the user")


def _group(wanted: str, groups: Iterable[list[bytes]]) -> int:
    if wanted.lstrip("-").isdecimal():
        return _number(wanted, "group")
    for entry in groups:
        if entry[0] == wanted.encode():
            return _field(entry[2])
    raise InvalidInput(f"the image has no group {wanted!r} in /etc/group", "use a number, or add the group")


def _number(text: str, kind: str) -> int:
    value = int(text)
    if not 0 <= value <= _LARGEST_ID:
        raise InvalidInput(f"{kind} id {text} is out of range", f"use 0 to {_LARGEST_ID}")
    return value


def _field(text: bytes) -> int:
    return int(text) if text.isdigit() else 0
