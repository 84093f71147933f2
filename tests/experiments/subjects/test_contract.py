"""What every subject does alike, real processes and containers each."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from containerlab.errors import ContainerFailed, TimedOut, Unsupported
from containerlab.experiments.probe import probe
from containerlab.experiments.subject import DISK, PROBE, Instance, Subject
from tests.containers import is_gone, until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

_LIMIT_S = 60


@contextlib.contextmanager
def _made(
    subject: Subject, words: Sequence[str], *, port: int = 0, restarts: bool = False
) -> Iterator[Instance]:
    instance = subject.create([PROBE, *words], port=port, restarts=restarts)
    try:
        yield instance
    finally:
        instance.delete()


@contextlib.contextmanager
def _running(
    subject: Subject, words: Sequence[str], *, port: int = 0, restarts: bool = False
) -> Iterator[Instance]:
    with _made(subject, words, port=port, restarts=restarts) as instance:
        instance.start()
        instance.first_output_at(_LIMIT_S)
        yield instance


def _answers(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=5) as client:
            client.sendall(b"hello")
            return client.recv(5) == b"hello"
    except OSError:
        return False


def test_first_output_comes_after_the_start(subject: Subject) -> None:
    with _made(subject, ["ready"]) as instance:
        before = time.monotonic()
        instance.start()
        at = instance.first_output_at(_LIMIT_S)
        assert before < at < time.monotonic()
        assert instance.first_output_at(_LIMIT_S) == at


def test_silence_is_told(subject: Subject) -> None:
    with _made(subject, ["nonsense"]) as instance:
        instance.start()
        with pytest.raises(ContainerFailed, match=r"which measurement\?"):
            instance.first_output_at(_LIMIT_S)


def test_waiting_for_output_ends(subject: Subject) -> None:
    with _made(subject, ["sha256", "60000"]) as instance:
        instance.start()
        with pytest.raises(TimedOut):
            instance.first_output_at(0.05)


def test_server_is_reached_from_here(subject: Subject, port: int) -> None:
    with _running(subject, ["serve", str(port)], port=port) as instance:
        until(lambda: _answers(instance.address()))


def test_other_programs_run_inside(subject: Subject) -> None:
    with _running(subject, ["idle"]) as instance:
        figures = probe.figures(instance.execute([PROBE, "file-write", DISK, "1"], _LIMIT_S))
        assert figures["file_write_bytes_per_s"] > 0


def test_failure_inside_is_told_in_its_words(subject: Subject) -> None:
    with (
        _running(subject, ["idle"]) as instance,
        pytest.raises(ContainerFailed, match="cannot make a file in the directory: errno 2"),
    ):
        instance.execute([PROBE, "file-write", "/nowhere"], _LIMIT_S)


def test_processes_of_two_instances_differ(subject: Subject) -> None:
    with _running(subject, ["idle"]) as one, _running(subject, ["idle"]) as other:
        assert one.workload_pid() in one.pids()
        assert not set(one.pids()) & set(other.pids())
        assert os.getpid() not in one.pids()


def test_what_it_takes_is_counted(subject: Subject) -> None:
    with _running(subject, ["idle"]) as instance:
        assert (instance.memory_bytes() or 0) > 4096
        assert instance.disk_bytes() > 0


def test_paused_server_answers_when_it_goes_on(subject: Subject, port: int) -> None:
    with (
        _running(subject, ["serve", str(port)], port=port) as instance,
        socket.create_connection(instance.address(), timeout=_LIMIT_S) as client,
    ):
        instance.pause()
        client.sendall(b"hello")
        client.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.recv(5)
        instance.resume()
        client.settimeout(_LIMIT_S)
        assert client.recv(5) == b"hello"


def test_killed_workload_is_there_again(subject: Subject, port: int) -> None:
    with _running(subject, ["serve", str(port)], port=port, restarts=True) as instance:
        killed = instance.workload_pid()
        os.kill(killed, signal.SIGKILL)
        until(lambda: is_gone(killed))
        until(lambda: _answers(instance.address()), _LIMIT_S)
        until(lambda: instance.workload_pid() not in (0, killed))


def test_killed_workload_stays_away_without_a_policy(subject: Subject) -> None:
    with _running(subject, ["idle"]) as instance:
        killed = instance.workload_pid()
        os.kill(killed, signal.SIGKILL)
        until(lambda: instance.workload_pid() in (0, killed) and is_gone(killed))


def test_snapshot_has_bytes_or_is_not_supported(subject: Subject) -> None:
    with _running(subject, ["idle"]) as instance:
        if subject.name in _KEEPING_NOTHING:
            with pytest.raises(Unsupported):
                instance.snapshot()
        else:
            assert instance.snapshot() >= (1 << 20 if subject.kind == "vm" else 0)


_KEEPING_NOTHING = ("bare process", "crun", "runc")


def test_deleted_one_is_gone(subject: Subject) -> None:
    with _running(subject, ["idle"]) as instance:
        pid = instance.workload_pid()
    until(lambda: is_gone(pid))


def test_one_that_was_never_started_can_be_deleted(subject: Subject) -> None:
    with _made(subject, ["idle"]):
        pass


def test_all_are_siblings_of_the_same_weight(subject: Subject) -> None:
    with _running(subject, ["idle"]) as instance:
        lines = Path(f"/proc/{instance.workload_pid()}/cgroup").read_text().splitlines()
        own = next(path for line in lines for _, names, path in [line.split(":", 2)] if names in ("cpu", ""))
        assert os.path.basename(os.path.dirname(own)).startswith("conlab-compare-")


def test_facts_are_those_of_every_row(subject: Subject) -> None:
    known = {"engine", "version", "network", "filesystem", "seccomp", "cpu_shares", "restarts"}
    assert known <= set(subject.facts)
    assert subject.kind in ("process", "container", "vm")
