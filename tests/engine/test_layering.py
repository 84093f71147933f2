"""An image that grows cell by cell: what the next lines stand on, and the Dockerfile that comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab.build import layered
from containerlab.build.layered import Lines
from containerlab.engine.build_result import BuildResult
from containerlab.engine.engine import Engine
from containerlab.engine.layering import Below, below
from containerlab.errors import CorruptContent, InvalidInput, LabError, NotFound
from containerlab.store.home import Home
from tests import containers as small

ONE = Lines(text="FROM base\nRUN one", image_id="1", cell="a")
TWO = Lines(text="RUN two", image_id="2", cell="b")
THREE = Lines(text="RUN three", image_id="3", cell="c")


def new(text: str, cell: str = "") -> Lines:
    return Lines(text=text, image_id="", cell=cell)


@pytest.mark.parametrize(
    ("made", "current", "lines", "expected"),
    [
        ((), "", new("# more\nfrom base\nRUN x"), Below((), "")),
        ((ONE, TWO), "2", new("RUN three"), Below((ONE, TWO), "FROM app\n")),
        ((ONE, TWO, THREE), "3", new("RUN other", "b"), Below((ONE,), "FROM 1\n")),
        ((ONE, TWO), "2", new("FROM base", "b"), Below((), "")),
        ((ONE, new("RUN two")), "", new("RUN two"), Below((ONE,), "FROM 1\n")),
        ((ONE, TWO), "9", new("RUN x"), Below((Lines(text="FROM app", image_id="9"),), "FROM app\n")),
        ((), "9", new("RUN x"), Below((Lines(text="FROM app", image_id="9"),), "FROM app\n")),
    ],
    ids=["first", "next", "cell run again", "anew", "same again", "tagged elsewhere", "made elsewhere"],
)
def test_next_lines_stand_on(made: tuple[Lines, ...], current: str, lines: Lines, expected: Below) -> None:
    assert below("app", made, current, lines, "") == expected


def test_image_to_begin_with() -> None:
    assert below("app", (ONE, TWO), "2", new("RUN x"), "other") == Below((), "FROM other\n")
    with pytest.raises(NotFound, match="no app to go on from"):
        below("app", (), "", new("RUN x"), "")


def test_lines_are_kept_by_name(tmp_path: Path) -> None:
    home = Home.open(tmp_path)
    layered.keep(home, "some/app", (ONE, TWO))
    assert layered.read(home, "docker.io/some/app:latest") == (ONE, TWO)
    assert layered.read(home, "some/app:2") == ()
    next((tmp_path / "layered").iterdir()).write_bytes(b"[{")
    with pytest.raises(CorruptContent, match="cannot be read"):
        layered.read(home, "some/app")


def layer(engine: Engine, lines: str, cell: str = "", **options: str) -> BuildResult:
    return engine.builder.layer(lines=lines, cell=cell, tag="test/grown", **options)  # type: ignore[arg-type]


def said(engine: Engine) -> str:
    return engine.containers.run("test/grown", ["cat", "/one", "/two"], rm=True).output


@pytest.mark.root
@pytest.mark.slow
def test_image_grows_and_can_be_written_down(engine: Engine) -> None:
    layer(engine, "RUN echo 1 > /one", "a", base=small.IMAGE)
    layer(engine, "ENV WHO=two\nRUN echo $WHO > /two\n", "b")
    assert said(engine) == "1\ntwo\n"
    with pytest.raises(LabError, match="exit code 3"):
        layer(engine, "RUN exit 3", "c")
    layer(engine, "RUN echo other > /two", "b")
    assert said(engine) == "1\nother\n"
    whole = f"FROM {small.IMAGE}\nRUN echo 1 > /one\n\nRUN echo other > /two\n"
    assert engine.builder.dockerfile("test/grown") == whole
    built = engine.builder.build(dockerfile=whole, tag="test/whole")
    assert built.cached == len(built.steps)


@pytest.mark.root
def test_layer_needs_a_name(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="needs the name"):
        engine.builder.layer(lines="RUN x")
    with pytest.raises(NotFound, match="not made by layer"):
        engine.builder.dockerfile(small.IMAGE)
