"""Which modules a guest loads, in which order.

The kernel asks user space for what a module wants by an alias (crc32c of ext4 and erofs: `crypto-crc32c`),
and in an initramfs nobody answers; so what a module names as its soft dependency is loaded before it.
Source: modprobe.d(5), "softdep"; Linux, crypto/api.c, crypto_larval_lookup.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.vm.kernel import modinfo
from containerlab.vm.kernel.kernel import Kernel

__all__ = ["Module", "has", "load_order"]

_ALIASED = re.compile(r"^kernel/(crypto|lib|arch/[^/]+/(crypto|lib))/")
"""Where those are that others call by an alias; to read all modules would take seconds."""


class Module(NamedTuple):
    """A module to load: content is the file, uncompressed and without its signature."""

    name: str
    content: bytes


def has(kernel: Kernel, name: str) -> bool:
    """Tell whether a kernel has a module, in a file or built in."""
    if kernel.modules is None:
        return True
    shelf, name = _Shelf(kernel.modules), name.replace("-", "_")
    return name in shelf.built_in or name in shelf.files


def load_order(kernel: Kernel, names: Iterable[str]) -> tuple[Module, ...]:
    """Return these modules and what they depend on, each after what it depends on, without those built in.

    Of a kernel without a directory of modules all counts as built in.

    Raises: NotFound when it has neither; CorruptContent.
    """
    if kernel.modules is None:
        return ()
    order = _Order(kernel.release, _Shelf(kernel.modules))
    for name in names:
        order.add(name.replace("-", "_"))
    return tuple(order.found.values())


class _Shelf:
    """The files of a kernel's modules, by name."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files = {modinfo.name_of(path): path for path in _paths(directory)}
        self.built_in = frozenset(map(modinfo.name_of, _lines(directory / "modules.builtin")))
        self._aliases: dict[str, list[str]] | None = None

    def read(self, name: str) -> bytes:
        return modinfo.content(self.directory / self.files[name])

    def named(self, alias: str) -> str | None:
        """Return the name of a module for a name or an alias; None for what is built in or is not there."""
        if alias in self.files:
            return alias
        if alias in self.built_in or alias in self._built_in_aliases():
            return None
        if self._aliases is None:
            self._aliases = self._read_aliases()
        # Several do the same in other ways; the generic one works on each processor.
        return min(
            self._aliases.get(alias, []), key=lambda name: (not name.endswith("_generic"), name), default=None
        )

    def _read_aliases(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, path in self.files.items():
            if _ALIASED.match(path):
                for alias in modinfo.info(self.read(name), name).aliases:
                    found.setdefault(alias, []).append(name)
        return found

    def _built_in_aliases(self) -> frozenset[str]:
        path = self.directory / "modules.builtin.modinfo"
        fields = path.read_bytes().decode("utf-8", "replace").split("\0") if path.exists() else []
        pairs = (field.partition(".alias=") for field in fields)
        return frozenset(alias.replace("-", "_") for _, is_alias, alias in pairs if is_alias)


def _paths(directory: Path) -> list[str]:
    """Return the paths of all modules below a directory, relative to it."""
    return [
        os.path.relpath(os.path.join(folder, name), directory)
        for folder, _, names in os.walk(directory)
        for name in sorted(names)
        if ".ko" in name
    ]


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


class _Order:
    """Modules in the order in which they can be loaded."""

    def __init__(self, release: str, shelf: _Shelf) -> None:
        self.found: dict[str, Module] = {}
        self._release, self._shelf = release, shelf
        self._seen: set[str] = set()

    def add(self, name: str, wanted_by: str = "") -> None:
        if name in self._seen or name in self._shelf.built_in:
            return
        self._seen.add(name)
        if name not in self._shelf.files:
            needed = f", which {wanted_by} needs" if wanted_by else ""
            raise errors.NotFound(
                f"the kernel {self._release} has no module {name}{needed}",
                errors.nearest(name, self._shelf.files) or "choose another kernel with --kernel",
            )
        content = self._shelf.read(name)
        said = modinfo.info(content, name)
        for soft in said.before:
            if (named := self._shelf.named(soft)) is not None:
                self.add(named, name)
        for needed in said.depends:
            self.add(needed, name)
        self.found[name] = Module(name, modinfo.unsigned(content))
