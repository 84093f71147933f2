from __future__ import annotations

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from containerlab.errors import InvalidInput, LabError, Unsupported
from containerlab.linux.capabilities import DOCKER_DEFAULT
from containerlab.linux.seccomp.document import from_docker_json, from_mapping, to_mapping
from containerlab.linux.seccomp.profile import Arg, Rule, Seccomp, default
from containerlab.oci import runtime


def read(
    document: object, *capabilities: str, kernel: tuple[int, int] = (6, 18), machine: str = "x86_64"
) -> Seccomp:
    return from_docker_json(json.dumps(document).encode(), frozenset(capabilities), kernel, machine)


def with_rule(**rule: Any) -> dict[str, Any]:
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"action": "SCMP_ACT_ALLOW", **rule}]}


# --- the plain form ------------------------------------------------------------------------------


def test_mapping_and_back() -> None:
    seccomp = Seccomp(
        "SCMP_ACT_ERRNO",
        38,
        ("SCMP_ARCH_X86_64",),
        ("SECCOMP_FILTER_FLAG_LOG",),
        (
            Rule(("read", "write"), "SCMP_ACT_ALLOW"),
            Rule(("ioctl",), "SCMP_ACT_ERRNO", 25, (Arg(1, 0x5412, "SCMP_CMP_MASKED_EQ", 7),)),
        ),
    )
    assert from_mapping(to_mapping(seccomp)) == seccomp
    assert from_mapping(json.loads(json.dumps(to_mapping(seccomp)))) == seccomp


def test_mapping_is_the_specifications() -> None:
    seccomp = default(DOCKER_DEFAULT, (6, 18), "x86_64")
    document = msgspec.convert(to_mapping(seccomp), runtime.Seccomp)
    assert document.syscalls[0].names == seccomp.rules[0].names
    assert from_mapping(msgspec.to_builtins(document)) == seccomp


def test_plain_form_is_read_as_dockers() -> None:
    document = to_mapping(default(DOCKER_DEFAULT, (6, 18), "x86_64"))
    assert read(document) == default(DOCKER_DEFAULT, (6, 18), "x86_64")


# --- Docker's conditions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "is_there"),
    [
        ({}, True),
        ({"includes": {"caps": ["CAP_BPF"]}}, True),
        ({"includes": {"caps": ["CAP_BPF", "CAP_SYS_ADMIN"]}}, False),
        ({"excludes": {"caps": ["CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"includes": {"arches": ["amd64", "arm64"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "6.18"}}, True),
        ({"includes": {"minKernel": "6.19"}}, False),
        ({"includes": {"minKernel": "5.30"}}, True),
        ({"excludes": {"minKernel": "6.18"}}, False),
        ({"excludes": {"minKernel": "7.0"}}, True),
        ({"includes": None, "excludes": {}, "args": None, "comment": ""}, True),
    ],
)
def test_conditions(condition: dict[str, Any], is_there: bool) -> None:
    assert bool(read(with_rule(names=["read"], **condition), "CAP_BPF").rules) is is_there


def test_architectures_come_from_this_machines_entry() -> None:
    document = {
        **with_rule(names=["read"]),
        "archMap": [
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": None},
        ],
    }
    assert read(document).architectures == ("SCMP_ARCH_X86_64",)
    assert read(document, machine="aarch64").architectures == ("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM")


def test_single_name_of_old_profiles() -> None:
    assert read(with_rule(name="read")).rules == (Rule(("read",), "SCMP_ACT_ALLOW"),)


# --- what is wrong is named ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], r"the seccomp profile must be an object, not \[\]"),
        ({}, "no such seccomp action: "),
        ({"defaultAction": 1}, "the seccomp profile: defaultAction must be a text, not 1"),
        ({"defaultAction": "SCMP_ACT_ALOW"}, "SCMP_ACT_ALOW.*SCMP_ACT_ALLOW"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 5}, "takes no error number"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}, "syscalls must be a list"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [3]}, "seccomp rule 0 must be an object, not 3"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["FAST"]}, "no such seccomp flag: FAST"),
        (with_rule(), "seccomp rule 0 needs either names or a name"),
        (with_rule(names=["a"], name="b"), "seccomp rule 0 needs either names or a name"),
        (
            with_rule(names=["read"], action="ALLOW"),
            r"seccomp rule 0 \(read\): no such seccomp action: ALLOW",
        ),
        (
            with_rule(names=["read"], errnoRet=1),
            r"seccomp rule 0 \(read\): SCMP_ACT_ALLOW takes no error number",
        ),
        (
            with_rule(names=["a", "b", "c", "d"], args=[{"op": "LT"}]),
            r"rule 0 \(a, b, c, …\): no such operator: LT",
        ),
        (with_rule(names=["read"], args=[{"op": "SCMP_CMP_EQ", "index": 6}]), "index 6 is out of range"),
        (with_rule(names=["read"], args=[{"op": "SCMP_CMP_EQ", "value": -1}]), "value -1 is out of range"),
        (with_rule(names=["read"], args=[{"op": "SCMP_CMP_EQ", "value": 2**64}]), "out of range"),
        (
            with_rule(names=["read"], args=[{"op": "SCMP_CMP_EQ", "value": True}]),
            "value must be a number, not true",
        ),
        (
            with_rule(names=["read"], action="SCMP_ACT_ERRNO", errnoRet=4096),
            "errnoRet 4096 is no error number",
        ),
        (with_rule(names=["read"], includes={"minKernel": "new"}), "minKernel 'new' is no version"),
        (with_rule(names=[7]), "seccomp rule 0: names must be a text, not 7"),
    ],
)
def test_bad_profile(document: object, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        read(document)


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json(raw: bytes) -> None:
    with pytest.raises(InvalidInput, match="the seccomp profile cannot be read"):
        from_docker_json(raw, frozenset(), (6, 18), "x86_64")


def test_rule_for_a_listener_is_refused_with_the_reason() -> None:
    with pytest.raises(Unsupported, match=r"seccomp rule 0 \(mount\): SCMP_ACT_NOTIFY cannot be used"):
        read(with_rule(names=["mount"], action="SCMP_ACT_NOTIFY"))
    with pytest.raises(Unsupported, match="listenerPath"):
        from_mapping({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["names", "name", "action", "errnoRet", "args", "includes", "excludes"]),
    json_values,
    st.sampled_from(["syscalls", "archMap", "flags", "architectures", "defaultErrnoRet"]),
    json_values,
)
def test_no_document_raises_anything_else(rule_key: str, rule_value: Any, key: str, value: Any) -> None:
    document = with_rule(**{"names": ["read"], rule_key: rule_value})
    for attempt in (document, {**document, key: value}):
        with contextlib.suppress(LabError):
            read(attempt)
