"""Seeing through it: measures, plans in words, what this host allows."""

from __future__ import annotations

import builtins
import os
import platform
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from containerlab.backends.base import Facility, StepInfo
from containerlab.backends.embedded import repair, starting
from containerlab.backends.embedded.containers import ContainerVerbs
from containerlab.linux import capabilities, procfs
from containerlab.linux.cgroups.plan import Plan as CgroupPlan
from containerlab.options.container import RunOptions
from containerlab.store import snapshots

if TYPE_CHECKING:
    from containerlab.metrics.sample import Sample

__all__ = ["SeeingVerbs"]

_FULL = "every namespace, its own /proc and /sys, pivot_root"


class SeeingVerbs(ContainerVerbs):
    """Implements `optional.Measuring`, `optional.Explaining` and `optional.HostFacts`."""

    def sample(self, name: str) -> Sample:
        """Measure a running container once."""
        from containerlab.backends.embedded.processes import of_container
        from containerlab.metrics.sampler import take

        container_id, state = self._running(name)
        group = repair.cgroup_of(self.records, container_id) or CgroupPlan()
        sample = take(group, lambda: [each.pid for each in of_container(state.pid)])
        received, sent = procfs.network_bytes(state.pid)
        return msgspec.structs.replace(sample, net_read_bytes=received, net_write_bytes=sent)

    def explain(self, image: str, command: Sequence[str], options: RunOptions) -> builtins.list[StepInfo]:
        """Return the steps that `run` would take, from the very plan; nothing of it stays."""
        from containerlab.runtime.explain import explain

        record, found = self._draft(image, command, dict(options), ephemeral=True)
        self.records.add(record)
        try:
            decision = self._decide(record, found)
        finally:
            self.discard(record)
        steps = _preparation(decision)
        steps += [
            StepInfo(number=0, call=call, why=why, who=who) for call, why, who in explain(decision.plan)
        ]
        root = str(self.home.root)
        return [
            StepInfo(number=number, call=_shortened(step.call, record.id, root), why=step.why, who=step.who)
            for number, step in enumerate(steps, 1)
        ]

    def facilities(self) -> builtins.list[Facility]:
        """Return what this host allows, what each missing piece costs and how to get it."""
        return [
            *self._tier(),
            *self._ids(),
            *self._snapshots(),
            *self._limits(),
            *_privileges(),
            *_programs(),
        ]

    def facts(self) -> dict[str, Any]:
        """Return what `info` shows beside."""
        host = self.host
        return {
            "tier": host.tier,
            "rootless": host.is_rootless,
            "id map": f"{host.idmap.kind}: {host.idmap.reason}",
            "cgroup": host.cgroups.kind,
            "snapshots": snapshots.trial(self.home, host.idmap).kind,
            "kernel": os.uname().release,
            "python": platform.python_version(),
            "home": str(self.home.root),
        }

    def _tier(self) -> builtins.list[Facility]:
        host = self.host
        refused = dict(host.refused)
        reason = refused.pop("namespaces", "") if "namespaces" in refused else ""
        tier = Facility(
            name="namespaces",
            available=host.tier != "none",
            reason=reason or f"tier {host.tier}" + (f": {_FULL}" if host.tier == "full" else ""),
            costs="no container can run",
            how="allow user namespaces, or run as root of the host",
        )
        kinds = {
            "proc": (
                "a fresh /proc",
                "the host's /proc is shown, masked as it is",
                "do not run inside a masked /proc",
            ),
            "sysfs": (
                "a fresh /sys",
                "the host's /sys is shown read-only",
                "run as root, or with a network of its own",
            ),
            "pivot": (
                "pivot_root",
                "MS_MOVE and chroot are used instead",
                "allow it in the outer seccomp profile",
            ),
            "netns": ("network namespaces", "only --network host", "allow them in the outer container"),
            "time": ("time namespaces", "clocks since boot are the host's", "Linux 5.6 or newer"),
        }
        return [tier] + [
            Facility(
                name=name, available=key not in refused, reason=refused.get(key, ""), costs=costs, how=how
            )
            for key, (name, costs, how) in kinds.items()
        ]

    def _ids(self) -> builtins.list[Facility]:
        idmap = self.host.idmap
        return [
            Facility(
                name="ownership of images",
                available=idmap.kind != "single",
                reason=idmap.reason,
                costs="all files belong to one id; calls that change ownership succeed without effect",
                how="install the package uidmap and give the user a line in /etc/subuid and /etc/subgid",
            )
        ]

    def _snapshots(self) -> builtins.list[Facility]:
        trial = snapshots.trial(self.home, self.host.idmap)
        return [
            Facility(
                name="overlay",
                available=trial.kind == "overlay",
                reason="; ".join(trial.refusals) or "mounted on trial",
                costs=f"{trial.kind} is used: slower to start",
                how="put the home on a local file system as ext4, xfs or btrfs; Linux 5.11 or newer",
            )
        ]

    def _limits(self) -> builtins.list[Facility]:
        from containerlab.linux.cgroups.facilities import facilities

        found = facilities(self.host.cgroups)
        first = next((f.name for f in found if not f.available), "")
        full = "run as root, or have a cgroup delegated (systemd: Delegate=yes for user@.service)"
        return [
            Facility(
                name=f"cgroup {f.name}",
                available=f.available,
                reason=f.reason,
                costs=_CGROUP_COSTS.get(f.name, f"no {f.name}"),
                how=full if f.name == first else f"as for cgroup {first}",
            )
            for f in found
        ]


