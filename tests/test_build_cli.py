"""`conlab build` on a terminal, in a log, and for scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import busybox
from tests.test_cli import Terminal
from tests.views.build.screen import Screen

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
IMAGE = busybox.NAME


@pytest.fixture(scope="module")
def words(base: Path) -> list[str]:
    home = base / "build-cli"
    busybox.engine(home).close()
    return [sys.executable, "-m", "containerlab", "--home", str(home), "build"]


def build(words: list[str], directory: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    (directory / "Dockerfile").write_text("\n".join([f"FROM {IMAGE}", *lines]))
    return subprocess.run([*words, str(directory)], capture_output=True, text=True)


def test_interrupt_leaves_the_terminal_as_it_was(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN echo ready; sleep 1000\n")
    terminal = Terminal([*words, str(tmp_path)])
    terminal.expect(b"=> => # ready")
    os.write(terminal.master, b"\x03")
    terminal.expect(b"the build was stopped")
    assert terminal.exit_code() == 130
    screen = Screen().feed(terminal.seen.decode())
    assert screen.has_cursor
    assert "=> CANCELED [2/2] RUN echo ready; sleep 1000" in screen.text
    assert screen.text.count("=> => #") == 0


def test_log_has_lines_and_standard_output_the_result(words: list[str], tmp_path: Path) -> None:
    done = build(words, tmp_path, "RUN echo hi")
    assert "#2 [2/2] RUN echo hi\n" in done.stderr
    assert " hi\n" in done.stderr
    assert "built in" in done.stdout
    quiet = build([*words, "--quiet"], tmp_path, "RUN echo hi")
    assert (quiet.stdout[:7], len(quiet.stdout), quiet.stderr) == ("sha256:", 72, "")


def test_what_failed_is_told_once(words: list[str], tmp_path: Path) -> None:
    done = build([*words, "--quiet"], tmp_path, "RUN echo oh; exit 3")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\noh\n") == 1
    assert "> 2 | RUN echo oh; exit 3" in done.stderr


def test_environment_says_how_builds_are_shown(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDKIT_PROGRESS", "quiet")
    assert build(words, tmp_path, "RUN echo hi").stderr == ""
    assert "#2 [2/2]" in build([*words, "--progress", "plain"], tmp_path, "RUN echo hi").stderr


def test_rawjson_is_all_that_is_written(words: list[str], tmp_path: Path) -> None:
    done = build([*words, "--progress", "rawjson"], tmp_path, "RUN echo hi")
    statuses = [json.loads(line) for line in done.stderr.splitlines()]
    assert statuses[0]["vertexes"][1]["name"] == "[2/2] RUN echo hi"


def test_build_that_cannot_begin_shows_only_why(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM no/such/image\n")
    terminal = Terminal([*words, str(tmp_path)])
    terminal.expect(b"no such image")
    assert terminal.exit_code() == 1
    assert "Building" not in Screen().feed(terminal.seen.decode()).text


def test_archive_is_not_written_to_a_terminal(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nRUN touch /never-run\n")
    terminal = Terminal([*words, "-o", "-", str(tmp_path)])
    terminal.expect(b"type=tar,dest=FILE")
    assert terminal.exit_code() == 1
    assert b"never-run" not in terminal.seen


def test_cache_is_explained(words: list[str], tmp_path: Path) -> None:
    build(words, tmp_path, "RUN echo one")
    done = build([*words, "--explain-cache"], tmp_path, "RUN echo two")
    assert "done    [2/2] RUN echo two\n          new: the instruction is another one" in done.stdout
