"""The first process that we ship is what its sources say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from containerlab.vm.guest import layout, wire

_GUEST = Path(layout.__file__).parent
_DEBIAN_12 = "12.2.0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("compiler", "architecture"), [("gcc", "x86_64"), ("aarch64-linux-gnu-gcc", "aarch64")]
)
def test_the_compiler_of_debian_12_makes_the_same_bytes(
    compiler: str, architecture: str, tmp_path: Path
) -> None:
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is missing")
    version = subprocess.run(
        [compiler, "-dumpfullversion"], capture_output=True, text=True, check=True
    ).stdout
    machine = subprocess.run([compiler, "-dumpmachine"], capture_output=True, text=True, check=True).stdout
    if version.strip() != _DEBIAN_12 or not machine.startswith(architecture):
        pytest.skip(f"{compiler} is not that of Debian 12 for {architecture}")
    built = tmp_path / "init"
    subprocess.run(["sh", str(_GUEST / "init/build.sh"), compiler, str(built)], check=True)
    assert built.read_bytes() == (_GUEST / layout.binary(architecture)).read_bytes()


def test_both_sides_call_frames_by_the_same_numbers() -> None:
    header = (_GUEST / "init/port.h").read_text()
    found = {name: int(number) for name, number in re.findall(r"^\t([A-Z_]+) = (\d+),$", header, re.M)}
    assert found == {name: getattr(wire, name) for name in found}
    assert found.keys() >= {"HELLO", "EXEC", "EXITED", "POWEROFF"}
    assert len(set(found.values())) == len(found)


def test_it_is_small() -> None:
    assert all((_GUEST / layout.binary(each)).stat().st_size < 32_768 for each in ("x86_64", "aarch64"))
