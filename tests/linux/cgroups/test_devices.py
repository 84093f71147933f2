"""The eBPF device filter, asked by the kernel itself through a real v2 group."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from containerlab.linux.cgroups import control, devices
from containerlab.linux.cgroups.plan import Plan
from containerlab.linux.cgroups.resources import DeviceRule
from tests.linux.cgroups.conftest import Inside

DENY_ALL = DeviceRule(False)
NULL = DeviceRule(True, "c", 1, 3, "rwm")


def verdict(plan: Plan, run: Callable[..., Inside], path: str, flags: int) -> str:
    code = f"""
try:
    os.close(os.open({path!r}, {flags}))
    print("opened", flush=True)
except OSError as error:
    print(error.strerror, flush=True)
"""
    inside = run(plan, code)
    inside.go()
    return inside.line()


@pytest.mark.root
@pytest.mark.parametrize(
    ("rules", "path", "flags", "expected"),
    [
        ((DENY_ALL, NULL), "/dev/null", os.O_RDWR, "opened"),
        ((DENY_ALL, NULL), "/dev/full", os.O_RDWR, "Operation not permitted"),
        ((DENY_ALL, NULL), "/dev/zero", os.O_RDONLY, "Operation not permitted"),
        ((DENY_ALL, DeviceRule(True, "c", 1, None)), "/dev/zero", os.O_RDWR, "opened"),
        ((DENY_ALL, DeviceRule(True, "b", 1, 3)), "/dev/null", os.O_RDONLY, "Operation not permitted"),
        ((DENY_ALL, NULL._replace(access="r")), "/dev/null", os.O_RDONLY, "opened"),
        ((DENY_ALL, NULL._replace(access="r")), "/dev/null", os.O_RDWR, "Operation not permitted"),
        ((DeviceRule(False, "c", 1, 7, "w"),), "/dev/full", os.O_RDONLY, "opened"),
        ((DeviceRule(False, "c", 1, 7, "w"),), "/dev/full", os.O_RDWR, "Operation not permitted"),
        ((NULL, DENY_ALL), "/dev/null", os.O_RDONLY, "Operation not permitted"),
        ((DENY_ALL, DeviceRule(True)), "/dev/full", os.O_RDWR, "opened"),
        ((), "/dev/full", os.O_RDWR, "opened"),
    ],
)
def test_the_last_rule_that_fits_decides(
    create: Callable[..., Plan],
    run: Callable[..., Inside],
    rules: tuple[DeviceRule, ...],
    path: str,
    flags: int,
    expected: str,
) -> None:
    plan = create()
    if not plan.unified:
        pytest.skip("no v2 hierarchy")
    assert control.filter_devices(plan._replace(program=devices.program(rules).hex())) == ()
    assert verdict(plan, run, path, flags) == expected


@pytest.mark.root
def test_a_program_that_the_kernel_does_not_take_is_a_notice(create: Callable[..., Plan]) -> None:
    plan = create()
    if not plan.unified:
        pytest.skip("no v2 hierarchy")
    (notice,) = control.filter_devices(plan._replace(program="00" * 8))
    assert notice.startswith("no device rules: the kernel refuses the device filter")
