"""Look at a home after a power cut: is all there that was, is it whole, can everything be removed?"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from containerlab.oci.image import Descriptor
from containerlab.store.blobs import Blobs
from containerlab.store.home import Home
from tests.containers import IMAGE
from tests.guest.inside.work import SUMS


def main() -> int:
    """Print what is wrong, a line each that begins with `wrong:`."""
    home, facts = Path(sys.argv[1]), Path(sys.argv[2]).read_text().splitlines()
    wrong = 0
    for sentence in _wrong(home, _known(facts)):
        print(f"wrong: {sentence}", flush=True)
        wrong += 1
    return min(wrong, 1)


def _known(lines: list[str]) -> dict[str, str]:
    """Return the state of each thing that was done; each has a name of its own."""
    return dict(line.split(" is ") for line in lines)


def _wrong(home: Path, known: dict[str, str]) -> Iterator[str]:
    with Engine(home) as engine:
        yield from _listed(engine, known)
        for row in engine.system.check():
            print(f"check: {row}", flush=True)
        yield from _running(engine, known)
        yield from _stored(home)
        yield from _whole_layers(engine)
        yield from _removed(engine, home)


def _listed(engine: Engine, known: dict[str, str]) -> Iterator[str]:
    """The first look, before anything is repaired."""
    containers = {f"container:{each.name}": each.status for each in engine.containers.list(all=True)}
    images = {f"image:{image.repository.rpartition('/')[2]}" for image in engine.images.list()}
    volumes = {f"volume:{each.name}" for each in engine.volumes.list()}
    for name, status in containers.items():
        if status in ("damaged", "running"):
            yield f"{name} is called {status}"
    for name, state in known.items():
        if (state == "gone") == (name in {*containers, *images, *volumes}):
            yield f"{name} was {state}"


def _running(engine: Engine, known: dict[str, str]) -> Iterator[str]:
    found = {f"container:{each.name}": each for each in engine.containers.list(all=True)}
    for name, state in known.items():
        if state == "running" and name in found and found[name].status != "running":
            yield f"{name} did not come back: {found[name].status}"
    for name, each in found.items():
        each.inspect()
        if name.startswith("container:ended") and "words" not in each.logs().stdout:
            print(f"lost: output of {name}", flush=True)
    list(engine.system.events())


def _stored(home: Path) -> Iterator[str]:
    """Recompute all digests, and have SQLite look at its file."""
    blobs = Blobs(Home.open(home))
    for digest in blobs.digests():
        try:
            with blobs.open(Descriptor(media_type="", digest=digest, size=blobs.size(digest))) as blob:
                while blob.read(1 << 20):
                    pass
        except LabError as error:
            yield error.message
    with contextlib.closing(sqlite3.connect(home / "state.db")) as database:
        (said,) = database.execute("PRAGMA integrity_check").fetchone()
        if said != "ok":
            yield f"state.db: {said}"


def _whole_layers(engine: Engine) -> Iterator[str]:
    """Have each image sum its own files; what stands on its layers must see them whole."""
    for name in (name for image in engine.images.list() for name in image.info.names):
        if "loaded-" in name and engine.containers.run(name, SUMS, rm=True).exit_code:
            yield f"{name} has files that are not whole"


def _removed(engine: Engine, home: Path) -> Iterator[str]:
    for each in engine.containers.list(all=True):
        each.remove(force=True, volumes=True)
    for name in {name for image in engine.images.list() for name in image.info.names}:
        if IMAGE not in name:
            engine.images.remove(name)
    engine.volumes.prune(all=True)
    engine.system.check()
    for place, most in (("containers", 0), ("names", 0), ("volumes", 0), ("tmp", 0), ("layers", 1)):
        left = os.listdir(home / place)
        if len(left) > most:
            yield f"{place} holds {len(left)} things that nobody has: {left[0]}"


if __name__ == "__main__":
    sys.exit(main())
