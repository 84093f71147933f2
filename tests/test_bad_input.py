"""Whatever is wrong gets one clear sentence and the documented exit code, and leaves nothing behind."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from containerlab.cli import main
from tests import busybox

pytestmark = [pytest.mark.root, pytest.mark.system("busybox-static")]

RUN = [
    *("--memory lots", "--memory 1", "--memory=-5m", "--memory-swap 1m -m 64m", "--cpus none", "--cpus=-1"),
    *("--cpu-shares x", "--cpuset-cpus a", "--cpuset-cpus 999", "--pids-limit some"),
    *("--blkio-weight 5000", "--device-read-bps x", "--device-read-bps /dev/no-such:1m", "--ulimit files=1"),
    *("--ulimit nofile=9:3", "--shm-size tiny", "--name !", "--name a/b", "--user nobody-like-this"),
    *("--user 1:2:3", "--user -1", "--workdir relative", "-e =x", "--env-file /no/such", "-l =x"),
    *("--label-file /no/such", "-v rel:rel", "-v /a:/b:zz", "-v /a:/", "-v a:b:c:d", "--mount nonsense"),
    *("--mount type=bind,target=/x", "--mount type=bind,source=/no/such,target=/x", "--mount type=odd"),
    *("--tmpfs relative", "--tmpfs /x:size=big", "--tmpfs /x:mode=9", "--volumes-from nobody"),
    *("--cap-add NO_SUCH", "--cap-drop NO_SUCH", "--security-opt odd", "--security-opt seccomp=/no/such"),
    *("--device /dev/no-such", "--device x", "--device /dev/null:/x:q", "--device-cgroup-rule odd"),
    *("--sysctl kernel.no_such=1", "--sysctl odd", "--pid odd", "--pid container:nobody", "--ipc odd"),
    *("--uts odd", "--userns odd", "--network container:nobody", "--network odd", "--restart sometimes"),
    *("--restart always --rm", "--stop-signal SIGNOPE", "--stop-timeout soon", "--oom-score-adj 9999"),
    *("--log-driver odd", "--log-opt max-size=odd", "--platform odd", "--runtime odd", "--pull odd"),
    *("--pull always", "--attach odd", "--detach-keys control-x", "--cidfile /no/such/file", "--memroy 1m"),
    *("--add-host odd", "--add-host a:b", "--group-add no-such-group", "--timeout x"),
]
OTHERS = {
    "run no/such": 125,
    "run UPPER/case true": 125,
    "run a:b:c true": 125,
    "run": 1,
    "create": 1,
    "odd": 1,
    "container odd": 1,
    "start nobody": 1,
    "stop nobody": 1,
    "kill -s NOPE nobody": 125,
    "logs nobody": 1,
    "logs --since never nobody": 125,
    "logs --tail x nobody": 125,
    "exec nobody true": 1,
    "exec nobody": 1,
    "attach nobody": 1,
    "rename nobody other": 1,
    "rm nobody": 1,
    "cp nobody:/x /tmp": 1,
    "cp /no/such nobody:/": 1,
    "cp a b": 1,
    "inspect nobody": 1,
    "inspect --format '{{' nobody": 1,
    "ps --filter odd=1": 1,
    "images --filter odd=1": 1,
    "load -i /no/such": 1,
    "load -i /etc/hostname": 1,
    "import /no/such": 1,
    "import /etc/hostname odd": 1,
    "save no/such -o /tmp/x": 1,
    "tag no/such other": 1,
    "rmi no/such": 1,
    "history no/such": 1,
    "image from-host odd/image /no/such": 1,
    "image from-host BAD": 1,
    "volume rm nobody": 1,
    "volume create a/b": 1,
    "update --memory x nobody": 125,
    "update nobody": 1,
    "wait nobody": 1,
    "top nobody": 1,
    "stats nobody": 1,
    "explain odd": 1,
    "explain 'run no/such'": 1,
    "caps nobody": 1,
    "cgroup nobody": 1,
    "ns nobody": 1,
    "commit nobody": 1,
    "diff nobody": 1,
    "export nobody -o /tmp/x": 1,
    "port nobody": 1,
    "pause nobody": 1,
}
OTHERS |= {f"run {busybox.NAME} echo \udcff": 125, f"run -e A=\udcff {busybox.NAME} true": 125}
CASES = {f"run {words} {busybox.NAME} true": 125 for words in RUN} | OTHERS


@pytest.fixture(scope="module")
def home(base: Path) -> Path:
    place = base / "bad-input"
    busybox.engine(place).close()
    return place


@pytest.mark.parametrize(("line", "code"), CASES.items(), ids=list(CASES))
def test_bad_input_is_one_sentence_and_leaves_nothing(
    home: Path, line: str, code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(home), *shlex.split(line)]) == code
    said = capfd.readouterr()
    first, *rest = said.err.splitlines()
    assert first.startswith("conlab: ")
    assert len(first) > len("conlab: ")
    assert all(each.startswith(("  hint: ", "  usage: ")) for each in rest)
    assert main(["--home", str(home), "ps", "-aq"]) == 0
    assert capfd.readouterr().out == ""
    assert not list((home / "tmp").iterdir())
