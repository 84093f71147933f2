"""Outputs of a whole build, as root, as an ordinary user with subordinate ids, and as one without."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from tests.users import User

pytestmark = pytest.mark.slow

DOCKERFILE = (
    "FROM scratch\nCOPY --chown=12:34 --chmod=4750 file /deep/file\nCOPY file /gone\nCOPY other /gone\n"
)


@pytest.fixture
def context(anyone: User) -> Path:
    """Return a folder with two files and a Dockerfile that runs nothing."""
    folder = anyone.home / "outputs"
    folder.mkdir(exist_ok=True)
    for name, content in (("Dockerfile", DOCKERFILE), ("file", "one\n"), ("other", "two\n")):
        (folder / name).write_text(content)
        (folder / name).chmod(0o644)
    folder.chmod(0o777)
    return folder


def test_an_archive_has_the_owners_that_the_image_has(anyone: User, context: Path) -> None:
    built = anyone.conlab("build", "-o", f"type=tar,dest={context}/out.tar", str(context))
    assert built.returncode == 0, built.stderr
    with tarfile.open(context / "out.tar") as found:
        assert sorted(found.getnames()) == ["deep", "deep/file", "gone"]
        member = found.getmember("deep/file")
        assert (member.uid, member.gid, member.mode) == (12, 34, 0o4750)


def test_a_directory_belongs_to_who_asked_for_it(anyone: User, context: Path) -> None:
    built = anyone.conlab("build", "--squash", "-o", str(context / "out"), str(context))
    assert built.returncode == 0, built.stderr
    assert sorted(os.listdir(context / "out")) == ["deep", "gone"]
    assert (context / "out/gone").read_text() == "two\n"
    found = os.stat(context / "out/deep/file")
    assert (found.st_uid, found.st_mode & 0o7777) == (anyone.uid, 0o750)
