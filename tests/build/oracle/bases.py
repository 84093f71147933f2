"""The images that the cases start from: one root file system of busybox, several configurations."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.build.oracle.picture import Picture, read

__all__ = ["archive", "plain"]

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APPLETS = (
    *(
        "[",
        "adduser",
        "awk",
        "basename",
        "cat",
        "chgrp",
        "chmod",
        "chown",
        "cp",
        "cut",
        "date",
        "dd",
        "df",
        "dirname",
    ),
    *(
        "du",
        "echo",
        "env",
        "false",
        "find",
        "grep",
        "head",
        "hostname",
        "id",
        "ip",
        "kill",
        "ln",
        "ls",
        "md5sum",
    ),
    *(
        "mkdir",
        "mkfifo",
        "mknod",
        "mount",
        "mv",
        "printf",
        "ps",
        "pwd",
        "readlink",
        "rm",
        "rmdir",
        "sed",
        "seq",
        "sh",
    ),
    *(
        "sha256sum",
        "sleep",
        "sort",
        "stat",
        "tail",
        "tar",
        "test",
        "touch",
        "tr",
        "true",
        "umask",
        "uname",
        "wc",
    ),
    *("whoami", "xargs"),
)
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
    "web:x:33:33:web:/srv:/bin/sh\n"
    "app:x:1000:1001:app:/home/app:/bin/sh\n",
    "etc/group": "root:x:0:\nstaff:x:50:app\nweb:x:33:\napp:x:1001:\n",
    # What engines bind files over: there already, so that no stubs of theirs show up in every case.
    **dict.fromkeys(("etc/hostname", "etc/hosts", "etc/resolv.conf"), ""),
    "etc/motd": "welcome\n",
    "srv/data/a.txt": "a of the base\n",
    "srv/data/deep/b.txt": "b of the base\n",
    "home/app/.profile": "",
}
_DIRECTORIES = (
    "bin",
    "dev",
    "etc",
    "home",
    "home/app",
    "proc",
    "root",
    "srv",
    "srv/data",
    "srv/data/deep",
    "sys",
    "tmp",
)
_LINKS = {"srv/link": "data", "srv/absolute": "/srv/data", "srv/file": "data/a.txt"}
_MODES = {"tmp": 0o1777, "root": 0o700}
_CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "lab/base": {},
    "lab/full": {
        "User": "app",
        "Env": [_PATH, "LANG=C.UTF-8", "GREETING=hello world"],
        "Entrypoint": ["/bin/echo"],
        "Cmd": ["from", "base"],
        "WorkingDir": "/srv",
        "ExposedPorts": {"80/tcp": {}},
        "Volumes": {"/srv/data": {}},
        "Labels": {"kept": "yes", "changed": "no"},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 30_000_000_000, "Retries": 5},
    },
    "lab/onbuild": {
        "OnBuild": [
            "ENV TRIGGERED=yes",
            "COPY triggered.txt /triggered/",
            "RUN echo $TRIGGERED > /triggered/ran",
        ],
    },
    "lab/shell": {"Shell": ["/bin/sh", "-e", "-c"]},
}


@cache
def archive() -> bytes:
    """Return all of them as `docker save` would write them."""
    return _archive(_CONFIGURATIONS)


@cache
def plain() -> Picture:
    """Return what lab/base is, which the others share their files with."""
    return read(_archive({"lab/base": {}}))


def _archive(configurations: dict[str, dict[str, Any]]) -> bytes:
    output, manifest, layer = io.BytesIO(), [], _layer()
    with tarfile.open(fileobj=output, mode="w") as file:
        _add(file, "layer.tar", layer)
        for name, fields in configurations.items():
            config = json.dumps(_config(fields, "sha256:" + hashlib.sha256(layer).hexdigest())).encode()
            config_name = hashlib.sha256(config).hexdigest() + ".json"
            _add(file, config_name, config)
            manifest.append({"Config": config_name, "RepoTags": [f"{name}:latest"], "Layers": ["layer.tar"]})
        _add(file, "manifest.json", json.dumps(manifest).encode())
    return output.getvalue()


def _config(fields: dict[str, Any], diff_id: str) -> dict[str, Any]:
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "2020-01-01T00:00:00Z",
        "config": {"Env": [_PATH], **fields},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": "2020-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD busybox in /"}],
    }


def _layer() -> bytes:
    program = shutil.which("busybox")
    assert program, "the busybox package is missing"
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as file:
        for name in _DIRECTORIES:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, _MODES.get(name, 0o755)
            file.addfile(entry)
        _add(file, "bin/busybox", Path(program).read_bytes(), 0o755)
        for name, content in _FILES.items():
            _add(file, name, content.encode())
        for name, target in {**{f"bin/{applet}": "busybox" for applet in _APPLETS}, **_LINKS}.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            file.addfile(entry)
    return output.getvalue()


def _add(file: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    file.addfile(entry, io.BytesIO(content))
