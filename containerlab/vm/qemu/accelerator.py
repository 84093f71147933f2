"""What executes a guest's instructions: found by a trial, since /dev/kvm may be there and not work.

A trial boots the real kernel until its first process answers. What came of it is kept in the home, for this
boot of the host, its kernel, this QEMU and this guest kernel.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from containerlab import errors
from containerlab.linux.files import remove_tree
from containerlab.linux.procfs import boot_id
from containerlab.store.home import Home
from containerlab.store.workshop import Workshop
from containerlab.vm import connection
from containerlab.vm.kernel.kernel import Kernel
from containerlab.vm.launch import Launch
from containerlab.vm.qemu import clock, plan
from containerlab.vm.qemu.plan import Hardware
from containerlab.vm.qemu.program import Program
from containerlab.vm.rootfs.root import Root
from containerlab.vm.tiers import TIERS, Tier

__all__ = ["NAMES", "Verdict", "choose", "forget"]

NAMES = ("kvm", "hvf", "tcg")
TRIAL_LIMIT_S = 5.0
_TRIAL_BYTES = 512 << 20
_KVM = "/dev/kvm"


class Verdict(msgspec.Struct, frozen=True):
    """The accelerator for guests here."""

    accelerator: str
    """kvm, hvf or tcg (QEMU's own emulation)."""
    reason: str
    """Why this one: what was tried and what came of it, a sentence."""
    tsc_khz: int = 0
    """For `Hardware.tsc_khz`."""

    @property
    def is_emulated(self) -> bool:
        """Whether no processor executes the guest: speeds then say nothing about virtual machines."""
        return self.accelerator == "tcg"


def choose(
    home: Home,
    workshop: Workshop,
    program: Program,
    kernel: Kernel,
    bare: Callable[[], Root],
    wish: str = "",
) -> Verdict:
    """Return the accelerator for a kernel: emulation if it is wished for, else by what came of a trial.

    bare: makes the smallest root, with only our first process and what a microvm needs; asked for a trial.

    Raises: InvalidInput for a wish that is none, Unsupported for one that does not work here; Unavailable
        when somebody kills the trial.
    """
    if wish and wish not in NAMES:
        known = ", ".join(NAMES)
        raise errors.InvalidInput(
            f"no such accelerator: {wish}", errors.nearest(wish, NAMES) or f"there are {known}"
        )
    if wish == "tcg":
        return Verdict(wish, "it was asked for", clock.tsc_khz(home.cache))
    verdict = _tried(home, workshop, program, kernel, bare)
    if wish and verdict.accelerator != wish:
        raise errors.Unsupported(f"no {wish}: {verdict.reason}", "leave --accel out, and it is emulated")
    return verdict


def _tried(
    home: Home, workshop: Workshop, program: Program, kernel: Kernel, bare: Callable[[], Root]
) -> Verdict:
    place = _place(home, program, kernel)
    try:
        return msgspec.json.decode(place.read_bytes(), type=Verdict)
    except (FileNotFoundError, msgspec.DecodeError):
        pass
    with home.lock("accelerator"):
        if place.exists():  # another process has tried it meanwhile
            return msgspec.json.decode(place.read_bytes(), type=Verdict)
        verdict = _try(home, workshop, program, kernel, bare)
        _keep(home, place, verdict)
    return verdict


def _place(home: Home, program: Program, kernel: Kernel) -> Path:
    known = (_boot(), platform.release(), program.identity, kernel.digest)
    name = hashlib.sha256(repr(known).encode()).hexdigest()[:32]
    return home.cache / "accelerators" / f"{name}.json"


def _boot() -> str:
    try:
        return boot_id()
    except FileNotFoundError:  # not Linux
        return ""


def _keep(home: Home, place: Path, verdict: Verdict) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    home.replace(place, msgspec.json.encode(verdict))


def _try(
    home: Home, workshop: Workshop, program: Program, kernel: Kernel, bare: Callable[[], Root]
) -> Verdict:
    name, obstacle = _candidate(program)
    if obstacle:
        return Verdict("tcg", obstacle, clock.tsc_khz(home.cache))
    machine = Hardware(_tier(program), program, kernel, bare(), name, _TRIAL_BYTES, network="none")
    answered_s, failure = _boot_once(home, workshop, machine)
    if failure:
        return Verdict("tcg", f"{name} does not work here: {failure}", clock.tsc_khz(home.cache))
    said = f"{name} works: the guest answered within {answered_s:.2f} s"
    return Verdict(name, said, clock.tsc_khz(home.cache))


def _tier(program: Program) -> Tier:
    return TIERS["microvm" if "microvm" in program.machines else "image"]


def _candidate(program: Program) -> tuple[str, str]:
    """Return what to try, or why there is nothing to try."""
    own = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    if program.architecture != own:
        return "", f"a guest of {program.architecture} on {own} can only be emulated"
    if sys.platform == "darwin":
        return "hvf", ""
    if not os.path.exists(_KVM):
        return "", f"{_KVM} is not there: the host's processor or its firmware does not offer it"
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return "", f"{_KVM} may not be used by this user (group kvm)"
    return "kvm", ""


def _boot_once(home: Home, workshop: Workshop, machine: Hardware) -> tuple[float, str]:
    """Boot until the guest answers; return how long that took, and what went wrong."""
    with home.scratch("trial-") as scratch:
        launch = Launch(
            directory=str(scratch),
            companions=(),
            qemu=plan.words(machine),
            setup=b"",
            exec=b"",
            boot_limit_s=TRIAL_LIMIT_S,
            is_foreground=True,
            until="hello",
        )
        with connection.start(workshop, launch) as monitor:
            state = monitor.wait()
    if not state:
        raise errors.Unavailable(f"the trial of {machine.accelerator} was killed", "try again")
    return state["times"].get("hello", state["times"]["off"]), state["error"]


def forget(home: Home) -> None:
    """Try again at the next occasion."""
    remove_tree(str(home.cache / "accelerators"))
