"""`compare` for real, with what every machine has: a process and our container."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import containerlab
from containerlab.commands.parse import parse
from containerlab.commands.table import find
from containerlab.engine.engine import Engine
from containerlab.engine.termination import Terminated
from containerlab.errors import InvalidInput, LabError, NotFound
from containerlab.experiments.comparing import Compare
from containerlab.experiments.comparison import Comparison
from containerlab.printing import lines
from tests import containers as small
from tests.kernels import seed

pytestmark = [pytest.mark.system("busybox-static"), pytest.mark.timeout(240)]


class _Screen:
    """Remembers what was drawn."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.is_cleared = False

    def draw(self, line: str, fraction: float | None) -> None:
        assert fraction is not None
        assert 0 <= fraction <= 1
        self.lines.append(line)

    def clear(self) -> None:
        self.is_cleared = True


@pytest.fixture(scope="module")
def engine(base: Path) -> Iterator[Engine]:
    with small.engine(base / "comparing") as found:
        yield found


@pytest.fixture(scope="module")
def compared(engine: Engine, base: Path) -> Iterator[tuple[Comparison, _Screen]]:
    screen = _Screen()
    engine.canvas = screen
    yield (
        Compare(engine).compare(
            small.IMAGE,
            claim=["start"],
            subject=["bare", "containerlab"],
            quick=True,
            rounds=2,
            save=str(base / "kept"),
            report=str(base / "kept.html"),
        ),
        screen,
    )
    engine.canvas = None


def test_the_command_is_made_with_the_engine() -> None:
    command, _ = find(["compare"])
    assert command is not None
    with Engine("/nowhere") as engine:
        assert isinstance(command.of(engine).__self__, Compare)  # type: ignore[attr-defined]  # of a method


def test_words_and_keywords_say_the_same() -> None:
    call = parse(
        [
            "compare",
            "--quick",
            "--claim",
            "start",
            "--claim",
            "delivery",
            "-m",
            "1g",
            "-n",
            "3",
            "--json",
            "lab/base",
        ]
    )
    assert call.arguments == ("lab/base",)
    expected = {"quick": True, "claim": ("start", "delivery"), "memory": 1 << 30, "rounds": 3}
    assert (call.options, call.face) == (expected, {"json": True})


def test_the_package_has_it() -> None:
    assert containerlab.compare.__doc__
    assert containerlab.Comparison is Comparison


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"claim": ["strat"]}, "did you mean start?"),
        ({"tier": ["micro"]}, "did you mean microvm?"),
        ({"subject": ["dokcer"]}, "did you mean docker?"),
    ],
)
def test_wrong_word_names_the_nearest(options: dict[str, list[str]], hint: str) -> None:
    with Engine("/nowhere") as engine, pytest.raises(InvalidInput) as raised:
        Compare(engine).compare("lab/base", **options)  # type: ignore[arg-type]  # on purpose
    assert raised.value.hint == hint


@pytest.mark.parametrize("option", ["save", "report"])
def test_place_that_cannot_be_written_is_told_before_anything_is_measured(
    option: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with Engine("/nowhere") as engine, pytest.raises(LabError, match=r"write: .*file"):
        Compare(engine).compare("lab/base", **{option: str(tmp_path / "file" / "below" / "it")})  # type: ignore[arg-type]  # as keywords


def test_report_that_is_a_directory_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with Engine("/nowhere") as engine, pytest.raises(InvalidInput, match="is a directory"):
        Compare(engine).compare("lab/base", report=str(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_is_asked_to_end_clears_up_first(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compare, "_measured", lambda *_: os.kill(os.getpid(), number))
    with Engine("/nowhere") as engine, pytest.raises(Terminated):
        Compare(engine).compare("lab/base")


def test_missing_image_is_told_without_a_dockerfile(engine: Engine) -> None:
    with pytest.raises(NotFound, match="no such image: localhost:1/none") as raised:
        Compare(engine).compare("localhost:1/none", claim=["start"], subject=["bare"])
    assert "Dockerfile" not in str(raised.value)


@pytest.mark.slow
def test_process_and_container_are_measured_in_turns(compared: tuple[Comparison, _Screen]) -> None:
    ready = [row for row in compared[0].rows if row.metric == "ready_s"]
    assert {row.subject for row in ready} == {"bare process", "containerlab"}
    assert {row.round for row in ready} == {0, 1}
    assert all(row.value and row.value > 0 for row in ready)
    assert {verdict.claim for verdict in compared[0].verdicts} == {"start"}


@pytest.mark.slow
def test_whose_turn_it_is_is_shown(compared: tuple[Comparison, _Screen]) -> None:
    screen = compared[1]
    assert re.match(r"start · ready · \d+% · (warm-up|round 1) · ", screen.lines[0])
    assert screen.is_cleared


@pytest.mark.slow
def test_it_is_kept_and_reported(compared: tuple[Comparison, _Screen], base: Path) -> None:
    assert list(Comparison.load(base / "kept").rows) == list(compared[0].rows)
    assert "<svg" in (base / "kept.html").read_text()


@pytest.mark.slow
def test_nothing_of_it_is_left(compared: tuple[Comparison, _Screen], engine: Engine) -> None:
    assert [image.name for image in engine.images.list()] == [f"{small.IMAGE}:latest"]
    assert list(engine.containers.list(all=True)) == []


@pytest.mark.slow
def test_command_line_shows_the_table_or_json(compared: tuple[Comparison, _Screen]) -> None:
    (text,) = lines(compared[0], {})
    assert "1 start: " in text
    (document,) = lines(compared[0], {"json": True})
    assert json.loads(document)["verdicts"][0]["verdict"] in ("held", "held in part", "not measured")


@pytest.mark.slow
def test_who_is_not_here_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    compared = Compare(engine).compare(small.IMAGE, claim=["start"], subject=["docker"], quick=True)
    assert "no daemon of Docker listens here" in compared.table().to_text()


@pytest.mark.slow
@pytest.mark.system("qemu-system-x86")
def test_machine_takes_part_and_names_its_accelerator(base: Path) -> None:
    with small.engine(base / "with-machines") as engine:
        seed(base / "with-machines")
        compared = Compare(engine).compare(
            small.IMAGE, claim=["start"], subject=["vm"], tier=["microvm"], rounds=1
        )
    row, *_ = [row for row in compared.rows if row.metric == "ready_s"]
    assert row.value is not None
    assert row.subject == f"vm microvm ({row.facts['accelerator']})"
    assert row.facts["accelerator"] in compared.host.accelerator
