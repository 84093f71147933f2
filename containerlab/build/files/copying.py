"""Copies files into a layer and takes their digest, as whoever may read them.

Files of a stage belong to ids of the map: then a small interpreter in its namespace does the work (see
`store/trees.py`) and sends the result. A user's own files are read right here.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from containerlab import errors
from containerlab.build.files.content import digest
from containerlab.build.files.copier import Copied, copy
from containerlab.build.files.selection import Selection, Source, Target
from containerlab.linux.files import write_all
from containerlab.linux.idmap import IdMap

__all__ = ["content_digest", "copy_layer", "main"]

_CHUNK = 1 << 18
_NEEDED = ("msgspec", "backports.zstd")
"""What decompressing an archive of ADD loads, from wherever this interpreter has it."""
_REFUSED = 3


def copy_layer(
    source: Source, selection: Selection, target: Target, idmap: IdMap, write: Callable[[bytes], object]
) -> Copied:
    """Write the change set of a COPY or an ADD as a tar stream, owners as they are inside the map.

    Raises: as `copier.copy`.
    """
    now_s = int(time.time())
    if idmap.kind == "none" or (source.is_context and not target.lowers):
        with _translated():
            return copy(source, selection, target, write, now_s)
    further = _places() if selection.unpacks else []
    answer = _inside(idmap, ("copy", source, selection, target, now_s), write, further)
    return Copied(*map(int, answer.split()))


def content_digest(source: Source, selection: Selection, idmap: IdMap, cache: str | None = None) -> str:
    """Return a digest of exactly the files used; see `content.digest`.

    Raises: as `content.digest`.
    """
    if idmap.kind == "none" or source.is_context:
        with _translated():
            return digest(source, selection, cache)
    return _inside(idmap, ("digest", source, selection, cache), lambda data: None).decode()


def _inside(
    idmap: IdMap, job: tuple[Any, ...], write: Callable[[bytes], object], further: Sequence[str] = ()
) -> bytes:
    """Have a job done in the namespace of a map; return its answer, which comes after all output.

    further: where packages are that it needs beside the standard library.
    """
    import subprocess

    from containerlab.store import trees

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = trees.inside(idmap, __name__, further, **pipes)
    with process, trees.killed_on_error(process):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        with contextlib.suppress(BrokenPipeError):  # it has something to say
            process.stdin.write(pickle.dumps(job))
            process.stdin.close()
        while chunk := os.read(process.stdout.fileno(), _CHUNK):
            write(chunk)
        answer = process.stderr.read()
        if process.wait():
            raise _error_of(answer, process.returncode)
        return answer


def _places() -> list[str]:
    """Return the directories that packages outside of the standard library are imported from."""
    places = set()
    for name in _NEEDED:
        with contextlib.suppress(ModuleNotFoundError):  # of newer Pythons it is a part
            spec = find_spec(name)
            if spec is not None and spec.origin:
                places.add(spec.origin.rpartition(f"/{name.replace('.', '/')}/")[0])
    return sorted(places - {""})


def _error_of(answer: bytes, code: int) -> Exception:
    last = answer.decode(errors="replace").rstrip("\n").rpartition("\n")[2]
    if code != _REFUSED:
        return errors.NotPermitted(f"reading files inside the user namespace failed: {last}")
    kind, message, hint = last.split("\t")
    failure: Exception = getattr(errors, kind)(message, hint)
    return failure


def main(words: Sequence[str]) -> int:
    """Do the job that standard input has; words: where further packages are."""
    sys.path.extend(words)
    what, *rest = pickle.load(sys.stdin.buffer)
    try:
        with _translated():
            if what == "copy":
                source, selection, target, now_s = rest
                copied = copy(source, selection, target, _write, now_s)
                answer = f"{copied.files} {copied.total_bytes}"
            else:
                answer = digest(*rest)
    except errors.LabError as error:
        told = (type(error).__name__, error.message, error.hint)
        os.write(2, "\t".join(word.replace("\t", " ").replace("\n", " ") for word in told).encode())
        return _REFUSED
    os.write(2, answer.encode())
    return 0


def _write(data: bytes) -> None:
    write_all(1, data)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except errors.LabError:
        raise
    except PermissionError as error:
        raise errors.NotPermitted(
            f"cannot read {error.filename or 'a file'}, which is to be copied",
            "make it readable, or leave it out with .dockerignore",
        ) from error
    except OSError as error:
        raise errors.of_the_system(error, "copy") from error
