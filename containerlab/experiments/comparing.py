"""`compare`: the same image as a process, as containers and as virtual machines, measured side by side."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from containerlab.commands.table import ImageName, command
from containerlab.errors import InvalidInput, LabError, NotFound, NotPermitted, of_the_system
from containerlab.options.comparison import CompareOptions
from containerlab.options.flag import normalise

if TYPE_CHECKING:
    from containerlab.engine.engine import Engine
    from containerlab.experiments.comparison import Comparison
    from containerlab.experiments.experiment import Claim
    from containerlab.experiments.protocol import Turn
    from containerlab.experiments.row import Row
    from containerlab.experiments.subjects.present import Absent, Ground
    from containerlab.views.progress import Canvas

__all__ = ["Compare"]

_REDRAW_S = 0.25


class Compare:
    """What measures an engine's images."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @command("compare")
    def compare(self, image: ImageName, **options: Unpack[CompareOptions]) -> Comparison:
        """Measure an image as a process, as containers and as virtual machines, and judge six claims by it.

            comparison = lab.compare("lab/base", quick=True)
            comparison.plot("start")

        All six claims take a while, `quick` a minute or two. An interrupt ends it and removes what it made.
        """
        from containerlab.engine.termination import orderly
        from containerlab.experiments.comparison import Comparison
        from containerlab.experiments.host import describe
        from containerlab.experiments.pressure import RULE

        given = normalise(CompareOptions, options)
        _require_places(given)
        with orderly():  # a kill would leave a machine, and with it the image
            rows = self._measured(image, given)
        comparison = Comparison.of(describe(_accelerator(rows), RULE), rows)
        if "save" in given:
            comparison.save(given["save"])
        if "report" in given:
            comparison.report(given["report"])
        return comparison

    def _measured(self, image: str, given: Mapping[str, Any]) -> list[Row]:
        from containerlab.experiments.claims.six import CLAIMS
        from containerlab.experiments.experiment import Stage
        from containerlab.experiments.protocol import Settings, measure
        from containerlab.experiments.subjects.present import chosen, present

        is_quick = bool(given.get("quick"))
        claims = [claim for name, claim in CLAIMS.items() if name in given.get("claim", CLAIMS)]
        makers = chosen(given.get("subject", ()), given.get("tier", ()), is_quick=is_quick)
        with self._ground(image, given) as ground, present(ground, makers) as there:
            stage = Stage(self._engine, ground.image, there.subjects, ground.scratch, is_quick)
            settings = Settings(given.get("rounds", 0), given.get("seed", 0), own=ground.shares.used)
            with self._shown() as progress:
                return [*_absent(there.absent, claims), *measure(claims, stage, settings, progress)]

    @contextmanager
    def _ground(self, image: str, given: Mapping[str, Any]) -> Iterator[Ground]:
        """Put the probe into the image, and make what subjects stand on; it is removed afterwards."""
        from containerlab.experiments import scratch
        from containerlab.experiments.probe import probe
        from containerlab.experiments.shares import Shares
        from containerlab.experiments.subjects.machines import MachineGroups
        from containerlab.experiments.subjects.present import Ground

        shares = Shares()
        try:
            with scratch.directory(self._engine.home) as place:
                self._require(image)
                with_probe = probe.image(self._engine, image)
                try:
                    groups = MachineGroups(shares)
                    yield Ground(self._engine, with_probe, shares, groups, place, given.get("memory", 0))
                finally:
                    with suppress(LabError):  # another comparison uses it
                        self._engine.images.remove(with_probe)
        finally:
            shares.close()

    def _require(self, image: str) -> None:
        """Get the image if it is not here: a build would show a Dockerfile that its user never wrote."""
        try:
            self._engine.images.get(image)
        except NotFound as missing:
            self._engine.images.provide(image, missing, {}, None)

    @contextmanager
    def _shown(self) -> Iterator[_Line]:
        """Show whose turn it is, wherever somebody looks on."""
        from containerlab.views.progress import canvas, notebook_canvas

        place = self._engine.canvas or (notebook_canvas() if _in_a_notebook() else canvas())
        line = _Line(place)
        try:
            yield line
        finally:
            place.clear()


class _Line:
    """A line that says whose turn it is, four times a second at most."""

    def __init__(self, place: Canvas) -> None:
        self._place = place
        self._next = 0.0

    def __call__(self, turn: Turn) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _REDRAW_S
        round = f"round {turn.round + 1}" if turn.round >= 0 else "warm-up"
        done = turn.number / turn.turns if turn.turns else None
        far = "" if done is None else f" · {done:.0%}"
        self._place.draw(f"{turn.claim} · {turn.experiment}{far} · {round} · {turn.subject}", done)


def _require_places(given: Mapping[str, Any]) -> None:
    """See that the results can be written, before minutes are spent on them."""
    places = [Path(given["save"])] if "save" in given else []
    places += [Path(given["report"]).parent] if "report" in given else []
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise of_the_system(error, "write") from error
        if not os.access(place, os.W_OK | os.X_OK):
            raise NotPermitted(f"cannot write into {place}", "choose another directory")
    if "report" in given and Path(given["report"]).is_dir():
        raise InvalidInput(
            f"cannot write the report to {given['report']}: it is a directory", "name a file in it"
        )


def _in_a_notebook() -> bool:
    import sys

    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel")


def _absent(absent: Sequence[Absent], claims: Sequence[Claim]) -> Iterator[Row]:
    """Keep who did not take part, and why, where verdicts look for it."""
    from containerlab.experiments.row import Row

    for claim in claims:
        for each in absent:
            yield Row(
                claim=claim.name,
                experiment=claim.experiments[0].name,
                subject=each.subject,
                kind=each.kind,
                tier=each.tier,
                round=0,
                metric=claim.experiments[0].name,
                value=None,
                note=each.why,
                at=time.time(),
            )


def _accelerator(rows: Sequence[Row]) -> str:
    """Return what the machines ran on."""
    found = {row.facts["accelerator"] for row in rows if row.facts.get("accelerator")}
    return ", ".join(sorted(found))
