"""The suite's own tools: a leak check that finds leaks, users that are who they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import leaks, system_packages
from tests.users import User


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "PATIENCE_S", 0)


@pytest.mark.root
def test_left_mount_is_found(base: Path) -> None:
    before = leaks.look(base)
    target = base / "leak"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "leak", str(target)], check=True)
    try:
        assert any("mounts: " in line and str(target) in line for line in leaks.left_over(before, base))
    finally:
        subprocess.run(["umount", str(target)], check=True)
        target.rmdir()
    assert leaks.left_over(before, base) == []


def test_left_process_is_found(base: Path) -> None:
    before = leaks.look(base)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert any(f"processes: {process.pid} " in line for line in leaks.left_over(before, base))
        process.kill()
    assert leaks.left_over(before, base) == []


@pytest.mark.root
def test_left_process_without_our_environment_is_found_by_its_mounts(base: Path) -> None:
    before = leaks.look(base)
    command = f"mount -t tmpfs inside {base} && echo ready && read line"
    words = ["env", "-i", "PATH=/usr/bin:/bin", "unshare", "-m", "sh", "-c", command]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert any("processes: " in line for line in leaks.left_over(before, base))
        process.kill()


def test_left_descriptor_is_found(base: Path) -> None:
    before = leaks.look(base)
    with (base / "file").open("w"):
        assert any("descriptors: " in line and "/file" in line for line in leaks.left_over(before, base))
    (base / "file").unlink()
    assert leaks.left_over(before, base) == []


def test_ordinary_user_is_not_root_and_finds_the_package(ordinary_user: User) -> None:
    result = ordinary_user.script("import os, containerlab; print(os.getuid(), os.getgroups(), os.getcwd())")
    assert result.stdout == f"{ordinary_user.uid} [{ordinary_user.gid}] {ordinary_user.home}\n", result.stderr
    assert ordinary_user.uid != 0


def test_users_differ_by_their_subordinate_ids(ordinary_user: User) -> None:
    owners = {line.split(":")[0] for line in Path("/etc/subuid").read_text().splitlines()}
    assert (ordinary_user.name in owners) == (ordinary_user.kind == "subids")


def test_every_listed_package_names_its_program() -> None:
    assert all(system_packages.programs().values())
