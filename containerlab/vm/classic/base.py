"""The Debian that classic machines are: made by mmdebstrap, without root, and kept as an image."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from containerlab import errors
from containerlab.oci.image import Config, ImageConfig, RootFS
from containerlab.oci.platform import Platform
from containerlab.store import rootfs_archive
from containerlab.store.images import Images

__all__ = ["NAME", "ensure"]

SUITE = "bookworm"
_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "udev",
    "dbus",
    "openssh-server",
    "cron",
    "rsyslog",
    "iproute2",
    "netbase",
)
"""What the images of clouds have, near enough, and nothing that asks questions."""
_CUSTOMISE = Path(__file__).with_name("customise.sh")
_RECIPE = hashlib.sha256(repr(_PACKAGES).encode() + _CUSTOMISE.read_bytes()).hexdigest()[:8]
NAME = f"lab/classic:{SUITE}-{_RECIPE}"
"""Another recipe makes another image."""
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def ensure(images: Images, say: Callable[[str], None] = lambda _: None) -> str:
    """Return the name of the image, made if it is not there: half a minute, and 60 MB of packages.

    say: takes what is being done, step by step.

    Raises: Unsupported without mmdebstrap; Unavailable with its last words when it fails.
    """
    try:
        images.get(NAME)
    except errors.NotFound:
        _make(images, say)
    return NAME


def _make(images: Images, say: Callable[[str], None]) -> None:
    program = shutil.which("mmdebstrap", path=f"{os.environ.get('PATH', '')}:{_PATH}")
    if program is None:
        raise errors.Unsupported(
            "a classic machine needs a Debian, which mmdebstrap makes, and that is not installed",
            "install the package mmdebstrap, or choose another --tier",
        )
    with images.home.scratch("classic-") as scratch:
        archive = scratch / "root.tar"
        _run([*_apart(), program, *_words(), SUITE, str(archive)], say)
        say("the Debian of classic machines, made once: keeping it")
        with open(archive, "rb") as file:
            rootfs_archive.load(images, file, NAME, _config(), f"mmdebstrap {' '.join(_words())} {SUITE}")


def _apart() -> list[str]:
    """Return what starts mmdebstrap where its mounts go with it when it is killed.

    For others than root it makes such a mount namespace itself.
    """
    return ["unshare", "--mount"] if os.geteuid() == 0 else []


def _words() -> list[str]:
    return ["--variant=minbase", f"--include={','.join(_PACKAGES)}", f"--customize-hook={_CUSTOMISE}"]


def _step(line: str) -> str:
    """Return what mmdebstrap begins to do, of a line of its; nothing of any other.

    >>> _step("I: installing essential packages...")
    'the Debian of classic machines, made once: installing essential packages'
    >>> _step("I: success in 108.0080 seconds"), _step("done")
    ('', '')
    """
    if not (line.startswith("I: ") and line.endswith("...")):
        return ""
    return f"the Debian of classic machines, made once: {line[3:-3]}"


def _run(words: list[str], say: Callable[[str], None]) -> None:
    last = ""
    # Not below the home, which is its owner's alone: neither the ids of its own namespace could enter it, nor
    # the user without rights that apt downloads as.
    environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{_PATH}", "TMPDIR": "/tmp"}
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        try:
            for line in process.stdout or ():
                last = line.strip() or last
                if step := _step(last):
                    say(step)
        except BaseException:
            process.terminate()  # it unmounts and removes what it made
            raise
    if process.returncode:
        raise errors.Unavailable(f"mmdebstrap failed: {last}", "check the network and /etc/subuid")


def _config() -> ImageConfig:
    platform = Platform.host()
    config = Config(env=(f"PATH=/usr/local/sbin:/usr/local/bin:{_PATH}",), cmd=("/sbin/init",))
    return ImageConfig(
        architecture=platform.architecture,
        os="linux",
        variant=platform.variant,
        config=config,
        rootfs=RootFS(),
    )
