"""The nouns of a registry in Python and as commands, at a server that runs."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import containerlab as lab
from containerlab import errors
from containerlab.cli import main
from containerlab.commands.table import commands
from containerlab.engine.engine import Engine
from containerlab.engine.registries.operation_words import flag_of, parameters
from containerlab.engine.registries.operations import OperationCommand
from containerlab.engine.registries.serving import RegistryServer
from tests.distribution.peers import Peer, Request, respond
from tests.engine.registries.conlab import Conlab, logged_in


@pytest.fixture(scope="module")
def reg(base: Path) -> Iterator[RegistryServer]:
    """Yield a registry that runs in a process of its own."""
    with Engine(base / "operations") as engine, engine.registry.serve(port=0) as server:
        yield server


@pytest.fixture
def conlab(
    reg: RegistryServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Conlab:
    """Return what runs a command as its administrator and returns what it printed: conlab("user ls")."""
    return logged_in(reg, tmp_path, monkeypatch, capsys)


def test_the_handle_of_a_server_has_its_nouns(reg: RegistryServer) -> None:
    assert reg.logins.whoami().is_admin
    assert reg.organizations.create("handle", description="from Python").level == "manage"
    assert "handle" in [each.name for each in reg.organizations.list().items]
    with pytest.raises(errors.AlreadyExists):
        reg.organizations.create("handle")
    made = reg.robots.create("handle", "ci", repositories=("handle/base",))
    assert made.robot.rights == {"handle/base": "write"}
    reg.organizations.remove("handle")


def test_an_option_that_has_to_be_given_is_asked_for(
    conlab: Conlab, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands().values():
        if isinstance(command, OperationCommand):
            known = parameters(command.operation)
            words = ["1" for each in known if each.is_positional]
            missing = [each.name for each in known if each.is_required and not each.is_positional]
            if set(missing) - {"password", "old", "secret"}:
                assert main([*command.name.split(), *words]) == 125
                told = capsys.readouterr().err
                assert "is missing" in told, told
                assert "--help" in told, told


def test_words_that_are_no_text_are_refused(
    reg: RegistryServer, conlab: Conlab, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ("user inspect \udcff", "organization create \udcff", "events --account \udcff"):
        assert main(["registry", *words.split()]) == 1
        assert "is not text" in capsys.readouterr().err
    assert main(["search", f"{reg.host}/\udcff"]) == 1
    assert main(["registry", "replication", "create", "a" * 300]) == 1
    assert "registry: " in capsys.readouterr().err


def test_the_nouns_are_reached_by_the_name_of_the_host(reg: RegistryServer, conlab: Conlab) -> None:
    with lab.registry.at(reg.host) as there:
        assert there.logins.whoami().name == "admin"
        assert repr(there) == f"<registry at {reg.host}>"


def test_what_anybody_may_see_is_more_for_who_is_known(
    reg: RegistryServer, conlab: Conlab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reg.organizations.create("hidden")
    with lab.registry.at(reg.host) as there:
        assert "hidden" in [each.name for each in there.organizations.list().items]
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nothing"))
    with lab.registry.at(reg.host) as there:
        assert there.logins.whoami().name == ""
        assert "hidden" not in [each.name for each in there.organizations.list().items]
        with pytest.raises(errors.NotPermitted):
            there.users.list()
    reg.organizations.remove("hidden")


def test_a_life_in_commands(reg: RegistryServer, conlab: Conlab) -> None:
    assert re.search(r"public +yes", conlab("organization create team --public --description ours"))
    assert re.search(r"public +no\n", conlab("organization update team --no-public"))
    assert "alice" in conlab("user create alice --password-stdin", "a long password\n")
    assert re.search(r"level +write\n", conlab("right grant alice team/ write --until 7d"))
    assert re.search(r"alice +team/ +write +20\d\d-", conlab("right ls"))
    assert conlab("right ls --account alice -q").strip() == "alice"
    robot = json.loads(conlab("robot create team ci --valid 1h --level read --json"))
    assert robot["robot"]["rights"] == {"team/": "read"}
    assert robot["robot"]["expires"] - robot["robot"]["created"] == pytest.approx(3600)
    assert conlab("robot ls --organization team --format {{.Name}}") == "team+ci\n"
    assert conlab("robot rm team+ci") == "team+ci\n"
    assert conlab("user password alice --password-stdin", "another password\n") == "alice\n"
    assert re.search(r"disabled +yes", conlab("user update alice --disabled"))
    assert conlab("right revoke alice team/") == "alice\n"
    assert conlab("user rm alice") == "alice\n"
    assert "no such user: alice" in conlab("user rm alice", exit_code=1)
    assert conlab("organization rm team") == "team\n"
    assert "organisation team removed" in conlab("event ls -n 1")
    assert conlab("event ls -n 2 -q").count("\n") == 2
    assert json.loads(conlab("event export --kind organization").splitlines()[0])["kind"] == "organization"


def test_passwords_are_no_words_of_a_command(conlab: Conlab) -> None:
    assert "does not take" in conlab("user create bob secretword", exit_code=1)
    assert "no terminal" in conlab("user create bob", exit_code=1)


def test_a_new_password_is_asked_for_twice(conlab: Conlab, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["a long password", "a wrong password", "a long password", "a long password"])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    assert "are not the same" in conlab("user create typed", exit_code=1)
    assert "typed" in conlab("user create typed")


def test_a_registry_is_named_by_host_or_address(
    reg: RegistryServer, conlab: Conlab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "admin" in conlab(f"user ls --registry {reg.url}/")
    assert "is not a registry" in conlab("user ls --registry localhost:99999", exit_code=1)
    assert "connection refused" in conlab("user ls --registry localhost:1", exit_code=1)


def test_what_the_server_refuses_is_said_as_by_any_command(conlab: Conlab) -> None:
    assert "name: write it like lab\n" in conlab("organization create Team", exit_code=1)
    assert "in the past" in conlab("right grant admin library/ read --until 2001-01-01", exit_code=1)
    assert "not known: 'own'" in conlab("right grant admin lab/ own", exit_code=1)
    assert "not known: 'pushes'" in conlab("events --kind pushes", exit_code=125)
    assert "conlab: password: needs 8 characters" in conlab("user create eve --password-stdin", "short\n", 1)


def test_a_registry_of_another_kind_is_told(conlab: Conlab) -> None:
    def answer(request: Request) -> bytes:
        return respond(200, b"{}") if request.path == "/v2/" else respond(404, b"404 page not found\n")

    with Peer(answer) as peer:
        assert "that only containerlab's has" in conlab(f"whoami --registry {peer.host}", exit_code=1)


def test_names_may_be_as_they_are_pushed(reg: RegistryServer, conlab: Conlab, tmp_path: Path) -> None:
    reg.organizations.create("named")
    assert "organization  named\n" in conlab(f"quota inspect {reg.host}/named")
    assert "no such repository: named/app" in conlab(f"examine {reg.host}/named/app:v1", exit_code=1)
    assert "no such repository: named/app" in conlab("examine named/app v1", exit_code=1)
    assert "REFERENCE is missing" in conlab("examine named/app", exit_code=125)
    assert "two registries" in conlab(f"retention ls {reg.host}/named/ --registry other.example", exit_code=1)
    reg.organizations.remove("named")


def test_an_option_called_as_one_of_every_command_is_its_own(conlab: Conlab) -> None:
    words = "webhook create http://receiver.example/ --on push --as docker"
    assert len(conlab(f"{words} --format {{{{.Secret}}}}").strip()) > 16
    assert json.loads(conlab("webhook ls --json"))[0]["format"] == "docker"


def test_a_login_command_is_a_login(reg: RegistryServer, conlab: Conlab) -> None:
    words = conlab("login-command --valid 2h").split()
    assert (words[:4], words[4], words[6]) == (["docker", "login", "-u", "admin"], "-p", reg.host)
    assert "temporary" in conlab("logins ls")
    for id in conlab("logins ls -q").split():
        assert conlab(f"logins rm {id}") == f"{id}\n"
    with pytest.raises(errors.NotPermitted):
        lab.registry.login(reg.host, username=words[3], password=words[5])


def test_the_password_is_reset_on_the_storage(reg: RegistryServer, base: Path, conlab: Conlab) -> None:
    reg.users.create("lost", "a long password")
    words = [sys.executable, "-m", "containerlab", "registry", "password", "lost"]
    words += ["--storage", str(base / "operations")]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    name, _, password = said.strip().partition(": ")
    assert name == "lost"
    lab.registry.login(reg.host, username="lost", password=password)
    with pytest.raises(errors.NotPermitted):
        lab.registry.login(reg.host, username="lost", password="a long password")
    chosen = subprocess.run(
        [*words, "--password-stdin"], input="chosen by hand\n", capture_output=True, text=True, check=True
    )
    assert chosen.stdout == "lost has the new password\n"
    lab.registry.login(reg.host, username="lost", password="chosen by hand")
    with lab.registry.at(reg.host) as there:  # with the identity token that the login got
        assert there.logins.whoami().name == "lost"
        assert [login.kind for login in there.logins.list()] == ["refresh"]


def test_the_first_password_can_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("chosen by hand\n"))
    with Engine(base / "chosen") as engine:
        with engine.registry.serve(port=0, admin_password_stdin=True) as server:
            assert server.password == "chosen by hand"
            assert server.logins.whoami().is_admin
        with engine.registry.serve(port=0) as server:  # later, the handle gets a login that ends
            assert server.password.startswith("conlab_temporary_")
            who = server.logins.whoami()
            assert who.is_admin
            assert who.until is not None
    assert "CONTAINERLAB_ADMIN_PASSWORD" not in os.environ


def test_a_later_start_says_how_to_get_in_again(base: Path, tmp_path: Path) -> None:
    home = base / "later"
    program = [sys.executable, "-m", "containerlab", "registry"]
    subprocess.run([*program, "password", "--storage", str(home)], check=True, capture_output=True)
    with subprocess.Popen(
        [*program, "serve", "-p", "0", "--storage", str(home)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        assert server.stdout.readline().startswith("registry at http://localhost:")
        said = server.stdout.readline()
        server.send_signal(signal.SIGINT)
    assert said == f"forgotten the password? conlab registry password --storage {home}\n"


def test_a_page_is_a_table_in_a_notebook(reg: RegistryServer) -> None:
    page = reg.users.list()
    assert next(iter(page)).name == "admin"
    assert re.match(r"NAME +ADMIN +DISABLED +CREATED\nadmin +yes +no ", page.to_text())
    assert str(page) == page.to_text()
    shown = page._repr_mimebundle_()["text/html"]
    assert "<table" in shown
    assert "admin" in shown
    assert reg.robots.list().to_text() == "nothing"


def test_every_option_is_described() -> None:
    found = [command for command in commands().values() if isinstance(command, OperationCommand)]
    assert len(found) > 50
    for command in found:
        for parameter in parameters(command.operation):
            flag = flag_of(command.operation, parameter)
            assert flag.help, (command.name, parameter.name)
            assert flag.is_switch or flag.metavar, (command.name, parameter.name)
        assert not {"password", "old", "secret"} & {each.name for each in command.parameters()}
