"""When a container is started again: its policy, as its record has it now, and how long to wait."""

from __future__ import annotations

from typing import NamedTuple

from containerlab.linux.files import read_whole

__all__ = ["Backoff", "Policy", "policy_of"]

_LONGEST_S, _FIRST_S, _STEADY_S = 60.0, 0.1, 10.0


class Policy(NamedTuple):
    """ "no", "on-failure", "always" or "unless-stopped"; most: tries for on-failure, 0: no bound."""

    condition: str = "no"
    most: int = 0

    def wants(self, exit_code: int, restarts: int) -> bool:
        """Say whether a container that has ended by itself is to be started again.

        >>> Policy("on-failure", 2).wants(1, restarts=1), Policy("on-failure", 2).wants(1, restarts=2)
        (True, False)
        """
        if self.condition == "on-failure":
            return exit_code != 0 and (not self.most or restarts < self.most)
        return self.condition in ("always", "unless-stopped")

    def wants_after_boot(self, exit_code: int, restarts: int, *, was_stopped: bool) -> bool:
        """Say whether a container that was started once is to run after the machine has come up again.

        >>> Policy("always").wants_after_boot(0, 0, was_stopped=True)
        True
        >>> Policy("unless-stopped").wants_after_boot(0, 0, was_stopped=True)
        False
        """
        return self.condition == "always" or (not was_stopped and self.wants(exit_code, restarts))


def policy_of(directory: str) -> Policy:
    """Read the policy from a container's record, where `update` may have changed it; none if damaged."""
    import json  # the monitor has loaded it; a client that starts a program has no other use for it

    try:
        options = json.loads(read_whole(f"{directory}/record.json"))["options"]
        return Policy(*options.get("restart") or ())
    except (FileNotFoundError, ValueError, KeyError):
        return Policy()


class Backoff:
    """Waits longer and longer for what ends again and again."""

    def __init__(self) -> None:
        self._next_s = _FIRST_S

    def after(self, uptime_s: float) -> float:
        """Return how long to wait for the next start, after a run of this length.

        >>> backoff = Backoff()
        >>> [backoff.after(1.0) for _ in range(3)], backoff.after(10.0)
        ([0.1, 0.2, 0.4], 0.1)
        """
        wait_s = _FIRST_S if uptime_s >= _STEADY_S else self._next_s
        self._next_s = min(wait_s * 2, _LONGEST_S)
        return wait_s
