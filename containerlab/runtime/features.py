"""What this runtime can, as the specification's features document, and a config.json to begin with."""

from __future__ import annotations

import os
from typing import Any

from containerlab.linux import capabilities
from containerlab.linux.cgroups import hierarchy
from containerlab.linux.namespaces import BY_OCI_NAME
from containerlab.oci import runtime as oci
from containerlab.runtime import mount_steps, posture

__all__ = ["example", "features"]

_ARCHITECTURES = {
    "x86_64": ("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
    "aarch64": ("SCMP_ARCH_AARCH64",),
}
_FLAGS = ("SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW")
_ACTIONS = ("ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD", "LOG", "TRACE", "TRAP")
_OPERATORS = ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
_HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def features() -> dict[str, Any]:
    """Return the features document. Source: runtime-spec features.md."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.0",
        "hooks": list(_HOOKS),
        "mountOptions": sorted(mount_steps.OPTIONS),
        "linux": {
            "namespaces": sorted(BY_OCI_NAME),
            "capabilities": list(capabilities.ALL[: capabilities.last_cap() + 1]),
            "cgroup": _cgroup(),
            "seccomp": _seccomp(),
            "apparmor": {"enabled": os.path.isdir("/sys/module/apparmor")},
            "selinux": {"enabled": False},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": False}},
            "netDevices": {"enabled": False},
        },
    }


def _cgroup() -> dict[str, bool]:
    kind = hierarchy.detect().kind
    return {
        "v1": kind in ("v1", "hybrid"),
        "v2": kind in ("v2", "hybrid"),
        "systemd": False,
        "systemdUser": False,
        "rdma": False,
    }


def _seccomp() -> dict[str, Any]:
    return {
        "enabled": True,
        "actions": [f"SCMP_ACT_{name}" for name in _ACTIONS],
        "operators": [f"SCMP_CMP_{name}" for name in _OPERATORS],
        "archs": list(_ARCHITECTURES[os.uname().machine]),
        "knownFlags": list(_FLAGS),
        "supportedFlags": list(_FLAGS),
    }


def example() -> oci.Spec:
    """Return a specification that runs a shell with the usual protection, to be changed by hand."""
    held = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
    return oci.Spec(
        root=oci.Root(path="rootfs", readonly=True),
        process=oci.Process(
            terminal=True,
            cwd="/",
            args=("sh",),
            env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"),
            capabilities=oci.Capabilities(bounding=held, effective=held, permitted=held),
            rlimits=(oci.Rlimit(type="RLIMIT_NOFILE", soft=1024, hard=1024),),
            no_new_privileges=True,
        ),
        hostname="containerlab",
        mounts=posture.MOUNTS,
        linux=oci.Linux(
            resources=oci.Resources(devices=posture.DEVICE_RULES),
            namespaces=tuple(
                oci.Namespace(type=kind) for kind in ("pid", "network", "ipc", "uts", "mount", "cgroup")
            ),
            masked_paths=posture.MASKED,
            readonly_paths=posture.READONLY,
        ),
    )
