"""What --ssh gives to a build: sockets of SSH agents, so that a RUN can use keys that it never sees.

Source: docker buildx build, "--ssh"; ssh-agent(1), ssh-add(1).
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from containerlab.errors import InvalidInput, NotFound, SetupFailed, Unsupported, of_the_system

if TYPE_CHECKING:
    import subprocess

__all__ = ["SshSource", "agents", "parse_ssh"]


class SshSource(NamedTuple):
    """An agent's socket, or key files; without paths the agent of the user."""

    id: str
    paths: tuple[str, ...] = ()


def parse_ssh(text: str | SshSource) -> SshSource:
    """Read `default`, `ID`, `ID=SOCKET` or `ID=KEY[,KEY…]`.

    >>> parse_ssh("github=~/.ssh/id_ed25519").id
    'github'

    Raises: InvalidInput.
    """
    if isinstance(text, SshSource):
        return text
    name, _, written = text.partition("=")
    if not name:
        raise InvalidInput(f"the agent {text!r} has no id", "write default, ID=SOCKET or ID=KEYFILE")
    return SshSource(name, tuple(os.path.expanduser(path) for path in written.split(",") if path))


@contextlib.contextmanager
def agents(
    texts: Iterable[str | SshSource], environment: Mapping[str, str] | None = None
) -> Iterator[dict[str, str]]:
    """Give the path of an agent's socket for each id; agents started for key files end with the block.

    Such an agent keeps its keys in memory only, and ends too when this process is killed.

    Raises: InvalidInput for an id given twice, or keys and sockets mixed; NotFound for a socket or key that
        is not there; Unsupported when key files are given and ssh-agent is not installed; SetupFailed when a
        key cannot be used.
    """
    variables = os.environ if environment is None else environment
    with contextlib.ExitStack() as stack:
        sockets: dict[str, str] = {}
        for source in map(parse_ssh, texts):
            if source.id in sockets:
                raise InvalidInput(f"the agent {source.id!r} is given twice", "leave one out")
            paths = source.paths or (_of_the_user(source.id, variables),)
            sockets[source.id] = _socket(paths) or stack.enter_context(_own_agent(source.id, paths))
        yield sockets


def _of_the_user(name: str, environment: Mapping[str, str]) -> str:
    if found := environment.get("SSH_AUTH_SOCK"):
        return found
    raise NotFound(
        f"no agent for --ssh {name}: SSH_AUTH_SOCK is not set",
        f"start one (eval $(ssh-agent); ssh-add), or give a key: --ssh {name}=~/.ssh/id_ed25519",
    )


def _socket(paths: tuple[str, ...]) -> str:
    """Return the one socket among the paths, or nothing when they are files."""
    sockets = [path for path in paths if _is_socket(path)]
    if sockets and len(paths) > 1:
        raise InvalidInput(
            f"{sockets[0]} is a socket, with which nothing else can be given", "use another id for it"
        )
    return os.path.abspath(sockets[0]) if sockets else ""


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except FileNotFoundError as error:
        raise NotFound(f"no such socket or key: {path}", "--ssh ID=SOCKET or ID=KEYFILE") from error
    except OSError as error:
        raise of_the_system(error, "--ssh") from error


_KEEPER = """
import os, signal, sys
agent = int(os.environ["SSH_AGENT_PID"])
print(agent, flush=True)
sys.stdin.read()
os.kill(agent, signal.SIGTERM)
os.waitpid(agent, 0)
os.rmdir(sys.argv[1])
"""
"""What ssh-agent runs as its command, and whose child it is: ends the agent when standard input ends.

So the agent ends with this process, however that ends; and is reaped in a container without an init.
"""


@contextlib.contextmanager
def _own_agent(name: str, keys: tuple[str, ...]) -> Iterator[str]:
    import shutil  # few builds have keys
    import subprocess
    import tempfile

    for program in ("ssh-agent", "ssh-add"):
        if shutil.which(program) is None:
            raise Unsupported(
                f"--ssh {name} with key files needs {program}, which is not installed",
                "install openssh-client, or give the socket of an agent",
            )
    # Not in the home: the path of a socket has room for 107 bytes.
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    directory = tempfile.mkdtemp(prefix="conlab-ssh-", dir=runtime if os.path.isdir(runtime) else None)
    socket = os.path.join(directory, "agent")
    words = ["ssh-agent", "-a", socket, sys.executable, "-I", "-S", "-c", _KEEPER, directory]
    with subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # not interrupted with this process, which ends it in its own time
    ) as keeper:
        try:
            _wait_until_ready(keeper, name)
            for key in keys:
                _add(socket, key)
            yield socket
        finally:
            with contextlib.suppress(BrokenPipeError):
                keeper.communicate()


def _wait_until_ready(keeper: subprocess.Popen[bytes], name: str) -> None:
    assert keeper.stdout is not None
    assert keeper.stderr is not None
    if not keeper.stdout.readline():
        reason = keeper.stderr.read().decode(errors="replace").strip()
        raise SetupFailed(f"--ssh {name}: ssh-agent did not start: {reason}", step="ssh-agent")


def _add(socket: str, path: str) -> None:
    """Hand a key to an agent; through a pipe, since ssh-add takes no file that others may read."""
    try:
        with open(path, "rb") as file:
            key = file.read()
    except OSError as error:
        raise of_the_system(error, "--ssh") from error
    import subprocess

    added = subprocess.run(
        ["ssh-add", "-q", "-"],
        input=key,
        capture_output=True,
        start_new_session=True,  # without a terminal it cannot ask for a passphrase in the middle of a build
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "SSH_AUTH_SOCK": socket,
            "SSH_ASKPASS_REQUIRE": "never",
        },
        check=False,
    )
    if added.returncode:
        reason = added.stderr.decode(errors="replace").strip() or "it has a passphrase, or is no key"
        raise SetupFailed(
            f"the key {path} cannot be used: {reason}",
            "add it to an agent yourself (ssh-add), and give --ssh default",
            step="ssh-add",
        )
