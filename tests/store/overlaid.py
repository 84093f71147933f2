"""Source that the suite's users run: makes layers, mounts them for real, does something in them.

Stands alone, because an ordinary user may not be able to import the tests.
"""

from __future__ import annotations

SOURCE = r'''
import atexit, io, os, subprocess, sys, tarfile
from pathlib import Path
from typing import NamedTuple
from containerlab.linux import idmap as idmaps
from containerlab.store import changes, merged, snapshots
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home
from containerlab.store.layer_writer import layer_writer
from containerlab.store.layers import Layers, PackOptions
from containerlab.store.owners import Noted
from containerlab.store.volumes import Volumes

INSIDE = """
import os, sys, subprocess
sys.path[:0] = sys.argv[1].split(":")
from containerlab.linux import mounts, syscalls
source, root, fstype, options, script = sys.argv[2:]
syscalls.unshare(0x20000)
syscalls.mount("", "/", "", mounts.MS_PRIVATE | mounts.MS_REC)
if fstype == "overlay":
    if source.startswith("/"):
        os.chdir(source)
    syscalls.mount(source, root, fstype, 0, options)
elif fstype:
    subprocess.run([source, "-o", options, root], check=True)
os.chdir(root)
try:
    sys.exit(subprocess.run(["/bin/sh", "-euc", script]).returncode)
finally:
    os.chdir("/")
    if fstype:
        syscalls.umount2(root)
"""

class Image(NamedTuple):
    layers: list
    diff_ids: list

home = Home.open(Path.home() / f"home-{os.getpid()}")
idmap = idmaps.choose()
atexit.register(snapshots.remove, home.root, idmap)
blobs, layers = Blobs(home), Layers(home, idmap)

def member(name, content=None, link=None, kind=None, **fields):
    info = tarfile.TarInfo(name)
    info.mode = 0o644 if content is not None else 0o755
    plain = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
    info.type = kind or (tarfile.SYMTYPE if link else plain)
    info.linkname, info.size, info.mtime = link or "", len(content or b""), 1_600_000_000
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content or b""

def layer(*members, compression="gzip"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    with layer_writer(blobs, compression) as writer:
        writer.write(stream.getvalue())
        return writer.commit()

def image(*committed):
    return Image([c.descriptor for c in committed], [c.diff_id for c in committed])

def container(name):
    directory = home.containers / name
    directory.mkdir(exist_ok=True)
    return directory

def run(snapshot, script):
    words = ["", str(snapshot.root), "", ""]
    for mount in snapshot.mounts:
        words = [mount.source, str(snapshot.root), mount.fstype, ",".join(mount.options)]
    command = [sys.executable, "-c", INSIDE, ":".join(filter(None, sys.path)), *words, script]
    process = idmaps.run(idmap, command, stdout=subprocess.PIPE)
    output = process.communicate()[0].decode()
    assert process.returncode == 0, f"{script}: {process.returncode} {output}"
    return output

LIST = "find . -mindepth 1 -printf '%P %y %m %U %G %s %l\\n' | sort"
'''
