from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.linux.seccomp.cache import compiled
from containerlab.linux.seccomp.compiler import compile_filter
from containerlab.linux.seccomp.profile import Rule, Seccomp

STRICT = Seccomp("SCMP_ACT_ERRNO", rules=(Rule(("read",), "SCMP_ACT_ALLOW"),))
LOOSE = Seccomp("SCMP_ACT_ALLOW")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    compiled.cache_clear()
    yield
    compiled.cache_clear()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "seccomp"
    path.mkdir(mode=0o700)
    return path


def _ask_anew(seccomp: Seccomp, directory: Path) -> bytes:
    compiled.cache_clear()
    return compiled(seccomp, directory)


def _file(seccomp: Seccomp, directory: Path) -> Path:
    before = set(directory.iterdir())
    _ask_anew(seccomp, directory)
    (file,) = set(directory.iterdir()) - before
    return file


def test_program_from_the_file_is_the_compiled_one(directory: Path) -> None:
    file = _file(STRICT, directory)
    inode = file.stat().st_ino
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)
    assert [entry.stat().st_ino for entry in directory.iterdir()] == [inode]
    assert file.stat().st_mode & 0o777 == 0o600


def test_file_is_what_is_used(directory: Path) -> None:
    """Else all that follows would prove nothing."""
    file, other = _file(STRICT, directory), compile_filter(LOOSE)
    file.write_bytes(hashlib.sha256(file.name.encode() + other).digest() + other)
    assert _ask_anew(STRICT, directory) == other


def test_every_truncation_is_noticed_and_repaired(directory: Path) -> None:
    file = _file(STRICT, directory)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        assert _ask_anew(STRICT, directory) == compile_filter(STRICT)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("position", [0, 31, 32, 40, -1])
def test_changed_byte_is_noticed(directory: Path, position: int) -> None:
    file = _file(STRICT, directory)
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)


def test_longer_file_is_noticed(directory: Path) -> None:
    file = _file(STRICT, directory)
    file.write_bytes(file.read_bytes() + bytes(8))
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)


def test_program_of_another_profile_is_noticed(directory: Path) -> None:
    strict, loose = _file(STRICT, directory), _file(LOOSE, directory)
    strict.write_bytes(loose.read_bytes())
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)


def test_symlink_is_not_followed(directory: Path, tmp_path: Path) -> None:
    file = _file(STRICT, directory)
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)
    assert not file.is_symlink()


def test_pipe_does_not_hang(directory: Path) -> None:
    file = _file(STRICT, directory)
    file.unlink()
    os.mkfifo(file)
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_directory_that_others_may_write_is_not_used(directory: Path, mode: int) -> None:
    directory.chmod(mode)
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)
    assert list(directory.iterdir()) == []


@pytest.mark.root
def test_directory_and_file_of_another_user_are_not_used(directory: Path) -> None:
    file = _file(STRICT, directory)
    os.chown(file, 12345, 12345)
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)
    assert file.stat().st_uid == 0
    file.unlink()
    os.chown(directory, 12345, 12345)
    assert _ask_anew(STRICT, directory) == compile_filter(STRICT)
    assert list(directory.iterdir()) == []


def test_without_a_directory_it_is_compiled(tmp_path: Path) -> None:
    assert compiled(STRICT) == compile_filter(STRICT)
    assert compiled(STRICT, tmp_path / "missing") == compile_filter(STRICT)


def test_machines_do_not_share_a_file(directory: Path) -> None:
    x86_64, aarch64 = (compiled(STRICT, directory, machine) for machine in ("x86_64", "aarch64"))
    assert x86_64 != aarch64
    assert len(list(directory.iterdir())) == 2
