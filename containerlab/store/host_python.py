"""The running Python as part of an image: interpreter, standard library and what its modules load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from containerlab import errors
from containerlab.store.host_tree import Node, Tree

__all__ = ["add_python"]

_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
_LEFT_OUT = {
    *("test", "tests", "idlelib", "turtledemo", "tkinter", "lib2to3", "ensurepip", "pydoc_data"),
    *("site-packages", "dist-packages", "__phello__"),
}
"""Tests, programs with windows, and packages that are not part of Python."""
_LEFT_OUT_MODULES = ("_test", "_ctypes_test", "_tkinter", "_xxtestfuzz", "xxlimited", "_crypt.")
_OPTIMIZED = (".opt-1.pyc", ".opt-2.pyc")


def add_python(tree: Tree) -> None:
    """Add it below its own prefix if that is /usr, else below /usr/local, where it finds itself again.

    Modification times are kept: compiled modules carry those of their sources.

    Raises: NotFound when a library that it needs is missing.
    """
    base = sys.base_prefix
    prefix = base if base in ("/usr", "/usr/local") else "/usr/local"
    program = _program(base)
    tree.copy(program, f"{prefix}/bin/python{_VERSION}")
    for name in ("python3", "python"):
        tree.add(f"{prefix}/bin/{name}", Node(0o777, link=f"python{_VERSION}"))
    loaded = [program]
    for file in _standard_library():
        tree.copy(file, prefix + file.removeprefix(base), is_library=file.endswith(".so"))
        if file.endswith(".so"):
            loaded.append(file)
    try:
        tree.copy_libraries(loaded)
    except FileNotFoundError as error:
        raise errors.NotFound(f"this Python cannot be copied: {error.strerror}") from error


def _program(base: str) -> str:
    for name in (f"python{_VERSION}", "python3"):
        candidate = os.path.join(base, "bin", name)
        if os.path.exists(candidate):
            return os.path.realpath(candidate)
    return os.path.realpath(sys.executable)


def _standard_library() -> Iterator[str]:
    """Go through its files; some systems keep compiled modules below lib64."""
    folders = {
        os.path.dirname(os.__file__),
        os.path.join(sys.base_exec_prefix, sys.platlibdir, f"python{_VERSION}"),
    }
    for folder in sorted(folders):
        for directory, directories, files in os.walk(folder):
            directories[:] = sorted(name for name in directories if not _is_left_out(name))
            for name in sorted(files):
                if not name.endswith(_OPTIMIZED) and not name.startswith(_LEFT_OUT_MODULES):
                    yield os.path.join(directory, name)


def _is_left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.startswith("config-")
