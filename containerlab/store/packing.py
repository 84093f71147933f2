"""A directory becomes a layer in the store: here, or by a process that may read all of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess

from containerlab import errors
from containerlab.linux.idmap import IdMap
from containerlab.store import pack_order, trees
from containerlab.store import tar_write as tar
from containerlab.store.blobs import Blobs
from containerlab.store.layer_writer import Committed, LayerWriter, Watch, layer_writer
from containerlab.store.pack_order import Order

__all__ = ["Order", "pack"]

_CHUNK = 1 << 20


def pack(order: Order, idmap: IdMap, blobs: Blobs, compression: str, watch: Watch | None = None) -> Committed:
    """Pack, and store what comes as a layer; `watch` is shown the tar stream.

    Raises: NotPermitted.
    """
    with layer_writer(blobs, compression, watch) as layer:
        if order.kind == "change-set" and _is_empty(order.directory):
            layer.write(tar.END)
        elif idmap.kind == "none":
            pack_order.perform(order, layer.write)
        else:
            _pack_inside(order, idmap, layer)
        return layer.commit()


def _is_empty(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is None
    except PermissionError:
        return False


def _pack_inside(order: Order, idmap: IdMap, layer: LayerWriter) -> None:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = trees.inside(idmap, "containerlab.store.packer", order.words, **pipes)
    with process, trees.killed_on_error(process):
        assert process.stdout is not None
        assert process.stderr is not None
        with contextlib.suppress(OSError):  # only slower without
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _CHUNK)
        while chunk := os.read(process.stdout.fileno(), _CHUNK):
            layer.write(chunk)
        complaint = process.stderr.read()
        if process.wait():
            raise errors.NotPermitted(f"reading {order.directory} failed: {trees.last_line(complaint)}")
