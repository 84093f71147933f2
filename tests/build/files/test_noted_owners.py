"""Owners that are noted beside files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab.build.files.noted_owners import NotedOwners


@pytest.mark.parametrize(
    ("note", "owner"),
    [
        (b"5:6:0644", (5, 6)),
        (b"5:6", (5, 6)),
        (b"5:6:0644:block:1:2", (5, 6)),
        (b"", None),
        (b"x:6:0644", None),
        (b"4294967295:0", None),
        (b"99999999999:0", None),
        (b"-1:0", None),
    ],
)
def test_notes(tmp_path: Path, note: bytes, owner: tuple[int, int] | None) -> None:
    (tmp_path / "f").touch()
    os.setxattr(tmp_path / "f", "user.containers.override_stat", note)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        status, owners = os.fstat(fd), NotedOwners()
        owners.are_noted = True
        assert owners.of(fd, status) == (owner or (status.st_uid, status.st_gid))
        owners.are_noted = False
        assert owners.of(fd, status) == (status.st_uid, status.st_gid)
    finally:
        os.close(fd)
