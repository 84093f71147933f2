"""Terminals: a container can neither type into its caller's nor have its own put elsewhere."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import tarfile
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from tests import containers as small
from tests import users
from tests.security.host_python import VOLUMES, python

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]

TYPE = """
import fcntl, os
for fd in (0, 1, 2, os.open("/dev/tty", os.O_RDWR) if os.path.exists("/dev/pts/0") else 0):
    try:
        fcntl.ioctl(fd, 0x5412, b"!")  # TIOCSTI
    except OSError as error:
        pass
print("tried", flush=True)
"""


@pytest.mark.usefixtures("engine")  # here first, so that its database counts as open already
@pytest.mark.parametrize("words", [["--interactive"], ["--interactive", "--tty"], []])
def test_2017_5226_nothing_is_typed_into_the_callers_terminal(base: Path, words: list[str]) -> None:
    """Neither with its streams nor with a terminal of its own is the caller's within reach."""
    myself = users.myself(base)
    small.import_image(myself.home / "containerlab", small.IMAGE)
    volumes = [word for volume in VOLUMES for word in ("--volume", volume)]
    command = ["run", "--rm", *words, *volumes, small.IMAGE, *python(TYPE)]
    master, slave = pty.openpty()
    try:
        client = myself.start(
            [myself.python, "-m", "containerlab", *command],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        )  # fmt: skip
        assert client.wait(60) == 0
        os.set_blocking(slave, False)
        with pytest.raises(BlockingIOError):
            os.read(slave, 1)
        assert b"tried" in os.read(master, 4096)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("link", ["ptmx", "0", "../console"])
def test_2025_52565_a_terminal_comes_from_its_own_devpts(
    containers: Containers, tmp_path: Path, link: str
) -> None:
    """Not by a link in a volume at /dev/pts, not even for a moment: opening may do harm by itself."""
    canary, volume = tmp_path / "canary", tmp_path / "volume"
    volume.mkdir()
    os.mkfifo(canary)
    reader = os.open(canary, os.O_RDONLY | os.O_NONBLOCK)
    (volume / link).symlink_to(canary)
    with contextlib.suppress(LabError):
        containers.run(small.IMAGE, ["true"], rm=True, tty=True, volume=[f"{volume}:/dev/pts"], timeout=20)
    poll = select.poll()
    poll.register(reader, 0)
    # Hung up is a FIFO whose writer has come and gone.
    assert poll.poll(0) == [], "the host's file was opened"
    os.close(reader)


def test_2025_52565_the_console_is_the_terminal_wherever_the_image_points(
    engine: Engine, containers: Containers, tmp_path: Path
) -> None:
    (tmp_path / "canary").touch()
    files = {path: (tarfile.SYMTYPE, str(tmp_path / "canary")) for path in ("dev/console", "dev/ptmx")}
    small.add_image(engine.backend, "test/console", files=files)
    script = "echo to the console > /dev/console; stat -c %t:%T /dev/console"
    assert "88:0" in containers.run("test/console", ["sh", "-c", script], rm=True, tty=True).output
    assert (tmp_path / "canary").read_text() == ""
