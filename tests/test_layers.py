"""What stands on the lowest floor, and what runs below the fork, imports only the standard library.

That files import downwards only is held by import-linter (`make check`, contract in pyproject.toml).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import containerlab

PACKAGE = Path(containerlab.__file__).parent
FLOOR_1 = [PACKAGE / "errors.py", PACKAGE / "units.py", PACKAGE / "hashes.py", *PACKAGE.glob("linux/**/*.py")]
BELOW_THE_FORK = [
    *(PACKAGE / "runtime" / name for name in ("launcher.py", "monitor.py", "health.py", "child.py")),
    PACKAGE / "vm/monitor.py",
]


def _imports(file: Path) -> Iterator[str]:
    """Yield the full name of every module that a file imports, inside functions too, but not for types."""
    nodes: list[ast.AST] = [ast.parse(file.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes.extend(node.orelse)
        else:
            nodes.extend(ast.iter_child_nodes(node))


def _file_of(module: str) -> Path | None:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)


def _foreign(file: Path, seen: set[Path]) -> Iterator[str]:
    """Yield what a file, or a file of ours that it imports, takes from beyond us and the standard library."""
    seen.add(file)
    for module in _imports(file):
        top = module.split(".")[0]
        if top == "containerlab":
            below = _file_of(module)
            if below and below not in seen:
                yield from _foreign(below, seen)
        elif top not in sys.stdlib_module_names:
            yield f"{file.relative_to(PACKAGE)} imports {module}"


@pytest.mark.parametrize("file", FLOOR_1 + BELOW_THE_FORK, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_only_the_standard_library(file: Path) -> None:
    assert list(_foreign(file, set())) == []


@pytest.mark.parametrize("init", [*PACKAGE.glob("*/**/__init__.py")], ids=lambda file: file.parent.name)
def test_init_holds_no_code(init: Path) -> None:
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Expr)
    assert [
        ast.unparse(node) for node in ast.parse(init.read_text()).body if not isinstance(node, allowed)
    ] == []
