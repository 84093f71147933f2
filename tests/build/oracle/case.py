"""A case: a Dockerfile, what git cannot hold of its context, and what is to come of it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backports import zstd

__all__ = ["FOLDER", "Case", "all_cases", "write_files"]

FOLDER = Path(__file__).parent
CASES = FOLDER / "cases"
_COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}
_KEYS = {"reference", "fails", "differs", "options", "stdin", "inside", "files", "beside", "needs"}


class Case(NamedTuple):
    """A folder of cases/: its Dockerfile, its case.toml if it has one, its results.

    reference: why Docker 20.10 cannot say what is right here; then the result is written by hand.
    fails: what our message says of a Dockerfile that nobody builds (a regular expression), or "".
    differs: names in differences.toml.
    options: words of the command line. stdin: what comes from there: Dockerfile, context or "".
    inside: whether the Dockerfile lies in the context. files, beside: in the context and next to it.
    needs: "root" when an ordinary user cannot make such a context or image.
    """

    directory: Path
    reference: str = ""
    fails: str = ""
    differs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    stdin: str = ""
    inside: bool = False
    files: Mapping[str, Any] = {}
    beside: Mapping[str, Any] = {}
    needs: str = ""

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def dockerfile(self) -> bytes:
        return (self.directory / "Dockerfile").read_bytes()

    @property
    def result(self) -> Path:
        """The file that says what is right."""
        return self.directory / "result"

    @property
    def docker_result(self) -> Path:
        """The file that says what Docker 20.10 makes of it."""
        return self.directory / ("result.docker" if self.differs else "result")

    def prepare(self, work: Path) -> list[str]:
        """Write what the build reads into a directory; return the words to be given to it there."""
        context = work / "context"
        context.mkdir(parents=True)
        write_files(context, self.files)
        write_files(work, self.beside)
        (context if self.inside else work).joinpath("Dockerfile").write_bytes(self.dockerfile)
        if self.stdin == "context":
            return [*self.options, "-"]
        if self.stdin == "Dockerfile":
            return [*self.options, "-f", "-", "context"] if self.files else [*self.options, "-"]
        return [*self.options, *([] if self.inside else ["-f", "Dockerfile"]), "context"]

    def standard_input(self, work: Path) -> bytes | None:
        """Return what the build reads there, after `prepare`."""
        if self.stdin != "context":
            return self.dockerfile if self.stdin else None
        output = io.BytesIO()
        with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as file:
            file.add(work / "context", ".")
        return output.getvalue()


def all_cases() -> list[Case]:
    """Return the cases, by name."""
    return [_read(directory) for directory in sorted(CASES.iterdir()) if directory.is_dir()]


def _read(directory: Path) -> Case:
    file = directory / "case.toml"
    fields = tomllib.loads(file.read_text()) if file.exists() else {}
    if unknown := fields.keys() - _KEYS:
        raise ValueError(f"{file} has unknown keys: {', '.join(unknown)}")
    lists = {name: tuple(fields[name]) for name in ("options", "differs") if name in fields}
    return Case(directory, **{**fields, **lists})


def write_files(directory: Path, files: Mapping[str, Any]) -> None:
    """Write files: path → content, or a table of what `_write` and `_stamp` read.

    A path that ends with a slash is a directory. hard names a file that was written before.
    """
    for name, given in files.items():
        fields = given if isinstance(given, dict) else {"content": given}
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(directory, path, name.endswith("/"), fields)
    for name, given in reversed(files.items()):  # what lies in a directory changes its mode and time
        _stamp(directory / name, given if isinstance(given, dict) else {})


def _write(directory: Path, path: Path, is_directory: bool, fields: Mapping[str, Any]) -> None:
    if is_directory:
        path.mkdir(exist_ok=True)
    elif "link" in fields:
        path.symlink_to(fields["link"])
    elif "hard" in fields:
        path.hardlink_to(directory / fields["hard"])
    elif fields.get("fifo"):
        os.mkfifo(path)
    elif "size" in fields:
        path.write_bytes(b"x" * fields["size"])
    elif "tar" in fields:
        path.write_bytes(_tar(fields["tar"], fields.get("compression", "")))
    elif "hex" in fields:
        path.write_bytes(bytes.fromhex(fields["hex"]))
    else:
        path.write_text(fields["content"], newline="")


def _tar(entries: Sequence[Mapping[str, Any]], compression: str) -> bytes:
    """Make an archive; entries have a name and content, link or hard; mode, uid, gid, mtime, capability."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as file:
        for fields in entries:
            entry = tarfile.TarInfo(fields["name"])
            content = fields.get("content", "").encode()
            entry.size, entry.mode = len(content), int(fields.get("mode", "0644"), 8)
            entry.uid, entry.gid, entry.mtime = (fields.get(name, 0) for name in ("uid", "gid", "mtime"))
            if "capability" in fields:
                value = bytes.fromhex(fields["capability"][2:]).decode()
                entry.pax_headers = {"SCHILY.xattr.security.capability": value}
            entry.linkname = fields.get("link", "") or fields.get("hard", "")
            if fields["name"].endswith("/"):
                entry.type = tarfile.DIRTYPE
            elif entry.linkname:
                entry.type = tarfile.SYMTYPE if "link" in fields else tarfile.LNKTYPE
            file.addfile(entry, io.BytesIO(content))
    return _COMPRESSIONS[compression](output.getvalue())


def _stamp(path: Path, fields: Mapping[str, Any]) -> None:
    for attribute, value in fields.get("xattrs", {}).items():
        os.setxattr(path, attribute, bytes.fromhex(value[2:]) if value.startswith("0x") else value.encode())
    if "owner" in fields:
        os.chown(path, *map(int, fields["owner"].split(":")), follow_symlinks=False)
    if not path.is_symlink():
        default = 0o755 if path.is_dir() else 0o644
        path.chmod(int(fields["mode"], 8) if "mode" in fields else default)
    if "time" in fields:
        os.utime(path, (fields["time"], fields["time"]), follow_symlinks=False)
