"""The home: private, ours, and with locks that die with their holder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from containerlab.errors import Conflict, InvalidInput, NotPermitted
from containerlab.store.home import Home, is_held


def test_a_new_home_is_private_and_an_oci_layout(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "a" / "b")
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert (home.oci / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    assert Home.open(tmp_path / "a" / "b") == home


def test_the_environment_chooses_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERLAB_HOME", str(tmp_path / "chosen"))
    assert Home.open().root == tmp_path / "chosen"


def test_a_home_that_became_readable_to_others_is_closed_again(home: Home) -> None:
    home.root.chmod(0o755)
    Home.open(home.root)
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


def test_a_directory_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    tmp_path.chmod(0o755)
    with pytest.raises(InvalidInput, match=r"thesis\.tex"):
        Home.open(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotPermitted, match="cannot use"):
        Home.open(tmp_path / "file")


@pytest.mark.root
def test_somebody_elses_home_is_refused(home: Home) -> None:
    os.chown(home.root, 12345, 12345)
    with pytest.raises(NotPermitted, match="belongs to uid 12345"):
        Home.open(home.root)


def test_many_can_make_the_same_home_at_once(tmp_path: Path) -> None:
    homes: list[Home] = []
    threads = [threading.Thread(target=lambda: homes.append(Home.open(tmp_path / "home"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(homes)) == 1
    assert os.listdir(homes[0].temporary) == []


def test_locks_exclude_threads_and_let_sharers_in(home: Home) -> None:
    with home.lock("x"), pytest.raises(Conflict, match="x is locked"), home.lock("x", wait=False):
        pass
    one, other = home.lock("x", shared=True), home.lock("x", shared=True, wait=False)
    with one, other, pytest.raises(Conflict), home.lock("x", wait=False):
        pass
    with home.lock("x", wait=False):
        pass


def test_scratch_is_gone_afterwards_also_after_an_error(home: Home) -> None:
    with home.scratch("work-") as path:
        (path / "deep" / "er").mkdir(parents=True)
        assert is_held(str(path))
        assert home.sweep() == 0
    with pytest.raises(FileNotFoundError), home.scratch("work-") as path:
        (path / "missing").read_bytes()
    assert os.listdir(home.temporary) == []


def test_sweep_removes_what_the_killed_left_and_nothing_else(home: Home) -> None:
    script = """
import sys
from containerlab.store.home import Home
home = Home.open(sys.argv[1])
fd, path = home.fresh_file("blob-")
with home.scratch("work-") as path:
    (path / "file").touch()
    print("ready", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert home.sweep() == 0
    process.kill()
    process.communicate()
    with home.scratch("mine-") as mine:
        assert home.sweep() == 2
        assert os.listdir(home.temporary) == [mine.name]


def test_replace_leaves_the_old_or_the_new(home: Home) -> None:
    home.replace(home.cache / "x", b"one")
    home.replace(home.cache / "x", b"two")
    assert (home.cache / "x").read_bytes() == b"two"
    assert os.listdir(home.temporary) == []


def test_a_fresh_file_holds_one_descriptor(home: Home) -> None:
    before = len(os.listdir("/proc/self/fd"))
    fd, _ = home.fresh_file("test-")
    assert len(os.listdir("/proc/self/fd")) == before + 1
    os.close(fd)


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """config.json could not name what lies below it."""
    with pytest.raises(InvalidInput, match="not UTF-8"):
        Home.open(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert list(tmp_path.iterdir()) == []
