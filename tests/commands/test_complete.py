"""What may come next."""

from __future__ import annotations

import pytest

from containerlab.commands.complete import complete

KNOWN = {"image": ["lab/base:latest", "lab/other:1"], "container": ["web", "worker"], "volume": ["cache"]}


def ask(line: str) -> list[str]:
    return complete(line.split(" "), lambda kind: KNOWN.get(kind, []))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ru", ["run"]),
        ("container re", ["remove", "rename", "restart"]),
        ("run --memory-sw", ["--memory-swap", "--memory-swappiness"]),
        ("run lab/b", ["lab/base:latest"]),
        ("run --rm -it lab/", ["lab/base:latest", "lab/other:1"]),
        ("run --restart on", ["on-failure"]),
        ("run --restart=al", ["--restart=always"]),
        ("run --pid container:w", ["container:web", "container:worker"]),
        ("run -m 1m lab/o", ["lab/other:1"]),
        ("run --cap-add SYS_PT", ["SYS_PTRACE"]),
        ("run lab/base:latest l", []),
        ("exec w", ["web", "worker"]),
        ("exec web l", []),
        ("rm web w", ["web", "worker"]),
        ("volume rm ", ["cache"]),
        ("stop --signal TER", ["TERM"]),
        ("nonsense x", []),
    ],
)
def test_next_word(line: str, expected: list[str]) -> None:
    assert ask(line) == expected
