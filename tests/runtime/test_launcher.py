"""Monitors wait for requests, serve one container after the other, and are replaced when they die."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from containerlab.backends.embedded import Embedded, starting
from containerlab.engine.engine import Engine
from tests import busybox
from tests.containers import until

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.system("busybox-static")]
_OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def others() -> set[int]:
    """Remember the launchers of engines that other tests hold open."""
    _OTHERS.update(_launchers())
    return _OTHERS


@pytest.fixture
def engine(base: Path, others: set[int]) -> Iterator[Engine]:
    with busybox.engine(base / "launcher") as found:
        yield found


def _run(engine: Engine, *command: str) -> str:
    return str(engine.containers.run(busybox.NAME, list(command), rm=True).check().stdout)


def _children(pid: int) -> set[int]:
    """Return the living children of a process."""
    found = set()
    of_threads = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    for child in (int(word) for words in of_threads for word in words):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                found.add(child)
    return found


def _launchers() -> set[int]:
    return {pid for pid in _children(os.getpid()) if b"launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def _launcher() -> int:
    (found,) = _launchers() - _OTHERS
    return found


def _is_waiting(pid: int) -> bool:
    """Say whether a monitor has open what it needs to wait, and nothing of a container."""
    directory = f"/proc/{pid}/fd"
    try:
        opened = sorted(os.readlink(f"{directory}/{fd}").split(":")[0] for fd in os.listdir(directory))
    except FileNotFoundError:
        return False
    return opened == ["/dev/null"] * 3 + ["socket"] * 2


def _waiting() -> set[int]:
    """Wait until all monitors do, and return them."""
    until(lambda: (found := _children(_launcher())) and all(map(_is_waiting, found)))
    return _children(_launcher())


def test_a_monitor_that_knew_a_secret_serves_no_other_container(engine: Engine) -> None:
    _run(engine, "true")
    monitors = _waiting()
    backend = engine.backend
    assert isinstance(backend, Embedded)
    record, image = backend._draft(busybox.NAME, ["true"], {"rm": True}, ephemeral=True)
    backend.records.add(record)
    joined = starting.Joined({}, ())
    parts = starting.Parts(backend.layers.ensure(image), (), joined, secret_environment=((b"A", b"B"),))
    decision = starting.decide(backend.home, backend.host, record, image.config.config, parts)
    backend._decisions[record.id] = decision
    assert backend.start_attached(record.id).pump(lambda stream, data: None)
    until(lambda: monitors - _children(_launcher()))


def test_a_container_whose_client_goes_before_it_runs_is_ended(engine: Engine) -> None:
    """Nothing else would wake its monitor up, when its program is silent."""
    backend = engine.backend
    assert isinstance(backend, Embedded)
    record, image = backend._draft(busybox.NAME, ["sleep", "1000"], {"stop_timeout": 0.1}, ephemeral=True)
    backend.records.add(record)
    decision = backend._decide(record, image)
    lock = backend.records.supervise(record.id)
    starting.launch(backend.home, backend._launcher, decision, lock, attached=True).close()
    os.close(lock)
    until(lambda: not backend.records.is_supervised(record.id))
    assert backend.inspect(record.id).exit_code == 137
    backend.remove(record.id)


def test_monitors_come_back_for_the_next_container_with_nothing_of_the_last(engine: Engine) -> None:
    assert _run(engine, "echo", "one") == "one\n"
    monitors = _waiting()
    for number in range(12):
        assert _run(engine, "echo", str(number)) == f"{number}\n"
        assert _waiting() == monitors


def test_monitor_of_a_detached_container_stays_with_it(engine: Engine) -> None:
    with engine.containers.start(busybox.NAME, ["sleep", "1000"]) as container:
        monitor = int(Path(f"/proc/{container.info.pid}/stat").read_text().rpartition(")")[2].split()[1])
        until(lambda: sum(map(_is_waiting, _children(_launcher()))) == 1)
        assert _run(engine, "echo", "on") == "on\n"
        assert not _is_waiting(monitor)
        assert os.readlink(f"/proc/{monitor}/cwd") == "/"  # or nobody could unmount what the client was in
    until(lambda: not Path(f"/proc/{monitor}/exe").exists())


def test_of_many_at_once_only_a_few_stay(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as pool:
        outputs = pool.map(lambda number: _run(engine, "echo", str(number)), range(24))
        assert list(outputs) == [f"{number}\n" for number in range(24)]
    until(lambda: len(_waiting()) <= 4)


def test_killed_monitors_are_replaced(engine: Engine) -> None:
    for number in range(6):
        assert _run(engine, "echo", str(number)) == f"{number}\n"
        for pid in _children(_launcher()):
            os.kill(pid, signal.SIGKILL)


def test_killed_launcher_takes_its_waiting_monitors_along(engine: Engine) -> None:
    """Or one of them would answer as long as it is free, and nobody after it."""
    _run(engine, "true")
    launcher = _launcher()
    waiting = _children(launcher)
    os.kill(launcher, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in waiting))
    assert _run(engine, "echo", "on") == "on\n"


def test_killed_launcher_is_replaced_while_its_monitor_is_busy(engine: Engine) -> None:
    words = ["sh", "-c", "until [ -e /tmp/go ]; do sleep 0.01; done; echo done"]
    with ThreadPoolExecutor(1) as pool:
        busy = pool.submit(engine.containers.run, busybox.NAME, words, rm=True, name="busy")
        until(lambda: [row for row in engine.containers.list().rows if row.status == "running"])
        os.kill(_launcher(), signal.SIGKILL)
        assert _run(engine, "echo", "on") == "on\n"
        engine.containers.exec("busy", ["touch", "/tmp/go"])
        assert busy.result().stdout == "done\n"


def test_monitors_end_with_their_client(engine: Engine) -> None:
    _run(engine, "true")
    programs = [Path(f"/proc/{pid}/exe") for pid in (_launcher(), *_children(_launcher()))]
    assert len(programs) > 1
    assert all(program.exists() for program in programs)
    engine.close()
    until(lambda: not any(program.exists() for program in programs))


def test_a_child_that_is_forked_while_threads_start_containers_can_start_its_own(engine: Engine) -> None:
    """Whatever locks those threads held: the child has their descriptors, but not the threads."""
    assert _run(engine, "true") == ""  # modules that are being loaded at a fork, Python itself cannot bear
    with ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(_run, engine, "true") for _ in range(60)]
        children = [_forked(lambda: _run(engine, "echo", "child")) for _ in range(10)]
        statuses = [os.waitpid(child, 0)[1] for child in children]
        assert all(run.result() == "" for run in runs)
    assert statuses == [0] * 10


def _forked(work: Callable[[], object]) -> int:
    """Do it in a child, which is killed if it takes long."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid
