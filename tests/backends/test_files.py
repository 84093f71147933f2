"""Reaching into containers: cp, diff, commit, export, of running and of resting ones, as anyone."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.backends.embedded import Embedded
from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import Conflict, NotFound, NotPermitted
from tests import containers as applets
from tests.containers import FILES, IMAGE, root_archive
from tests.users import User

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]
FOREVER = ["sleep", "1000"]


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    """Yield an engine whose store has the image."""
    with applets.engine(base / "files") as engine:
        yield engine


@pytest.fixture(params=["running", "created"])
def name(request: pytest.FixtureRequest, containers: Containers) -> str:
    """Return a container that runs, and one that never did."""
    make = containers.start if request.param == "running" else containers.create
    return make(IMAGE, FOREVER, volume=["kept:/kept"]).name


def listed(engine: Engine, name: str, path: str, **how: bool) -> list[str]:
    output = io.BytesIO()
    assert isinstance(engine.backend, Embedded)
    engine.backend.get_archive(name, path, output, **how)
    output.seek(0)
    with tarfile.open(fileobj=output) as archive:
        return archive.getnames()


def test_file_goes_in_and_comes_out(containers: Containers, name: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"content")
    containers.copy(str(tmp_path / "in"), f"{name}:/tmp/there")
    containers.copy(f"{name}:/tmp/there", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"content"


def test_directory_goes_whole_or_by_what_is_in_it(
    containers: Containers, engine: Engine, name: str, tmp_path: Path
) -> None:
    (tmp_path / "tree" / "below").mkdir(parents=True)
    containers.copy(str(tmp_path / "tree"), f"{name}:/tmp")
    containers.copy(f"{tmp_path}/tree/.", f"{name}:/home")
    assert listed(engine, name, "/tmp/tree") == ["tree", "tree/below"]
    assert "below" in listed(engine, name, "/home/.")


def test_volume_is_seen_by_cp_and_not_by_export(
    containers: Containers, engine: Engine, name: str, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(b"content")
    containers.copy(str(tmp_path / "in"), f"{name}:/kept/in")
    assert "kept/in" in listed(engine, name, "/kept")
    exported = listed(engine, name, "/.", alone=True)
    assert "etc/passwd" in exported
    assert "kept/in" not in exported
    containers.remove(name, force=True)
    engine.volumes.remove("kept")


def test_missing_paths_say_so(containers: Containers, name: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"")
    with pytest.raises(NotFound, match="/no/such"):
        containers.copy(f"{name}:/no/such", str(tmp_path))
    with pytest.raises(NotFound, match="/no/such"):
        containers.copy(str(tmp_path / "in"), f"{name}:/no/such/place")
    with pytest.raises(NotFound, match="not a directory"):
        containers.copy(f"{name}:/etc/passwd/", str(tmp_path))


def test_directory_gives_not_way_to_a_file(containers: Containers, name: str, tmp_path: Path) -> None:
    (tmp_path / "ann").write_bytes(b"a file")
    with pytest.raises(Conflict, match="directory"):
        containers.copy(str(tmp_path / "ann"), f"{name}:/home")
    (tmp_path / "passwd").mkdir()
    with pytest.raises(Conflict, match="no directory"):
        containers.copy(str(tmp_path / "passwd"), f"{name}:/etc")


@pytest.mark.parametrize("running", [True, False])
def test_readonly_root_and_mount_refuse(containers: Containers, running: bool, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"")
    make = containers.start if running else containers.create
    name = make(IMAGE, FOREVER, read_only=True, volume=[f"{tmp_path}:/host:ro"]).name
    for place in ("/tmp", "/host"):
        with pytest.raises(NotPermitted, match="read-only"):
            containers.copy(str(tmp_path / "in"), f"{name}:{place}/in")


def test_what_the_kernel_makes_up_is_not_copied(
    containers: Containers, engine: Engine, tmp_path: Path
) -> None:
    name = containers.start(IMAGE, FOREVER).name
    with pytest.raises(NotPermitted, match="kernel"):
        containers.copy(f"{name}:/proc/cpuinfo", str(tmp_path))
    names = listed(engine, name, "/")
    assert "proc" in names
    assert not [each for each in names if each.startswith(("proc/", "sys/", "dev/"))]


def test_link_is_copied_as_a_link_unless_followed(
    containers: Containers, engine: Engine, tmp_path: Path
) -> None:
    name = containers.start(IMAGE, FOREVER).name
    containers.exec(name, ["ln", "-s", "../etc/passwd", "/tmp/link"], check=True)
    containers.copy(f"{name}:/tmp/link", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    containers.copy(f"{name}:/tmp/link", str(tmp_path / "file"), follow_link=True)
    assert (tmp_path / "file").read_bytes() == FILES["etc/passwd"]


def test_diff_tells_what_the_program_did_and_nothing_else(containers: Containers) -> None:
    name = containers.start(IMAGE, FOREVER, volume=["/data/deep"]).name
    assert list(containers.diff(name)) == []
    script = "echo > /tmp/new; rm /etc/group; echo >> /etc/passwd"
    containers.exec(name, ["sh", "-c", script], check=True)
    found = {(change.kind, change.path) for change in containers.diff(name)}
    assert found == {
        ("C", "/etc"),
        ("C", "/etc/passwd"),
        ("D", "/etc/group"),
        ("C", "/tmp"),
        ("A", "/tmp/new"),
    }


def test_commit_keeps_changes_and_how_it_was_run(containers: Containers, engine: Engine) -> None:
    name = containers.start(IMAGE, FOREVER, env=["A=1"], workdir="/tmp", volume=["/data"]).name
    containers.exec(name, ["sh", "-c", "echo kept > /tmp/file; rm /etc/group"], check=True)
    made = containers.commit(name, "test/made", change=['CMD ["cat", "file"]'], message="why", author="me")
    assert "A=1" in made.config["Env"]
    assert containers.get(name).status == "running"
    result = containers.run("test/made", rm=True)
    assert result.stdout == "kept\n"
    assert containers.run("test/made", ["ls", "/etc/group", "/data"], rm=True).exit_code == 1
    assert engine.images.history("test/made").rows[0].comment == "why"
    engine.images.remove("test/made")


def test_exported_file_system_can_be_imported(containers: Containers, engine: Engine, tmp_path: Path) -> None:
    name = containers.create(IMAGE, FOREVER).name
    containers.export(name, output=str(tmp_path / "root.tar"))
    engine.images.import_(str(tmp_path / "root.tar"), "test/again")
    assert containers.run("test/again", ["cat", "/etc/group"], rm=True).stdout.encode() == FILES["etc/group"]
    engine.images.remove("test/again")


def test_check_removes_layers_that_nothing_needs(containers: Containers, engine: Engine, base: Path) -> None:
    layers = base / "files" / "layers"
    containers.create(IMAGE, FOREVER)
    needed = set(layers.iterdir())
    (layers / ("0" * 64)).mkdir()
    assert [done for _, done in engine.system.check()] == ["removed 1 layers that nothing needs"]
    assert set(layers.iterdir()) == needed


@pytest.fixture
def owner(anyone: User) -> Iterator[User]:
    """Return somebody who has the image; whatever containers a test leaves are removed."""
    archive = anyone.home / "root.tar"
    archive.write_bytes(root_archive(FILES))
    archive.chmod(0o644)
    _check(conlab(anyone, "import", str(archive), IMAGE))
    yield anyone
    for line in conlab(anyone, "ps", "-aq").stdout.split():
        _check(conlab(anyone, "rm", "-f", "-v", line))


def conlab(user: User, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a home of the suite's own, root too."""
    return user.conlab(*words, env={**user.environment, "CONTAINERLAB_HOME": str(user.home / "files-home")})


