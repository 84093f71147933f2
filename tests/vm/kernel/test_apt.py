"""The host's own apt, where Debian's mirror is out of reach: a real one, with a repository of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from containerlab import errors
from containerlab.store.home import Home
from containerlab.vm.kernel import kernels
from containerlab.vm.kernel.mirror import VARIABLE
from tests.vm.kernel import fakes

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="its repository is for amd64"),
]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository that is all that apt knows; no mirror can be reached."""
    folder = tmp_path / "repository"
    fakes.mirror(folder)
    state = tmp_path / "apt"
    for name in ("lists/partial", "cache/archives/partial", "sources.list.d", "preferences.d"):
        (state / name).mkdir(parents=True)
    (state / "sources.list").write_text(f"deb [arch=amd64 trusted=yes] copy:{folder} trixie main\n")
    (state / "status").write_text("")
    settings = {
        "Dir::Etc": state,
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Debug::NoLocking": "true",
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
    }
    (state / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    monkeypatch.setenv("APT_CONFIG", str(state / "apt.conf"))
    monkeypatch.setenv(VARIABLE, "https://127.0.0.1:9/debian")
    return folder


def test_apt_is_asked_where_the_mirror_is_out_of_reach(repository: Path, tmp_path: Path) -> None:
    subprocess.run(["apt-get", "-q", "update"], check=True, capture_output=True)
    said: list[str] = []
    kernel = kernels.find(Home.open(tmp_path / "home"), say=said.append)
    assert kernel.release == fakes.RELEASE
    assert said[0].endswith("asking apt")
    (kept,) = kernels.cached(Home.open(tmp_path / "home"))
    assert kept.source.startswith("apt: linux-image-")


@pytest.mark.usefixtures("repository")
def test_that_both_fail_is_told_in_one_sentence(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "home")
    with pytest.raises(
        errors.Unavailable, match=r"cannot connect to .*; apt knows no kernel for guests"
    ) as caught:
        kernels.find(home)
    assert "--kernel" in caught.value.hint
    assert not list(home.temporary.iterdir())
