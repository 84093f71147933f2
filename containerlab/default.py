"""The engine that `lab.run` and its like use, made when one is first needed."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from containerlab.engine.engine import Engine

if TYPE_CHECKING:
    from containerlab.backends.base import Sink
    from containerlab.engine.container import Container
    from containerlab.engine.result import RunResult
    from containerlab.experiments.comparison import Comparison
    from containerlab.options.comparison import CompareOptions
    from containerlab.options.container import RunOptions

__all__ = ["compare", "default_engine", "noun", "run", "start"]

_lock = threading.Lock()
_engine: Engine | None = None


def default_engine() -> Engine:
    """Return the engine of the usual home."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = Engine()
        return _engine


def run(
    image: str,
    command: str | Sequence[str] = (),
    *,
    input: bytes | str | io.BufferedIOBase | None = None,
    sink: Sink | None = None,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Create and start a container, wait for it, return what it did.

        lab.run("lab/base", ["echo", "hi"], memory="64m", rm=True).stdout

    A command that is one text is split as a shell would. `input` becomes its standard input; `sink` is
    called with ("stdout" or "stderr", bytes) while it runs.
    """
    return default_engine().containers.run(image, command, input=input, sink=sink, **options)


def start(image: str, command: str | Sequence[str] = (), **options: Unpack[RunOptions]) -> Container:
    """Create a container, start it in the background, and return it.

    with lab.start("lab/base", ["sleep", "60"]) as container:
        print(container.exec(["hostname"]).stdout)
    """
    return default_engine().containers.start(image, command, **options)


def compare(image: str, **options: Unpack[CompareOptions]) -> Comparison:
    """Measure an image as a process, as containers and as virtual machines, and judge six claims by it.

        comparison = lab.compare("lab/base", quick=True)
        comparison.report("report.html")

    It takes minutes; `quick` a minute or two. What is there to be compared is found out.
    """
    from containerlab.experiments.comparing import Compare

    return Compare(default_engine()).compare(image, **options)


def noun(name: str) -> Any:
    """Return builder, containers, images, registry, volumes, system, see or vm of the usual engine."""
    return getattr(default_engine(), name)
