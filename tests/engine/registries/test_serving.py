"""`lab.registry.serve()` and `conlab registry serve`: they begin, say how they are reached, and end."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from containerlab import errors
from containerlab.engine.engine import Engine
from tests.certificates import Authority
from tests.containers import until


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(tmp_path / "home") as engine:
        yield engine


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Yield the port of a registry that speaks TLS, and the certificate that its clients trust."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "authority")
    pair = authority.server()
    with Engine(folder / "home") as engine:
        files = {"tls_cert": str(pair.certificate), "tls_key": str(pair.key)}
        with engine.registry.serve(port=0, **files) as registry:
            yield int(registry.url.rpartition(":")[2]), authority.certificate


def status(url: str, login: tuple[str, str] | None = None) -> int:
    headers = urllib3.make_headers(basic_auth=":".join(login)) if login else {}
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", f"{url}/v2/", headers=headers).status


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_answers_until_its_block_ends(engine: Engine) -> None:
    with engine.registry.serve(port=0) as registry:
        assert status(registry.url) == 401
        assert status(registry.url, (registry.username, registry.password)) == 200
        assert re.fullmatch(r"localhost:\d+", registry.host)
        assert registry.url in registry.to_text()
        assert f'href="{registry.url}"' in registry.to_html()
    assert not registry.is_running
    assert registry.to_text() == f"the registry at {registry.url} has ended"
    with pytest.raises(urllib3.exceptions.HTTPError):
        status(registry.url)


def test_it_says_a_login_each_time_and_earlier_ones_stay_good(engine: Engine) -> None:
    with engine.registry.serve(port=0) as registry:
        first = (registry.username, registry.password)
    with engine.registry.serve(port=0) as registry:
        second = (registry.username, registry.password)
        assert first != second
        assert [status(registry.url, login) for login in (first, second)] == [200, 200]
        assert status(registry.url, ("admin", "wrong")) == 401


def test_it_runs_on_when_it_is_forgotten_and_ends_with_its_engine(tmp_path: Path) -> None:
    with Engine(tmp_path / "home") as engine:
        url, pid = (lambda registry: (registry.url, registry.pid))(engine.registry.serve(port=0))
        assert status(url) == 401
    assert not is_alive(pid)


def test_a_cell_that_is_run_again_finds_its_registry(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first = engine.registry.serve(port=port)
    assert engine.registry.serve(port=port) is first
    with pytest.raises(errors.Conflict, match="it is taken"):
        engine.registry.serve(port=port, auth="basic")
    first.stop()
    assert engine.registry.serve(port=port) is not first


def test_ports_that_are_chosen_freely_are_of_different_registries(engine: Engine) -> None:
    with engine.registry.serve(port=0) as first, engine.registry.serve(port=0) as second:
        assert first.url != second.url
        assert [server.url for server in engine.servers] == [first.url, second.url]
    assert engine.servers == []


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "localhost"), ("127.0.0.2", "127.0.0.2"), ("::1", "[::1]")]
)
def test_its_name_leads_to_where_it_listens(engine: Engine, host: str, shown: str) -> None:
    with engine.registry.serve(port=0, host=host, auth="none") as registry:
        assert registry.host.rpartition(":")[0] == shown
        assert status(registry.url) == 200


def test_what_it_refuses_is_in_its_log(engine: Engine) -> None:
    with engine.registry.serve(port=0, auth="none") as registry, urllib3.PoolManager() as pool:
        assert pool.request("GET", f"{registry.url}/v2/lab/base/manifests/nothing").status == 404
        assert '"GET /v2/lab/base/manifests/nothing" 404' in registry.log


def test_what_every_client_does_is_not_in_its_log(engine: Engine) -> None:
    """A client tries TLS, then without, and asks once before it says who it is."""
    with engine.registry.serve(port=0) as registry, urllib3.PoolManager(retries=False) as pool:
        secure = registry.url.replace("http:", "https:")
        with pytest.raises(urllib3.exceptions.SSLError):
            pool.request("GET", f"{secure}/v2/")
        assert pool.request("GET", f"{registry.url}/v2/lab/base/manifests/v1").status == 401
        assert registry.log == ""
        assert status(registry.url, ("admin", "wrong")) == 401
        assert len(registry.log.splitlines()) == 1


def test_a_port_that_is_taken_is_named(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(errors.Conflict, match=rf"port {port}: it is taken"):
            engine.registry.serve(port=port)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"auth": "none", "host": "0.0.0.0"}, "lets everybody"),
        ({"auth": "none", "host": "::"}, "lets everybody"),
        ({"tls_cert": "cert.pem"}, "both certificate and key"),
        ({"public_url": "registry.example"}, "not the URL"),
        ({"public_url": "https://registry.example/registry"}, "not the URL"),
        ({"host": "192.0.2.1"}, "cannot listen at 192.0.2.1"),
    ],
)
def test_what_cannot_be_meant_is_refused(engine: Engine, options: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InvalidInput, match=said):
        engine.registry.serve(**{"port": 0, **options})


@pytest.mark.parametrize("missing", ["uvicorn", "argon2"])
def test_what_has_to_be_installed_is_said(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{missing!r}] = None")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(errors.Unsupported, match=f"needs {missing}, which is not installed") as caught:
        engine.registry.serve(port=0)
    assert caught.value.hint == "pip install 'containerlab[server]'"


def test_a_certificate_that_is_none_is_said(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    file = str(tmp_path / "nonsense.pem")
    with pytest.raises(errors.InvalidInput, match="certificate"):
        engine.registry.serve(port=0, tls_cert=file, tls_key=file)


def test_it_may_be_open_to_all_when_that_is_said(engine: Engine) -> None:
    with engine.registry.serve(port=0, host="0.0.0.0", auth="none", insecure_open=True) as registry:
        port = registry.host.partition(":")[2]
        assert status(f"http://127.0.0.1:{port}") == 200
        assert "can be read on the way" in registry.to_text()


@pytest.mark.parametrize(
    ("version", "is_spoken"),
    [
        (ssl.TLSVersion.TLSv1, False),
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_tls_is_not_spoken(tls: tuple[int, Path], version: ssl.TLSVersion, is_spoken: bool) -> None:
    port, authority = tls
    context = ssl.create_default_context(cafile=authority)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this side would refuse first
    context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port)) as line:
        if not is_spoken:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(line, server_hostname="localhost")
            return
        with context.wrap_socket(line, server_hostname="localhost") as secure:
            secure.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
            assert secure.recv(12) == b"HTTP/1.1 401"


def test_nothing_is_left_of_it_when_who_started_it_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, containerlab as lab; engine = lab.Engine(sys.argv[1])\n"
        "print(engine.registry.serve(port=0, workers=2).pid, flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "home")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdout
        pid = int(client.stdout.readline())
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(workers) == 2
        client.kill()
    until(lambda: not any(is_alive(each) for each in (pid, *map(int, workers))))


def test_a_worker_that_dies_is_replaced(engine: Engine) -> None:
    with engine.registry.serve(port=0, workers=2) as registry:
        children = Path(f"/proc/{registry.pid}/task/{registry.pid}/children")
        first = set(children.read_text().split())
        os.kill(int(min(first)), signal.SIGKILL)
        until(lambda: len(set(children.read_text().split()) - first) == 1)
        assert status(registry.url) == 401


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_serves_until_it_is_asked_to_end(tmp_path: Path, number: signal.Signals) -> None:
    home = str(tmp_path / "home")
    words = [sys.executable, "-m", "containerlab", "--home", home, "registry", "serve", "-p", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().removeprefix("registry at ").strip()
        login = re.fullmatch(r"login: (\S+), password: (\S+)\n", process.stdout.readline())
        assert login
        assert status(url, (login[1], login[2])) == 200
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        process.wait()
    until(lambda: not any(is_alive(int(each)) for each in children))
    assert process.returncode == (0 if number == signal.SIGINT else -signal.SIGTERM)
