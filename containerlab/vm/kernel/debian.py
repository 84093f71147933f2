"""Find the cloud kernel in a Debian archive's index, each file verified by the one that names it.

InRelease is verified by Debian's signature where gpgv and Debian's keys are; where not, or where others have
signed it, it must come by https. A directory is its owner's, and taken as it is. It tells the digest of
Packages, and that the package's.
Source: sources.list(5), apt-secure(8); Debian wiki, "DebianRepository/Format".
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from containerlab import errors
from containerlab.store import compression
from containerlab.vm.kernel.mirror import HINT, Mirror, check

__all__ = ["ARCHITECTURES", "SUITES", "Package", "newest"]

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Debian's names for what `uname -m` prints."""
SUITES = ("trixie", "stable", "bookworm")
"""Which releases are asked, one after the other: a mirror need not have them all."""
_KEYRINGS = tuple(Path(f"/usr/share/keyrings/debian-archive-keyring.{suffix}") for suffix in ("pgp", "gpg"))
_MOST_RELEASE, _MOST_PACKAGES, _MOST_UNPACKED = 4 << 20, 64 << 20, 1 << 30
_FORMS = ("Packages.gz", "Packages.xz")
"""gzip is unpacked in 0.2 s where xz takes 2 s or more, for 13 MB instead of 10."""
_DEPENDS = re.compile(r"^Depends:.*?\b(linux-image-\d[\w.+-]*)", re.MULTILINE)


class Package(NamedTuple):
    """A package of a kernel. path: below the mirror."""

    name: str
    path: str
    size_bytes: int
    sha256: str


def newest(mirror: Mirror, architecture: str, suites: tuple[str, ...] = SUITES) -> Package:
    """Return the newest cloud kernel of the first of these releases that a mirror has.

    Raises: Unsupported for another architecture; NotFound, NotPermitted, Unavailable, CorruptContent.
    """
    debian = ARCHITECTURES.get(architecture)
    if debian is None:
        raise errors.Unsupported(f"there is no guest kernel for {architecture}", "name one with --kernel")
    suite, release = _release(mirror, suites)
    packages = _packages(mirror, suite, release, debian)
    meta = _stanza(packages, f"linux-image-cloud-{debian}")
    named = _DEPENDS.search(meta)
    if named is None:
        raise errors.NotFound(f"the index of {mirror.address} names no cloud kernel", HINT)
    return _package(_stanza(packages, named[1]), named[1])


def _release(mirror: Mirror, suites: tuple[str, ...]) -> tuple[str, str]:
    """Return the first release that there is, and the verified text of its InRelease."""
    for suite in suites[:-1]:
        try:
            return suite, _verified(mirror, mirror.get(_in_release(suite), _MOST_RELEASE))
        except errors.NotFound:
            continue
    return suites[-1], _verified(mirror, mirror.get(_in_release(suites[-1]), _MOST_RELEASE))


def _in_release(suite: str) -> str:
    return f"dists/{suite}/InRelease"


def _verified(mirror: Mirror, signed: bytes) -> str:
    """Return what Debian signed; without its keys, what came over a way that nobody can change.

    Raises: CorruptContent for a wrong signature; NotPermitted when there is neither.
    """
    if mirror.is_folder:
        return signed.decode("utf-8", "replace")
    keyring = next((path for path in _KEYRINGS if path.exists()), None)
    program = shutil.which("gpgv")
    if keyring is not None and program is not None:
        text = _checked_by_gpgv(program, keyring, signed, mirror.address)
        if text is not None:
            return text
    if mirror.is_tamper_proof:
        return signed.decode("utf-8", "replace")
    raise errors.NotPermitted(
        f"the index of {mirror.address} comes over plain http, and its signature cannot be checked here",
        "install gpgv and debian-archive-keyring, or take an https mirror",
    )


def _checked_by_gpgv(program: str, keyring: Path, signed: bytes, address: str) -> str | None:
    """Return the signed text; None when it is signed with keys that are not in the keyring.

    Status lines: gnupg, doc/DETAILS. One good signature is enough, as it is for apt; a bad one is too much.
    """
    status_end, status = os.pipe()
    with os.fdopen(status_end, "rb") as told:
        command = [program, "--keyring", str(keyring), "--status-fd", str(status), "--output", "-", "-"]
        try:
            done = subprocess.run(command, input=signed, capture_output=True, pass_fds=(status,), check=False)
        finally:
            os.close(status)
        words = [line.split()[1] for line in told.read().splitlines() if line.startswith(b"[GNUPG:] ")]
    if b"BADSIG" in words or (b"VALIDSIG" not in words and b"NO_PUBKEY" not in words):
        raise errors.CorruptContent(f"the index of {address} has no valid signature", HINT)
    return done.stdout.decode("utf-8", "replace") if b"VALIDSIG" in words else None


def _packages(mirror: Mirror, suite: str, release: str, debian: str) -> str:
    """Return the list of all packages, in whichever form the mirror has it."""
    for form in _FORMS:
        name = f"main/binary-{debian}/{form}"
        listed = re.search(rf"^ ([0-9a-f]{{64}}) +\d+ {re.escape(name)}$", release, re.MULTILINE)
        if listed is None:
            continue
        try:
            raw = mirror.get(f"dists/{suite}/{name}", _MOST_PACKAGES)
        except errors.NotFound:
            continue
        check(f"{mirror.address}/dists/{suite}/{name}", hashlib.sha256(raw).hexdigest(), listed[1])
        return compression.opened(io.BytesIO(raw)).read(_MOST_UNPACKED).decode("utf-8", "replace")
    raise errors.NotFound(f"the mirror {mirror.address} has no list of {suite}'s packages for {debian}", HINT)


def _stanza(packages: str, name: str) -> str:
    start = 0 if packages.startswith(head := f"Package: {name}\n") else packages.find(f"\n{head}") + 1
    if not packages.startswith(head, start):
        raise errors.NotFound(f"the index has no package {name}", HINT)
    return (
        packages[start:].partition("\n\n")[0]
        if start == 0
        else packages[start : packages.find("\n\n", start)]
    )


def _package(stanza: str, name: str) -> Package:
    fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
    path, size, sha256 = fields.get("Filename", ""), fields.get("Size", ""), fields.get("SHA256", "")
    if not path.startswith("pool/") or "/../" in path or not size.isdigit() or len(sha256) != 64:
        raise errors.CorruptContent(f"the index says nothing of use about {name}", HINT)
    return Package(name, path, int(size), sha256)
