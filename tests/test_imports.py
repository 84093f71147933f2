"""Importing costs little: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"IPython", "asyncio", "click", "ipywidgets", "matplotlib", "numpy", "pandas", "sqlite3", "ssl"}


def _loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport sys; print(*sys.modules)"
    words = [sys.executable, "-c", script]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert _loaded_by("import containerlab") & HEAVY == set()


def test_importing_the_package_loads_none_of_its_floors() -> None:
    inner = {name for name in _loaded_by("import containerlab") if name.startswith("containerlab.")}
    assert inner <= {"containerlab.errors"}


def test_what_a_run_needs_is_not_heavy() -> None:
    assert _loaded_by("import containerlab.engine.engine") & (HEAVY - {"sqlite3"}) == set()


def test_completing_a_word_loads_no_pictures() -> None:
    assert _loaded_by("import containerlab.cli") & (HEAVY - {"click", "sqlite3"}) == set()


def test_a_monitor_loads_health_checks_only_for_containers_that_have_them() -> None:
    loaded = _loaded_by("import containerlab.runtime.launcher")
    assert loaded & {"containerlab.runtime.health", "containerlab.runtime.probe"} == set()
