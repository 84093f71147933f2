"""Building images: stages beside each other, everything cached, many files, one big file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks import builders, peers
from benchmarks.arena import IMAGE, Arena
from benchmarks.builders import Builder, Rootless
from benchmarks.measure import Contestant, Samples, alternate, timed
from benchmarks.rows import Row, beside, milliseconds, within
from tests import users

__all__ = ["builds", "user_builds"]

_STAGES, _FILES, _FILES_PER_DIRECTORY, _BIG_MB = 10, 10_000, 100, 500
_numbers = count()


class Work(NamedTuple):
    """Something to build. write: fills an empty context for a base; equal numbers give equal contexts."""

    subject: str
    write: Callable[[Path, str, int], None]


def _stages(context: Path, base: str, number: int) -> None:
    lines = []
    for stage in range(_STAGES):
        lines += [f"FROM {base} AS s{stage}", f"RUN sleep 1 && echo {number} > /out"]
    copies = [f"COPY --from=s{stage} /out /out{stage}" for stage in range(_STAGES)]
    _write(context, [*lines, f"FROM {base}", *copies, "RUN cat /out* > /all"])


def _many_files(context: Path, base: str, number: int) -> None:
    _write(context, [f"FROM {base}", "COPY files /files", "RUN ls /files > /listed"])
    for file in range(_FILES):
        directory = context / "files" / str(file // _FILES_PER_DIRECTORY)
        if file % _FILES_PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        (directory / str(file)).write_bytes(f"{number} {file} ".encode().ljust(1024, b"."))


def _big_file(context: Path, base: str, number: int) -> None:
    fill = f"/bin/busybox dd if=/dev/urandom of=/big{number} bs=1M count={_BIG_MB}"
    _write(context, [f"FROM {base}", f"RUN {fill}", "RUN echo done > /done"])


def _write(context: Path, lines: Sequence[str]) -> None:
    (context / "Dockerfile").write_text("\n".join([*lines, ""]))


_STAGES_WORK = Work("build 10 stages of `sleep 1`, 10 COPY --from, RUN", _stages)
_FILES_WORK = Work("build COPY of 10,000 files, RUN", _many_files)
_BIG_WORK = Work("build RUN that writes 500 MB, RUN", _big_file)


def builds(arena: Arena) -> list[Row]:
    """Build as root, against Docker and Buildah."""
    inside, shell = builders.ours(arena), builders.ours_from_shell(arena)
    rivals = _rivals(arena)
    stages = _cold(arena, _STAGES_WORK, [inside, *rivals])
    cached = _cached(arena, _STAGES_WORK, [inside, shell, *rivals])
    files = _cold(arena, _FILES_WORK, [inside, *rivals])
    touched = _touched(arena, [inside, *rivals])
    big = _cold(arena, _BIG_WORK, [inside, *rivals])
    exported = _exported(arena, [inside, *rivals])
    both = {"docker": 0.0, "buildah": 0.0}
    return [
        within(_STAGES_WORK.subject, milliseconds(stages["ours"]), 1500),
        *_beside(_STAGES_WORK.subject, stages, "ours", both),
        within("… all cached, in process", milliseconds(cached["ours"]), 50),
        *_beside("… all cached, from a shell", cached, "conlab", {**both, "docker": 1 / 1.5}),
        *_beside(_FILES_WORK.subject, files, "ours", {**both, "docker": 1 / 0.7}),
        *_beside("… one file changed", touched, "ours", {**both, "docker": 1 / 0.3}),
        *_beside(_BIG_WORK.subject, big, "ours", {**both, "docker": 1}),
        within("… and its OCI archive", milliseconds(exported["ours"]), 6300),
        *_beside("… and its archive", exported, "ours", both),
    ]


def user_builds(arena: Arena) -> list[Row]:
    """Build as an ordinary user with subordinate ids, all from a shell, against Buildah."""
    with _ordinary_user(arena) as user:
        both = [builders.ours_from_shell(arena, user)]
        peers.command(*user.conlab, "import", str(arena.archive), IMAGE, **user.identity)
        try:
            both.append(builders.buildah(user.directory, arena.archive, user))
        except peers.Absent as reason:
            arena.absent["buildah of a user"] = str(reason)
        rows = {
            _STAGES_WORK.subject: _cold(arena, _STAGES_WORK, both),
            "… all cached": _cached(arena, _STAGES_WORK, both),
            _FILES_WORK.subject: _cold(arena, _FILES_WORK, both),
            "… one file changed": _touched(arena, both),
            _BIG_WORK.subject: _cold(arena, _BIG_WORK, both),
            "… and its OCI archive": _exported(arena, both, user.directory),
        }
    return [
        _beside(f"as a user: {subject}", samples, "conlab", {"buildah": 2})[0]
        for subject, samples in rows.items()
    ]


def _rivals(arena: Arena) -> list[Builder]:
    found = [builders.docker(engine) for name, engine in arena.engines.items() if name == "docker"]
    try:
        found.append(builders.buildah(arena.directory, arena.archive))
        arena.tools["buildah"] = peers.version("buildah", "buildah")
    except peers.Absent as reason:
        arena.absent["buildah"] = str(reason)
    return found


@contextmanager
def _ordinary_user(arena: Arena) -> Iterator[Rootless]:
    """Make a user, and a directory that is its own."""
    with contextmanager(users.make)(arena.directory, subordinate_ids=True) as user:
        runtime = user.home / "run"
        runtime.mkdir(mode=0o700)
        os.chown(runtime, user.uid, user.gid)
        environment = {**user.environment, "XDG_RUNTIME_DIR": str(runtime)}
        identity = {"cwd": user.home, "env": environment, "user": user.uid, "group": user.gid}
        yield Rootless(
            {**identity, "extra_groups": [user.gid]}, (user.python, "-m", "containerlab"), user.home
        )


# --- what is timed -----------------------------------------------------------------------------------


def _cold(arena: Arena, work: Work, rivals: Sequence[Builder]) -> dict[str, Samples]:
    """Build a context that nobody has seen, and forget it."""

    def act(builder: Builder) -> float:
        with _context(arena, work, builder) as context:
            took_s = timed(lambda: builder.build(context))()
        builder.forget()
        return took_s

    return _in_turns(arena, rivals, act)


def _exported(arena: Arena, rivals: Sequence[Builder], place: Path | None = None) -> dict[str, Samples]:
    """Build the big file cold, and write the image to an archive."""
    archive = (place or arena.directory) / "exported.tar"

    def act(builder: Builder) -> float:
        with _context(arena, _BIG_WORK, builder) as context:
            took_s = timed(lambda: builder.export(context, archive))()
        archive.unlink()
        builder.forget()
        return took_s

    return _in_turns(arena, rivals, act)


def _cached(arena: Arena, work: Work, rivals: Sequence[Builder]) -> dict[str, Samples]:
    """Build again what was built."""
    with ExitStack() as stack:
        contexts = {}
        for builder in rivals:
            contexts[builder] = stack.enter_context(_context(arena, work, builder))
            builder.build(contexts[builder])
        taken = _in_turns(
            arena,
            rivals,
            lambda builder: timed(lambda: builder.build(contexts[builder]))(),
            arena.counts.slow,
        )
        for builder in rivals:
            builder.forget()
    return taken


def _touched(arena: Arena, rivals: Sequence[Builder]) -> dict[str, Samples]:
    """Build again after one file of many has changed."""
    with ExitStack() as stack:
        contexts = {}
        for builder in rivals:
            contexts[builder] = stack.enter_context(_context(arena, _FILES_WORK, builder))
            builder.build(contexts[builder])

        def act(builder: Builder) -> float:
            (contexts[builder] / "files/0/0").write_text(f"changed {next(_numbers)}\n")
            return timed(lambda: builder.build(contexts[builder]))()

        taken = _in_turns(arena, rivals, act)
        for builder in rivals:
            builder.forget()
    return taken


def _in_turns(
    arena: Arena, rivals: Sequence[Builder], act: Callable[[Builder], float], times: int = 0
) -> dict[str, Samples]:
    contestants = [Contestant(each.name, partial(act, each), times or arena.counts.build) for each in rivals]
    return alternate(contestants, warm_up=1)


@contextmanager
def _context(arena: Arena, work: Work, builder: Builder) -> Iterator[Path]:
    """Write a context like no other, and remove it."""
    number = next(_numbers)
    context = arena.directory / f"context-{number}"
    context.mkdir(mode=0o755)
    try:
        work.write(context, builder.base, number)
        yield context
    finally:
        shutil.rmtree(context)


def _beside(subject: str, samples: Mapping[str, Samples], ours: str, goals: Mapping[str, float]) -> list[Row]:
    figures = {name: milliseconds(taken) for name, taken in samples.items()}
    return [beside(subject, figures[ours], name, figures.get(name), goal) for name, goal in goals.items()]
