"""Limits on memory in huge pages, which have sizes of their own on each machine."""

from __future__ import annotations

import os
from typing import NamedTuple

from containerlab import units
from containerlab.errors import InvalidInput

__all__ = ["HugePages", "huge_pages", "sizes"]


class HugePages(NamedTuple):
    """A limit on memory in huge pages; `page` as the kernel writes it: 2MB."""

    page: str
    limit_bytes: int


def huge_pages(value: str | HugePages) -> HugePages:
    """Read `page=size`.

    >>> huge_pages("2m=64m")
    HugePages(page='2MB', limit_bytes=67108864)
    """
    if isinstance(value, HugePages):
        return value
    page, equals, limit = value.partition("=")
    if not equals:
        raise InvalidInput(f"no limit in {value!r}", "write page=size: 2MB=64m")
    return HugePages(_page(page), units.size(limit))


def _page(written: str) -> str:
    """Write the size of a page as the files of the hugetlb controller do. Source: mm/hugetlb_cgroup.c."""
    size_bytes = units.size(written)
    for unit, unit_bytes in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if size_bytes >= unit_bytes:
            return f"{size_bytes // unit_bytes}{unit}"
    raise InvalidInput(f"not the size of a huge page: {written!r}", "write 2MB or 1GB")


def sizes() -> list[str]:
    """Return the sizes of huge pages that this host has."""
    try:
        names = os.listdir("/sys/kernel/mm/hugepages")
    except FileNotFoundError:
        return []
    return sorted(_page(name.removeprefix("hugepages-")) for name in names)
