"""Secrets of a container's process: seen by it, on no disk, gone with it, and its mount points too."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from containerlab.runtime.explain import explain
from containerlab.runtime.plan import Surroundings, container_plan
from containerlab.runtime.secret_files import Hidden, SecretFile
from containerlab.runtime.steps import pack
from tests.containers import FILES, IMAGE, root_archive
from tests.runtime.test_plan import SPEC
from tests.users import User

pytestmark = [pytest.mark.system("busybox-static"), pytest.mark.slow]
FILE, VARIABLE = "Kr0kodil-file", "Kr0kodil-variable"
_RUN = """
import json, os, sys
from containerlab.backends.embedded import mount_points, starting
from containerlab.backends.embedded.starting import Joined, Parts
from containerlab.engine.engine import Engine
from containerlab.runtime.secret_files import SecretFile
from containerlab.store import snapshots, stubs

def tree(top):
    return sorted(os.path.relpath(f"{path}/{name}", top)
                  for path, directories, names in os.walk(top) for name in directories + names)

image, command, kind, files, variables = json.load(sys.stdin)
with Engine() as engine:
    backend = engine.backend
    record, found = backend._draft(image, ["sh", "-c", command], {"workdir": "/"}, ephemeral=True)
    backend.records.add(record)
    with backend.records.held(record.id):
        lowers = backend.layers.ensure(found)
        secrets = tuple(SecretFile(t, c.encode(), m, u, g) for t, c, m, u, g in files)
        pairs = tuple((n.encode(), v.encode()) for n, v in variables)
        parts = Parts(lowers, (), Joined({}, ()), secrets, pairs)
        decision = starting.decide(engine.backend.home, backend.host, record, found.config.config, parts)
        backend._decisions[record.id] = decision
    said = []
    status = backend.start_attached(record.id).pump(lambda stream, data: said.append(data.decode()))
    upper = decision.snapshot.upper
    before = tree(upper)
    wanted = mount_points.targets(record, [each.target for each in secrets])
    stubs.clear(upper, lowers, wanted, backend.host.idmap)
    result = {"exit": status.exit_code, "said": "".join(said), "before": before, "after": tree(upper)}
    print(json.dumps(result))
    if kind != "keep":
        backend.remove(record.id)
"""


@pytest.fixture
def owner(anyone: User) -> Iterator[User]:
    """Return somebody who has an image without any mount point."""
    user = anyone._replace(home=anyone.home / "secrets")
    user.home.mkdir(exist_ok=True)
    os.chown(user.home, user.uid, user.gid)
    archive = user.home / "root.tar"
    archive.write_bytes(
        root_archive({**FILES, "var/run": (b"2", "/run")}, without=("proc", "dev", "sys", "run"))
    )
    archive.chmod(0o644)
    _check(user.conlab("import", str(archive), IMAGE))
    yield user
    for line in _check(user.conlab("ps", "-aq")).split():
        _check(user.conlab("rm", "-f", "-v", line))


def _check(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


def _run(user: User, command: str, *files: SecretFile, kind: str = "", **variables: str) -> dict[str, object]:
    plain = [(f.target, f.content.decode(), f.mode, f.uid, f.gid) for f in files]
    request = json.dumps([IMAGE, command, kind, plain, list(variables.items())])
    found: dict[str, object] = json.loads(_check(user.script(_RUN, input=request)))
    return found


def _holding(user: User, word: str) -> list[str]:
    found = user.run(["grep", "-rlF", word, str(user.home)]).stdout
    return found.splitlines()


def test_a_secret_is_a_file_of_the_process_and_leaves_no_trace(owner: User) -> None:
    secret = SecretFile("/var/run/secrets/token", FILE.encode() * 40_000, 0o440)
    done = _run(
        owner,
        "exec 2>&1; ls -l /run/secrets/ | tail -n 1; wc -c < /run/secrets/token;"
        "echo x >> /run/secrets/token;"
        "grep ' /run/secrets/' /proc/self/mountinfo; ls /run/secrets/..; echo $TOKEN | cut -c 1-8",
        secret,
        kind="keep",
        TOKEN=VARIABLE,
    )
    listed, size, refused, mounted, beside, variable = str(done["said"]).splitlines()
    assert listed.startswith("-r--r-----")
    assert size == str(len(secret.content))
    assert "Read-only file system" in refused
    assert "nosuid,nodev,noexec" in mounted
    assert ("noswap" in mounted) == (owner.kind == "root")  # a user namespace must not ask for it
    assert beside == "secrets"
    assert variable == VARIABLE[:8]
    assert {"run", "run/secrets", "run/secrets/token", "proc"} <= set(done["before"])  # type: ignore[call-overload]
    assert done["after"] == []
    assert _holding(owner, FILE) == _holding(owner, VARIABLE) == []
    assert _holding(owner, "wc -c < /run/secrets/token")  # so what is not secret can be found


def test_what_a_program_puts_beside_a_mount_point_stays(owner: User) -> None:
    done = _run(
        owner,
        "mkdir /run/mine; echo x > /etc/mine; chmod 700 /home",
        SecretFile("/run/secrets/token", b"x"),
        SecretFile("/home/ann/.netrc", b"x"),
    )
    assert done["after"] == ["etc", "etc/mine", "home", "run", "run/mine"]


def test_a_secret_covers_a_file_of_the_image_and_only_for_this_process(owner: User) -> None:
    done = _run(owner, "cat /etc/group", SecretFile("/etc/group", b"mine"))
    assert (done["said"], done["after"]) == ("mine", [])
    assert "staff" in str(_run(owner, "cat /etc/group")["said"])


def test_no_value_is_shown_by_what_explains_or_prints_a_plan() -> None:
    around = Surroundings(
        root="/r",
        secrets=(SecretFile("/run/secrets/token", FILE.encode()),),
        secret_environment=((b"TOKEN", VARIABLE.encode()),),
    )
    plan = container_plan(SPEC, around)
    told = "\n".join(each.call for each in explain(plan))
    assert "/run/secrets/token" in told
    assert "TOKEN=<secret>" in told
    for text in (told, repr(plan), str(plan.steps), repr(around.secrets)):
        assert "Kr0kodil" not in text
    assert f"{Hidden(b'Kr0kodil')}" == "<secret>"
    assert pack(plan)
