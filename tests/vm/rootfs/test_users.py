"""An ordinary user makes roots and shares directories, as root does."""

from __future__ import annotations

import pytest

from tests import busybox
from tests.kernels import give
from tests.users import User

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.system("qemu-system-x86", "busybox-static", "e2fsprogs"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def user(ordinary_user: User) -> User:
    """Return a user with subordinate ids, and one without, who has a kernel and an image."""
    if not ordinary_user.conlab("images", "--quiet", "busy").stdout.strip():
        (ordinary_user.home / "root.tar").write_bytes(busybox.root_file_system())
        made = ordinary_user.conlab("import", "root.tar", "busy")
        assert made.returncode == 0, made.stderr
    give(ordinary_user)
    return ordinary_user


def _is_said_that_there_is_no_way(user: User, complaint: str) -> bool:
    """Tell whether a user without subordinate ids learned what to do about it."""
    return user.kind == "single" and "have subordinate ids given to this user" in complaint


def test_a_directory_goes_both_ways(user: User) -> None:
    shared = user.home / "shared"
    user.run(["mkdir", "-p", "shared"])
    (shared / "word").write_text("from the host\n")
    words = ["vm", "run", "--rm", "-v", f"{shared}:/data", "busy", "sh", "-c"]
    found = user.conlab(*words, "cat /data/word; echo answer > /data/answer")
    if _is_said_that_there_is_no_way(user, found.stderr):
        return
    assert "from the host" in found.stdout, found.stderr
    assert (shared / "answer").read_text() == "answer\n"
    assert (shared / "answer").stat().st_uid == user.uid


def test_what_is_read_only_is_not_written_to(user: User) -> None:
    shared = user.home / "kept"
    user.run(["mkdir", "-p", "kept"])
    words = ["vm", "run", "--rm", "-v", f"{shared}:/data:ro", "busy", "sh", "-c"]
    found = user.conlab(*words, "touch /data/answer || echo refused")
    if _is_said_that_there_is_no_way(user, found.stderr):
        return
    assert "refused" in found.stdout, found.stderr
    assert not list(shared.iterdir())


def test_a_disk_has_the_owners_of_the_image(user: User) -> None:
    found = user.conlab("vm", "run", "--rm", "busy", "ls", "-lnd", "/bin/busybox")
    assert found.stdout.split()[2:4] == ["0", "0"], found.stderr


def test_a_root_is_shared_as_it_lies_in_the_store(user: User) -> None:
    """Of two layers, of which the upper one hides a file of the lower."""
    (user.home / "Dockerfile").write_text("FROM busy\nRUN rm /bin/yes && echo more > /more\n")
    assert user.conlab("build", "-q", "-t", "busier", ".").returncode == 0
    script = "cat /more; ls /bin/yes; stat -c %u:%g /bin/busybox"
    found = user.conlab("vm", "run", "--rm", "--filesystem", "virtiofs", "busier", "sh", "-c", script)
    if user.kind == "single":
        assert "cannot share a root with its owners" in found.stderr
        assert "leave --filesystem out" in found.stderr
    else:
        assert found.stdout.split() == ["more", "0:0"], found.stderr
        assert "/bin/yes: No such file" in found.stderr
