"""How containers got out of other runtimes, tried harmlessly here: a test for each known way.

The numbers are CVEs; what each did is said in the test's name or docstring.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import InvalidInput, LabError
from tests import containers as small
from tests import users

pytestmark = pytest.mark.root


def _sh(containers: Containers, script: str, image: str = small.IMAGE, **options) -> str:
    result = containers.run(image, ["sh", "-c", script], rm=True, **options)
    return result.stdout + result.stderr


@pytest.mark.parametrize("number", range(3, 16))
def test_2024_21626_no_descriptor_of_the_host_is_a_working_directory(
    containers: Containers, number: int
) -> None:
    with pytest.raises(LabError):
        containers.run(small.IMAGE, ["pwd"], rm=True, workdir=f"/proc/self/fd/{number}")


def test_2024_21626_only_three_descriptors_are_open(containers: Containers) -> None:
    # `ls` itself opens the fourth.
    assert _sh(containers, "ls /proc/self/fd").split() == ["0", "1", "2", "3"]


def test_2019_5736_the_hosts_program_is_not_executed_through_proc(containers: Containers) -> None:
    before = hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest()
    with pytest.raises(LabError):
        containers.run(small.IMAGE, ["/proc/self/exe"], rm=True)
    running = containers.start(small.IMAGE, ["sleep", "60"])
    with pytest.raises(LabError):
        containers.exec(running.id, ["/proc/self/exe"])
    assert hashlib.sha256(Path(sys.executable).resolve().read_bytes()).hexdigest() == before


def test_2019_5736_an_interpreter_line_cannot_reach_a_writable_host_program(
    engine: Engine, containers: Containers
) -> None:
    """The kernel follows `#!/proc/self/exe` to the launcher's Python, which lies on a read-only mount."""
    small.add_image(engine.backend, "test/shebang", files={"bin/self": b"#!/proc/self/exe\n"})
    watcher = containers.start(
        "test/shebang",
        [
            "sh",
            "-c",
            "while :; do for f in /proc/[0-9]*/exe; do (: >> $f) 2>/dev/null && echo WRITTEN $f; done; done",
        ],
        cap_add=["SYS_PTRACE"],
    )
    for _ in range(10):
        try:
            containers.exec(watcher.id, ["/bin/self"])
        except LabError:
            continue
    # Its own programs are busybox of its own file system; the shell holds that one busy (ETXTBSY).
    assert "WRITTEN" not in "".join(str(line) for line in containers.logs(watcher.id))


def test_2022_24769_inheritable_and_ambient_sets_are_empty(containers: Containers) -> None:
    script = "grep -E 'CapInh|CapAmb' /proc/self/status"
    assert set(_sh(containers, script).split()[1::2]) == {"0" * 16}
    running = containers.start(small.IMAGE, ["sleep", "60"])
    assert set(containers.exec(running.id, ["sh", "-c", script]).stdout.split()[1::2]) == {"0" * 16}


def test_docker_s_capabilities_and_no_more(containers: Containers) -> None:
    assert "00000000a80425fb" in _sh(containers, "grep CapEff /proc/self/status")
    assert "0000000000000000" in _sh(containers, "grep CapEff /proc/self/status", user="1000")


def test_2022_36109_the_primary_group_is_among_the_groups(containers: Containers) -> None:
    assert _sh(containers, "id -G", user="1000:2000").split() == ["2000"]


@pytest.mark.parametrize("user", ["4294967296", "-1", "1000:", ":5", "nobody-here"])
def test_2024_40635_a_user_that_does_not_parse_is_never_root(containers: Containers, user: str) -> None:
    with pytest.raises(InvalidInput):
        containers.run(small.IMAGE, ["id"], rm=True, user=user)
    running = containers.start(small.IMAGE, ["sleep", "60"])
    with pytest.raises(InvalidInput):
        containers.exec(running.id, ["id"], user=user)


def test_2016_3697_a_number_is_never_looked_up_as_a_name(engine: Engine, containers: Containers) -> None:
    files = {"etc/passwd": b"root:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n"}
    small.add_image(engine.backend, "test/numbers", files=files)
    assert _sh(containers, "id -u", image="test/numbers", user="1000").strip() == "1000"


@pytest.mark.parametrize("target", ["dev", "proc"])
def test_2026_41579_a_link_in_the_image_leads_nowhere_outside(
    engine: Engine, containers: Containers, tmp_path: Path, target: str
) -> None:
    link = (tarfile.SYMTYPE, str(tmp_path))
    small.add_image(engine.backend, f"test/link-{target}", files={target: link}, without=(target,))
    # Refusing is right as well; whatever stood at /proc would be trusted (CVE-2019-19921).
    with contextlib.suppress(LabError):
        containers.run(f"test/link-{target}", ["true"], rm=True)
    assert os.listdir(tmp_path) == []


def test_2025_31133_a_masked_path_is_covered_by_the_hosts_null_device(
    engine: Engine, containers: Containers
) -> None:
    files = {"dev/null": (tarfile.SYMTYPE, "/etc/passwd")}
    small.add_image(engine.backend, "test/null", files=files)
    assert "root" not in _sh(containers, "cat /proc/keys /proc/timer_list", image="test/null")