_CGROUP_COSTS = {
    "memory": "--memory has no effect",
    "swap accounting": "--memory-swap has no effect",
    "cpu": "--cpus and --cpu-shares have no effect",
    "cpu burst": "a cpu limit allows no bursts",
    "cpuset": "--cpuset-cpus and --cpuset-mems have no effect",
    "pids": "--pids-limit has no effect",
    "io throttling": "--device-read-bps and its kin have no effect",
    "io weight": "--blkio-weight has no effect",
    "hugetlb": "huge pages are not limited",
    "devices": "--device-cgroup-rule has no effect",
    "cpu accounting": "CPU time is that of the processes, added up",
    "freezer": "no pause",
    "kill at once": "processes are killed one by one",
    "pressure": "no time spent waiting in the metrics",
}


def _shortened(call: str, container_id: str, home: str) -> str:
    """Keep lines short: ID for the container's id, HOME for the store, and the beginning of a digest."""
    call = call.replace(container_id, "ID").replace(home, "HOME")
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", call)


def _preparation(decision: starting.Decision) -> builtins.list[StepInfo]:
    layers = len(decision.record.layers)
    directory = decision.plan_directory
    done = (
        (f"layers/<diff-id> × {layers}", "unpacked once, shared by all containers"),
        (f'rename("tmp/…", "{directory}")', "the record first, so that a later command can repair"),
        (f'write("{directory}/config.json")', "the OCI bundle: other runtimes can read it"),
    )
    return [StepInfo(number=0, call=call, why=why, who="client") for call, why in done]


def _privileges() -> builtins.list[Facility]:
    missing = capabilities.DOCKER_DEFAULT - capabilities.bounding()
    may_raise = "CAP_SYS_RESOURCE" in capabilities.bounding() and os.geteuid() == 0
    return [
        Facility(
            name="Docker's capabilities",
            available=not missing or os.geteuid() != 0,
            reason=f"not in the bounding set: {', '.join(sorted(missing))}"
            if missing
            else "all 14 can be given",
            costs="containers go without them",
            how="start this process with them",
        ),
        Facility(
            name="raising limits",
            available=may_raise,
            reason="" if may_raise else "CAP_SYS_RESOURCE is missing",
            costs="--ulimit above the hard limit and a lower --oom-score-adj are clamped, and said",
            how="run as root with CAP_SYS_RESOURCE",
        ),
    ]


def _programs() -> builtins.list[Facility]:
    import shutil

    from containerlab.store.host_programs import PATH

    # An ordinary user's own has no sbin, and whoever needs one of these looks there too.
    searched = f"{os.environ.get('PATH', '')}:{PATH}"
    uses = {
        "crun": "--runtime crun",
        "runc": "--runtime runc",
        "debootstrap": "image from-debootstrap",
        "fuse-overlayfs": "overlay where the kernel's is refused",
    }
    return [
        Facility(
            name=program,
            available=shutil.which(program, path=searched) is not None,
            reason=shutil.which(program, path=searched) or "not installed",
            costs=f"no {use}",
            how=f"install the package {program}",
        )
        for program, use in uses.items()
    ]
