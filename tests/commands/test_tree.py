"""The whole tree of commands, as people meet it: a change of it must be meant.

To accept one: `CONTAINERLAB_GOLDEN=write pytest tests/commands/test_tree.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from containerlab.commands.help import describe_tree, help_text
from containerlab.commands.table import command as declare
from containerlab.commands.table import commands

GOLDEN = Path(__file__).parent.parent / "golden" / "commands.txt"


def test_tree_is_the_golden_one() -> None:
    tree = describe_tree()
    if os.environ.get("CONTAINERLAB_GOLDEN") == "write":
        GOLDEN.write_text(tree)
    assert tree == GOLDEN.read_text()


def test_every_command_has_help_that_fits_a_terminal() -> None:
    for path, command in commands().items():
        text = help_text(path)
        assert command.summary(), path
        assert text.startswith("usage: conlab ")
        assert max(len(line) for line in text.splitlines() if not line.startswith("also:")) <= 80, path


def test_every_group_has_help_that_fits_a_terminal() -> None:
    for group in {path[:length] for path in commands() for length in range(len(path))}:
        text = help_text(group)
        assert max(map(len, text.splitlines())) <= 80, group
        for line in text.partition("commands:\n")[2].partition("\n\n")[0].splitlines():
            assert line[:16].endswith("  ") or line == f"  {line.strip()}", line


def test_words_that_two_methods_claim_are_noticed() -> None:
    commands()
    with pytest.raises(ValueError, match="container run is both"):
        declare("container run")(test_tree_is_the_golden_one)


def test_every_command_of_docker_is_there() -> None:
    """The commands of docker/cli 27 that need no network, registry or build."""
    wanted = """attach commit cp create diff exec export inspect kill logs ls pause port prune rename
        restart rm run start stats stop top unpause update wait"""
    known = commands()
    assert [verb for verb in wanted.split() if ("container", verb) not in known] == []
    images = "history import inspect load ls prune rm save tag"
    assert [verb for verb in images.split() if ("image", verb) not in known] == []
    top = """attach commit cp create diff events exec export history images import info inspect kill load
        logs pause port ps rename restart rm rmi run save start stats stop tag top
        unpause update version wait"""
    assert [verb for verb in top.split() if (verb,) not in known] == []
