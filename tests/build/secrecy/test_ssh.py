"""--ssh: sockets that are there are handed on; for key files an agent lives as long as the build."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.build.secrecy.ssh import SshSource, agents, parse_ssh
from containerlab.errors import InvalidInput, NotFound, SetupFailed, Unsupported
from tests.containers import until

needs_openssh = pytest.mark.system("openssh-client")


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[str]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path := str(tmp_path / "s"))
        yield path


def _key(path: Path, passphrase: str = "") -> Path:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(words, check=True)
    return path


def _keys_of(agent: str) -> str:
    listed = subprocess.run(
        ["ssh-add", "-L"], env={**os.environ, "SSH_AUTH_SOCK": agent}, capture_output=True, text=True
    )
    return listed.stdout


def _gone(path: str) -> bool:
    return not os.path.exists(os.path.dirname(path))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("default", SshSource("default")),
        ("a=/s", SshSource("a", ("/s",))),
        ("a=/k1,/k2", SshSource("a", ("/k1", "/k2"))),
    ],
)
def test_is_read_as_buildkit_reads_it(text: str, source: SshSource) -> None:
    assert parse_ssh(text) == source


def test_sockets_are_handed_on(listening: str) -> None:
    with agents(["default", f"a={listening}"], {"SSH_AUTH_SOCK": listening}) as sockets:
        assert sockets == {"default": listening, "a": listening}


def test_what_is_wrong_is_said(listening: str, tmp_path: Path) -> None:
    wrong: list[tuple[list[str], type[Exception]]] = [
        (["=x"], InvalidInput),
        (["default"], NotFound),
        ([f"a={tmp_path}/nothing"], NotFound),
        ([f"a={listening}", f"a={listening}"], InvalidInput),
        ([f"a={listening},{listening}"], InvalidInput),
        ([f"a={listening},{__file__}"], InvalidInput),
    ]
    for texts, kind in wrong:
        with pytest.raises(kind), agents(texts, {}):
            pass


def test_without_ssh_agent_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unsupported, match="ssh-agent"), agents([f"a={__file__}"]):
        pass


@needs_openssh
def test_key_files_get_an_agent_that_ends_with_the_block(tmp_path: Path) -> None:
    one, two = _key(tmp_path / "one"), _key(tmp_path / "two")
    one.chmod(0o644)
    with agents([f"a={one},{two}", f"b={two}"]) as sockets:
        assert _keys_of(sockets["a"]) == "".join(Path(f"{key}.pub").read_text() for key in (one, two))
        assert _keys_of(sockets["b"]) == Path(f"{two}.pub").read_text()
    assert _gone(sockets["a"])
    assert _gone(sockets["b"])


@needs_openssh
def test_a_key_that_cannot_be_used_is_named_and_leaves_no_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    closed = _key(tmp_path / "closed", "a passphrase")
    (tmp_path / "none").write_text("no key")
    for bad in (closed, tmp_path / "none"):
        with pytest.raises(SetupFailed, match=bad.name), agents([f"a={bad}"]):
            pass
    assert not list(tmp_path.glob("conlab-ssh-*"))


@needs_openssh
def test_an_agent_ends_when_the_build_is_killed(tmp_path: Path) -> None:
    key = _key(tmp_path / "key")
    program = (
        "import sys; from containerlab.build.secrecy.ssh import agents\n"
        "with agents(['a=' + sys.argv[1]]) as found: print(found['a'], flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", program, str(key)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        path = build.stdout.readline().strip()
        assert os.path.exists(path)
        build.send_signal(signal.SIGKILL)
    until(lambda: _gone(path))
