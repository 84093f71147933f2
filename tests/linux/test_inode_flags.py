"""What a file system is told about a directory."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import pytest

from containerlab.linux import inode_flags
from containerlab.linux.inode_flags import spread_subdirectories


def _flags(path: Path) -> int:
    fd = os.open(path, os.O_RDONLY)
    try:
        return int(struct.unpack("i", fcntl.ioctl(fd, inode_flags._FS_IOC_GETFLAGS, bytes(4)))[0])
    except OSError:
        pytest.skip("this file system has no flags")
    finally:
        os.close(fd)


def test_a_directory_is_the_top_of_what_is_below_it(base: Path) -> None:
    path = base / "top"
    path.mkdir()
    before = _flags(path)
    spread_subdirectories(path)
    spread_subdirectories(path)
    assert _flags(path) in (before | inode_flags._FS_TOPDIR_FL, before)


def test_where_there_are_no_such_flags_nothing_happens() -> None:
    spread_subdirectories("/proc/self")
