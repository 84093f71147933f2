"""Whatever is wrong gets one clear sentence and the documented exit code, and leaves nothing behind."""

from __future__ import annotations

import gzip
import io
import json
import shlex
import tarfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.cli import main
from containerlab.commands.parse import HelpWanted, WrongUsage, parse
from containerlab.commands.table import commands
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
    *("--cpus 4096", "--cpu-period 9", "--cpu-quota 9", "--cpuset-mems 999", "--blkio-weight 5"),
    *("--blkio-weight-device x", "--blkio-weight-device /dev/null:20", "--device-write-iops /dev/null:x"),
    *(
        "--memory 8m --memory-reservation 16m",
        "--memory-swappiness 101",
        "--cpu-rt-runtime x",
        "--hugetlb 2MB",
    ),
    *("--hugetlb 3MB=1g", "--hugetlb 2MB=lots", "--cgroup-parent ../up", "--cgroupns odd", "--time odd"),
    *("--gpus all", "--storage-opt size=1g", "--volume-driver nfs", "-p 80:80", "-P", "--link nobody"),
    *("--ip 1.2.3.4", "--ip6 ::1", "--link-local-ip 169.254.0.1", "--mac-address x", "--network-alias odd"),
    *("--isolation hyperv", "--kernel-memory 1m", "--use-api-socket", "--cpu-count 1", "--pod x"),
    *("--health-interval soon", "--health-retries x", "--annotation =x", "--uidmap 0:1:2"),
    *(
        "--expose odd",
        "--expose 0",
        "--expose 80-79",
        "--label-file /etc",
        "--env-file /etc",
        "--cidfile /etc/hostname",
        "--cidfile /proc/x",
    ),
    *("--mount type=bind,source=/etc,target=/x,nonsense=1", "--mount type=tmpfs,target=/x,tmpfs-size=big"),
    *("--mount type=image,source=no/such,target=/x", "-v /etc:/x:ro,rw,odd", "--format x"),
    *("--add-host odd", "--add-host a:b", "--hostname web:1", "--group-add no-such-group", "--timeout x"),
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
    "port nobody 80/xyz": 1,
    "container nosuch": 1,
    "--nonsense": 1,
    "--home": 1,
    "help nosuch": 1,
    "help container nosuch": 1,
    "completion": 125,
    "completion tcsh": 125,
    "version extra": 1,
    "info --format {{.Nope}}": 1,
    "version --format '{{'": 1,
    "ps --format {{.ID": 1,
    "ps -n x": 125,
    "ps --filter since=nobody": 1,
    "ps --nosuch": 125,
    "images --format {{range}}": 1,
    "images --filter dangling=perhaps": 1,
    "system df --format {{.Nope}}": 1,
    "system df extra": 1,
    "container prune": 1,
    "image prune": 1,
    "volume prune": 1,
    "system prune": 1,
    "container prune -f --filter odd=1": 1,
    "image prune -f --filter until=never": 1,
    "system prune -f --filter until=never": 1,
    "events --since never --until 0s": 125,
    "events --filter odd=1 --until 0s": 1,
    "logs --until never nobody": 125,
    "inspect": 1,
    "inspect --type odd x": 125,
    "inspect --type volume nobody": 1,
    "inspect --type image nobody": 1,
    "image inspect no/such": 1,
    "container inspect": 1,
    "history": 1,
    "commit": 1,
    "rename only": 1,
    "cp only": 1,
    "cp a:b c:d": 1,
    "cp - -": 1,
    "cp nobody:/ -": 1,
    "top": 1,
    "top nobody -o pid": 1,
    "stats nobody other": 1,
    "update": 1,
    "update --cpus none nobody": 125,
    "stop -t soon nobody": 125,
    "stop -s NOPE nobody": 125,
    "kill -s 999 nobody": 125,
    "wait": 1,
    "wait --timeout soon nobody": 125,
    "rm": 1,
    "rmi": 1,
    "restart nobody": 1,
    "unpause nobody": 1,
    "start -a nobody": 1,
    "attach --detach-keys control-x nobody": 1,
    f"run -it {busybox.NAME} true": 125,
    "exec -it nobody sh": 1,
    "exec --env =x nobody true": 125,
    "exec --env-file /no/such nobody true": 1,
    "exec --timeout soon nobody true": 125,
    "tag only": 1,
    f"tag {busybox.NAME} lower/CASE": 1,
    "import": 1,
    "import /etc": 1,
    "import http://x/y": 1,
    "import /etc/hostname lower/CASE": 1,
    "import -c NONSENSE /etc/hostname": 1,
    "load -i /etc": 1,
    "load -i /dev/null": 1,
    "load --platform linux/arm64 -i /etc/hostname": 1,
    "save": 1,
    "save -o /tmp/x": 1,
    f"save -o /etc {busybox.NAME}": 1,
    f"save -o /no/such/x {busybox.NAME}": 1,
    f"save --archive-format odd {busybox.NAME}": 125,
    f"save --archive-format oci-layout {busybox.NAME}": 1,
    "export": 1,
    "image from-host odd/image /etc": 1,
    "image from-debootstrap ../x": 1,
    "image from-debootstrap bookworm --variant odd": 1,
    "volume inspect nobody": 1,
    "volume rm": 1,
    "volume ls --filter odd=1": 1,
    "volume create --driver nfs cache": 125,
    "volume create -o type=nfs cache": 1,
    "explain": 1,
    "explain run": 1,
    "caps": 1,
    "doctor --format {{.Nope}}": 1,
    "system check extra": 1,
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


