"""`pull`, `push` and `run` as people use them: whoever they are, and however it ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.distribution.remote import Remote
from containerlab.engine.engine import Engine
from containerlab.oci.reference import Reference
from tests import busybox, registries, users
from tests.containers import until
from tests.distribution.artifacts import noise
from tests.distribution.transfer.cable import Cable
from tests.distribution.transfer.conftest import Store
from tests.distribution.transfer.sent import Sent, layer_of, send

pytestmark = pytest.mark.slow
_BIG = 3 << 20
_CONLAB = (sys.executable, "-m", "containerlab")


def _conlab(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_CONLAB, "--home", str(home), *words], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def busy(registry: registries.Registry) -> str:
    """Return the name of an image that runs."""
    name = f"{registry.host}/commands/busy:v1"
    with Remote(Reference.parse(name)) as remote:
        send(remote, "v1", [busybox.root_file_system(), layer_of("etc/motd", b"welcome\n")])
    return name


@pytest.fixture
def slow(remote: Remote, wire: Cable) -> Iterator[tuple[str, Sent]]:
    """Give the name of an image whose large layer stops in its middle, until the cable is released."""
    sent = send(remote, "v1", [layer_of("big", noise(_BIG)), layer_of("small", b"small")])
    wire.hold_after(_BIG // 2)
    yield f"{wire.host}/{remote.reference.repository}:v1", sent
    wire.release()


@pytest.mark.system("busybox-static")
def test_anyone_pulls_and_runs(anyone: users.User, busy: str) -> None:
    pulled = anyone.conlab("pull", busy)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.splitlines()[1:] == [f"Status: Downloaded newer image for {busy}", busy]
    ran = anyone.conlab("run", "--rm", "--pull", "never", busy, "cat", "/etc/motd")
    assert (ran.returncode, ran.stdout) == (0, "welcome\n"), ran.stderr
    again = anyone.conlab("pull", "-q", busy)
    assert (again.stdout, again.stderr) == (f"{busy}\n", "")
    assert anyone.conlab("rmi", busy).returncode == 0


@pytest.mark.root
@pytest.mark.system("busybox-static")
def test_run_pulls_what_is_not_there(base: Path, busy: str) -> None:
    home = base / "run-pulls"
    never = _conlab(home, "run", "--rm", "--pull", "never", busy, "true")
    assert never.returncode == 125
    ran = _conlab(home, "run", "--rm", busy, "cat", "/etc/motd")
    assert (ran.returncode, ran.stdout) == (0, "welcome\n"), ran.stderr
    assert "Pulling from commands/busy" in ran.stderr
    always = _conlab(home, "run", "--rm", "--pull", "always", busy, "cat", "/etc/motd")
    assert (always.returncode, always.stdout) == (0, "welcome\n"), always.stderr
    quiet = _conlab(home, "run", "--rm", "-q", "--pull", "always", busy, "true")
    assert (quiet.returncode, quiet.stderr) == (0, "")


@pytest.mark.root
def test_what_cannot_be_pulled_is_said_with_both_facts(base: Path, registry: registries.Registry) -> None:
    ran = _conlab(base / "both-facts", "run", "--rm", f"{registry.host}/no/such", "true")
    assert ran.returncode == 125
    said = f"no such image: {registry.host}/no/such, and it cannot be pulled: "
    assert f"conlab: {said}{registry.host}/no/such has nothing called latest" in ran.stderr


@pytest.mark.root
def test_run_says_when_something_else_is_missing(base: Path, busy: str) -> None:
    home = base / "something-else"
    _conlab(home, "pull", busy)
    ran = _conlab(home, "run", "--rm", "--volumes-from", "nobody", busy, "true")
    assert ran.returncode == 125
    assert "nobody" in ran.stderr
    assert "Pulling" not in ran.stderr


def test_push_and_pull_in_python(base: Path, busy: str) -> None:
    with Engine(base / "in-python") as engine:
        pulled = engine.images.pull(busy)
        assert pulled.is_new
        assert repr(pulled).startswith(busy)
        engine.images.tag(busy, busy.replace("busy", "copy"))
        pushed = engine.images.push(busy.replace("busy", "copy"))
        assert pushed.digest == pulled.digest
        assert "digest: sha256:" in pushed.to_text()
        assert pushed.to_html()
        assert pulled.to_html()


def test_a_killed_pull_leaves_nothing_half_and_what_is_whole(
    base: Path, slow: tuple[str, Sent], wire: Cable, another_home: Path
) -> None:
    name, sent = slow
    process = subprocess.Popen(
        [*_CONLAB, "--home", str(another_home), "pull", name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = Store(another_home)
    try:
        assert wire.held.wait(60)
        until(lambda: store.images.blobs.has(sent.layers[1].digest))
    finally:
        process.kill()
        process.wait()
    wire.release()
    assert not store.images.list()
    assert store.has(*(layer.digest for layer in sent.layers)) == [False, True]
    before = wire.moved["down"]
    done = _conlab(another_home, "pull", name)
    assert done.returncode == 0, done.stderr
    assert wire.moved["down"] - before < _BIG
    assert store.layers.path(sent.diff_ids[0]).joinpath("big").read_bytes() == noise(_BIG)
    assert _conlab(another_home, "system", "check").returncode == 0
    assert store.rest() == []
    store.images.close()


@pytest.fixture
def another_home(base: Path, repository: str) -> Path:
    home = base / f"home-{repository}"
    assert _conlab(home, "images").returncode == 0
    return home


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_a_pull_at_once(
    slow: tuple[str, Sent], wire: Cable, another_home: Path, number: int, code: int
) -> None:
    """The connection is silent: nothing but the interrupt can end the wait."""
    name, _ = slow
    process = subprocess.Popen(
        [*_CONLAB, "--home", str(another_home), "pull", name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wire.held.wait(60)
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code, told
    assert told.splitlines()[-2:] == [
        "conlab: the pull was stopped",
        "  hint: what has arrived is kept: pull again to go on",
    ]
    assert {entry.name[:8] for entry in (another_home / "tmp").iterdir()} == {"partial-"}


def test_an_interrupt_ends_waiting_for_the_pull_of_another(
    slow: tuple[str, Sent], wire: Cable, another_home: Path, remote: Remote
) -> None:
    name, _ = slow
    words = [*_CONLAB, "--home", str(another_home), "pull"]
    first = subprocess.Popen([*words, name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    past_the_cable = [*words, f"{remote.name}:v1"]
    try:
        assert wire.held.wait(60)
        with subprocess.Popen(
            past_the_cable, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as second:
            assert second.stderr
            assert "Pulling from" in second.stderr.readline()
            until(lambda: len(os.listdir(f"/proc/{second.pid}/task")) > 1)  # one waits for the large layer
            second.send_signal(signal.SIGINT)
            assert second.wait(30) == 130
        wire.release()
        assert first.wait(60) == 0
    finally:
        wire.release()
        first.kill()
        first.wait()


@pytest.mark.root
def test_a_full_disk_is_one_sentence_and_leaves_nothing(base: Path, remote: Remote) -> None:
    sent = send(remote, "v1", [layer_of("big", noise(12 << 20)), layer_of("small", b"small")])
    place = base / "full-disk-of-a-pull"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], check=True)
    try:
        done = _conlab(place / "home", "pull", f"{remote.name}:v1")
        assert done.returncode == 1
        assert "space left" in done.stderr
        assert "hint: " in done.stderr
        assert list((place / "home/tmp").iterdir()) == []
        store = Store(place / "home")
        assert not store.images.list()
        assert not store.images.blobs.has(sent.layers[0].digest)
        store.images.close()
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_terminal_shows_a_line_for_each_layer(base: Path, remote: Remote) -> None:
    sent = send(remote, "v1", [layer_of(f"file{number}", noise(1000, number)) for number in range(3)])
    leader, follower = pty.openpty()
    words = [*_CONLAB, "--home", str(base / "terminal"), "pull", f"{remote.name}:v1"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=follower) as process:
        os.close(follower)
        shown = b""
        try:
            while piece := os.read(leader, 4096):
                shown += piece
        except OSError:  # the other side has closed
            pass
    os.close(leader)
    assert process.returncode == 0
    for layer in sent.layers:
        assert f"{layer.digest[7:19]}: Pull complete".encode() in shown
    assert shown.endswith(b"\x1b[?25h")
