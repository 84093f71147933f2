"""Filters for containers with a single id: calls that change ownership succeed, recorded or without effect.

In a user namespace with one id there is nobody to give a file to: chown(2) answers EINVAL, setgroups(2)
EPERM, and dpkg, tar and adduser stop there. Answered with 0, they go on. So are the calls that change the
ids of the process, or package scripts could not use su and its like. A program that believes it has
given up root has not: it keeps the capabilities that the container has anyway, and outside it is the same
one user as before. What asks afterwards (getuid is answered truthfully) may still refuse: apt does, and
needs APT::Sandbox::User "root". The idea is Charliecloud's: `ch-image build --force=seccomp`.
With RECORDED another process notes what chown was asked for: `runtime/recorder.py`.
"""

from __future__ import annotations

from containerlab.linux.seccomp.profile import Rule, Seccomp

__all__ = ["RECORDED", "WITHOUT_EFFECT"]

_OF_FILES = "chown chown32 fchown fchown32 lchown lchown32 fchownat"
_OF_PROCESSES = """
    setgroups setgroups32
    setuid setuid32 setreuid setreuid32 setresuid setresuid32 setfsuid setfsuid32
    setgid setgid32 setregid setregid32 setresgid setresgid32 setfsgid setfsgid32
"""

WITHOUT_EFFECT = Seccomp(
    default_action="SCMP_ACT_ALLOW",
    architectures=("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64"),
    rules=(Rule((*_OF_FILES.split(), *_OF_PROCESSES.split()), "SCMP_ACT_ERRNO", errno=0),),
)
"""To be compiled like any other profile and loaded beside the container's own, in either order."""

RECORDED = WITHOUT_EFFECT._replace(
    rules=(
        Rule(tuple(_OF_FILES.split()), "SCMP_ACT_NOTIFY"),
        Rule(tuple(_OF_PROCESSES.split()), "SCMP_ACT_ERRNO", errno=0),
    ),
    has_listener=True,
)
"""The same, to be installed by `notify.listen`."""
