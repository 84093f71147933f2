"""Building a case by ours."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from containerlab.commands.parse import parse
from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from tests.build.oracle import bases, picture
from tests.build.oracle.case import Case

__all__ = ["build", "engine_with_bases"]

_TAG = "lab/result"


@contextlib.contextmanager
def engine_with_bases(home: Path) -> Iterator[Engine]:
    """Make an engine that has the base images."""
    with Engine(home) as engine, tempfile.NamedTemporaryFile() as archive:
        archive.write(bases.archive())
        archive.flush()
        engine.images.load(input=archive.name)
        yield engine


def build(engine: Engine, home: Path, case: Case, work: Path) -> list[str] | str:
    """Build a case in an empty directory; return the image in lines, or what we say when it fails."""
    words = ["build", "--quiet", "--network=none", "-t", _TAG, *case.prepare(work)]
    failure = _by_command(home, case, work, words) if case.stdin else _in_process(engine, work, words)
    if failure:
        return failure
    engine.images.save(_TAG, output=str(work / "result.tar"))
    engine.images.remove(_TAG)
    return picture.lines((work / "result.tar").read_bytes(), bases.plain())


def _in_process(engine: Engine, work: Path, words: list[str]) -> str:
    with contextlib.chdir(work):
        try:
            parse(words).on(engine)
        except LabError as error:
            return f"{error}\n{error.hint}"
    return ""


def _by_command(home: Path, case: Case, work: Path, words: list[str]) -> str:
    argv = [sys.executable, "-m", "containerlab", "--home", str(home), *words]
    done = subprocess.run(argv, cwd=work, input=case.standard_input(work), capture_output=True)
    return done.stderr.decode() if done.returncode else ""