def _archive(**files: bytes) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/").replace("_json", ".json"))
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def _docker(**entry: object) -> bytes:
    return json.dumps([{"Config": "config_json", "RepoTags": ["a:1"], "Layers": [], **entry}]).encode()


WHOLE = busybox.root_file_system()
NO_IMAGES = {
    "nothing": b"",
    "noise": bytes(range(256)) * 64,
    "cut": WHOLE[:9999],
    "cut-in-gzip": gzip.compress(WHOLE)[:9999],
    "gzip-of-noise": gzip.compress(b"noise" * 999),
    "no-manifest": _archive(other=b"x"),
    "manifest-is-no-json": _archive(manifest_json=b"{"),
    "manifest-is-another-json": _archive(manifest_json=b'{"a": 1}'),
    "manifest-is-empty": _archive(manifest_json=b"[]"),
    "config-is-missing": _archive(manifest_json=_docker()),
    "config-leads-out": _archive(manifest_json=_docker(Config="../../etc/passwd")),
    "layer-is-missing": _archive(manifest_json=_docker(Config="c", Layers=["l"]), c=b"{}"),
    "layout-without-index": _archive(oci__layout=b'{"imageLayoutVersion": "1.0.0"}'),
    "index-is-no-json": _archive(index_json=b"]", oci__layout=b"{}"),
    "deep": _archive(manifest_json=b"[" * 100_000),
}


NO_FILE_SYSTEMS = ("nothing", "noise", "cut", "cut-in-gzip")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("load -i {}", name) for name in NO_IMAGES),
        *(("import {} test/odd", name) for name in NO_FILE_SYSTEMS),
    ],
)
def test_what_is_no_archive_is_one_sentence_and_leaves_nothing(
    home: Path, tmp_path: Path, command: str, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(NO_IMAGES[name])
    before = sorted((home / "oci" / "blobs").rglob("*"))
    test_bad_input_is_one_sentence_and_leaves_nothing(home, command.format(archive), 1, capfd)
    assert sorted((home / "oci" / "blobs").rglob("*")) == before


COMMANDS = list({id(command): command for command in commands().values()}.values())
_PIECES = st.sampled_from(
    [
        *"=:,/.-+{}%0123456789",
        "64m",
        "1h",
        "rw",
        "type=",
        "bind",
        "container:",
        "unlimited",
        "é",
        "\n",
        "\0",
        "\udc80",
    ]
)
VALUES = st.text(max_size=20) | st.lists(_PIECES, max_size=12).map("".join)


@given(st.sampled_from(COMMANDS), st.data(), VALUES)
@settings(max_examples=600, deadline=None)
def test_any_value_of_any_option_is_read_or_refused(command: Any, data: st.DataObject, value: str) -> None:
    options = [flag.long for flag in (*command.flags.values(), *command.face_flags.values())]
    option = data.draw(st.sampled_from(options or ["--nonsense"]))
    with suppress(WrongUsage, HelpWanted):
        parse([*command.name.split(), f"{option}={value}", "name", "other"])


@given(
    st.lists(
        st.sampled_from([*"-=", "--", "run", "ps", "-it", "--rm", "-e", "-m64m", "-x", "image", "é"]) | VALUES
    )
)
@settings(max_examples=300, deadline=None)
def test_any_words_are_a_call_or_refused(words: list[str]) -> None:
    with suppress(WrongUsage, HelpWanted):
        parse(words)
