"""Logins are kept and forgotten without harm to what else is in the files."""

from __future__ import annotations

import concurrent.futures
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from containerlab import errors
from containerlab.distribution import logins
from containerlab.distribution.credentials import ANONYMOUS, Credentials, find
from tests.distribution import helper_program

R = "r.example:5000"


def _document(path: Path) -> Any:
    return msgspec.json.decode(path.read_bytes())


@pytest.fixture
def config(user: Path) -> Path:
    (user / ".docker").mkdir()
    return user / ".docker/config.json"


def test_a_login_is_kept_for_its_owner_alone(user: Path) -> None:
    kept = logins.keep(R, Credentials("ada", "pw"))
    path = user / ".docker/config.json"
    assert (kept.place, kept.is_plain) == (str(path), True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert _document(path) == {"auths": {R: {"auth": "YWRhOnB3"}}}
    assert find(R) == Credentials("ada", "pw")


def test_docker_hub_has_dockers_key(user: Path) -> None:
    logins.keep("docker.io", Credentials("ada", identity_token="it"))
    document = _document(user / ".docker/config.json")
    assert document == {"auths": {"https://index.docker.io/v1/": {"auth": "YWRhOg==", "identitytoken": "it"}}}
    assert find("docker.io") == Credentials("ada", "", "it")


def test_what_else_is_in_the_file_stays(config: Path) -> None:
    others = {
        "HttpHeaders": {"X": "1"},
        "auths": {"o.example": {"auth": "YTpi", "new": [1]}},
        "psFormat": "x",
    }
    config.write_bytes(msgspec.json.encode(others))
    config.chmod(0o644)
    logins.keep(R, Credentials("ada", "pw"))
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert logins.forget(R) == [str(config)]
    assert _document(config) == others
    assert list(_document(config)) == list(others)


def test_other_spellings_of_the_registry_are_replaced(config: Path) -> None:
    config.write_bytes(msgspec.json.encode({"auths": {f"https://{R}/v1/": {"auth": "YTpi"}}}))
    logins.keep(R, Credentials("ada", "pw"))
    assert list(_document(config)["auths"]) == [R]


def test_a_link_stays_a_link(config: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    target.write_text("{}")
    config.symlink_to(target)
    logins.keep(R, Credentials("ada", "pw"))
    assert config.is_symlink()
    assert R in _document(target)["auths"]
    assert logins.forget(R) == [str(target)]


def test_a_file_that_cannot_be_understood_is_not_replaced(config: Path) -> None:
    config.write_text('{"auths": {')
    for act in (lambda: logins.keep(R, Credentials("ada", "pw")), lambda: logins.forget(R)):
        with pytest.raises(errors.InvalidInput, match=r"config\.json"):
            act()
    assert config.read_text() == '{"auths": {'


def test_a_helper_keeps_the_secret(config: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper = helper_program.install(user, monkeypatch)
    config.write_bytes(msgspec.json.encode({"credsStore": helper.name}))
    kept = logins.keep(R, Credentials("ada", "pw"))
    assert kept == logins.Kept("docker-credential-test", False)
    assert helper.kept() == {R: ["ada", "pw"]}
    assert _document(config) == {"credsStore": "test", "auths": {R: {}}}
    logins.keep("docker.io", Credentials("ada", identity_token="it"))
    assert helper.kept()["https://index.docker.io/v1/"] == ["<token>", "it"]
    assert logins.forget(R) == ["docker-credential-test", str(config)]
    assert list(helper.kept()) == ["https://index.docker.io/v1/"]
    assert find(R) == ANONYMOUS


def test_logging_out_means_out_whoever_logged_in(user: Path) -> None:
    logins.keep(R, Credentials("ada", "pw"))
    podman = user / ".config/containers/auth.json"
    podman.parent.mkdir(parents=True)
    podman.write_bytes(msgspec.json.encode({"auths": {R: {"auth": "YTpi"}}}))
    (user / ".dockercfg").write_bytes(msgspec.json.encode({R: {"auth": "YTpi"}, "o": {"auth": "YTpi"}}))
    assert len(logins.forget(R)) == 3
    assert find(R) == ANONYMOUS
    assert _document(user / ".dockercfg") == {"o": {"auth": "YTpi"}}
    assert logins.forget(R) == []
    assert logins.forget_all() == ["o"]


_FIVE = """
import sys
from containerlab.distribution import logins
from containerlab.distribution.credentials import Credentials
for number in range(5):
    logins.keep(f"r{sys.argv[1]}-{number}", Credentials("ada", "pw"))
"""


def test_many_at_once_lose_nothing(user: Path) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(subprocess.run, [sys.executable, "-c", _FIVE, str(n)], check=True) for n in range(3)
        ]
        runs += [pool.submit(logins.keep, f"t{n}", Credentials("ada", "pw")) for n in range(20)]
        for run in runs:
            run.result()
    path = user / ".docker/config.json"
    assert len(_document(path)["auths"]) == 35
    assert os.listdir(path.parent) == ["config.json"]


def test_a_write_of_docker_meanwhile_is_not_lost(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker takes no lock: what it wrote between our reading and our writing is read again."""
    write_file, others = logins.write_file, ['{"auths": {"docker.example": {"auth": "YTpi"}}}']
    config.write_text("{}")

    def late(*arguments: Any, **named: Any) -> None:
        write_file(*arguments, **named)
        if others:
            config.write_text(others.pop())

    monkeypatch.setattr(logins, "write_file", late)
    logins.keep(R, Credentials("ada", "pw"))
    assert set(_document(config)["auths"]) == {"docker.example", R}


@pytest.mark.root
def test_root_leaves_a_file_to_its_owner(config: Path) -> None:
    config.write_text("{}")
    os.chown(config, 12345, 12345)
    logins.keep(R, Credentials("ada", "pw"))
    assert (config.stat().st_uid, config.stat().st_gid) == (12345, 12345)


def test_a_folder_that_cannot_be_written_is_named(config: Path) -> None:
    config.parent.rmdir()
    config.parent.write_text("")
    with pytest.raises(errors.LabError, match=r"change the credentials in .*config\.json"):
        logins.keep(R, Credentials("ada", "pw"))
