"""A small image of one program, busybox, for tests of what stands above the store and the runtime."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

from containerlab.engine.engine import Engine

NAME = "test/busy"
_APPLETS = (
    *("cat", "echo", "env", "false", "head", "hostname", "id", "kill", "ls", "mkdir", "nc", "od", "seq"),
    *("sh", "sleep", "stty", "test", "touch", "true", "tty", "wc", "yes"),
)


def engine(home: Path) -> Engine:
    """Return an engine whose store has the image."""
    found = Engine(home)
    archive = home.with_suffix(".tar")
    archive.write_bytes(root_file_system())
    found.images.import_(str(archive), NAME, change=['CMD ["sh"]'])
    archive.unlink()
    return found


def root_file_system() -> bytes:
    """Return the image's files as a tar archive."""
    program = shutil.which("busybox")
    assert program, "the busybox package is missing"
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as archive:
        archive.add(Path(program).resolve(), "bin/busybox")
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        for directory in ("dev", "etc", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
    return output.getvalue()
