"""Snapshots of a first boot."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.linux import idmap
from containerlab.store.home import Home
from containerlab.store.workshop import Workshop
from containerlab.vm.qemu import snapshots
from containerlab.vm.qemu.plan import Forward, Share
from tests.vm.machines import Bench, output, pids_of

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.slow,
    pytest.mark.system("qemu-system-x86", "busybox-static"),
]


def test_a_snapshot_is_made_once_and_never_changed(bench: Bench) -> None:
    machine = bench.machine("resume")
    made = snapshots.take(bench.home, bench.workshop, machine)
    before = made.memory.read_bytes()
    for _ in range(2):
        with bench.start(bench.quick("sh", "-c", "echo written > /tmp/file; cat /tmp/file")) as found:
            assert output(found) == b"written\n"
    assert made.memory.read_bytes() == before
    assert snapshots.take(bench.home, bench.workshop, machine) == made


def test_a_damaged_snapshot_is_made_again(bench: Bench) -> None:
    machine = bench.machine("resume", memory_bytes=160 << 20)
    made = snapshots.take(bench.home, bench.workshop, machine)
    sizes = made.memory.stat().st_size, made.state.stat().st_size
    for path in made:
        whole = path.with_name("whole")
        path.rename(whole)
        assert snapshots.find(bench.home, machine) is None
        path.write_bytes(b"torn")
        assert snapshots.find(bench.home, machine) is None
        whole.rename(path)
        assert snapshots.find(bench.home, machine) == made
    os.truncate(made.state, 1000)
    assert snapshots.take(bench.home, bench.workshop, machine) == made
    assert made.memory.stat().st_size == sizes[0]
    assert made.state.stat().st_size > 1000


def test_a_snapshot_that_is_just_restored_is_not_removed(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    place = home.cache / "snapshots" / "some"
    place.mkdir(parents=True)
    state = place / "state"
    state.write_bytes(b"x")
    with snapshots.held(str(state)) as is_there:
        assert is_there
        assert snapshots.remove(home) == 0
        assert state.exists()
    assert snapshots.remove(home) > 0
    assert snapshots.sizes(home) == []
    with snapshots.held(str(state)) as is_there:
        assert not is_there
    with snapshots.held("") as is_there:
        assert is_there


def test_machines_of_one_snapshot_differ(bench: Bench) -> None:
    seen = set()
    for _ in range(3):
        with bench.start(bench.quick("head", "-c", "16", "/dev/urandom")) as found:
            seen.add(output(found))
    assert len(seen) == 3


def test_a_restored_machine_has_the_time_of_today(bench: Bench) -> None:
    with bench.start(bench.quick("sh", "-c", "echo now > /tmp/f; ls -l --full-time /tmp/f")) as found:
        said = output(found).decode()
        today = time.strftime("%Y-%m-%d", time.gmtime(found.state["started_at"]))
    assert today in said


def test_what_a_snapshot_depends_on_is_in_its_key(bench: Bench, tmp_path: Path) -> None:
    machine = bench.machine("resume")
    other = tmp_path / "initrd"
    other.write_bytes(b"")
    changed = [
        machine._replace(memory_bytes=256 << 20),
        machine._replace(cpus=2),
        machine._replace(network="none"),
        machine._replace(root=machine.root._replace(initrd=other)),
        machine._replace(accelerator="kvm"),
        machine._replace(program=machine.program._replace(identity="another")),
    ]
    assert len({snapshots.key(each) for each in [machine, *changed]}) == len(changed) + 1
    ports = machine._replace(forwards=(Forward("tcp", "", 8080, 80),))
    assert snapshots.key(ports) == snapshots.key(machine)


def test_a_guest_that_does_not_boot_leaves_no_snapshot(bench: Bench) -> None:
    machine = bench.machine("resume", kernel_extra=("rdinit=/nothing", "init=/nothing"))
    with pytest.raises(errors.Unavailable, match="cannot make a snapshot: the guest's kernel panicked"):
        snapshots.take(bench.home, bench.workshop, machine)
    assert snapshots.find(bench.home, machine) is None
    assert not list(bench.home.temporary.iterdir())


def test_a_kill_while_it_is_made_leaves_none(bench: Bench) -> None:
    machine = bench.machine("resume", kernel_extra=("conlab.unknown",))
    place = str(bench.home.temporary)

    def kill() -> None:
        while not (pids := pids_of(place)):
            pass
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(errors.Unavailable, match="cannot make a snapshot: "):
        snapshots.take(bench.home, bench.workshop, machine)
    killer.join()
    assert snapshots.find(bench.home, machine) is None
    assert not list(bench.home.temporary.iterdir())


def test_what_cannot_be_saved_is_said(bench: Bench) -> None:
    machine = bench.machine("resume")
    shared = machine._replace(shares=(Share("virtiofs", "v0", "/tmp", True),))
    with pytest.raises(errors.Unsupported, match="directories of the host"):
        snapshots.take(bench.home, bench.workshop, shared)
    disk = machine.root._replace(disk=Path("/disk"), filesystem="ext4")
    with pytest.raises(errors.Unsupported, match="writes to its disk"):
        snapshots.take(bench.home, bench.workshop, machine._replace(root=disk))


def test_processes_that_want_the_same_snapshot_make_it_once(bench: Bench) -> None:
    machine = bench.machine("resume", kernel_extra=("conlab.together",))
    found = []

    def take() -> None:
        shop = Workshop(idmap.HOST)
        found.append(snapshots.take(bench.home, shop, machine))
        shop.close()

    threads = [threading.Thread(target=take) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]


def test_all_of_them_can_be_removed(bench: Bench) -> None:
    snapshots.take(bench.home, bench.workshop, bench.machine("resume"))
    assert snapshots.remove(bench.home) > 1 << 20
    assert snapshots.find(bench.home, bench.machine("resume")) is None
