"""Options of security: each does what Docker's does, or is refused in one sentence, as anyone."""
# ruff: noqa: E501 - a table: one case, one line

from __future__ import annotations

import functools
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from containerlab.linux import capabilities
from tests import containers as small
from tests.users import User

pytestmark = [pytest.mark.system("busybox-static"), pytest.mark.slow]

CAPS = "sed -n 's/Cap\\(Eff\\|Bnd\\):[^0-9a-f]*//p' /proc/self/status | xargs"
STATUS = "sed -n 's/^{}:[^0-9]*//p' /proc/self/status"
DOCKERS = 0xA80425FB


class Case(NamedTuple):
    """What a script in a container with options prints, or the error; `{…}` is filled in for each user."""

    script: str
    options: dict[str, Any]
    expected: str
    but: Mapping[str, str] = {}  # kind of user → what it gets instead


def _mask(*names: str) -> int:
    return capabilities.mask([f"CAP_{name}" for name in names])


def _caps(effective: int, bounding: int | None = None) -> str:
    return f"{effective:016x} {effective if bounding is None else bounding:016x}"


def _profile(rule: dict[str, Any]) -> str:
    rules = [{"names": ["mkdir", "mkdirat"], **rule}]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})


PROFILES = {
    "denies": _profile({"action": "SCMP_ACT_ERRNO", "errnoRet": 13}),
    "kills": _profile({"action": "SCMP_ACT_KILL"}),
    "empty": "",
    "array": "[]",
    "deep": "[" * 100_000,
    "action": '{"defaultAction": "SCMP_ACT_FLY"}',
    "names": '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "mkdir"}]}',
    "errno": _profile({"action": "SCMP_ACT_ERRNO", "errnoRet": 99_999_999}),
    "huge": " " * (2 << 20),
}
SEVERAL_IDS = "needs subordinate ids"
CASES = {
    "defaults": Case(CAPS, {}, _caps(DOCKERS)),
    "cap-add": Case(CAPS, {"cap_add": ["SYS_ADMIN", "cap_net_admin"]}, _caps(DOCKERS | _mask("SYS_ADMIN", "NET_ADMIN"))),
    "cap-drop": Case(CAPS, {"cap_drop": ["ALL"], "cap_add": ["CHOWN"]}, _caps(_mask("CHOWN"))),
    "cap-drop one": Case(CAPS, {"cap_drop": ["NET_RAW"]}, _caps(DOCKERS & ~_mask("NET_RAW"))),
    "cap of a user": Case(CAPS, {"user": "1000", "cap_add": ["NET_ADMIN"]}, _caps(0, DOCKERS | _mask("NET_ADMIN"))),
    "cap unknown": Case(CAPS, {"cap_add": ["FLY"]}, "no such capability: FLY"),
    "no-new-privileges": Case(STATUS.format("NoNewPrivs"), {"security_opt": ["no-new-privileges"]}, "1"),
    "no-new-privileges:true": Case(STATUS.format("NoNewPrivs"), {"security_opt": ["no-new-privileges:true"]}, "1"),
    "privileges as usual": Case(STATUS.format("NoNewPrivs"), {}, "0"),
    "seccomp": Case(STATUS.format("Seccomp"), {}, "2"),
    # The single id's filter that hides ownership stays.
    "seccomp unconfined": Case(STATUS.format("Seccomp"), {"security_opt": ["seccomp=unconfined"]}, "0", {"single": "2"}),
    "seccomp denies": Case("mkdir /x 2>&1; true", {"security_opt": ["seccomp={home}/denies.json"]}, "Permission denied"),
    "seccomp kills": Case("mkdir /x 2>&1; true", {"security_opt": ["seccomp={home}/kills.json"]}, "Bad system call"),
    **{
        f"seccomp {name}": Case("true", {"security_opt": [f"seccomp={{home}}/{name}.json"]}, expected)
        for name, expected in {
            "empty": "is empty, no file",
            "huge": "above 1 MiB",
            "array": "must be an object",
            "deep": "cannot be read",
            "action": "no such seccomp action: SCMP_ACT_FLY",
            "names": "names must be a list",
            "errno": "is no error number",
        }.items()
    },
    "seccomp fifo": Case("true", {"security_opt": ["seccomp={home}/fifo"]}, "no file"),
    "seccomp device": Case("true", {"security_opt": ["seccomp=/dev/zero"]}, "no file"),
    "seccomp missing": Case("true", {"security_opt": ["seccomp={home}/nowhere"]}, "No such file"),
    "seccomp of nothing": Case("true", {"security_opt": ["seccomp="]}, "is not known"),
    "security-opt unknown": Case("true", {"security_opt": ["fly=1"]}, "is not known"),
    "apparmor": Case("echo fine", {"security_opt": ["apparmor=unconfined", "label=disable"]}, "fine"),
    "apparmor profile": Case("echo fine", {"security_opt": ["apparmor=mine"]}, "applies no AppArmor"),
    "masked": Case("wc -c < /proc/interrupts", {}, "0"),
    "systempaths": Case("test $(wc -c < /proc/interrupts) -gt 0 && echo shown", {"security_opt": ["systempaths=unconfined"]}, "shown"),
    "privileged": Case(f"{CAPS}; {STATUS.format('Seccomp')}; test $(wc -c < /proc/interrupts) -gt 0 && test -c /dev/fuse && echo all", {"privileged": True}, "{all} {all} 0 all", {"single": "{all} {all} 2 all"}),
    "privileged user": Case(CAPS, {"privileged": True, "user": "1000"}, "0000000000000000 {all}"),
    "device": Case("(: < /dev/fuse) && echo opened", {"device": ["/dev/fuse"]}, "opened" if os.geteuid() == 0 else "denied", {} if os.stat("/dev/fuse").st_mode & stat.S_IROTH else {"subids": "Permission denied", "single": "Permission denied"}),
    "device elsewhere": Case("head -c 3 /dev/much | wc -c", {"device": ["/dev/zero:/dev/much:r"]}, "3"),
    "device upward": Case("head -c 3 /much | wc -c", {"device": ["/dev/zero:/../../much"]}, "3"),
    "device directory": Case("ls /dev/some", {"device": ["/dev/net:/dev/some"]}, "tun" if os.path.exists("/dev/net/tun") else "No such file"),
    "device not asked for": Case("mknod /tmp/x c 10 229 && (: < /tmp/x) 2>&1; true", {}, "not permitted", {"single": ""}),
    "device missing": Case("true", {"device": ["/dev/nothing"]}, "No such file"),
    "device that is none": Case("true", {"device": ["/etc/passwd"]}, "is no device"),
    "device at the root": Case("true", {"device": ["/dev/zero:/"]}, "cannot be /"),
    "device rights": Case("true", {"device": ["/dev/zero:/dev/x:fly"]}, "not a device"),
    "userns host": Case("echo fine", {"userns": "host"}, "fine"),
    "userns keep-id": Case("true", {"userns": "keep-id"}, "is not there"),
    "userns auto": Case("true", {"userns": "auto"}, "is not there"),
    "userns private": Case("echo fine", {"userns": "private"}, "fine", {"root": "is not there for root"}),
    "userns unknown": Case("true", {"userns": "odd"}, "not known"),
    "user": Case("id -u; id -g; id -G", {"user": "ann"}, "1000 1000 1000 50", {"single": "1000 1000 1000"}),
    "user by number": Case("id -u; id -g", {"user": "12345:6"}, "12345 6"),
    "user with group": Case("id -u; id -g", {"user": "ann:staff"}, "1000 50"),
    "user unknown": Case("true", {"user": "nobody-here"}, "no user 'nobody-here'"),
    "group-add": Case("id -G", {"group_add": ["cdrom", "777"]}, "0 24 777", {"single": SEVERAL_IDS}),
    "group-add unknown": Case("true", {"group_add": ["nope"]}, "no group 'nope'"),
    "group-add range": Case("true", {"group_add": ["-1"]}, "out of range"),
    "ulimit": Case("ulimit -n; ulimit -Hn; ulimit -c", {"ulimit": ["nofile=64:128", "core=0"]}, "64 128 0"),
    "ulimit too high": Case("ulimit -Hn", {"ulimit": ["nofile=99999999"]}, "above the host's hard limit"),
    "ulimit unknown": Case("true", {"ulimit": ["fly=1"]}, "no such limit"),
    "sysctl": Case("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax", {"sysctl": {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4096"}}, "1 4096"),
    "sysctl value": Case("true", {"sysctl": {"net.ipv4.ip_forward": "x"}}, "sysctl net.ipv4.ip_forward = x: Invalid"),
    "sysctl missing": Case("true", {"sysctl": {"net.ipv4.no_such": "1"}}, "sysctl net.ipv4.no_such = 1: No such"),
    "sysctl of the host": Case("true", {"sysctl": {"kernel.core_pattern": "x"}}, "belongs to the host"),
    "oom-score-adj": Case("cat /proc/self/oom_score_adj", {"oom_score_adj": 500}, "500"),
    "oom-score-adj range": Case("true", {"oom_score_adj": 5000}, "out of range"),
    "init": Case("(sleep 0 &); ps -o pid,comm | sed -n '2p;3p'", {"init": True}, "1 conlab-monitor 2 sh"),
}  # fmt: skip
RUN = """
import json, sys
import containerlab as lab

def answer(script, options):
    try:
        result = lab.run("test/applets", ["sh", "-c", script], rm=True, **options)
        return " ".join([*result.output.split(), *result.notices])
    except lab.LabError as error:
        return str(error)

lab.images.import_(sys.argv[1], "test/applets")
print(json.dumps({name: answer(*case) for name, case in json.loads(sys.stdin.read()).items()}))
"""


@functools.cache
def _answers(user: User, archive: Path) -> dict[str, str]:
    for name, content in PROFILES.items():
        (user.home / f"{name}.json").write_text(content)
    fifo = user.home / "fifo"
    if not fifo.exists():
        os.mkfifo(fifo)
    asked = {name: (case.script, case.options) for name, case in CASES.items()}
    text = json.dumps(asked).replace("{home}", str(user.home))
    done = user.script(RUN, str(archive), input=text)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.mark.parametrize("name", CASES)
def test_an_option_does_what_it_says_or_says_why_not(anyone: User, base: Path, name: str) -> None:
    archive = base / "applets.tar"
    if not archive.exists():
        archive.write_bytes(small.root_archive(small.FILES))
    available = capabilities.bounding() if anyone.kind == "root" else capabilities.ALL
    expected = CASES[name].but.get(anyone.kind, CASES[name].expected)
    everything = f"{capabilities.mask(available):016x}"
    assert expected.replace("{all}", everything) in _answers(anyone, archive)[name]


EXEC = """
import sys
from containerlab.engine.engine import Engine
with Engine() as engine:
    engine.images.import_(sys.argv[1], "test/exec")
    with engine.containers.start("test/exec", ["sleep", "1000"], user="ann", network="none") as container:
        print(container.exec(["id", "-u"]).stdout, end="")
"""


def test_exec_is_the_user_whom_the_container_was_started_for(anyone: User, base: Path) -> None:
    archive = base / "applets.tar"
    archive.write_bytes(small.root_archive(small.FILES))
    done = anyone.script(EXEC, str(archive))
    assert (done.stdout, done.returncode) == ("1000\n", 0), done.stderr
