"""The measuring program: where it is for this machine, how an image gets it, what it prints."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from containerlab.errors import ContainerFailed, Unsupported
from containerlab.experiments.subject import DISK, PROBE

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine

__all__ = ["figures", "image", "program"]

_HERE = Path(__file__).parent
_DOCKERFILE = f"""\
FROM {{image}}
COPY root /
ENTRYPOINT []
CMD ["{PROBE}", "ready"]
HEALTHCHECK NONE
"""


def program(architecture: str = os.uname().machine) -> Path:
    """Return the program's file for an architecture, as the kernel names it.

    Raises: Unsupported.
    """
    path = _HERE / f"conlab-probe-{architecture}"
    if not path.exists():
        known = ", ".join(
            sorted(each.name.removeprefix("conlab-probe-") for each in _HERE.glob("conlab-probe-*"))
        )
        raise Unsupported(f"the measuring program is not made for {architecture}", f"it is for {known}")
    return path


def image(engine: Engine, image: str) -> str:
    """Put the program into an image, one layer above it, and return the name of the new image.

    Its entry point goes, so that the words given are what is run.
    """
    name = f"conlab-probe/{_plain(image)}"
    with tempfile.TemporaryDirectory() as context:
        _lay_out(f"{context}/root")
        engine.build(context, dockerfile=_DOCKERFILE.format(image=image), tag=name, progress="quiet")
    return name


def _lay_out(root: str) -> None:
    os.makedirs(root + DISK)
    os.chmod(root + DISK, 0o1777)  # whoever the image's user is
    shutil.copyfile(program(), root + PROBE)
    os.chmod(root + PROBE, 0o755)


def _plain(image: str) -> str:
    """Make one path component of a name, for it becomes part of another.

    >>> _plain("Ghcr.io/lab/base:v1")
    'ghcr.io-lab-base-v1'
    """
    return re.sub(r"[^a-z0-9]*[^a-z0-9.]+[^a-z0-9]*", "-", image.lower()).strip("-.")


def figures(printed: str) -> Mapping[str, float]:
    """Read the lines that it prints: metric and value.

    >>> figures("sha256_bytes_per_s 308000000\\n")
    {'sha256_bytes_per_s': 308000000.0}

    Raises: ContainerFailed for anything else.
    """
    try:
        pairs = [line.split(" ") for line in printed.splitlines()]
        return {metric: float(value) for metric, value in pairs}
    except ValueError as error:
        raise ContainerFailed(
            f"the measuring program printed {printed[-200:]!r}, not metric and value"
        ) from error
