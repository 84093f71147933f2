"""Namespaces of another container: of that very one, as every kind of user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from containerlab.backends.embedded import starting
from containerlab.errors import LabError
from containerlab.linux.procfs import Identity
from tests import containers as small
from tests.users import User

pytestmark = [pytest.mark.system("busybox-static"), pytest.mark.slow]

JOIN = """
import json, os, sys
import containerlab as lab

lab.images.import_(sys.argv[1], "test/applets")
join = {kind: "container:target" for kind in ("pid", "ipc", "network", "uts")}
kinds = "pid", "ipc", "net", "uts", "mnt"
try:
    target = lab.start("test/applets", ["sh", "-c", "echo word > /dev/shm/file; sleep 1000"], name="target")
    beside = lab.start("test/applets", ["sleep", "1000"], name="beside", **join)
    pids = [lab.containers.get(name).info.pid for name in ("target", "beside")]
    print(json.dumps({
        "equal": [k for k in kinds if len({os.stat(f"/proc/{pid}/ns/{k}").st_ino for pid in pids}) == 1],
        "shm": beside.exec(["cat", "/dev/shm/file"]).output,
        "root": beside.exec(["ls", "/"]).output.split() == target.exec(["ls", "/"]).output.split(),
        "processes": beside.exec(["ps", "-o", "comm"]).output.split().count("sleep"),
    }))
finally:
    for container in lab.containers.list(all=True):
        container.remove(force=True)
"""


def test_each_kind_can_be_joined(anyone: User, base: Path) -> None:
    archive = base / "applets.tar"
    archive.write_bytes(small.root_archive(small.FILES))
    done = anyone.script(JOIN, str(archive))
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {"equal": ["pid", "ipc", "net", "uts"], "shm": "word\n", "root": True, "processes": 2}


@pytest.mark.root
def test_whoever_has_the_pid_by_then_is_not_joined(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pid of a container that ended may be a process of the host's when the other one restarts."""
    real = starting._running

    def earlier(*words: Any) -> Identity:
        found = real(*words)
        return found._replace(start_ticks=found.start_ticks - 1)

    monkeypatch.setattr(starting, "_running", earlier)
    with small.engine(base / "joining") as engine:
        target = engine.containers.start(small.IMAGE, ["sleep", "1000"], name="target")
        try:
            with pytest.raises(LabError, match="is gone"):
                engine.containers.run(small.IMAGE, ["true"], rm=True, network="container:target")
        finally:
            target.remove(force=True)
