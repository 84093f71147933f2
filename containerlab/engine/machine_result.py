"""What a run of a virtual machine gives back: a run's result, and how the machine came up."""

from __future__ import annotations

from typing import Any

from containerlab import units
from containerlab.engine.result import RunResult

__all__ = ["VmResult", "accelerated"]


def accelerated(accelerator: str) -> str:
    """Name an accelerator so that nobody takes emulation for more.

    >>> accelerated("tcg"), accelerated("kvm")
    ('tcg (emulated)', 'kvm')
    """
    return f"{accelerator} (emulated)" if accelerator == "tcg" else accelerator


class VmResult(RunResult, frozen=True, kw_only=True):
    """How the program of a virtual machine ended, what it printed, how long the machine took to come up.

    >>> VmResult(exit_code=0, wall_s=2.7, tier="image", accelerator="tcg", first_output_s=2.5)
    exit 0 · 2.7 s · vm image · tcg (emulated) · first output after 2.5 s
    """

    tier: str = ""
    accelerator: str = ""
    """kvm, hvf or tcg: emulated, so that no speed of it says anything of virtual machines."""
    kernel: str = ""
    """The guest's, as `uname -r` prints it."""
    boot_s: float | None = None
    """From the start of QEMU until the guest's first process answered."""
    first_output_s: float | None = None
    """From the call until the program's first byte was here; None when it printed nothing."""
    set_up_s: float | None = None
    """From the call until the guest was set up and began the program."""

    @property
    def ready_s(self) -> float | None:
        """From the call until the program showed that it runs: its first byte, else its beginning."""
        return self.set_up_s if self.first_output_s is None else self.first_output_s

    def to_record(self) -> dict[str, Any]:
        """Return plain values, output as text."""
        return {**super().to_record(), "ready_s": self.ready_s}

    def card(self) -> list[str]:
        """Return the facts that matter, most important first."""
        machine = [f"vm {self.tier}", accelerated(self.accelerator)]
        if self.first_output_s is not None:
            machine.append(f"first output after {units.format_seconds(self.first_output_s)}")
        elif self.set_up_s is not None:
            machine.append(f"began after {units.format_seconds(self.set_up_s)}")
        facts = super().card()
        at = facts.index(units.format_seconds(self.wall_s)) + 1
        return [*facts[:at], *filter(None, machine), *facts[at:]]
