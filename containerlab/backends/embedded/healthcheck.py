"""A health check, from what the image and the user say to the orders that a monitor follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from containerlab.errors import InvalidInput
from containerlab.oci.image import Config, Healthcheck
from containerlab.runtime import steps
from containerlab.runtime.launch import HealthOrders
from containerlab.runtime.steps import Plan

__all__ = ["choose", "command", "orders"]

_NS = 1_000_000_000
_SHORTEST_S = 0.001
_DEFAULTS_S = {"interval": 30.0, "timeout": 30.0, "start_period": 0.0, "start_interval": 5.0}
_DURATIONS = tuple(_DEFAULTS_S)
_RETRIES = 3


def choose(options: Mapping[str, Any], config: Config) -> Healthcheck | None:
    """Return the check of a new container: the image's, but for what the user says; None for none.

    Raises: InvalidInput for options that contradict each other.
    """
    own = {name: value for name, value in options.items() if name.startswith("health_")}
    if options.get("no_healthcheck"):
        if own:
            raise InvalidInput("--no-healthcheck and --health-… exclude each other", "leave one of them out")
        return None
    asked = _asked(own)
    of_image = config.healthcheck or Healthcheck()
    chosen = msgspec.structs.replace(
        asked,
        **{
            name: getattr(asked, name) or getattr(of_image, name) for name in ("test", "retries", *_DURATIONS)
        },
    )
    if own and not chosen.test:
        raise InvalidInput("--health-… without a command: the image has no health check", "add --health-cmd")
    return chosen if chosen.test and chosen.test[0] in ("CMD", "CMD-SHELL") and chosen.test[1:] else None


def _asked(own: Mapping[str, Any]) -> Healthcheck:
    for name in _DURATIONS:
        if 0 < own.get(f"health_{name}", 0) < _SHORTEST_S:
            raise InvalidInput(f"--health-{name.replace('_', '-')} is below 1 ms", "give at least 1ms")
    return Healthcheck(
        test=own.get("health_cmd", ()),
        retries=own.get("health_retries", 0),
        **{name: round(own.get(f"health_{name}", 0) * _NS) for name in _DURATIONS},
    )


def command(check: Healthcheck, config: Config) -> tuple[str, ...]:
    """Return what is executed: a text is for the image's shell."""
    kind, *words = check.test
    return (*(config.shell or ("/bin/sh", "-c")), words[0]) if kind == "CMD-SHELL" else tuple(words)


def orders(check: Healthcheck, plan: Plan) -> HealthOrders:
    """Return what a monitor is told; what is not said, or makes no sense in an image, becomes the default."""
    given_s = {name: getattr(check, name) / _NS for name in _DURATIONS}
    chosen_s = {
        f"{name}_s": max(_SHORTEST_S, given_s[name]) if given_s[name] > 0 else default_s
        for name, default_s in _DEFAULTS_S.items()
    }
    retries = check.retries if check.retries > 0 else _RETRIES
    return HealthOrders(plan=steps.pack(plan), retries=retries, **chosen_s)
