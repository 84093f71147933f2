"""Importing costs little: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import busybox

HEAVY = {"IPython", "asyncio", "click", "ipywidgets", "matplotlib", "numpy", "pandas", "sqlite3", "ssl"}

NOT_FOR_STARTING = {
    *(
        "argparse",
        "bz2",
        "concurrent.futures",
        "gzip",
        "hashlib",
        "inspect",
        "json",
        "lzma",
        "multiprocessing",
    ),
    *("random", "secrets", "selectors", "shlex", "shutil", "socket", "subprocess", "tarfile", "tempfile"),
    *("traceback", "urllib.request", "zipfile", "zlib", "backports.zstd"),
    *("containerlab.backends.embedded.committing", "containerlab.backends.embedded.output"),
    *("containerlab.backends.embedded.processes", "containerlab.commands.complete"),
    *("containerlab.commands.help", "containerlab.engine.columns", "containerlab.engine.copying"),
    *("containerlab.engine.inspection", "containerlab.linux.seccomp.compiler", "containerlab.oci.changes"),
    *("containerlab.printing", "containerlab.runtime.child", "containerlab.runtime.explain"),
    *("containerlab.runtime.inside", "containerlab.runtime.monitor", "containerlab.store.archives"),
    *("containerlab.store.changes", "containerlab.store.compression", "containerlab.store.layer_writer"),
    *("containerlab.store.pack", "containerlab.store.tar_read", "containerlab.store.unpack"),
    *("containerlab.views.table", "containerlab.metrics", "containerlab.runtime.secret_files", "isal"),
}
"""What a command that only starts a program has no use for, and every `conlab run` would wait for."""


def _loaded_by(statement: str) -> set[str]:
    script = f"{statement}\nimport sys; print(*sys.modules)"
    words = [sys.executable, "-c", script]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    assert _loaded_by("import containerlab") - _loaded_by("") == {"__future__", "containerlab"}


def test_what_a_run_needs_is_not_heavy() -> None:
    assert _loaded_by("import containerlab.engine.engine") & (HEAVY - {"sqlite3"}) == set()


def test_completing_a_word_loads_no_pictures() -> None:
    assert _loaded_by("import containerlab.cli") & (HEAVY - {"click", "sqlite3"}) == set()


def test_a_monitor_loads_health_checks_only_for_containers_that_have_them() -> None:
    loaded = _loaded_by("import containerlab.runtime.launcher")
    assert loaded & {"containerlab.runtime.health", "containerlab.runtime.probe"} == set()


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    place = base / "imports"
    with busybox.engine(place) as engine:
        engine.containers.run(busybox.NAME, ["true"], rm=True)  # unpacks the layer, compiles the filter
    return place


def _loaded_by_conlab(home: Path, *words: str) -> set[str]:
    program = [sys.executable, "-X", "importtime", "-m", "containerlab", "--home", str(home)]
    said = subprocess.run([*program, *words], check=True, capture_output=True, text=True).stderr
    return {line.rpartition("|")[2].strip() for line in said.splitlines() if line.startswith("import time:")}


@pytest.mark.root
@pytest.mark.system("busybox-static")
@pytest.mark.slow
def test_starting_a_program_loads_only_what_starts_it(home: Path) -> None:
    loaded = _loaded_by_conlab(home, "run", "--rm", "--network", "none", busybox.NAME, "true")
    assert "containerlab.runtime.plan" in loaded
    assert loaded & (NOT_FOR_STARTING | HEAVY - {"sqlite3"}) == set()


def test_listing_loads_nothing_that_makes_processes(tmp_path: Path) -> None:
    loaded = _loaded_by_conlab(tmp_path / "home", "ps")
    assert "containerlab.views.table" in loaded
    assert loaded & {"containerlab.runtime.monitor", "shutil", "socket", "subprocess", "tempfile"} == set()
