"""The engine in a chroot: its containers' root is theirs whichever way it is entered or left.

`setns` goes to the root of the mount namespace, which lies above a chroot, and `..` leads there from any
directory outside of a process's root.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests import busybox
from tests import containers as small
from tests.users import REPOSITORY

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static"), pytest.mark.slow]

CANARY = "canary-outside-of-the-chroot"
ENTER = f"""
import json, os, subprocess, sys
from pathlib import Path
from containerlab.linux import mounts, syscalls
from containerlab.linux.namespaces import CLONE_NEWNS

def bind(source, target):
    syscalls.mount(source, target, "", mounts.MS_BIND | mounts.MS_REC)

jail, kind, work = sys.argv[1:]
syscalls.unshare(CLONE_NEWNS)
syscalls.mount("", "/", "", mounts.MS_REC | mounts.MS_PRIVATE)
if kind == "mount":  # where pivot_root(2) takes the root for one
    bind("/", jail)
else:
    for entry in os.scandir("/"):
        if entry.is_symlink():
            os.symlink(os.readlink(entry), f"{{jail}}/{{entry.name}}")
        elif entry.is_dir():
            os.mkdir(f"{{jail}}/{{entry.name}}")
            bind(entry.path, f"{{jail}}/{{entry.name}}")
syscalls.mount("tmpfs", "/mnt", "tmpfs")
Path("/mnt/{CANARY}").touch()
os.chroot(jail)
os.chdir(work)
"""
ENGINE = (
    ENTER
    + """
import containerlab as lab
from containerlab.errors import LabError

def text(name, *words):
    try:
        return lab.containers.exec(name, list(words)).output
    except LabError as error:
        return str(error)

def copied(name, path):
    try:
        lab.containers.copy(f"{name}:{path}", f"{work}/copied")
    except LabError:
        return []
    return sorted(str(found) for found in Path(f"{work}/copied").rglob("*"))

places = {"/usr", "/lib", "/lib64", sys.base_prefix}
python = {"volume": [f"{path}:{path}:ro" for path in places if os.path.exists(path)]}
program = os.path.realpath(sys.executable)
try:
    lab.start("test/applets", ["sleep", "1000"], name="target", **python)
    join = dict.fromkeys(("pid", "ipc"), "container:target")
    lab.start("test/applets", ["sleep", "1000"], name="beside", **join)
    os.makedirs(f"{work}/in")
    Path(f"{work}/in/file").touch()
    lab.containers.copy(f"{work}/in", "target:/mnt-of-it")
    escape = '''
import os
os.makedirs("/tmp/x")
os.chroot("/tmp/x")
for _ in range(50): os.chdir("..")
print(*os.listdir("."), *(os.listdir("mnt") if os.path.isdir("mnt") else ()))
'''
    print(json.dumps({
        "exec": text("target", "ls", "/", "/mnt"),
        "exec beside": text("beside", "ls", "/", "/mnt"),
        "own root": text("target", "stat", "-c", "%d:%i", "/proc/1/root/", "/"),
        "put": text("target", "ls", "/mnt-of-it"),
        "get": copied("target", "/mnt"),
        "walked up": text("target", program, "-c", escape),
        "walked up at once": lab.run("test/applets", [program, "-c", escape], **python).output,
    }))
finally:
    for container in lab.containers.list(all=True):
        container.remove(force=True)
"""
)


def _in_chroot(script: str, kind: str, directory: Path, **environment: str) -> dict[str, Any]:
    jail, work = directory / "jail", directory / "work"
    jail.mkdir()
    work.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", script, str(jail), kind, str(work)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
    )
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return answer


@pytest.mark.parametrize("kind", ["mount", "directory"])
def test_no_way_into_a_container_leads_out_of_it(base: Path, kind: str) -> None:
    directory = base / f"chroot-{kind}"
    directory.mkdir()
    small.import_image(directory / "home", small.IMAGE)
    seen = _in_chroot(ENGINE, kind, directory, CONTAINERLAB_HOME=str(directory / "home"))
    assert CANARY not in json.dumps(seen)
    assert "mnt-of-it" in seen["exec"]
    assert "busybox" not in seen["exec beside"]
    own, beside = seen["own root"].split()
    assert own == beside
    assert seen["put"].split() == ["file"]
    assert "usr" in seen["walked up"]


RUNTIME = (
    ENTER
    + """
runtime = [sys.executable, "-m", "containerlab", "runtime", "--root", f"{work}/register"]
bundle = f"{work}/../bundle"

def say(*words):
    with open(f"{work}/said", "w+") as output:  # a file, for the container holds on to it
        subprocess.run([*runtime, *words], stdout=output, stderr=output)
        output.seek(0)
        return output.read()

say("spec", "--bundle", bundle)
config = json.loads(Path(f"{bundle}/config.json").read_text())
config["process"] |= {"args": ["sleep", "1000"], "terminal": False}
Path(f"{bundle}/config.json").write_text(json.dumps(config))
try:
    made = say("create", "--bundle", bundle, "chrooted")
    started = say("start", "chrooted")
    print(json.dumps({"errors": made + started, "exec": say("exec", "chrooted", "ls", "/", "/mnt")}))
finally:
    say("delete", "--force", "chrooted")
"""
)


def test_nor_does_exec_of_the_runtime(base: Path) -> None:
    directory = base / "chroot-runtime"
    directory.mkdir()
    with tarfile.open(fileobj=io.BytesIO(busybox.root_file_system())) as archive:
        archive.extractall(directory / "bundle" / "rootfs")
    seen = _in_chroot(RUNTIME, "mount", directory)
    assert seen["errors"] == ""
    assert CANARY not in seen["exec"]
    assert "bin\n" in seen["exec"]
