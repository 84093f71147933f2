"""`conlab runtime` as its callers know it: by hand, and by podman and Docker."""

from __future__ import annotations

import array
import io
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from containerlab.errors import InvalidInput
from containerlab.runtime.creation import group_path
from tests import busybox

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static")]

SCHEMAS = Path(__file__).parent.parent.parent / "shared" / "data" / "oci" / "runtime"
WRAPPER = f"#!{sys.executable}\nimport sys\nfrom containerlab.ociruntime import main\nsys.exit(main())\n"


class Runtime:
    """The runtime with a register of its own, as another program would call it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.program = directory / "conlab-runtime"
        self.program.write_text(WRAPPER)
        self.program.chmod(0o755)
        self.ids: list[str] = []

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        settings = (
            "--root",
            str(self.directory / "register"),
            "--log",
            str(self.log),
            "--log-format",
            "json",
        )
        options = {
            "text": True,
            "timeout": 60,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        } | options
        return subprocess.run([str(self.program), *settings, *words], **options)

    def create(self, bundle: Path, name: str, *words: str, **options: Any) -> Path:
        """Create a container whose output goes to the file that is returned."""
        self.ids.append(name)
        output, errors = self.directory / f"{name}.out", self.directory / f"{name}.err"
        # Files, for the container holds on to what its maker was given.
        with output.open("wb") as out, errors.open("wb") as err:
            done = self("create", "--bundle", str(bundle), *words, name, stdout=out, stderr=err, **options)
        assert (done.returncode, errors.read_text()) == (0, "")
        return output

    def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("state", name).stdout)
        return found

    def wait(self, pid: int) -> None:
        """Wait until a process that is not our child has ended."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(20_000)
        os.close(pidfd)

    def last_words(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.log.read_text().splitlines()[-1])
        return found


