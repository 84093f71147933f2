"""Who --chown means: a name by the image's own /etc/passwd and /etc/group, a number as it is.

Source: BuildKit, solver/llbsolver/file/user_linux.go; Dockerfile reference, "COPY --chown --chmod".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from containerlab.errors import InvalidInput
from containerlab.runtime import users
from containerlab.store import merged

__all__ = ["owner"]


def owner(chown: str, lowers: Sequence[str | Path]) -> tuple[int, int]:
    """Return the uid and gid that files are to have.

    Without a group, a name stands for its group in passwd too, and a number for the group of that number;
    without a user, it is root.
    lowers: the image's unpacked layers, topmost first; not read for numbers.

    Raises: InvalidInput for a name that is not in the image, or a number out of range.

    >>> owner("1000", ()), owner("1000:50", ())
    ((1000, 1000), (1000, 50))
    """
    user, colon, group = chown.partition(":")
    if colon and not group:
        raise InvalidInput(f"--chown={chown} lacks a part", "write USER, USER:GROUP, UID or UID:GID")
    user = user or "0"
    layers = [Path(layer) for layer in lowers]
    passwd = None if user.isdigit() else merged.read_file(layers, None, "/etc/passwd")
    account = users.resolve(user, passwd, None)
    if not colon:
        return account.uid, account.uid if user.isdigit() else account.gid
    groups = None if group.isdigit() else merged.read_file(layers, None, "/etc/group")
    return account.uid, users.resolve(f"0:{group}", None, groups).gid
