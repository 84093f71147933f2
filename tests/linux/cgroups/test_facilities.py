"""What this host offers, to root and to others."""

from __future__ import annotations

import os

import pytest

from containerlab.linux.cgroups import hierarchy
from containerlab.linux.cgroups.facilities import facilities
from tests.users import User

TRY = """
from containerlab.linux.cgroups import facilities, hierarchy
from containerlab.linux.cgroups.resources import Resources
host = hierarchy.detect()
for facility in facilities.facilities(host):
    print(facility.name, facility.available, facility.reason, sep="|")
print(*host.group("containerlab/x").plan(Resources(memory_bytes=1 << 24)).notices)
"""


@pytest.mark.root
def test_root_has_what_the_mounted_controllers_offer(host: hierarchy.Hierarchy) -> None:
    found = {facility.name: facility for facility in facilities(host)}
    assert found["memory"].available
    assert found["pids"].available
    assert found["freezer"].available
    assert all(facility.reason for facility in found.values())


@pytest.mark.root
def test_trying_leaves_no_group_behind(host: hierarchy.Hierarchy) -> None:
    facilities(host)
    bases = {base for part in host.parts for _, base in part.bases}
    assert not any(os.path.exists(f"{base}/containerlab-trial-{os.getpid()}") for base in bases)


def test_a_host_without_cgroups_says_so() -> None:
    found = facilities(hierarchy.Hierarchy())
    assert not any(facility.available for facility in found)
    assert {facility.reason for facility in found} == {"no cgroup hierarchy is mounted"}


@pytest.mark.root
def test_an_ordinary_user_without_delegation_is_told_the_directory(single_id_user: User) -> None:
    result = single_id_user.script(TRY)
    assert result.returncode == 0, result.stderr
    *lines, notice = result.stdout.splitlines()
    if "True" in result.stdout:
        pytest.skip("this host delegates cgroups to users")
    # A host may lack a controller altogether; hugetlb is often nowhere.
    there = [line for line in lines if "no mounted cgroup hierarchy has" not in line]
    assert there
    assert all(line.endswith(f"uid {single_id_user.uid}") for line in there)
    assert notice.startswith("no cgroup delegation: limits are off because /sys/fs/cgroup")
