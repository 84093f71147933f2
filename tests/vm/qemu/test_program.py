"""QEMU as it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab import errors
from containerlab.vm.qemu import program

HERE = pytest.mark.system("qemu-system-x86")


@HERE
def test_what_it_says_of_itself_is_kept(tmp_path: Path) -> None:
    found = program.find("x86_64", tmp_path)
    assert "q35" in found.machines
    assert found.version[0].isdigit()
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    assert program.find("amd64", tmp_path) == found


@HERE
def test_what_is_kept_and_damaged_is_asked_again(tmp_path: Path) -> None:
    found = program.find("x86_64", tmp_path)
    for path in tmp_path.iterdir():
        path.write_text("{")
    assert program.find("x86_64", tmp_path) == found


def test_none_is_said_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.Unsupported, match="needs qemu-system-aarch64") as refused:
        program.find("arm64")
    assert "qemu-system-arm" in refused.value.hint


def test_other_architectures_are_refused() -> None:
    with pytest.raises(errors.Unsupported, match="and not riscv64"):
        program.find("riscv64")


def test_what_is_no_qemu_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "qemu-system-x86_64"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.Unsupported, match="does not work"):
        program.find("x86_64")
