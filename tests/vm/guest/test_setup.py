"""A guest is what it was told to be, before any program runs."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Mount, Program, Setup
from containerlab.vm.kernel.kernel import Kernel
from tests.vm.archives import busybox
from tests.vm.guest.machine import Machine, booted

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def test_it_has_its_name(machine: Machine) -> None:
    assert machine.shell("hostname; cat /etc/hostname") == "lab\nlab\n"


def test_names_can_be_looked_up(machine: Machine) -> None:
    hosts = machine.shell("cat /etc/hosts")
    assert "127.0.0.1\tlocalhost\n" in hosts
    assert hosts.endswith("10.0.2.2\thost\n10.0.2.15\tlab\n")
    assert machine.shell("cat /etc/resolv.conf") == "nameserver 10.0.2.3\n"


def test_its_clock_is_the_hosts(machine: Machine) -> None:
    assert abs(int(machine.shell("date +%s")) - time.time()) < 60


def test_its_random_generator_is_seeded(machine: Machine) -> None:
    assert int(machine.shell("cat /proc/sys/kernel/random/entropy_avail")) == 256


def test_its_network_is_up(machine: Machine) -> None:
    assert "inet 127.0.0.1/8" in machine.shell("ip addr show dev lo")
    assert "inet 10.0.2.15/24" in machine.shell("ip addr show dev eth0")
    assert "default via 10.0.2.2 dev eth0" in machine.shell("ip route")


def test_it_has_what_programs_expect(machine: Machine) -> None:
    mounts = {line.split()[1]: line.split()[2] for line in machine.shell("cat /proc/mounts").splitlines()}
    expected = {
        "/proc": "proc",
        "/sys": "sysfs",
        "/dev": "devtmpfs",
        "/dev/pts": "devpts",
        "/dev/shm": "tmpfs",
        "/dev/mqueue": "mqueue",
        "/sys/fs/cgroup": "cgroup2",
    }
    assert expected.items() <= mounts.items()
    assert machine.shell("readlink /dev/fd; echo x >/dev/stdout; umask") == "/proc/self/fd\nx\n0022\n"


def test_nothing_of_ours_is_to_be_seen(machine: Machine) -> None:
    assert set(machine.shell("ls /").split()).isdisjoint({"init", "image", "lib", "root"})


def test_mounts_are_where_they_should_be(machine: Machine) -> None:
    assert "one /srv/one:two tmpfs rw" in machine.shell("cat /proc/mounts")
    assert machine.run("touch", "/srv/fixed/x").code == 1
    assert machine.run("/srv/fixed/busybox", "true").code == 0


def test_a_mount_that_fails_is_told(directory: Path, guest_kernel: Kernel) -> None:
    with booted(directory, guest_kernel, busybox()) as machine:
        kind, payload = machine.set_up(Setup("lab", mounts=(Mount("virtiofs", "nobody", "/srv"),)))
        assert kind == wire.FAILED
        said = dict(wire.unpaired(payload))
        assert (said["step"], said["text"]) == ("mount", "virtiofs:nobody:/srv:rw")


@pytest.mark.skipif(not Path("/usr/lib/qemu/virtiofsd").exists(), reason="virtiofsd is missing")
def test_a_directory_of_the_host_can_be_read_only(directory: Path, guest_kernel: Kernel) -> None:
    shared, socket = directory / "shared", directory / "fs.sock"
    shared.mkdir()
    (shared / "file").write_text("of the host")
    daemon = subprocess.Popen(
        ["/usr/lib/qemu/virtiofsd", f"--socket-path={socket}", "-o", f"source={shared}"]
    )
    try:
        while not socket.exists():
            assert daemon.poll() is None
            time.sleep(0.01)
        devices = (
            "-chardev",
            f"socket,id=fs,path={socket}",
            "-device",
            "vhost-user-fs-device,chardev=fs,tag=it",
            *("-global", "virtio-mmio.force-legacy=false"),
        )
        with booted(directory, guest_kernel, busybox(), devices=devices, also=["virtiofs"]) as machine:
            mounts = (
                Mount("virtiofs", "it", "/srv/rw"),
                Mount("bind", "/srv/rw", "/srv/ro", is_readonly=True),
            )
            assert machine.set_up(Setup("lab", mounts=mounts)) == (wire.READY, b"")
            assert (
                machine.shell("cat /srv/ro/file; echo new >/srv/rw/new; cat /srv/ro/new")
                == "of the hostnew\n"
            )
            assert machine.run("touch", "/srv/ro/x").code == 1
            assert (shared / "new").read_text() == "new\n"
    finally:
        daemon.kill()
        daemon.wait()


def test_what_cannot_be_said_is_refused() -> None:
    with pytest.raises(errors.InvalidInput, match="zero byte"):
        Program(("a\0b",)).payload()
    with pytest.raises(errors.InvalidInput, match="too long: 1200"):
        Program(("x" * 1_200_000,)).payload()
    with pytest.raises(errors.InvalidInput, match="colon"):
        Setup("lab", mounts=(Mount("9p", "a:b", "/x"),)).payload()
    assert shutil.which("true")