def _check(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("begin", [["run", "-d"], ["create"]])
def test_everybody_copies_and_commits(owner: User, begin: list[str]) -> None:
    (owner.home / "in").write_text("content\n")
    name = f"mine-{begin[0]}"
    _check(conlab(owner, *begin, "--name", name, "-v", "own:/etc", IMAGE, *FOREVER))
    _check(conlab(owner, "cp", "in", f"{name}:/home/ann/in"))
    _check(conlab(owner, "cp", "in", f"{name}:/etc/in"))
    _check(conlab(owner, "cp", f"{name}:/home/ann/in", f"out-{name}"))
    assert (owner.home / f"out-{name}").read_text() == "content\n"
    assert (owner.home / f"out-{name}").stat().st_uid == owner.uid
    assert _check(conlab(owner, "diff", name)).split() == [
        "KIND",
        "PATH",
        "C",
        "/home",
        "C",
        "/home/ann",
        "A",
        "/home/ann/in",
    ]
    _check(conlab(owner, "commit", name, "test/mine"))
    assert _check(conlab(owner, "run", "--rm", "test/mine", "cat", "/home/ann/in")) == "content\n"
    assert _check(conlab(owner, "run", "--rm", "-v", "own:/own", IMAGE, "cat", "/own/in")) == "content\n"
    _check(conlab(owner, "export", name, "-o", "exported.tar"))
    with tarfile.open(owner.home / "exported.tar") as archive:
        assert "home/ann/in" in archive.getnames()
        assert "etc/in" not in archive.getnames()
