"""Processes that work on one home at once: no deadlock, nothing lost, only errors that say what is so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from tests import containers as small
from tests.containers import IMAGE

pytestmark = [pytest.mark.root, pytest.mark.slow]

WORKERS, ROUNDS, PATIENCE_S = 4, 12, 120
_WORKER = """
import random, sys
from containerlab.engine.engine import Engine
from containerlab.errors import AlreadyExists, Conflict, NotFound, Unavailable
home, image, worker, rounds = *sys.argv[1:4], int(sys.argv[4])
draw = random.Random(worker)
with Engine(home) as engine:
    c, i, v = engine.containers, engine.images, engine.volumes
    verbs = [
        lambda name: c.create(image, ["sleep", "9"], name=name),
        lambda name: c.start(image, ["sleep", "9"], name=name, volume=["/a"], stop_timeout=0),
        lambda name: c.run(image, ["true"], rm=True),
        lambda name: c.resume(name),
        lambda name: c.stop(name, timeout=0),
        lambda name: c.remove(name, force=draw.random() < 0.5, volumes=True),
        lambda name: c.rename(name, draw.choice(["one", "two", "three"])),
        lambda name: c.commit(name, "made/" + name),
        lambda name: c.exec(name, ["true"]),
        lambda name: c.list(all=True),
        lambda name: i.load(input=home + ".tar"),
        lambda name: i.remove("made/" + name, force=True),
        lambda name: i.tag(image, "made/" + name),
        lambda name: v.create(name),
        lambda name: v.remove(name),
        lambda name: engine.system.prune(volumes=True),
        lambda name: engine.system.check(),
    ]
    for _ in range(rounds):
        try:
            draw.choice(verbs)(draw.choice(["one", "two", "three"]))
        except (AlreadyExists, Conflict, NotFound, Unavailable):
            pass
"""


def test_nothing_is_lost_and_nobody_waits_for_ever(base: Path) -> None:
    home = base / "together"
    small.import_image(home, IMAGE)
    with Engine(home) as engine:
        engine.images.save(IMAGE, output=f"{home}.tar")
    words = [sys.executable, "-c", _WORKER, str(home), IMAGE]
    workers = [
        subprocess.Popen([*words, str(number), str(ROUNDS)], stderr=subprocess.PIPE, text=True)
        for number in range(WORKERS)
    ]
    complaints = [worker.communicate(timeout=PATIENCE_S)[1] for worker in workers]
    assert "".join(complaints) == ""
    with Engine(home) as engine:
        for container in engine.containers.list(all=True):
            container.remove(force=True)
        assert f"{IMAGE}:latest" in {name for image in engine.images.list() for name in image.info.names}
        assert engine.containers.run(IMAGE, ["echo", "here"], rm=True).stdout == "here\n"
        for volume in engine.volumes.list():
            engine.volumes.remove(volume.name)
        engine.system.check()
    left = [
        path for folder in ("containers", "names", "tmp", "volumes") for path in (home / folder).glob("*")
    ]
    assert left == []
