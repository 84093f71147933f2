"""Profiles as JSON: Docker's format and `linux.seccomp` of the OCI runtime specification.

Docker's has conditions on capabilities, machine and kernel, which are decided while reading.
Source: moby/profiles, seccomp/seccomp.go; opencontainers/runtime-spec 1.2, config-linux.md, "Seccomp".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from containerlab.errors import InvalidInput, Unsupported, nearest
from containerlab.linux.seccomp.actions import verdict
from containerlab.linux.seccomp.decisions import OPERATORS
from containerlab.linux.seccomp.loading import flag_bits
from containerlab.linux.seccomp.profile import Arg, Rule, Seccomp

__all__ = ["from_docker_json", "from_mapping", "to_mapping"]

_Value = TypeVar("_Value")
_KINDS = {dict: "an object", list: "a list", str: "a text", int: "a number"}


# --- the plain form -----------------------------------------------------------------------------


def from_mapping(document: Mapping[str, Any]) -> Seccomp:
    """Read `linux.seccomp`, with the field names of the specification.

    Raises: InvalidInput naming the rule; Unsupported for SCMP_ACT_NOTIFY and listeners.
    """
    if document.get("listenerPath"):
        raise Unsupported(
            "a seccomp profile with a listenerPath cannot be used: no call is handed to another process"
        )
    action, errno = _take(document, "defaultAction", str, ""), _errno(document, "defaultErrnoRet")
    verdict(action, errno)
    flags = _texts(document, "flags")
    flag_bits(flags)
    return Seccomp(
        default_action=action,
        default_errno=errno,
        architectures=_texts(document, "architectures"),
        flags=flags,
        rules=tuple(_rule(place, entry) for place, entry in _rules(document)),
    )


def to_mapping(seccomp: Seccomp) -> dict[str, Any]:
    """Write `linux.seccomp`, with the field names of the specification."""
    return {
        "defaultAction": seccomp.default_action,
        **_given("defaultErrnoRet", seccomp.default_errno),
        "architectures": list(seccomp.architectures),
        "flags": list(seccomp.flags),
        "syscalls": [
            {
                "names": list(rule.names),
                "action": rule.action,
                **_given("errnoRet", rule.errno),
                "args": [
                    {"index": arg.argument, "value": arg.value, "valueTwo": arg.value_two, "op": arg.op}
                    for arg in rule.args
                ],
            }
            for rule in seccomp.rules
        ],
    }


def _given(key: str, value: int | None) -> dict[str, int]:
    return {} if value is None else {key: value}


def _rules(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rules, each with what an error message calls it."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for number, entry in enumerate(_take(document, "syscalls", list, [])):
        rule = _typed(entry, dict, f"seccomp rule {number}")
        names = _names(rule, f"seccomp rule {number}")
        label = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        found.append((f"seccomp rule {number} ({label})", {**rule, "names": names}))
    return found


def _names(rule: Mapping[str, Any], place: str) -> tuple[str, ...]:
    """Return the calls of a rule; until 2017 Docker wrote a single `name`."""
    names = _texts(rule, "names", place)
    name = _take(rule, "name", str, "", place)
    if bool(names) == bool(name):
        raise InvalidInput(f"{place} needs either names or a name", 'write "names": ["…"]')
    return names or (name,)


def _rule(place: str, entry: Mapping[str, Any]) -> Rule:
    action, errno = _take(entry, "action", str, "", place), _errno(entry, "errnoRet", place)
    try:
        verdict(action, errno)
    except (InvalidInput, Unsupported) as error:
        raise type(error)(f"{place}: {error.message}", error.hint) from error
    args = tuple(
        _arg(_typed(arg, dict, f"{place}: args"), place) for arg in _take(entry, "args", list, [], place)
    )
    return Rule(tuple(entry["names"]), action, errno, args)


def _arg(entry: Mapping[str, Any], place: str) -> Arg:
    op = _take(entry, "op", str, "", place)
    if op not in OPERATORS:
        raise InvalidInput(f"{place}: no such operator: {op}", nearest(op, OPERATORS))
    index = _number(entry, "index", place, 5)
    value = _number(entry, "value", place, 2**64 - 1)
    return Arg(index, value, op, _number(entry, "valueTwo", place, 2**64 - 1))


# --- Docker's form ------------------------------------------------------------------------------


class _Host(NamedTuple):
    capabilities: frozenset[str]
    kernel: tuple[int, int]
    machine: str


_DOCKER_NAMES = {"x86_64": "amd64", "aarch64": "arm64"}
_OCI_NAMES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}


def from_docker_json(
    raw: bytes, capabilities: frozenset[str], kernel: tuple[int, int], machine: str
) -> Seccomp:
    """Read a profile in Docker's format, or in the plain form, for one container.

    capabilities: the container's bounding set; kernel: (6, 18); machine: "x86_64" or "aarch64".

    Raises: InvalidInput naming the rule; Unsupported for SCMP_ACT_NOTIFY and listeners.
    """
    import json  # costly, and a profile of one's own is rare

    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the seccomp profile cannot be read: {error}", "write it as JSON") from error
    document = _typed(value, dict, "the seccomp profile")
    resolved = from_mapping(document)
    host = _Host(capabilities, kernel, machine)
    chosen = [_is_included(entry, host, place) for place, entry in _rules(document)]
    return resolved._replace(
        architectures=_architectures(document, machine) or resolved.architectures,
        rules=tuple(rule for rule, is_included in zip(resolved.rules, chosen, strict=True) if is_included),
    )


def _architectures(document: Mapping[str, Any], machine: str) -> tuple[str, ...]:
    """Return this machine's entry of archMap: its instruction set and those that it also executes."""
    native = _OCI_NAMES.get(machine, "")
    for item in _take(document, "archMap", list, []):
        entry = _typed(item, dict, "archMap")
        if entry.get("architecture") == native:
            return (native, *_texts(entry, "subArchitectures", "archMap"))
    return ()


