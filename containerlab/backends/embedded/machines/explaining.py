"""The steps of a machine's start, as `vm run --explain` shows them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from containerlab.backends.base import StepInfo
from containerlab.backends.embedded.machines.deciding import Decision
from containerlab.store.home import Home
from containerlab.vm.guest import wire
from containerlab.vm.records import Machine

__all__ = ["steps"]

_UNSHOWN = ("seed",)


def steps(record: Machine, decision: Decision, home: Home) -> list[StepInfo]:
    """Return what is done, by whom and why; the machine's id and the home stand as words."""
    found = []
    for number, (who, call, why) in enumerate(_steps(record, decision), 1):
        plain = call.replace(record.id, "ID").replace(str(home.root), "HOME")
        found.append(StepInfo(number=number, call=plain, why=why, who=who))
    return found


def _steps(record: Machine, decision: Decision) -> Iterator[tuple[str, str, str]]:
    launch, decided = decision
    yield (
        "client",
        f"kernel {decided.kernel}, accelerator {decided.accelerator}, root {decided.filesystem}",
        decided.reason,
    )
    yield "client", f"write {launch.directory}/record.json", "a killed client leaves what can be repaired"
    yield "monitor", f"lock {launch.directory}/lock", "whoever looks sees that it is looked after"
    for words in launch.companions:
        yield "monitor", shlex.join(words), "serves a directory of the host to the guest"
    yield (
        "monitor",
        shlex.join(launch.qemu),
        "the machine; {agent}, {qmp} and {console} are inherited sockets",
    )
    if launch.state:
        yield "monitor", f"migrate-incoming {launch.state}", "restores it as it was when it had booted"
    else:
        yield "guest", "HELLO", "the kernel has started our first process, which waits"
    yield "monitor", f"SETUP {_told(launch.setup)}", "what changes with every machine"
    yield "monitor", f"EXEC {_told(launch.exec)}", "the image's program"
    yield "guest", "EXITED", "its exit code, and what it used"
    yield "monitor", "POWEROFF", f"QEMU ends, or is killed after {launch.off_limit_s:g} s"


def _told(payload: bytes) -> str:
    return " ".join(
        f"{key}={shlex.quote(value)}" for key, value in wire.unpaired(payload) if key not in _UNSHOWN
    )
