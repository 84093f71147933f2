"""The measuring program: what it prints, that it hashes right, and that its bytes come from its sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from containerlab.errors import ContainerFailed, Unsupported
from containerlab.experiments.probe import probe

pytestmark = pytest.mark.timeout(120)

_COMPILER = "12"
"""Another release of the compiler makes other bytes."""
_RATES = {
    "integer": ("integer_ops_per_s",),
    "float": ("float_ops_per_s",),
    "sha256": ("sha256_bytes_per_s",),
    "memory": ("memory_copy_bytes_per_s",),
    "syscalls": ("syscalls_per_s",),
    "switches": ("switches_per_s",),
    "pagefaults": ("pagefaults_per_s",),
    "fork": ("forks_per_s",),
}
_FILES = {
    "file-write": (("file_write_bytes_per_s",), "2"),
    "file-read": (("file_read_bytes_per_s",), "2"),
    "file-random": (("file_random_read_ops_per_s", "file_random_write_ops_per_s"), "5"),
    "file-fsync": (("file_fsync_s",), "5"),
}


def _run(*words: str, given: bytes = b"") -> str:
    done = subprocess.run([probe.program(), *words], input=given, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@contextmanager
def _server() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([probe.program(), "serve", str(port)], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            yield str(port)
        finally:
            server.kill()


def test_ready_is_one_line() -> None:
    assert _run("ready") == "ready\n"


@pytest.mark.parametrize("size", [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 1000, 100_000])
def test_digests_are_right(size: int) -> None:
    content = bytes(index * 7 % 256 for index in range(size))
    assert _run("sha256sum", given=content) == hashlib.sha256(content).hexdigest() + "\n"


@pytest.mark.parametrize("word", _RATES)
def test_workload_prints_its_rate(word: str) -> None:
    figures = probe.figures(_run(word, "5"))
    assert tuple(figures) == _RATES[word]
    assert all(value > 0 for value in figures.values())


@pytest.mark.parametrize("word", _FILES)
def test_file_workload_prints_its_rate_and_leaves_nothing(word: str, tmp_path: Path) -> None:
    metrics, amount = _FILES[word]
    figures = probe.figures(_run(word, str(tmp_path), amount))
    assert tuple(figures) == metrics
    assert all(value > 0 for value in figures.values())
    assert os.listdir(tmp_path) == []


def test_server_answers_several_at_once() -> None:
    with _server() as port:
        clients = [socket.create_connection(("127.0.0.1", int(port))) for _ in range(5)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        assert [client.recv(10) for client in reversed(clients)] == [b"4", b"3", b"2", b"1", b"0"]
        for client in clients:
            client.close()


def test_network_is_measured_against_the_server() -> None:
    with _server() as port:
        latency = probe.figures(_run("net-latency", "127.0.0.1", port, "5"))
        throughput = probe.figures(_run("net-throughput", "127.0.0.1", port, "5"))
    assert latency["net_latency_s"] > 0
    assert throughput["net_throughput_bytes_per_s"] > 0


def test_idle_ends_at_its_signal() -> None:
    with subprocess.Popen([probe.program(), "idle"], stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None
        assert idle.stdout.readline() == b"ready\n"
        idle.send_signal(signal.SIGTERM)
        assert idle.wait(20) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "which measurement?"),
        ([], "which measurement?"),
        (["file-write", "/nowhere"], "cannot make a file in the directory: errno 2"),
        (["net-latency", "example.org", "80"], "HOST is four numbers"),
        (["net-latency", "127.0.0.1", "1"], "connect: errno 111"),
    ],
)
def test_mistakes_are_told(words: list[str], said: str) -> None:
    done = subprocess.run([probe.program(), *words], capture_output=True, timeout=20)
    assert done.returncode == 1
    assert said in done.stderr.decode()


@pytest.mark.system("gcc")
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_binary_comes_from_its_sources(architecture: str, tmp_path: Path) -> None:
    compiler = f"{architecture}-linux-gnu-gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    release = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=True).stdout
    if release.strip() != _COMPILER:
        pytest.skip(f"made with gcc {_COMPILER}, this is {release.strip()}")
    committed = probe.program(architecture)
    made = tmp_path / committed.name
    words = ["make", "--directory", str(committed.parent), f"DESTINATION={tmp_path}", str(made)]
    subprocess.run(words, check=True, capture_output=True)
    assert made.read_bytes() == committed.read_bytes()


def test_other_architecture_is_told() -> None:
    with pytest.raises(Unsupported, match=r"not made for riscv64.*aarch64, x86_64"):
        probe.program("riscv64")


def test_other_output_is_told() -> None:
    with pytest.raises(ContainerFailed, match="Segmentation fault"):
        probe.figures("Segmentation fault\n")