def _is_included(entry: Mapping[str, Any], host: _Host, place: str) -> bool:
    includes = _take(entry, "includes", dict, {}, place)
    excludes = _take(entry, "excludes", dict, {}, place)
    machine = _DOCKER_NAMES.get(host.machine, host.machine)
    wanted, unwanted = _texts(includes, "arches", place), _texts(excludes, "arches", place)
    return (
        (not wanted or machine in wanted)
        and machine not in unwanted
        and host.capabilities.issuperset(_texts(includes, "caps", place))
        and host.capabilities.isdisjoint(_texts(excludes, "caps", place))
        and ("minKernel" not in includes or host.kernel >= _kernel(includes, place))
        and ("minKernel" not in excludes or host.kernel < _kernel(excludes, place))
    )


def _kernel(condition: Mapping[str, Any], place: str) -> tuple[int, int]:
    text = _take(condition, "minKernel", str, "", place)
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    if not match:
        raise InvalidInput(f"{place}: minKernel {text!r} is no version", 'write it like "5.11"')
    return int(match[1]), int(match[2])


# --- checked fields -----------------------------------------------------------------------------


def _typed(value: Any, kind: type[_Value], place: str) -> _Value:
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    import json

    raise InvalidInput(f"{place} must be {_KINDS[kind]}, not {json.dumps(value)[:40]}")


def _take(
    document: Mapping[str, Any],
    key: str,
    kind: type[_Value],
    default: _Value,
    place: str = "the seccomp profile",
) -> _Value:
    """Return a field; null, which Go writes for an empty list, is as good as none."""
    value = document.get(key)
    if isinstance(value, tuple):
        value = list(value)
    return default if value is None else _typed(value, kind, f"{place}: {key}")


def _texts(document: Mapping[str, Any], key: str, place: str = "the seccomp profile") -> tuple[str, ...]:
    entries = _take(document, key, list, [], place)
    return tuple(_typed(entry, str, f"{place}: {key}") for entry in entries)


def _errno(document: Mapping[str, Any], key: str, place: str = "the seccomp profile") -> int | None:
    return None if document.get(key) is None else _take(document, key, int, 0, place)


def _number(document: Mapping[str, Any], key: str, place: str, most: int) -> int:
    value = _take(document, key, int, 0, place)
    if 0 <= value <= most:
        return value
    raise InvalidInput(f"{place}: {key} {value} is out of range", f"use 0 to {most}")
