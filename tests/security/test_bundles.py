"""Bundles whose root file system holds links where the runtime makes and covers things."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests import busybox

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]


def _run(directory: Path, links: dict[str, str], **linux: Any) -> subprocess.CompletedProcess[str]:
    """Run a bundle without mounts for /dev that prints its /secret."""
    rootfs = directory / "rootfs"
    with tarfile.open(fileobj=io.BytesIO(busybox.root_file_system())) as archive:
        archive.extractall(rootfs)
    (rootfs / "secret").write_text("hidden by a mask")
    for path, target in links.items():
        shutil.rmtree(rootfs / path, ignore_errors=True)
        (rootfs / path).symlink_to(target)
    runtime = [sys.executable, "-m", "containerlab", "runtime", "--root", str(directory / "register")]
    subprocess.run([*runtime, "spec", "--bundle", str(directory)], check=True)
    config = json.loads((directory / "config.json").read_text())
    config["process"] |= {"args": ["cat", "/secret"], "terminal": False}
    config["mounts"] = [mount for mount in config["mounts"] if not mount["destination"].startswith("/dev")]
    config["linux"] |= linux
    (directory / "config.json").write_text(json.dumps(config))
    words = [*runtime, "run", "--bundle", str(directory), "links"]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("way", ["", "../../../../../../../.."], ids=["absolute", "upward"])
def test_2026_41579_2026_47766_no_device_is_made_where_dev_leads(tmp_path: Path, way: str) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    _run(tmp_path, {"dev": f"{way}{canary}"})
    assert os.listdir(canary) == []


def test_2025_31133_a_mask_does_not_show_where_dev_null_leads(tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("of the host")
    links = {"dev/null": str(tmp_path / "canary")}
    done = _run(tmp_path, links, maskedPaths=["/secret"], devices=[])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "canary").read_text() == "of the host"
