"""Holes that other engines had, each tried harmlessly. The numbers are those of the CVE list."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, LabError, SetupFailed
from tests import containers as small
from tests.containers import IMAGE, until

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
SYMLINK = tarfile.SYMTYPE


def out(containers: Containers, script: str, **options: object) -> str:
    return containers.run(IMAGE, ["sh", "-c", script], rm=True, **options).output


def in_exec(containers: Containers, script: str, **options: object) -> str:
    containers.start(IMAGE, ["sleep", "1000"], name="target")
    return containers.exec("target", ["sh", "-c", script], **options).output


def both(containers: Containers, script: str) -> list[str]:
    return [out(containers, script), in_exec(containers, script)]


def test_2019_5736_nobody_inside_can_open_an_executable_of_the_host_for_writing(
    containers: Containers,
) -> None:
    watch = "while :; do for p in /proc/[0-9]*; do (: >> $p/exe) 2>/dev/null && echo opened; done; done"
    containers.start(
        IMAGE,
        ["sh", "-c", f"mkdir /x; cp /bin/busybox /x/busybox; exec /x/busybox sh -c '{watch}'"],
        name="target",
    )
    for _ in range(20):
        containers.exec("target", ["true"])
    assert containers.logs("target").stdout == ""


def test_2016_9962_who_joins_cannot_be_looked_into(containers: Containers) -> None:
    watch = (
        "while :; do for p in /proc/[0-9]*; do n=${p#/proc/}; [ $n = 1 ] && continue; "
        "for f in $p/fd/*; do l=$(readlink $f) && "
        "case $l in /dev/null|pipe:*|socket:*|/proc*) ;; *) echo $l;; esac; done; done; done"
    )
    containers.start(IMAGE, ["sh", "-c", watch], name="target")
    for _ in range(30):
        containers.exec("target", ["true"])
    assert containers.logs("target").stdout == ""


@pytest.mark.parametrize("config", [{"Volumes": {"/proc": {}}}, {"Volumes": {"/proc/../proc": {}}}])
def test_2019_16884_a_volume_on_proc_is_refused(
    engine: Engine, containers: Containers, base: Path, config: dict[str, object]
) -> None:
    small.add_image(engine.backend, "test/volume", config=config)
    with pytest.raises(LabError):
        containers.run("test/volume", ["true"], rm=True)


@pytest.mark.parametrize(
    "script", ["unshare -Ur true", "unshare -m true", "mount -t tmpfs x /tmp", "mount -o remount,rw /sys"]
)
def test_2022_0185_no_new_namespaces_or_mounts(containers: Containers, script: str) -> None:
    for seen in both(containers, f"{script} 2>&1 || echo refused"):
        assert seen.endswith("refused\n")


def test_proc_and_sys_are_masked_and_read_only(containers: Containers) -> None:
    script = """
    cat /proc/kcore /proc/timer_list /proc/interrupts 2>&1; ls /sys/firmware /proc/scsi 2>&1
    for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/x /sys/x; do
        (echo x > $f) 2>/dev/null && echo wrote $f
    done
    """
    # ls names its two directories where they exist.
    lines = [line for line in out(containers, script).splitlines() if line and not line.endswith(":")]
    assert [line for line in lines if "No such file" not in line] == []


def test_2022_1227_top_runs_nothing_of_the_container(
    engine: Engine, containers: Containers, base: Path
) -> None:
    evil = b"#!/bin/sh\ntouch /marker\n"
    small.add_image(engine.backend, "test/top", files={"usr/bin/ps": evil, "usr/bin/nsenter": evil})
    containers.start("test/top", ["sleep", "1000"], name="target")
    assert [process.command for process in containers.top("target").rows] == ["sleep 1000"]
    assert containers.exec("target", ["ls", "/marker"]).exit_code != 0


def test_2024_9676_a_huge_passwd_is_read_only_in_part(containers: Containers) -> None:
    script = "dd if=/dev/zero of=/etc/passwd bs=1M count=0 seek=1024 2>/dev/null; echo ready; sleep 1000"
    containers.start(IMAGE, ["sh", "-c", script], name="target")
    until(lambda: "ready" in containers.logs("target").stdout)
    with pytest.raises(InvalidInput):
        containers.exec("target", ["id"], user="nobody-there")


def test_2021_30465_links_swapped_during_starts_lead_nowhere(containers: Containers, base: Path) -> None:
    canary, volume = base / "outside", base / "shared"
    for directory in (canary, volume, volume / "real"):
        directory.mkdir()
    (volume / "link").symlink_to(canary)
    # renameat2(…, RENAME_EXCHANGE)
    exchange = "libc.renameat2(-100, b'real', -100, b'link', 2)"
    swap = f"import os,ctypes\nos.chdir({str(volume)!r})\nlibc=ctypes.CDLL(None)\nwhile 1: {exchange}"
    with subprocess.Popen([sys.executable, "-c", swap]) as swapper:
        try:
            for _ in range(40):
                mounts = [f"{volume}:/data", "/etc/hostname:/data/real/deep/file"]
                with contextlib.suppress(SetupFailed):
                    containers.run(IMAGE, ["true"], volume=mounts, rm=True)
        finally:
            swapper.kill()
    assert not os.listdir(canary)
    assert str(canary) not in Path("/proc/self/mountinfo").read_text()
