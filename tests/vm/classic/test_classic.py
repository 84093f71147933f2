"""Classic machines: a Debian with systemd boots, and the image's program runs in it as a service."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput
from containerlab.store.home import Home
from tests import kernels
from tests.containers import IMAGE, import_image, until

pytestmark = [
    *(pytest.mark.guest, pytest.mark.slow, pytest.mark.timeout(1800)),
    *(pytest.mark.system(package) for package in ("busybox-static", "qemu-system-x86")),
]
LIMIT_S = 600


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp("classic")
    kernels.seed(home)
    import_image(home, IMAGE)
    with Engine(home=home) as engine:
        yield engine


def test_program_runs_beside_systemd_and_sshd(engine: Engine) -> None:
    script = "cat /proc/1/comm; hostname; cat; cat /proc/[0-9]*/comm; ls /; exit 7"
    done = engine.machines.run(
        IMAGE,
        ["sh", "-c", script],
        input="told\n",
        hostname="old",
        tier="classic",
        boot_timeout=LIMIT_S,
        rm=True,
    )
    first, *others = done.stdout.split()
    assert (first, others[:2], done.exit_code) == ("systemd", ["old", "told"], 7)
    assert {"sshd", "systemd-udevd", "cron"} <= set(others)
    assert "srv" not in others  # it sees its own image, not the Debian around it


def test_ports_are_published_at_the_address_that_its_own_services_got(engine: Engine) -> None:
    words = ["sh", "-c", "echo there > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with engine.machines.start(
        IMAGE, words, tier="classic", publish=[f"127.0.0.1:{port}:80"], rm=True, boot_timeout=LIMIT_S
    ) as machine:
        assert "10.0.2.15/24" in machine.exec(["ip", "-o", "-4", "addr"]).stdout
        assert until(lambda: _got(port), LIMIT_S) == b"there\n"


def _got(port: int) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def test_root_in_memory_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="the tier classic has a disk"):
        engine.machines.run(IMAGE, ["true"], tier="classic", filesystem="initramfs")


@pytest.mark.root
def test_a_base_whose_making_is_killed_leaves_no_mounts(tmp_path: Path) -> None:
    home, before = Home.open(tmp_path / "home"), set(Path("/tmp").iterdir())
    code = (
        "import sys; from containerlab.store.home import Home; from containerlab.store.images import Images;"
        "from containerlab.vm.classic import base; from pathlib import Path;"
        "base.ensure(Images(Home.open(Path(sys.argv[1]))), lambda line: print(line, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.root)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as maker:
        assert maker.stdout
        until(lambda: "installing essential packages" in maker.stdout.readline(), LIMIT_S)
        os.killpg(maker.pid, signal.SIGKILL)
    until(lambda: not _processes_of(maker.pid))
    assert "/tmp/mmdebstrap" not in Path("/proc/self/mountinfo").read_text()
    for tree in set(Path("/tmp").glob("mmdebstrap.*")) - before:
        shutil.rmtree(tree)
    with Engine(home=home.root) as engine:
        engine.system.check()
    assert list(home.temporary.iterdir()) == []


def _processes_of(session: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            found += [fields[0]] if int(fields[3]) == session and fields[0] != "Z" else []
    return found
