"""The directory of a comparison."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from containerlab.experiments import scratch
from containerlab.experiments.shares import PREFIX


def test_it_lies_in_the_home_and_goes_away(tmp_path: Path) -> None:
    with scratch.directory(str(tmp_path)) as made:
        assert made.is_relative_to(tmp_path)
        (made / "file").touch()
    assert not made.exists()


def test_it_goes_away_after_an_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), scratch.directory(str(tmp_path)) as made:
        raise KeyboardInterrupt
    assert not made.exists()


@pytest.mark.slow
def test_what_a_killed_comparison_left_goes_away(tmp_path: Path) -> None:
    program = (
        "import os, sys; from containerlab.experiments import scratch\n"
        "with scratch.directory(sys.argv[1]) as made: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)])
    (left,) = tmp_path.glob(f"**/{PREFIX}*")
    with scratch.directory(str(tmp_path)) as made:
        assert not left.exists()
        assert os.listdir(made) == []
