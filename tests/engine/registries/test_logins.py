"""`login` and `logout`, with a real registry."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from containerlab import errors
from containerlab.distribution import credentials
from containerlab.distribution.credentials import Credentials
from containerlab.engine.engine import Engine
from tests import registries
from tests.distribution import token_server
from tests.kernel import Notebook

HOST = "localhost:1"
"""Where nobody listens."""


@pytest.fixture(scope="module")
def registry(base: Path) -> Iterator[registries.Registry]:
    with registries.debian(base / "logins", auth="basic") as running:
        yield running


@pytest.fixture
def engine(tmp_path: Path, user: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "home") as opened:
        yield opened


def _auths(home: Path) -> dict[str, object]:
    path = home / ".docker/config.json"
    return dict(msgspec.json.decode(path.read_bytes())["auths"]) if path.exists() else {}


def test_a_login_is_tried_and_kept(engine: Engine, registry: registries.Registry, user: Path) -> None:
    done = engine.registry.login(registry.host, username=registry.user, password=registry.password)
    assert done.to_text() == "Login Succeeded"
    assert done.place == str(user / ".docker/config.json")
    assert "unencrypted" in "".join(done.notices)
    assert list(_auths(user)) == [registry.host]
    assert engine.registry.login(f"http://{registry.host}/v2/").username == registry.user  # as it is kept
    out = engine.registry.logout(registry.host)
    assert out.to_text() == f"Removing login credentials for {registry.host}"
    assert _auths(user) == {}
    assert engine.registry.logout(registry.host).to_text() == f"Not logged in to {registry.host}"


def test_what_the_registry_refuses_is_not_kept(
    engine: Engine, registry: registries.Registry, user: Path
) -> None:
    with pytest.raises(errors.NotPermitted, match="password is wrong"):
        engine.registry.login(registry.host, username=registry.user, password="no")
    assert _auths(user) == {}


def test_logout_of_all(engine: Engine, registry: registries.Registry, user: Path) -> None:
    engine.registry.login(registry.host, username=registry.user, password=registry.password)
    assert engine.registry.logout(all=True).registries == (registry.host,)
    assert engine.registry.logout(all=True).to_text() == "Not logged in anywhere"


def test_an_identity_token_is_kept_instead_of_the_password(
    engine: Engine, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with token_server.TokenServer() as tokens, tokens.registry(scope="") as peer:
        monkeypatch.setenv("CONTAINERLAB_TRUSTED_REALMS", tokens.host)
        engine.registry.login(peer.host, username=token_server.USER, password=token_server.PASSWORD)
        kept = _auths(user)[peer.host]
        assert kept == {"auth": "YWRhOg==", "identitytoken": token_server.IDENTITY}
        tokens.asked.clear()
        engine.registry.login(peer.host)
        assert [asked.method for asked in tokens.asked] == ["POST"]


@pytest.mark.system("skopeo")
def test_skopeo_and_we_know_each_others_logins(
    engine: Engine, registry: registries.Registry, user: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()

    def skopeo(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["skopeo", *words], capture_output=True, text=True)

    login = ["-u", registry.user, "-p", registry.password, "--tls-verify=false"]
    assert skopeo("login", *login, registry.host).returncode == 0
    assert credentials.find(registry.host) == Credentials(registry.user, registry.password)
    assert engine.registry.logout(registry.host).registries == (registry.host,)
    assert skopeo("login", "--get-login", registry.host).returncode != 0
    engine.registry.login(registry.host, username=registry.user, password=registry.password)
    assert skopeo("login", "--get-login", registry.host).stdout == f"{registry.user}\n"
    assert skopeo("login", *login, f"{registry.host}/lab").returncode == 0
    assert list(credentials.read(str(tmp_path / "run/containers/auth.json")).auths) == [  # type: ignore[union-attr]
        f"{registry.host}/lab"
    ]
    assert credentials.find(registry.host, "lab/app").username == registry.user


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"username": "ada", "password": "pw", "password_stdin": True}, "mutually exclusive"),
        ({"password_stdin": True}, "needs --username"),
        ({"username": "ada"}, "cannot ask for a login"),
        ({"username": "a:b", "password": "pw"}, "no colon"),
        ({"username": "ada", "password": "p\nw"}, "more than one line"),
        ({"username": "ada", "password": "\udcff"}, "not UTF-8"),
    ],
)
def test_logins_that_cannot_be(engine: Engine, options: dict[str, object], said: str) -> None:
    with pytest.raises(errors.InvalidInput, match=said):
        engine.registry.login(HOST, **options)  # type: ignore[arg-type]
    for name in ("r/../x", "a b", "-", "r.example:port", "https://"):
        with pytest.raises(errors.InvalidInput, match="not a registry"):
            engine.registry.login(name, username="ada", password="pw")


def _conlab(home: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "containerlab", "--home", str(home / "lab"), *words]
    return subprocess.run(program, input=said, capture_output=True, text=True)


@pytest.mark.slow
def test_passwords_on_the_command_line(registry: registries.Registry, user: Path) -> None:
    piped = _conlab(
        user, "login", "-u", registry.user, "--password-stdin", registry.host, said=f"{registry.password}\n"
    )
    assert (piped.returncode, piped.stdout) == (0, "Login Succeeded\n")
    assert "WARNING! Your credentials are stored unencrypted" in piped.stderr
    assert "--password-stdin" not in piped.stderr
    given = _conlab(user, "login", "-u", registry.user, "-p", registry.password, registry.host)
    assert "WARNING! Using --password via the CLI is insecure. Use --password-stdin." in given.stderr
    wrong = _conlab(user, "login", "-u", registry.user, "--password-stdin", registry.host, said="no")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert list(_auths(user)) == [registry.host]
    out = _conlab(user, "logout", registry.host)
    assert out.stdout == f"Removing login credentials for {registry.host}\n"


@pytest.mark.slow
def test_a_terminal_is_asked(registry: registries.Registry, user: Path) -> None:
    """The password is not shown while it is typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        words = [sys.executable, "-m", "containerlab", "--home", str(user / "lab"), "login", registry.host]
        os.execv(sys.executable, words)
    try:
        shown = _read_until(terminal, b"Username: ")
        os.write(terminal, registry.user.encode() + b"\n")
        shown += _read_until(terminal, b"Password: ")
        os.write(terminal, registry.password.encode() + b"\n")
        shown += _read_until(terminal, b"Login Succeeded")
        _read_until(terminal, None)
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert registry.password.encode() not in shown
    assert list(_auths(user)) == [registry.host]


def _read_until(terminal: int, wanted: bytes | None) -> bytes:
    shown = b""
    while wanted is None or wanted not in shown:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            piece = b""
        if not piece:
            assert wanted is None, shown
            break
        shown += piece
    return shown


@pytest.mark.slow
def test_a_notebook_asks_in_the_browser(registry: registries.Registry, user: Path) -> None:
    notebook = Notebook(user / "lab")
    try:
        notebook.run("%load_ext containerlab")
        login = f"%container login {registry.host}"
        cell, asked = notebook.run_answering(login, registry.user, registry.password)
        assert asked == ["Username: ", "Password: ***"]
        assert cell.value == "Login Succeeded"
        assert list(_auths(user)) == [registry.host]
        notebook.run(f"%container logout {registry.host}")
        assert "InvalidInput: nobody can be asked" in notebook.run(login).error[0]
    finally:
        notebook.close()
