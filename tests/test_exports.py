"""The names that the package gives away exist, are documented, and come with their types."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import containerlab

REPOSITORY = Path(containerlab.__file__).parent.parent
MODULES = [info.name for info in pkgutil.walk_packages(containerlab.__path__, "containerlab.")]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_every_exported_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert [missing for missing in getattr(module, "__all__", ()) if not hasattr(module, missing)] == []


@pytest.mark.parametrize(
    "name", ["containerlab", *(name for name in MODULES if not name.endswith("__main__"))]
)
def test_every_module_says_what_it_is(name: str) -> None:
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_the_examples_of_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_package_has_the_version_of_its_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert containerlab.__version__ == project["version"]


def test_no_public_name_is_hidden_by_a_module() -> None:
    """Importing a module sets its name in the package, over what stood there."""
    for info in pkgutil.iter_modules(containerlab.__path__):
        if info.name != "__main__":
            importlib.import_module(f"containerlab.{info.name}")
    assert [name for name in containerlab.__all__ if inspect.ismodule(getattr(containerlab, name))] == []


@pytest.mark.parametrize("name", containerlab.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    value = getattr(containerlab, name)
    assert inspect.getdoc(value) if callable(value) else value is not None


def test_wrong_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        containerlab.no_such_name  # noqa: B018


def test_wheel_brings_types_and_pages_and_no_tests(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    shutil.copytree(REPOSITORY / "containerlab", source / "containerlab")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*words, str(source)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    pages = {"containerlab/demo/page.html", "containerlab/experiments/report.html"}
    assert {"containerlab/py.typed", *pages} <= set(names)
    assert {name.split("/")[0] for name in names} == {
        "containerlab",
        f"{wheel.name.split('-py3')[0]}.dist-info",
    }
