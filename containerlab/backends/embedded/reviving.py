"""Containers that their restart policy wants running after the machine, or their monitor, went down.

No daemon is there to start them at boot. `conlab system check` does it, and the first command of a boot that
makes or starts a container; commands that only look start nothing. See docs/decisions/reboot.md.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from containerlab.errors import LabError
from containerlab.linux import procfs
from containerlab.linux.files import write_atomically
from containerlab.runtime.restarts import Policy
from containerlab.store.home import Home
from containerlab.store.records import Record, Records

__all__ = ["is_new_boot", "note_boot", "wanted"]


def is_new_boot(home: Home) -> bool:
    """Say whether nobody has looked after this home's containers since the machine came up."""
    try:
        with open(f"{home.root}/boot") as file:
            return file.read() != procfs.boot_id()
    except FileNotFoundError:
        return True


def note_boot(home: Home) -> None:
    """Write down that everything is done that a boot asks for."""
    write_atomically(f"{home.root}/boot", procfs.boot_id().encode())


def wanted(records: Records, *, after_boot: bool) -> Iterator[Record]:
    """Yield the containers that are to run and do not, oldest first, for later ones may join earlier ones.

    after_boot: as Docker's daemon does it when it starts; else only those whose monitor was killed.
    """
    found = []
    for container_id in records.ids():
        with contextlib.suppress(LabError):  # removed meanwhile
            record = records.record(container_id)
            if _is_wanted(records, record, after_boot=after_boot):
                found.append(record)
    yield from sorted(found, key=lambda record: record.created)


def _is_wanted(records: Records, record: Record, *, after_boot: bool) -> bool:
    policy = Policy(*record.options.get("restart") or ())
    state = records.state(record.id)
    if policy.condition == "no" or not state.started_at or state.attached or records.is_supervised(record.id):
        return False
    was_stopped = os.path.exists(f"{records.directory(record.id)}/stopping")
    exit_code = state.exit_code or 0
    if after_boot:
        return policy.wants_after_boot(exit_code, state.restarts, was_stopped=was_stopped)
    return state.status == "dead" and not was_stopped and policy.wants(exit_code, state.restarts)
