"""What a run says that it used is what the program used, not what it took to start it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.container import Container
from tests import busybox

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
_HOLDS_40_MB = 'x=$(head -c 40000000 /dev/zero | /bin/busybox tr "\\0" x); echo ${#x}'


@pytest.fixture(scope="module")
def container(base: Path) -> Iterator[Container]:
    engine = busybox.engine(base / "usage")
    with engine.containers.start(busybox.NAME, ["sleep", "1000"]) as running:
        yield running
    engine.close()


def test_small_program_has_no_peak_of_its_own_without_a_cgroup(container: Container) -> None:
    assert container.exec(["true"]).peak_memory_bytes is None


def test_large_program_has_its_peak(container: Container) -> None:
    result = container.exec(["sh", "-c", _HOLDS_40_MB])
    assert result.stdout == "40000000\n"
    assert result.peak_memory_bytes is not None
    assert result.peak_memory_bytes > 40_000_000
