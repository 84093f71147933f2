"""What a runtime made to mount upon goes; what a program made, or what was there, stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab.linux.idmap import HOST
from containerlab.store.stubs import clear

pytestmark = pytest.mark.root


@pytest.fixture
def lower(base: Path, request: pytest.FixtureRequest) -> Path:
    lower = base / request.node.name / "lower"
    for directory in ("etc/ssl", "srv", "var"):
        (lower / directory).mkdir(parents=True)
    (lower / "etc" / "hosts").write_bytes(b"")
    (lower / "var" / "run").symlink_to("/run")
    return lower


def _filled(top: Path, *paths: str) -> Path:
    """Make directories, whose paths end with a slash, and empty files."""
    for path in paths:
        place = top / path
        (place if path.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not path.endswith("/"):
            place.write_bytes(b"")
    return top


def _tree(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*")}


def test_mount_points_go_with_the_directories_that_only_they_needed(lower: Path) -> None:
    upper = _filled(lower.parent / "upper", "proc/", "etc/resolv.conf", "run/secrets/a", "run/secrets/b")
    stubs = ["/proc", "/etc/resolv.conf", "/var/run/secrets/a", "/run/secrets/b"]
    clear(upper, [lower], stubs, HOST)
    assert _tree(upper) == set()


def test_what_a_program_wrote_stays_and_times_stay_as_they_were(lower: Path) -> None:
    upper = _filled(lower.parent / "upper", "etc/resolv.conf", "etc/mine", "data/cache/mine", "srv/")
    (upper / "etc" / "full").write_bytes(b"content")
    os.utime(upper / "etc", ns=(1, 1))
    clear(upper, [lower], ["/etc/resolv.conf", "/etc/full", "/data/cache", "/srv"], HOST)
    assert _tree(upper) == {"etc", "etc/mine", "etc/full", "data", "data/cache", "data/cache/mine", "srv"}
    assert (upper / "etc").stat().st_mtime_ns == 1


@pytest.mark.parametrize("change", ["mode", "owner", "attribute", "opaque", "file"])
def test_a_directory_above_stays_if_a_program_changed_it(lower: Path, change: str) -> None:
    upper = _filled(lower.parent / "upper", "etc/resolv.conf")
    match change:
        case "mode":
            (upper / "etc").chmod(0o700)
        case "owner":
            os.chown(upper / "etc", 5, 5)
        case "attribute":
            os.setxattr(upper / "etc", "user.mine", b"")
        case "opaque":
            os.setxattr(upper / "etc", "trusted.overlay.opaque", b"y")
        case "file":
            (upper / "etc" / "resolv.conf").unlink()
            (upper / "etc").rmdir()
            (upper / "etc").write_bytes(b"")
    clear(upper, [lower], ["/etc/resolv.conf"], HOST)
    assert _tree(upper) == {"etc"}


def test_nothing_is_removed_through_a_link_that_a_program_made(lower: Path) -> None:
    outside = _filled(lower.parent / "outside", "secrets/token")
    upper = lower.parent / "upper"
    upper.mkdir()
    (upper / "run").symlink_to(outside)
    clear(upper, [lower], ["/run/secrets/token"], HOST)
    assert _tree(outside) == {"secrets", "secrets/token"}


def test_in_a_copy_the_directories_of_the_layers_stay(lower: Path) -> None:
    root = _filled(lower.parent / "root", "etc/ssl/", "etc/hosts", "srv/stub", "proc/", "run/secrets/token")
    clear(root, [lower], ["/srv/stub", "/proc", "/run/secrets/token", "/etc/hosts"], HOST, is_copy=True)
    assert _tree(root) == {"etc", "etc/ssl", "etc/hosts", "srv"}
