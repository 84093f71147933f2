"""Commands: a method is a command, its option table gives the flags. Words become calls here."""

from containerlab.commands.complete import complete
from containerlab.commands.help import describe_tree, help_text
from containerlab.commands.parse import Call, HelpWanted, WrongUsage, parse
from containerlab.commands.table import (
    Args,
    Command,
    ContainerName,
    ImageName,
    VolumeName,
    command,
    commands,
)

__all__ = [
    "Args",
    "Call",
    "Command",
    "ContainerName",
    "HelpWanted",
    "ImageName",
    "VolumeName",
    "WrongUsage",
    "command",
    "commands",
    "complete",
    "describe_tree",
    "help_text",
    "parse",
]
