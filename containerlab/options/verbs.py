"""The options of the other commands: one line each, a table for each command."""
# ruff: noqa: E501 - a table: one option, one line

from typing import Annotated, TypedDict

from containerlab import units
from containerlab.options import values as v
from containerlab.options.container import Duration, Pairs, Words
from containerlab.options.flag import Flag

__all__ = [
    "AttachOptions",
    "AuditOptions",
    "CommitOptions",
    "ContainerPruneOptions",
    "CopyOptions",
    "DebootstrapOptions",
    "EventOptions",
    "ExportOptions",
    "FromHostOptions",
    "HistoryOptions",
    "ImageListOptions",
    "ImageRemoveOptions",
    "ImportOptions",
    "InspectAnyOptions",
    "InspectOptions",
    "KillOptions",
    "ListOptions",
    "LoadOptions",
    "LogOptions",
    "PruneOptions",
    "RebaseOptions",
    "RemoveOptions",
    "ResumeOptions",
    "SaveOptions",
    "SbomOptions",
    "SquashOptions",
    "StatsOptions",
    "StopOptions",
    "SystemPruneOptions",
    "VolumeCreateOptions",
    "VolumeListOptions",
    "VolumeRemoveOptions",
    "WaitOptions",
]

Moment = float | str


def _lines(value: int | str) -> int:
    """Read a number of lines; below 0 is all, as Docker has it."""
    return -1 if value == "all" or str(value).startswith("-") else units.count(value)


# fmt: off
class StopOptions(TypedDict, total=False):
    signal: Annotated[str | int, Flag("-s --signal", units.signal_number, "Signal that asks it to end", "SIGNAL", completes="signal")]
    timeout: Annotated[Duration, Flag("-t --timeout --time", v.patience, "Time until it is killed (10s); -1: never", "DURATION")]


class KillOptions(TypedDict, total=False):
    signal: Annotated[str | int, Flag("-s --signal", units.signal_number, "Signal to send (KILL)", "SIGNAL", completes="signal")]


class ResumeOptions(TypedDict, total=False):
    attach: Annotated[bool, Flag("-a --attach", units.switch, "Show its output and wait for its end")]
    interactive: Annotated[bool, Flag("-i --interactive", units.switch, "Hand standard input to it")]
    detach_keys: Annotated[str, Flag("--detach-keys", v.text, "Keys that let go of it (ctrl-p,ctrl-q)", "KEYS")]


class AttachOptions(TypedDict, total=False):
    no_stdin: Annotated[bool, Flag("--no-stdin", units.switch, "Do not hand standard input to it")]
    sig_proxy: Annotated[bool, Flag("--sig-proxy", units.switch, "Hand the signals that this command gets on to it (the default)")]
    detach_keys: Annotated[str, Flag("--detach-keys", v.text, "Keys that let go of it (ctrl-p,ctrl-q)", "KEYS")]


class WaitOptions(TypedDict, total=False):
    timeout: Annotated[Duration, Flag("--timeout", units.seconds, "Give up after this time", "DURATION")]


class RemoveOptions(TypedDict, total=False):
    force: Annotated[bool, Flag("-f --force", units.switch, "Kill it first if it runs")]
    volumes: Annotated[bool, Flag("-v --volumes", units.switch, "Remove its anonymous volumes too")]