@pytest.fixture
def runtime(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Iterator[Runtime]:
    directory = base / "ociruntime"
    directory.mkdir()
    made = Runtime(directory)
    yield made
    for name in made.ids:
        made("delete", "--force", name)
    shutil.rmtree(directory)


@pytest.fixture
def bundle(runtime: Runtime) -> Callable[..., Path]:
    """Return a function that makes a bundle; its argument changes config.json."""

    def make(*args: str, change: Callable[[dict[str, Any]], object] = lambda config: None) -> Path:
        path = runtime.directory / "bundle"
        path.mkdir()
        with tarfile.open(fileobj=io.BytesIO(busybox.root_file_system())) as archive:
            archive.extractall(path / "rootfs")
        assert runtime("spec", "--bundle", str(path)).returncode == 0
        config = json.loads((path / "config.json").read_text())
        config["process"] |= {"args": list(args) or ["sleep", "60"], "terminal": False}
        change(config)
        (path / "config.json").write_text(json.dumps(config))
        return path

    return make


def _validate(value: Any, schema: str) -> None:
    if not SCHEMAS.is_dir():
        return
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT4

    documents = [(file.name, json.loads(file.read_text())) for file in SCHEMAS.glob("*.json")]
    registry: Any = Registry().with_resources(
        (name, Resource.from_contents(document, default_specification=DRAFT4)) for name, document in documents
    )
    jsonschema.Draft4Validator(dict(documents)[schema], registry=registry).validate(value)


def test_life_from_create_to_delete(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    pid_file = runtime.directory / "pid"
    output = runtime.create(bundle("sh", "-c", "hostname; id -u"), "life", "--pid-file", str(pid_file))
    created = runtime.state("life")
    _validate(created, "state-schema.json")
    assert created["status"] == "created"
    assert created["pid"] == int(pid_file.read_text())
    assert output.read_text() == ""
    assert runtime("start", "life").returncode == 0
    runtime.wait(created["pid"])
    assert output.read_text() == "containerlab\n0\n"
    assert runtime.state("life")["status"] == "stopped"
    assert runtime("delete", "life").returncode == 0
    assert runtime("state", "life").returncode == 1
    assert "does not exist" in runtime.last_words()["msg"]


def test_errors_are_logged_as_json_and_said(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    path = bundle("nothing-of-this-name")
    done = runtime("create", "--bundle", str(path), "missing")
    assert done.returncode == 1
    assert "executable file not found" in done.stderr
    words = runtime.last_words()
    assert words.keys() == {"level", "msg", "time"}
    assert words["level"] == "error"
    assert runtime("list", "--quiet").stdout == ""


@pytest.mark.parametrize("name", ["", "..", "a/b", "x y"])
def test_bad_ids_are_refused(runtime: Runtime, bundle: Callable[..., Path], name: str) -> None:
    assert runtime("create", "--bundle", str(bundle()), name).returncode == 1
    assert "invalid container id" in runtime.last_words()["msg"]


def test_no_bundle_is_an_error(runtime: Runtime) -> None:
    assert runtime("create", "--bundle", "/nonexistent", "nobundle").returncode == 1
    assert "/nonexistent/config.json" in runtime.last_words()["msg"]


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["linux"].update(intelRdt={"closID": "x"}),
        lambda config: config["mounts"].append(
            {"destination": "/m", "source": "/tmp", "options": ["bind", "idmap"]}
        ),
        lambda config: config["process"].update(terminal=True),
        lambda config: config.pop("process"),
        lambda config: config["linux"].update(namespaces=[]),
    ],
    ids=["intelRdt", "idmap", "terminal without socket", "no process", "no mount namespace"],
)
def test_what_cannot_be_is_refused(
    runtime: Runtime, bundle: Callable[..., Path], change: Callable[[dict[str, Any]], object]
) -> None:
    assert runtime("create", "--bundle", str(bundle(change=change)), "refused").returncode == 1
    assert runtime("list", "--quiet").stdout == ""


def test_kill_and_delete_respect_the_state(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    runtime.create(bundle(), "states")
    pid = runtime.state("states")["pid"]
    assert runtime("start", "states").returncode == 0
    assert runtime("start", "states").returncode == 1
    assert runtime("delete", "states").returncode == 1
    assert runtime("kill", "states", "KILL").returncode == 0
    runtime.wait(pid)
    assert runtime("kill", "states").returncode == 1
    assert "container not running" in runtime.last_words()["msg"]
    assert runtime("kill", "--all", "states", "9").returncode == 0
    assert runtime("delete", "states").returncode == 0
    assert runtime("delete", "states").returncode == 1
    assert runtime("delete", "--force", "states").returncode == 0


def test_pause_holds_and_resume_lets_go(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    runtime.create(bundle(), "held")
    assert runtime("start", "held").returncode == 0
    assert runtime("pause", "held").returncode == 0
    assert runtime.state("held")["status"] == "paused"
    assert runtime("exec", "held", "true").returncode == 1
    assert runtime("resume", "held").returncode == 0
    assert runtime.state("held")["status"] == "running"


def test_exec_enters_the_container(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    runtime.create(bundle(), "host")
    assert runtime("start", "host").returncode == 0
    done = runtime(
        "exec",
        "--cwd",
        "/tmp",
        "--env",
        "A=b",
        "--user",
        "7:8",
        "host",
        "sh",
        "-c",
        "pwd; id -u; id -g; echo $A",
    )
    assert (done.returncode, done.stdout.split()) == (0, ["/tmp", "7", "8", "b"])
    assert runtime("exec", "host", "sh", "-c", "exit 5").returncode == 5
    process = runtime.directory / "process.json"
    process.write_text(json.dumps({"args": ["sleep", "50"], "cwd": "/", "env": ["PATH=/bin"]}))
    pid_file = runtime.directory / "exec.pid"
    done = runtime(
        "exec",
        "--detach",
        "--process",
        str(process),
        "--pid-file",
        str(pid_file),
        "host",
        stdout=None,
        stderr=None,
    )
    assert done.returncode == 0
    assert int(pid_file.read_text()) in json.loads(runtime("ps", "--format", "json", "host").stdout)
    os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_run_returns_the_exit_code_and_leaves_nothing(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    done = runtime("run", "--bundle", str(bundle("sh", "-c", "echo out; exit 9")), "brief")
    assert (done.returncode, done.stdout) == (9, "out\n")
    assert runtime("list", "--quiet").stdout == ""


def test_terminal_goes_to_the_console_socket(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    path = bundle("sh", "-c", "tty; echo done", change=lambda config: config["process"].update(terminal=True))
    place = str(runtime.directory / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place)
        listener.listen()
        runtime.create(path, "tty", "--console-socket", place)
        connection, _ = listener.accept()
        with connection:
            _, ancillary, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
    master = array.array("i", ancillary[0][2])[0]
    runtime("start", "tty")
    text = b""
    try:
        while b"done" not in text:
            text += os.read(master, 1000)
    finally:
        os.close(master)
    assert b"/dev/pts/0" in text


def test_hooks_run_where_and_when_the_specification_says(
    runtime: Runtime, bundle: Callable[..., Path]
) -> None:
    record = runtime.directory / "hooks"

    def hook(kind: str) -> list[dict[str, Any]]:
        script = f"""echo {kind} $(grep -o '"status": "[a-z]*"') >> {record}"""
        return [{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}]

    def change(config: dict[str, Any]) -> None:
        kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
        config["hooks"] = {kind: hook(kind) for kind in kinds}
        inside = [{"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer"]}]
        config["hooks"]["startContainer"] = inside

    output = runtime.create(bundle("echo", "program", change=change), "hooked")
    pid = runtime.state("hooked")["pid"]
    assert output.read_text() == ""
    assert runtime("start", "hooked").returncode == 0
    runtime.wait(pid)
    assert output.read_text().splitlines() == ["startContainer", "program"]
    assert runtime("delete", "hooked").returncode == 0
    lines = [line.split() for line in record.read_text().splitlines()]
    assert [(line[0], line[2]) for line in lines] == [
        ("prestart", '"creating"'),
        ("createRuntime", '"creating"'),
        ("createContainer", '"creating"'),
        ("poststart", '"running"'),
        ("poststop", '"stopped"'),
    ]


def test_failing_hook_ends_the_creation(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    failing = {"hooks": {"createRuntime": [{"path": "/bin/false"}]}}
    done = runtime(
        "create", "--bundle", str(bundle(change=lambda config: config.update(failing))), "unhooked"
    )
    assert done.returncode == 1
    assert "createRuntime hook /bin/false" in done.stderr
    assert runtime("list", "--quiet").stdout == ""


def test_tmpfs_begins_with_what_the_image_has(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    mount = {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": ["tmpcopyup", "mode=755"]}
    path = bundle(
        "sh", "-c", "cat /etc/d/f; echo new > /etc/d/f", change=lambda config: config["mounts"].append(mount)
    )
    (path / "rootfs/etc/d").mkdir()
    (path / "rootfs/etc/d/f").write_text("old\n")
    done = runtime("run", "--bundle", str(path), "copied")
    assert (done.returncode, done.stdout, done.stderr) == (0, "old\n", "")
    assert (path / "rootfs/etc/d/f").read_text() == "old\n"


def test_clocks_can_be_offset(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    def change(config: dict[str, Any]) -> None:
        config["linux"]["namespaces"].append({"type": "time"})
        config["linux"]["timeOffsets"] = {"boottime": {"secs": 10_000_000}}

    done = runtime("run", "--bundle", str(bundle("cat", "/proc/uptime", change=change)), "late")
    assert done.returncode == 0
    assert float(done.stdout.split()[0]) > 10_000_000


def test_ids_are_mapped_as_asked(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    mapping = [{"containerID": 0, "hostID": 100_000, "size": 1000}]

    def change(config: dict[str, Any]) -> None:
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"] |= {"uidMappings": mapping, "gidMappings": mapping}
        config["root"]["readonly"] = False

    path = bundle("sh", "-c", "id -u; cat /proc/self/uid_map", change=change)
    for directory, _, names in os.walk(path / "rootfs"):
        for name in (directory, *(os.path.join(directory, each) for each in names)):
            os.chown(name, 100_000, 100_000, follow_symlinks=False)
    done = runtime("run", "--bundle", str(path), "mapped")
    assert (done.stdout.split(), done.stderr) == (["0", "0", "100000", "1000"], "")


def test_update_changes_a_limit(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    runtime.create(bundle(), "limited")
    assert runtime("update", "--pids-limit", "33", "limited").returncode == 0
    resources = json.dumps({"memory": {"limit": 64 << 20}, "cpu": {"shares": 0, "quota": 0}})
    assert runtime("update", "--resources", "-", "limited", input=resources).returncode == 0
    group = json.loads((runtime.directory / "register/limited/state.json").read_text())["cgroup"]
    directories = dict(group[0])
    limit = next(Path(directories["memory"]).glob("memory.[lm]*[xs]"), None)
    assert (Path(directories["pids"]) / "pids.max").read_text().strip() == "33"
    assert limit is not None
    # What `update` made above its cgroups goes with them.
    assert {str(Path(path).parent) for path in directories.values()} <= set(group[1])


def test_preserved_descriptors_reach_the_program(runtime: Runtime, bundle: Callable[..., Path]) -> None:
    path = str(bundle("sh", "-c", "echo through >&3; ls /proc/self/fd"))
    settings = [str(runtime.program), "--root", str(runtime.directory / "register")]
    command = [
        "sh",
        "-c",
        'exec "$@" 3>&1',
        "sh",
        *settings,
        "run",
        "--preserve-fds",
        "1",
        "--bundle",
        path,
        "fds",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    # `ls` itself opens one more.
    assert done.stdout.split() == ["through", "0", "1", "2", "3", "4"]


def test_features_name_what_is_there(runtime: Runtime) -> None:
    features = json.loads(runtime("features").stdout)
    _validate(features, "features-schema.json")
    assert {"rro", "tmpcopyup", "rbind"} <= set(features["mountOptions"])
    assert features["linux"]["seccomp"]["enabled"]


def test_version_names_the_specification(runtime: Runtime) -> None:
    assert "spec: 1." in runtime("--version").stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("user-lab.slice:conlab:web", "user.slice/user-lab.slice/conlab-web.scope"),
        (":conlab:web", "system.slice/conlab-web.scope"),
        ("a.slice::b.slice", "a.slice/b.slice"),
    ],
)
def test_systemd_names_become_paths(given: str, expected: str) -> None:
    assert group_path(given, "id", systemd=True) == expected


@pytest.mark.parametrize(("given", "systemd"), [("/a/../../b", False), ("/not/three/parts", True)])
def test_bad_cgroup_paths_are_refused(given: str, systemd: bool) -> None:
    with pytest.raises(InvalidInput):
        group_path(given, "id", systemd=systemd)


# --- driven by others ---------------------------------------------------------------------------


class Podman:
    """Podman with a store of its own, and our runtime."""

    def __init__(self, runtime: Runtime, directory: Path) -> None:
        places = {"--root": "root", "--runroot": "run", "--tmpdir": "tmp"}
        self._start = ["podman", "--runtime", str(runtime.program), "--cgroup-manager", "cgroupfs"]
        self._start += ["--storage-driver", "vfs", "--events-backend", "file"]
        self._start += ["--runtime-flag", f"root={directory}/runtime"]
        self._start += [word for option, name in places.items() for word in (option, str(directory / name))]

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"capture_output": True, "text": True, "timeout": 100} | options
        return subprocess.run([*self._start, *words], **options)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self("run", "--rm", "--network", "none", *words)


@pytest.fixture
def podman(runtime: Runtime) -> Iterator[Podman]:
    cgroups = _podmans_cgroups()
    directory = Path(tempfile.mkdtemp(prefix="podman-"))  # podman wants paths of at most 50 characters
    found = Podman(runtime, directory)
    archive = runtime.directory / "busy.tar"
    archive.write_bytes(busybox.root_file_system())
    assert found("import", str(archive), "busy").returncode == 0
    yield found
    found("rm", "--all", "--force", "--time", "0")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if str(directory) in (target := line.split()[4]):
            subprocess.run(["umount", "--lazy", target], check=True)
    shutil.rmtree(directory)
    for cgroup in reversed([path for path in _podmans_cgroups() if path not in cgroups]):
        cgroup.rmdir()


def _podmans_cgroups() -> list[Path]:
    """Return what podman and conmon make in every hierarchy and leave there; those above come first."""
    return sorted(path for path in Path("/sys/fs/cgroup").glob("**/libpod*/**") if path.is_dir())


@pytest.mark.slow
@pytest.mark.system("podman")
def test_podman_runs_containers_with_it(podman: Podman) -> None:
    done = podman.run("--memory", "64m", "--tmpfs", "/etc/x", "busy", "sh", "-c", "id -u; exit 7")
    assert (done.returncode, done.stdout) == (7, "0\n")
    assert podman.run("busy", "nothing-of-this-name").returncode == 127
    assert podman.run("busy", "/etc").returncode == 126
    assert "/dev/pts/0" in podman.run("--tty", "busy", "sh", "-c", "ls /dev/pts/0").stdout


@pytest.mark.slow
@pytest.mark.system("podman")
def test_podman_manages_a_container_with_it(podman: Podman) -> None:
    assert (
        podman("run", "--detach", "--name", "long", "--network", "none", "busy", "sleep", "100").returncode
        == 0
    )
    assert podman("exec", "long", "echo", "inside").stdout == "inside\n"
    assert podman("pause", "long").returncode == 0
    assert podman("unpause", "long").returncode == 0
    assert "sleep 100" in podman("top", "long").stdout
    assert podman("stop", "--time", "0", "long").returncode == 0
    assert podman("inspect", "--format", "{{.State.ExitCode}}", "long").stdout == "137\n"
    assert podman("start", "long").returncode == 0
    assert podman("rm", "--force", "--time", "0", "long").returncode == 0
