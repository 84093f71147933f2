"""How a boot of a machine ended, as an exit code and a sentence. Only the standard library."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from containerlab.vm.children import Ended
from containerlab.vm.launch import Launch

if TYPE_CHECKING:
    from containerlab.vm.boot import Boot

__all__ = ["PANICKED", "Ending", "ending_of"]

PANICKED = "the guest's kernel panicked"
"""How such an error begins."""

_NOT_STARTED, _KILLED = 125, 137


class Ending:
    """What a monitor has seen of a boot that matters for how it ended."""

    def __init__(self) -> None:
        self.is_greeted = False
        """The guest has answered."""
        self.is_set_up = False
        """The guest was told what to run."""
        self.is_started = False
        self.is_killed = False
        """Somebody wanted its end at once."""
        self.is_silent = False
        """The guest did not answer in time."""
        self.is_done = False
        """It was wanted for no longer than that, and `error` says what went wrong."""
        self.error = ""
        self.exited: dict[str, str] = {}
        """What EXITED said of the program."""
        self.failure: dict[str, str] = {}
        """What FAILED said of it, or of SETUP."""

    @property
    def is_leaving(self) -> bool:
        """Whether the program has ended, and the guest powers off."""
        return bool(self.exited or self.failure)


def ending_of(seen: Ending, qemu: Ended, boot: Boot, launch: Launch) -> dict[str, Any]:
    """Return what the state says of it: exit_code, error, hint, console, oom_killed, usage."""
    code, error, hint = _verdict(seen, qemu, boot, launch)
    usage = {"host_cpu_s": round(qemu.cpu_s, 6), "host_peak_bytes": qemu.peak_bytes}
    if seen.exited:
        usage["guest_cpu_s"] = int(seen.exited.get("cpu_usec", 0)) / 1e6
        usage["guest_peak_bytes"] = int(seen.exited.get("peak_rss_bytes", 0))
    return {
        "exit_code": code,
        "error": error,
        "hint": hint,
        "console": boot.console_tail if error else "",
        "oom_killed": seen.exited.get("oom_killed") == "1",
        "usage": usage,
    }


def _verdict(seen: Ending, qemu: Ended, boot: Boot, launch: Launch) -> tuple[int, str, str]:
    """Return the exit code, and if the program did not end by itself, why and what to do."""
    if seen.exited:
        return int(seen.exited["code"]), "", ""
    if seen.failure:
        return _failed(seen.failure)
    if seen.is_done:
        return (_NOT_STARTED if seen.error else 0), seen.error, ""
    if seen.is_killed:
        return _KILLED, "", ""
    if boot.failure:
        return _code(seen), boot.failure, ""
    if boot.panic:
        return _code(seen), f"{PANICKED}: {boot.panic}", _hint_of_panic(boot.panic)
    if seen.is_silent:
        return _silent(seen, boot, launch)
    return _vanished(seen, qemu, boot)


def _code(seen: Ending) -> int:
    return _KILLED if seen.is_started else _NOT_STARTED


def _failed(failure: dict[str, str]) -> tuple[int, str, str]:
    number = int(failure.get("errno", 0))
    is_missing = number in (errno.ENOENT, errno.ENOTDIR)
    code = (127 if is_missing else 126) if failure.get("step") == "program" else _NOT_STARTED
    reason = f": {errno_text(number)}" if number else ""
    step, text = failure.get("step") or "start", failure.get("text", "")
    return code, f"{step} {text}{reason}".strip(), ""


def errno_text(number: int) -> str:
    """Return what the system calls an error.

    >>> errno_text(2)
    'No such file or directory'
    """
    import os

    return os.strerror(number)


def _silent(seen: Ending, boot: Boot, launch: Launch) -> tuple[int, str, str]:
    what = "set the program up" if seen.is_set_up else "answer"
    longer = "give it longer: --boot-timeout"
    hint = f"the last lines of its console tell how far it came; {longer}" if boot.console_tail else longer
    return _NOT_STARTED, f"the guest did not {what} within {launch.boot_limit_s:g} s", hint


def _vanished(seen: Ending, qemu: Ended, boot: Boot) -> tuple[int, str, str]:
    if qemu.code < 0:
        hint = _HINTS_OF_SIGNALS.get(-qemu.code, "")
        said = f": {boot.complaint}" if boot.complaint else ""
        return _KILLED, f"QEMU was killed by signal {-qemu.code}{said}", hint
    if qemu.code:
        said = boot.complaint or f"it gave no reason, and exit code {qemu.code}"
        return _code(seen), f"QEMU ended: {said}", _hint_of_complaint(said)
    return _code(seen), "the guest went off before its program had ended", ""


_HINTS_OF_SIGNALS = {
    9: "the host may have been short of memory",
    # A page of a file that is mapped cannot be written where the disk has no room for it: mmap(2).
    7: "the disk is full, on which the machine's memory lies: make room",
}


def _hint_of_panic(panic: str) -> str:
    is_short = "memory" in panic or "No working init" in panic or "unable to mount root" in panic.lower()
    return "give the machine more memory (-m)" if is_short else ""


def _hint_of_complaint(said: str) -> str:
    if "host forwarding" in said:
        return "the port of the host is taken: choose another (-p)"
    if "cannot set up guest memory" in said or "allocate memory" in said:
        return "give the machine less memory (-m)"
    return ""
