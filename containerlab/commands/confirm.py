"""What is asked before something is removed that nobody named."""

from __future__ import annotations

from containerlab.commands.parse import Call

__all__ = ["question"]


def question(call: Call) -> str:
    """Return what a call will remove, when that has to be asked for first; nothing otherwise.

    >>> from containerlab.commands.parse import parse
    >>> question(parse(["volume", "prune"]))
    'This will remove all anonymous volumes that no container has.'
    """
    told = _TOLD.get(call.command.paths[0])
    if told is None or call.options.get("force"):
        return ""
    usual, every, *with_volumes = told
    text = every if call.options.get("all") else usual
    if call.options.get("volumes"):
        text += "".join(with_volumes)
    return f"This will remove {text}."


_TOLD: dict[tuple[str, ...], tuple[str, ...]] = {
    ("container", "prune"): ("all stopped containers", ""),
    ("vm", "prune"): ("all machines that do not run", ""),
    ("image", "prune"): ("all images without a name", "all images that no container uses"),
    ("builder", "prune"): ("the build cache that no image needs", "all build cache, cache mounts too"),
    ("volume", "prune"): (
        "all anonymous volumes that no container has",
        "all volumes that no container has",
    ),
    ("system", "prune"): (
        "all stopped containers and machines, all images without a name and unused build cache",
        "all stopped containers and machines, all images that nothing uses and all build cache",
        " and all anonymous volumes that no container has",
    ),
}
"""Command: what it removes, what it removes with --all, and what with --volumes beside."""
