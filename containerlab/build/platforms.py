"""The platforms of a build: how `--platform` is read, and whether their programs run here."""

from __future__ import annotations

from collections.abc import Iterable

from containerlab import errors
from containerlab.oci.platform import Platform

__all__ = ["arguments", "check_runs_here", "parse"]


def parse(texts: Iterable[str]) -> tuple[Platform, ...]:
    """Read lists of platforms, `local` being this machine's; each counts once, in the order it comes.

    >>> [str(each) for each in parse(["linux/amd64,arm64", "linux/x86_64"])]
    ['linux/amd64', 'linux/arm64']

    Raises: InvalidInput; Unsupported for another system than Linux.
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    found = tuple(dict.fromkeys(map(_platform, words)))
    for each in found:
        if each.os != "linux":
            raise errors.Unsupported(f"images for {each} cannot be built here, only those for Linux")
    return found


def _platform(word: str) -> Platform:
    if not word:
        raise errors.InvalidInput("--platform has an empty name", "write linux/amd64,linux/arm64")
    return Platform.host() if word == "local" else Platform.parse(word)


def check_runs_here(platform: Platform, directory: str = "") -> None:
    """Make sure that a RUN can execute programs of a platform: by the processor or by an interpreter.

    directory: where the kernel lists its interpreters, if not in the usual place.

    Raises: Unsupported, which says what is missing and how to get it.
    """
    host = Platform.host()
    if platform.architecture == host.architecture or host.runs(platform):
        return
    from containerlab.linux import binfmt

    directory = directory or binfmt.DIRECTORY
    found = binfmt.interpreter(platform.architecture, directory)
    if found and found.is_enabled and found.is_open:
        return
    if found is None:
        reason = "no interpreter for them is registered"
        hint = "as root: `apt-get install qemu-user-static binfmt-support`, which registers qemu"
    elif not found.is_enabled:
        reason, hint = f"{found.path} is registered but switched off", "as root: `update-binfmts --enable`"
    else:
        reason = f"{found.path} is registered without the flag F, so that containers do not find it"
        hint = "register it again with the flag F, as the package qemu-user-static does"
    raise errors.Unsupported(
        f"programs for {platform} do not run on this {host.architecture} machine: {reason} in {directory}",
        f"{hint}; or build for it without RUN",
    )


def arguments(side: str, platform: Platform) -> dict[str, str]:
    """Return the build arguments that tell of a platform; `side` is BUILD or TARGET."""
    return {
        f"{side}PLATFORM": str(platform),
        f"{side}OS": platform.os,
        f"{side}OSVERSION": platform.os_version,
        f"{side}ARCH": platform.architecture,
        f"{side}VARIANT": platform.variant,
    }
