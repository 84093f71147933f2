"""What machine the numbers come from: without that they mean nothing."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import tempfile

import msgspec

from containerlab import units
from containerlab.linux import procfs
from containerlab.linux.cgroups import hierarchy

__all__ = ["Host", "describe"]

_PROGRAMS = ("qemu-system-x86_64", "qemu-system-aarch64", "docker", "podman", "crun", "runc")


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A machine at a moment."""

    processor: str
    """Model and number of processors that this process may use."""
    memory: str
    kernel: str
    distribution: str
    cgroup: str
    """v1, v2, hybrid or none."""
    hypervisor: str = ""
    """yes where this is a virtual machine itself, as the processor's flags tell."""
    accelerator: str = ""
    """What virtual machines run on, and why not on something faster."""
    huge_pages: str = ""
    same_page_merging: str = ""
    governor: str = ""
    programs: dict[str, str] = {}
    """Name and version of what takes part."""
    boot_id: str = ""
    date: str = ""
    noise: str = ""
    """The rule by which rounds are called noisy."""

    def facts(self) -> dict[str, str]:
        """Return all that is known, a word or two each."""
        known: dict[str, object] = msgspec.to_builtins(self)
        known["programs"] = " · ".join(f"{name} {version}" for name, version in self.programs.items())
        return {name: str(value) for name, value in known.items() if value}


def describe(accelerator: str = "", noise: str = "") -> Host:
    """Describe this machine. accelerator: the verdict about it, which takes a trial to find."""
    return Host(
        processor=f"{_processor()}, {len(os.sched_getaffinity(0))} processors",
        memory=units.format_size(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
        kernel=f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
        distribution=_distribution(),
        cgroup=hierarchy.detect().kind,
        hypervisor="yes"
        if re.search(r"^flags.*\bhypervisor\b", _text("/proc/cpuinfo"), re.MULTILINE)
        else "",
        accelerator=accelerator,
        huge_pages=_chosen(_text("/sys/kernel/mm/transparent_hugepage/enabled")),
        same_page_merging={"0": "off", "1": "on"}.get(_text("/sys/kernel/mm/ksm/run"), ""),
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        programs=dict(_versions()),
        boot_id=procfs.boot_id(),
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        noise=noise,
    )


def _processor() -> str:
    """arm64 names no model, but a part number."""
    text = _text("/proc/cpuinfo")
    found = re.search(r"^(?:model name|Model|CPU part)\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else os.uname().machine


def _distribution() -> str:
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text("/etc/os-release"), re.MULTILINE)
    return found[1] if found else ""


def _chosen(text: str) -> str:
    """Return the word in brackets.

    >>> _chosen("always [madvise] never")
    'madvise'
    """
    found = re.search(r"\[(\w+)\]", text)
    return found[1] if found else ""


def _versions() -> list[tuple[str, str]]:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    found = [(name, shutil.which(name, path=path)) for name in _PROGRAMS]
    return [(name, _version(program)) for name, program in found if program]


def _version(program: str) -> str:
    """Podman makes directories where its settings and sockets belong, even to say this."""
    try:
        with tempfile.TemporaryDirectory() as place:
            elsewhere = os.environ | {"HOME": place, "XDG_RUNTIME_DIR": place}
            asked = [program, "--version"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=20, env=elsewhere)
    except (OSError, subprocess.TimeoutExpired):
        return "does not say"
    found = re.search(r"\d+(\.\d+)+[^\s,)]*", done.stdout)
    return found[0] if found else "does not say"


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""
