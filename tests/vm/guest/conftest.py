"""One machine for all tests that leave it as it was."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.vm.guest import wire
from containerlab.vm.guest.setup import Mount, Setup
from containerlab.vm.kernel.kernel import Kernel
from tests.vm.archives import busybox
from tests.vm.guest.machine import Machine, booted

SETUP = Setup(
    "lab",
    "10.0.2.15/24",
    "10.0.2.2",
    dns=("10.0.2.3",),
    hosts=("10.0.2.2\thost",),
    mounts=(Mount("tmpfs", "one", "/srv/one:two"), Mount("bind", "/bin", "/srv/fixed", is_readonly=True)),
)
_USERS = "root:x:0:0::/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n"
_GROUPS = "root:x:0:\nann:x:1001:\nplay:x:2000:bob,ann\nother:x:2001:annabel\n"


@pytest.fixture(scope="package")
def machine(tmp_path_factory: pytest.TempPathFactory, guest_kernel: Kernel) -> Iterator[Machine]:
    """Yield a machine that runs no main program, with a network and two users."""
    _need_qemu()
    image = {**busybox(), "etc": 0o755, "etc/passwd": _USERS.encode(), "etc/group": _GROUPS.encode()}
    image |= {"bin/bare": b"echo bare: $0 $1\n", "bin/bad": b"#!/nowhere\n", "home": 0o755, "tmp": 0o1777}
    net = ("-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-device,netdev=net")
    directory = tmp_path_factory.mktemp("guest")
    with booted(directory, guest_kernel, image, devices=net, also=["net"]) as found:
        clock = ("clock_usec", str(time.time_ns() // 1000)), ("seed", "5a" * 32)
        assert found.set_up(SETUP, *clock) == (wire.READY, b"")
        yield found


def _need_qemu() -> None:
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86 is missing")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a place for a machine of a test's own."""
    _need_qemu()
    return tmp_path
