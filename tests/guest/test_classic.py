"""A classic machine: a Debian with systemd runs the program of an image. Making it takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import machines
from tests.machines import IMAGE

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(900)]


def test_systemd_starts_the_program_of_the_image(base: Path) -> None:
    with machines.engine(base / "classic") as engine:
        result = engine.vm.run(
            IMAGE,
            ["sh", "-c", "cat /proc/1/comm; cat; hostname; exit 3"],
            tier="classic",
            input="told\n",
            hostname="old",
            rm=True,
        )
    assert (result.exit_code, result.stdout) == (3, "systemd\ntold\nold\n")