@pytest.mark.parametrize(
    "path", ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper"]
)
def test_2023_27561_kernel_settings_cannot_be_written(containers: Containers, path: str) -> None:
    # Opened and not written, so that a failing test does not harm the host.
    assert "ok" not in _sh(containers, f"(: >> {path}) 2>/dev/null && echo ok")


def test_2022_0492_no_cgroup_can_be_written(containers: Containers) -> None:
    files = "$(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs)"
    script = f"for f in {files}; do (: >> $f) 2>/dev/null && echo $f; done"
    assert _sh(containers, script).strip() == ""


def test_2022_0185_no_user_namespace_inside(containers: Containers) -> None:
    assert "peration not permitted" in _sh(containers, "unshare -U true")


@pytest.mark.parametrize(
    "setting",
    [
        "kernel.shm_rmid_forced=1+kernel.core_pattern=x",
        "kernel.core_pattern=x",
        "kernel/core_pattern=x",
        "vm.swappiness=1",
    ],
)
def test_2022_0811_only_settings_of_its_own_namespaces(containers: Containers, setting: str) -> None:
    with pytest.raises(InvalidInput):
        containers.run(small.IMAGE, ["true"], rm=True, sysctl=[setting])


def test_2017_5226_the_container_is_in_a_session_of_its_own(containers: Containers) -> None:
    assert _sh(containers, "cut -d' ' -f6 /proc/self/stat").strip() == "1"


def test_2020_15257_no_abstract_socket_of_ours(containers: Containers) -> None:
    containers.start(small.IMAGE, ["sleep", "60"])
    names = [line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()]
    assert not [
        name for name in names if name.startswith("@") and ("conlab" in name or "containerlab" in name)
    ]


def test_2021_41091_nobody_else_can_enter_the_home(engine: Engine) -> None:
    home = engine.backend.home
    layer = next(home.layers.rglob("busybox"))  # a setuid program could be run there (CVE-2021-41103)
    for command, path in (("ls", home.root), ("stat", layer), ("stat", home.containers)):
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command, str(path)]
        found = subprocess.run(words, capture_output=True)
        assert found.returncode != 0
        assert b"ermission denied" in found.stderr


def test_2024_9676_a_passwd_that_is_no_file_does_not_hang(engine: Engine, containers: Containers) -> None:
    for name, entry in (("fifo", (tarfile.FIFOTYPE, "")), ("zero", (tarfile.SYMTYPE, "/dev/zero"))):
        small.add_image(engine.backend, f"test/passwd-{name}", files={"etc/passwd": entry})
        assert containers.run(f"test/passwd-{name}", ["true"], rm=True).exit_code == 0
        with pytest.raises(InvalidInput):
            containers.run(f"test/passwd-{name}", ["id"], rm=True, user="ann")


def test_2019_14271_nothing_is_loaded_from_the_image(engine: Engine, containers: Containers) -> None:
    """Files of the image where Python and the C library would look for theirs leave no trace."""
    evil = b"import os; open('/loaded', 'w')\n"
    files = {
        f"{prefix}/lib/python3.11/encodings/idna.py": evil
        for prefix in ("usr", "usr/local", sys.base_prefix[1:])
    }
    small.add_image(engine.backend, "test/evil", files=files)
    assert "loaded" not in _sh(containers, "ls /", image="test/evil", user="ann")


CHATTER = """
import resource, sys
import containerlab as lab
from containerlab.engine.result import KEPT_BYTES

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
if sys.argv[1] == "run":
    result = lab.run("test/applets", ["sh", "-c", sys.argv[2]], log_driver="none", rm=True)
else:
    running = lab.start("test/applets", ["sleep", "1000"], rm=True)
    result = running.exec(["sh", "-c", sys.argv[2]])
    running.remove(force=True)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before
print(result.is_truncated, len(result.stdout_bytes) == KEPT_BYTES, grown < 3 * KEPT_BYTES)
"""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["run", "exec"])
def test_2022_1708_the_client_keeps_a_part_of_endless_output(base: Path, way: str) -> None:
    """What is kept, its copy in the result and what is under way; all of it would be above that."""
    myself = users.myself(base)
    small.import_image(myself.home / "containerlab", small.IMAGE)
    done = myself.script(CHATTER, way, "yes $(seq 1000) | head -c 250000000")
    assert done.stdout == "True True True\n", done.stderr


def test_2022_31030_endless_output_stays_out_of_memory(containers: Containers) -> None:
    running = containers.start(small.IMAGE, ["sh", "-c", "yes | head -c 10000000; sleep 60"])
    log = Path(running.info.detail["log"])
    small.until(lambda: log.stat().st_size > 100_000_000)
    monitor = int(Path(f"/proc/{running.info.pid}/stat").read_text().rpartition(")")[2].split()[1])
    peak = next(line for line in Path(f"/proc/{monitor}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 40 * 1024
