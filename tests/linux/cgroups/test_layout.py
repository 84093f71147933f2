"""Mount tables and memberships recorded from real systems."""

from __future__ import annotations

from containerlab.linux.cgroups.layout import Place, places

V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
DEBIAN_10 = """\
30 24 0:25 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:26 / /sys/fs/cgroup/unified rw,nosuid,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:27 / /sys/fs/cgroup/systemd rw,nosuid,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
36 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct
37 30 0:32 / /sys/fs/cgroup/memory rw,nosuid,relatime shared:16 - cgroup cgroup rw,memory
"""
DEBIAN_10_MEMBERSHIP = """\
4:memory:/user.slice/user-1000.slice/session-3.scope
3:cpu,cpuacct:/user.slice
1:name=systemd:/user.slice/user-1000.slice/session-3.scope
0::/user.slice/user-1000.slice/session-3.scope
"""


def test_v2_alone() -> None:
    membership = "0::/user.slice/user-1000.slice/session-3.scope\n"
    own = "/sys/fs/cgroup/user.slice/user-1000.slice/session-3.scope"
    assert places(V2, membership) == (Place(2, (), "/sys/fs/cgroup", own),)


def test_hybrid_of_systemd_with_comounted_controllers() -> None:
    memory, cpu, unified = places(DEBIAN_10, DEBIAN_10_MEMBERSHIP)
    assert cpu == Place(
        1, ("cpu", "cpuacct"), "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/user.slice"
    )
    assert memory.own == "/sys/fs/cgroup/memory/user.slice/user-1000.slice/session-3.scope"
    assert unified.version == 2
    assert unified.top == "/sys/fs/cgroup/unified"


def test_named_hierarchies_limit_nothing_and_are_left_out() -> None:
    assert all("systemd" not in place.top for place in places(DEBIAN_10, DEBIAN_10_MEMBERSHIP))


def test_a_controller_that_is_not_mounted_has_no_place() -> None:
    assert places(V2, "5:memory:/\n0::/\n") == (Place(2, (), "/sys/fs/cgroup", "/sys/fs/cgroup"),)


def test_inside_of_a_v1_container_the_mount_shows_only_its_own_group() -> None:
    mountinfo = (
        "801 800 0:32 /docker/4f2a /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:16 "
        "- cgroup cgroup rw,memory"
    )
    (place,) = places(mountinfo, "4:memory:/docker/4f2a\n")
    assert place == Place(1, ("memory",), "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory")
    (nested,) = places(mountinfo, "4:memory:/docker/4f2a/containerlab/x\n")
    assert nested.own == "/sys/fs/cgroup/memory/containerlab/x"


def test_a_group_outside_of_the_namespace_or_the_mount_is_not_shown() -> None:
    assert places(V2, "0::/../elsewhere\n")[0].own == ""
    inside = V2.replace("0:26 / ", "0:26 /a ")
    assert places(inside, "0::/ab\n")[0].own == ""


def test_of_several_mounts_the_one_that_shows_the_group_is_taken() -> None:
    other = V2.replace(" / /sys/fs/cgroup ", " /elsewhere /mnt/cg ")
    assert places(f"{other}\n{V2}\n", "0::/mine\n")[0].own == "/sys/fs/cgroup/mine"


def test_a_mount_point_with_a_space() -> None:
    assert places(V2.replace("/sys/fs/cgroup", r"/mnt/c\040g"), "0::/\n")[0].top == "/mnt/c g"
