"""Directories of the host in a guest."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from containerlab.linux import idmap as idmaps
from containerlab.vm.guest import wire
from containerlab.vm.qemu import shares
from containerlab.vm.qemu.plan import Share
from tests.vm.machines import Bench, output, pids_of, until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.system("qemu-system-x86", "busybox-static"),
]


@pytest.mark.parametrize("tier", ["microvm", "image"])
def test_files_go_both_ways_by_virtiofs(bench: Bench, tmp_path: Path, tier: str) -> None:
    tmp_path.joinpath("word").write_text("from the host")
    share = Share("virtiofs", "v0", str(tmp_path), False)
    mount = wire.pairs([("hostname", "guest"), ("mount", "virtiofs:v0:/data:rw")])
    launch = bench.launch(
        bench.machine(tier, shares=(share,)),
        *("sh", "-c", "cat /data/word; echo from the guest > /data/answer"),
        companions=(shares.companion(shares.virtiofsd(), share, idmaps.choose()),),
        setup=mount,
    )
    with bench.start(launch) as found:
        assert output(found) == b"from the host", found.state
    assert tmp_path.joinpath("answer").read_text() == "from the guest\n"
    assert not list(Path(launch.directory).glob("*.sock"))


def test_a_companion_that_does_not_start_is_said(bench: Bench, tmp_path: Path) -> None:
    share = Share("virtiofs", "v0", str(tmp_path / "nothing"), False)
    launch = bench.launch(
        bench.machine("image", shares=(share,)),
        "true",
        companions=(shares.companion(shares.virtiofsd(), share, idmaps.choose()),),
    )
    with bench.start(launch._replace(boot_limit_s=20)) as found:
        state = found.wait()
    assert state["exit_code"] == 125
    assert state["error"].startswith("virtiofsd ended: ")
    assert "nothing" in state["error"]


def test_a_machine_ends_with_its_companion(bench: Bench, tmp_path: Path) -> None:
    share = Share("virtiofs", "v0", str(tmp_path), False)
    launch = bench.launch(
        bench.machine("image", shares=(share,)),
        *("sleep", "1000"),
        companions=(shares.companion(shares.virtiofsd(), share, idmaps.choose()),),
    )
    with bench.start(launch) as found:
        until(found, lambda frame: frame[0] == wire.STARTED)
        servers = [pid for pid in pids_of(launch.directory) if pid != found.state["pid"]]
        os.kill(min(servers), signal.SIGKILL)
        state = found.wait()
    assert state["exit_code"] == 137
    assert state["error"].startswith("virtiofsd ended: ")


def test_what_is_read_only_is_so_on_the_host(bench: Bench, tmp_path: Path) -> None:
    share = Share("virtiofs", "v0", str(tmp_path), True)
    launch = bench.launch(
        bench.machine("microvm", shares=(share,)),
        *("sh", "-c", "echo no > /data/answer; mount -o remount,rw /data; echo no > /data/answer"),
        companions=(shares.companion(shares.virtiofsd(), share, idmaps.choose()),),
        setup=wire.pairs([("hostname", "guest"), ("mount", "virtiofs:v0:/data:rw")]),
    )
    with bench.start(launch) as found:
        assert output(found) == b"", found.state
    assert not list(tmp_path.iterdir())
    assert os.access(tmp_path, os.W_OK), "the host's own mounts are as they were"
