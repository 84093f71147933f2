from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from containerlab.errors import NotPermitted
from containerlab.linux.idmap import HOST
from containerlab.store import trees, workshop

PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)


def test_workers_of_a_workshop_do_what_processes_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(8192))
    alone = trees.perform(HOST, "containerlab.store.tree_size", [str(tmp_path)])
    with workshop.opened(HOST):
        assert trees.perform(HOST, "containerlab.store.tree_size", [str(tmp_path)]) == alone
    assert HOST not in trees.workshops


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    with workshop.opened(HOST), pytest.raises(NotPermitted, match="trees rename failed: FileNotFoundError"):
        trees.perform(HOST, "containerlab.store.trees", ["rename", f"{tmp_path}/a", f"{tmp_path}/b"])


def test_a_module_that_is_not_there_is_told_by_the_worker() -> None:
    with workshop.opened(HOST), pytest.raises(NotPermitted, match="No module named"):
        trees.perform(HOST, "containerlab.nothing", ["x"])


def test_a_worker_can_be_killed(tmp_path: Path) -> None:
    with workshop.opened(HOST):
        words = ["layer", str(tmp_path), "1", "1", "1"]  # it waits for its input
        process = trees.inside(HOST, "containerlab.store.unpacker", words, **PIPES)
        with process:
            process.kill()
            assert process.wait() == -signal.SIGKILL


def test_another_server_takes_over_when_one_was_killed(tmp_path: Path) -> None:
    with workshop.opened(HOST):
        trees.perform(HOST, "containerlab.store.tree_size", [str(tmp_path)])
        server = trees.workshops[HOST]._server
        assert server is not None
        server.kill()
        server.wait()
        assert trees.perform(HOST, "containerlab.store.tree_size", [str(tmp_path)]) == b"0\n"


def test_the_server_ends_with_the_workshop_and_leaves_no_descriptors(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    with workshop.opened(HOST), workshop.opened(HOST):
        for _ in range(3):
            trees.perform(HOST, "containerlab.store.tree_size", [str(tmp_path)])
        server = trees.workshops[HOST]._server
    assert server is not None
    assert server.poll() is not None
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_worker_that_was_let_go_speaks_over_the_descriptor_that_it_got(tmp_path: Path) -> None:
    shop = workshop.Workshop(HOST)
    shop.prepare("containerlab.store.tree_size")
    reader, writer = os.pipe()
    with open(reader, "rb") as answers:
        words = [str(tmp_path)]
        shop.start("containerlab.store.tree_size", words, {"stdout": writer}).let_go()
        os.close(writer)
        assert answers.read() == b"0\n"
    shop.close()
