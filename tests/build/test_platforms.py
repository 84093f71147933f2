"""Platforms of a build: what is read, and what the kernel says of foreign programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.platforms import check_runs_here, parse
from containerlab.linux import binfmt
from containerlab.oci.platform import Platform

FOREIGN = "riscv64" if Platform.host().architecture != "riscv64" else "s390x"


def test_lists_are_read_and_normalised() -> None:
    found = parse(["linux/amd64,linux/aarch64", " linux/arm/7 ", "linux/x86_64,local"])
    names = [str(each) for each in found]
    assert names[:3] == ["linux/amd64", "linux/arm64", "linux/arm/v7"]
    assert len(names) == len(set(names))
    assert Platform.host() in found


@pytest.mark.parametrize("text", ["linux/amd64,", "", "linux/amd64/v1/x", "a b"])
def test_a_wrong_list_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidInput):
        parse([text])


def test_other_systems_are_not_built_for() -> None:
    with pytest.raises(errors.Unsupported, match="windows"):
        parse(["windows/amd64"])


def test_this_machine_runs_its_own_programs() -> None:
    host = Platform.host()
    check_runs_here(host, "/nowhere")
    check_runs_here(Platform(host.architecture, "linux", "v3"), "/nowhere")


def test_it_is_said_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(errors.Unsupported, match="no interpreter for them is registered") as caught:
        check_runs_here(Platform(FOREIGN, "linux"), str(tmp_path))
    assert "qemu-user-static" in caught.value.hint


SCRIPT = """
import subprocess, sys
from containerlab import errors
from containerlab.build.platforms import check_runs_here
from containerlab.linux import binfmt
from containerlab.oci.platform import Platform
subprocess.run(["mount", "-t", "binfmt_misc", "none", binfmt.DIRECTORY], check=True)
machine = {"riscv64": "f300", "s390x": "1600"}[sys.argv[1]]
magic, mask = "7f454c460201010000000000000000000200" + machine, "ff" * 7 + "00" + "ff" * 8 + "feff" + "ffff"
escaped = ["".join(f"\\\\x{text[i:i+2]}" for i in range(0, len(text), 2)) for text in (magic, mask)]
for flags in ("", "F"):
    with open(f"{binfmt.DIRECTORY}/register", "w") as file:
        file.write(f":emulator{flags}:M:0:{escaped[0]}:{escaped[1]}:/bin/true:{flags}")
    try:
        check_runs_here(Platform(sys.argv[1], "linux"))
        print("runs")
    except errors.Unsupported as error:
        print("flag F" in error.message)
with open(f"{binfmt.DIRECTORY}/status", "w") as file:
    file.write("0")
try:
    check_runs_here(Platform(sys.argv[1], "linux"))
except errors.Unsupported as error:
    print("switched off" in error.message)
try:
    check_runs_here(Platform("ppc64le", "linux"))
except errors.Unsupported as error:
    print("no interpreter" in error.message)
"""


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(FOREIGN != "riscv64", reason="the script knows the byte order of riscv64")
def test_what_the_kernel_lists_is_understood() -> None:
    """Register interpreters with a kernel that keeps them for this namespace alone (Linux 6.7)."""
    if tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < (6, 7):
        pytest.skip("before Linux 6.7 interpreters are registered for the whole host")
    if "binfmt_misc" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel has no binfmt_misc")
    words = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", SCRIPT, FOREIGN]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["True", "runs", "True", "True"], said.stderr


def test_an_unknown_architecture_has_no_interpreter() -> None:
    assert binfmt.interpreter("vax") is None
