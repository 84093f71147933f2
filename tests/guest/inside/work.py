"""Use a home without end, and say each thing before it is tried and after it is done: the power will be cut.

trying NAME          whether it is as it was or as it is wanted is open now
NAME is STATE        it is, and has to be after a power cut too
"""

from __future__ import annotations

import contextlib
import random
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

from containerlab.engine.engine import Engine
from tests.containers import IMAGE, add_image

FILES = 120
FOREVER = ["sleep", "1000"]
SUMS = ["sh", "-c", "cd /files && sha256sum -c -s sums"]


class Work:
    """Verbs in a random order, each on names of its own."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine = engine
        self._draw = random.Random(seed)
        self._round = f"{seed}"
        self._count = 0

    def go(self) -> None:
        """Work until the end of the power."""
        verbs: list[Callable[[str], None]] = [self.create, self.start, self.run, self.load, self.serve]
        verbs += [self.commit, self.remove, self.volume]
        while True:
            self._count += 1
            self._draw.choice(verbs)(f"{self._round}-{self._count}")

    @contextlib.contextmanager
    def _trying(self, name: str, state: str) -> Iterator[None]:
        print(f"trying {name}", flush=True)
        yield
        print(f"{name} is {state}", flush=True)

    def create(self, number: str) -> None:
        with self._trying(f"container:made-{number}", "there"):
            self._engine.containers.create(IMAGE, FOREVER, name=f"made-{number}")

    def start(self, number: str) -> None:
        with self._trying(f"container:always-{number}", "running"):
            self._engine.containers.start(IMAGE, FOREVER, name=f"always-{number}", restart="always")

    def run(self, number: str) -> None:
        with self._trying(f"container:ended-{number}", "there"):
            script = ["sh", "-c", "echo words; echo changed > /changed; exit 3"]
            self._engine.containers.run(IMAGE, script, name=f"ended-{number}")

    def load(self, number: str) -> None:
        """Bring in an image of many files, and unpack it: they must be there whole."""
        with self._trying(f"image:loaded-{number}", "there"):
            files = _files(self._draw)
            add_image(self._engine.backend, f"loaded-{number}", files=files)  # type: ignore[arg-type]
        with self._trying(f"container:summed-{number}", "there"):
            assert (
                self._engine.containers.run(f"loaded-{number}", SUMS, name=f"summed-{number}").exit_code == 0
            )

    def serve(self, number: str) -> None:
        """Leave a container running on a fresh image: when one ends, its overlay would synchronise all."""
        add_image(self._engine.backend, f"loaded-{number}", files=_files(self._draw))  # type: ignore[arg-type]
        with self._trying(f"container:always-{number}", "running"):
            self._engine.containers.start(
                f"loaded-{number}", FOREVER, name=f"always-{number}", restart="always"
            )

    def commit(self, number: str) -> None:
        name = f"base-{number}"
        self._engine.containers.run(IMAGE, ["sh", "-c", "echo changed > /changed"], name=name)
        with self._trying(f"image:committed-{number}", "there"):
            self._engine.containers.commit(name, f"committed-{number}")
        self._engine.images.tag(f"committed-{number}", f"tagged-{number}")

    def remove(self, number: str) -> None:
        made = self._engine.containers.create(IMAGE, FOREVER, name=f"gone-{number}")
        with self._trying(f"container:gone-{number}", "gone"):
            made.remove(force=True)

    def volume(self, number: str) -> None:
        with self._trying(f"volume:volume-{number}", "there"):
            self._engine.volumes.create(f"volume-{number}")


def _files(draw: random.Random) -> dict[str, bytes | tuple[bytes, str]]:
    import hashlib

    contents = {f"{number}": draw.randbytes(draw.randint(1, 9000)) for number in range(FILES)}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    found: dict[str, bytes | tuple[bytes, str]] = {"files": (tarfile.DIRTYPE, "")}
    found |= {f"files/{name}": content for name, content in contents.items()}
    return found | {"files/sums": sums.encode()}


def main() -> None:
    """Work in a home with a seed, which the words name."""
    home, seed = sys.argv[1:]
    with Engine(Path(home)) as engine:
        print("works", flush=True)
        if not engine.images.list():
            add_image(engine.backend, IMAGE)  # type: ignore[arg-type]
        Work(engine, int(seed)).go()


if __name__ == "__main__":
    main()