class ListOptions(TypedDict, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Also those that do not run")]
    filter: Annotated[Pairs, Flag("-f --filter", v.pair, "Only those with: name= id= status= label= ancestor= exited= health= network= volume= publish= expose= before= since= until=", "KEY=VALUE", "", tuple, completes="name= id= status= label= ancestor= exited= health= network= volume= publish= expose= before= since= until= is-task=")]
    last: Annotated[int | str, Flag("-n --last", v.whole(-1, 2**31), "The newest ones, running or not", "NUMBER")]
    latest: Annotated[bool, Flag("-l --latest", units.switch, "The newest one, running or not")]
    size: Annotated[bool, Flag("-s --size", units.switch, "Show what it wrote, and its size with the image's layers")]


class InspectOptions(TypedDict, total=False):
    size: Annotated[bool, Flag("-s --size", units.switch, "Measure what a container takes on disk")]


class InspectAnyOptions(InspectOptions, total=False):
    type: Annotated[str, Flag("--type", v.choice("container", "image", "volume"), "What the names are: container, image, volume", "KIND", completes="container image volume")]


class ImageListOptions(TypedDict, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Also images without a name")]
    digests: Annotated[bool, Flag("--digests", units.switch, "Show digests")]
    filter: Annotated[Pairs, Flag("-f --filter", v.pair, "Only those with: reference= dangling= label=", "KEY=VALUE", "", tuple, completes="reference= dangling= label= before= since=")]


class HistoryOptions(TypedDict, total=False):
    human: Annotated[bool, Flag("-H --human", units.switch, "Write sizes and times for people (the default)")]


class LogOptions(TypedDict, total=False):
    follow: Annotated[bool, Flag("-f --follow", units.switch, "Go on with what it will print")]
    since: Annotated[Moment, Flag("--since", units.moment, "From a time on, or how long ago: 10m", "TIME")]
    until: Annotated[Moment, Flag("--until", units.moment, "Up to a time, or how long ago", "TIME")]
    tail: Annotated[int | str, Flag("-n --tail", _lines, "Last lines only; all", "NUMBER")]
    timestamps: Annotated[bool, Flag("-t --timestamps", units.switch, "Show when each line was printed")]
    details: Annotated[bool, Flag("--details", units.switch, "Accepted for Docker's sake: this engine's logs have none")]


class EventOptions(TypedDict, total=False):
    since: Annotated[Moment, Flag("--since", units.moment, "From a time on, or how long ago: 10m", "TIME")]
    until: Annotated[Moment, Flag("--until", units.moment, "Up to a time; does not wait for more", "TIME")]
    follow: Annotated[bool, Flag("--follow", units.switch, "Wait for more (on the command line the default without --until)")]
    filter: Annotated[Pairs, Flag("-f --filter", v.pair, "Only those with: type= event= container= image=", "KEY=VALUE", "", tuple, completes="type= event= container= image= volume= label=")]


class StatsOptions(TypedDict, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Also those that do not run")]
    no_stream: Annotated[bool, Flag("--no-stream", units.switch, "Once only; on a terminal they are measured every second")]


class CommitOptions(TypedDict, total=False):
    author: Annotated[str, Flag("-a --author", v.text, "Who made it", "NAME")]
    change: Annotated[Words, Flag("-c --change", v.text, "Dockerfile instruction to apply: 'CMD [\"sh\"]'", "INSTRUCTION", "", tuple)]
    message: Annotated[str, Flag("-m --message", v.text, "What was done", "TEXT")]
    pause: Annotated[bool, Flag("-p --pause", units.switch, "Hold it meanwhile (the default)")]


class CopyOptions(TypedDict, total=False):
    archive: Annotated[bool, Flag("-a --archive", units.switch, "Keep owners")]
    follow_link: Annotated[bool, Flag("-L --follow-link", units.switch, "Follow a link that the source is")]
    quiet: Annotated[bool, Flag("-q --quiet", units.switch, "Do not show progress")]


class ExportOptions(TypedDict, total=False):
    output: Annotated[str, Flag("-o --output", v.file_path, "File to write instead of standard output", "FILE", completes="file")]


class SaveOptions(TypedDict, total=False):
    output: Annotated[str, Flag("-o --output", v.file_path, "File or directory to write instead of standard output", "FILE", completes="file")]
    archive_format: Annotated[str, Flag("--archive-format", v.choice("docker-archive", "oci-archive", "oci-layout"), "docker-archive, oci-archive or oci-layout", "FORMAT", completes="docker-archive oci-archive oci-layout")]


class LoadOptions(TypedDict, total=False):
    input: Annotated[str, Flag("-i --input", v.file_path, "File or directory to read instead of standard input", "FILE", completes="file")]
    platform: Annotated[str, Flag("--platform", v.text, "Load for one platform only", "PLATFORM")]
    quiet: Annotated[bool, Flag("-q --quiet", units.switch, "Do not show progress")]


class ImportOptions(TypedDict, total=False):
    change: Annotated[Words, Flag("-c --change", v.text, "Dockerfile instruction to apply: 'CMD [\"sh\"]'", "INSTRUCTION", "", tuple)]
    message: Annotated[str, Flag("-m --message", v.text, "What it is", "TEXT")]
    platform: Annotated[str, Flag("--platform", v.text, "What it is for", "PLATFORM")]


class FromHostOptions(TypedDict, total=False):
    python: Annotated[bool, Flag("--python", units.switch, "Take the running Python along (the default)")]


class DebootstrapOptions(TypedDict, total=False):
    mirror: Annotated[str, Flag("--mirror", v.text, "Where to get packages", "URL")]
    include: Annotated[Words, Flag("--include", v.text, "Package to add", "PACKAGE", "", tuple)]
    variant: Annotated[str, Flag("--variant", v.text, "minbase or buildd", "NAME", completes="minbase buildd")]


class AuditOptions(TypedDict, total=False):
    severity: Annotated[str, Flag("--severity", v.choice("low", "medium", "high"), "The least that is shown and counts (medium)", "LEVEL", completes="low medium high")]
    ignore: Annotated[Words, Flag("--ignore", v.text, "A kind or a path, as *.pem, that is meant to be there", "KIND|PATH", "", tuple)]
    ignore_file: Annotated[str, Flag("--ignore-file", v.file_path, "A file of such, one a line", "FILE", completes="file")]
    exit_code: Annotated[int, Flag("--exit-code", v.whole(0, 255), "Exit code when something is found (1)", "NUMBER")]
    platform: Annotated[str, Flag("--platform", v.text, "Which one of several", "OS/ARCH")]


class RebaseOptions(TypedDict, total=False):
    onto: Annotated[str, Flag("--onto", v.text, "The new base", "IMAGE", completes="image")]
    old: Annotated[str, Flag("--from", v.text, "The base it has; else the image in the store that is", "IMAGE", completes="image")]
    drop: Annotated[Words, Flag("--drop", v.text, "A file or directory to take out of every layer", "PATH", "", tuple)]
    tag: Annotated[str, Flag("-t --tag", v.text, "Name of the new image, if it is not to take the old one's", "NAME[:TAG]")]


class SbomOptions(TypedDict, total=False):
    format: Annotated[str, Flag("-f --format", v.choice("spdx-json", "cyclonedx-json"), "Write a document instead: spdx-json or cyclonedx-json", "KIND", completes="spdx-json cyclonedx-json")]
    platform: Annotated[str, Flag("--platform", v.text, "Of an image for several platforms, the one for this", "PLATFORM")]


class SquashOptions(TypedDict, total=False):
    base: Annotated[str, Flag("--from", v.text, "Leave the layers of this base as they are", "IMAGE", completes="image")]
    tag: Annotated[str, Flag("-t --tag", v.text, "Name of the new image, if it is not to take the old one's", "NAME[:TAG]")]


class ImageRemoveOptions(TypedDict, total=False):
    force: Annotated[bool, Flag("-f --force", units.switch, "Also if containers use it")]
    no_prune: Annotated[bool, Flag("--no-prune", units.switch, "Accepted for Docker's sake: there are no untagged parents")]


class ContainerPruneOptions(TypedDict, total=False):
    filter: Annotated[Pairs, Flag("--filter", v.pair, "Only those with: until= label= label!=", "KEY=VALUE", "", tuple, completes="until= label= label!=")]
    force: Annotated[bool, Flag("-f --force", units.switch, "Do not ask first (Python is never asked)")]


class PruneOptions(ContainerPruneOptions, total=False):
    all: Annotated[bool, Flag("-a --all", units.switch, "Also what has a name but no use")]


class SystemPruneOptions(PruneOptions, total=False):
    volumes: Annotated[bool, Flag("--volumes", units.switch, "Volumes too")]


class VolumeListOptions(TypedDict, total=False):
    filter: Annotated[Pairs, Flag("-f --filter", v.pair, "Only those with: name= label= dangling= driver=", "KEY=VALUE", "", tuple, completes="name= label= dangling= driver=")]


class VolumeCreateOptions(TypedDict, total=False):
    driver: Annotated[str, Flag("-d --driver", v.choice("local"), "local", "NAME")]
    label: Annotated[Pairs, Flag("-l --label", v.pair, "Set a label", "KEY=VALUE", "", dict)]
    opt: Annotated[Pairs, Flag("-o --opt", v.pair, "Option of the driver", "KEY=VALUE", "", dict)]


class VolumeRemoveOptions(TypedDict, total=False):
    force: Annotated[bool, Flag("-f --force", units.switch, "Do not mind if there is none")]
# fmt: on
