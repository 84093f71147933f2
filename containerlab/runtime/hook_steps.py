"""Hooks of a Spec as data that crosses the fork, and the steps that run those inside the container."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from containerlab.oci.runtime import Hooks, Spec
from containerlab.runtime.steps import Step, step

__all__ = ["flat", "inside"]

_KINDS = (
    ("prestart", "prestart"),
    ("createRuntime", "create_runtime"),
    ("createContainer", "create_container"),
    ("startContainer", "start_container"),
    ("poststart", "poststart"),
    ("poststop", "poststop"),
)


def flat(hooks: Hooks | None) -> tuple[Any, ...]:
    """Return ((kind, path, args, env, timeout_s), …), as `hooks.run` takes them; 0 means no timeout."""
    if hooks is None:
        return ()
    return tuple(
        (kind, hook.path, tuple(hook.args), tuple(hook.env), float(hook.timeout or 0))
        for kind, field in _KINDS
        for hook in getattr(hooks, field)
    )


def inside(spec: Spec, kind: str, status: str, container: tuple[str, str]) -> Iterator[Step]:
    """Yield the step that runs the hooks of a kind in the container's namespaces, if there are any.

    container: (id, bundle).
    """
    wanted = tuple(hook for hook in flat(spec.hooks) if hook[0] == kind)
    if wanted:
        yield step("run_hooks", (wanted, kind, status, container, tuple(spec.annotations.items())))
