"""Removing and measuring trees, whoever owns them and however deep they are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from containerlab.errors import NotPermitted
from containerlab.linux.files import remove_content, remove_tree
from containerlab.linux.idmap import HOST
from containerlab.store import trees
from containerlab.store.tree_size import size_bytes
from tests.users import REPOSITORY, User


def test_a_tree_deeper_than_recursion_and_descriptors(tmp_path: Path) -> None:
    root = tmp_path / "deep"
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    remove_tree(root)
    assert not root.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "x").touch()
    (tmp_path / "tree/a").mkdir(parents=True)
    (tmp_path / "tree/a/link").symlink_to(kept)
    (tmp_path / "link").symlink_to(kept)
    remove_tree(tmp_path / "tree")
    with pytest.raises(NotADirectoryError):
        remove_tree(tmp_path / "link")
    assert (kept / "x").exists()


def test_directories_that_deny_their_owner(anyone: User) -> None:
    result = anyone.script(
        "import os; from pathlib import Path; from containerlab.linux.files import remove_tree\n"
        "root = Path.home() / 'denied'\n"
        "for name in ('a/b/c', 'work/work', 'x'): (root / name).mkdir(parents=True)\n"
        "(root / 'a/b/c/file').touch()\n"
        "for name in ('a/b/c', 'a/b', 'a', 'work/work', 'work'): os.chmod(root / name, 0)\n"
        "remove_tree(root)\n"
        "assert not root.exists()"
    )
    assert result.returncode == 0, result.stderr


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    trees.remove(tmp_path / "missing", HOST)


def test_a_directory_is_emptied_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    fd = os.open(tmp_path, os.O_RDONLY)
    remove_content(fd)
    os.close(fd)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_says_what_was_tried(tmp_path: Path) -> None:
    with pytest.raises(NotPermitted, match=r"trees rename failed: .*No such file"):
        trees.perform(HOST, trees.__name__, ["rename", str(tmp_path / "missing"), str(tmp_path / "new")])


@pytest.mark.parametrize(
    "module",
    ["alone", "changes", "copy", "packer", "snapshot_trial", "tree_size", "trees", "unpack", "unpacker"],
)
def test_what_runs_in_a_small_interpreter_needs_only_the_standard_library(module: str) -> None:
    source = "import sys, importlib; sys.path.append(sys.argv[1]); importlib.import_module(sys.argv[2])"
    words = [str(REPOSITORY), f"containerlab.store.{module}"]
    subprocess.run([sys.executable, "-I", "-S", "-c", source, *words], check=True)


def test_hard_links_are_measured_once(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/x").write_bytes(b"x" * 100_000)
    once = size_bytes(str(tmp_path))
    (tmp_path / "y").hardlink_to(tmp_path / "d/x")
    assert size_bytes(str(tmp_path)) == once >= 100_000
