"""The image that examples use is there for whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from containerlab.engine.engine import Engine
from containerlab.errors import NotFound

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def engine(base: Path, request: pytest.FixtureRequest) -> Iterator[Engine]:
    with Engine(base / request.node.name) as found:
        yield found


def test_usual_image_is_made_when_it_is_first_asked_for(engine: Engine) -> None:
    assert engine.containers.run("lab/base", ["echo", "hi"], rm=True).stdout == "hi\n"
    assert [image.name for image in engine.images.list().rows] == ["lab/base:latest"]


def test_usual_image_is_not_made_when_nothing_may_be_fetched(engine: Engine) -> None:
    with pytest.raises(NotFound, match="lab/base"):
        engine.containers.run("lab/base", ["true"], pull="never", rm=True)
    assert not engine.images.list().rows


def test_no_other_image_is_made(engine: Engine) -> None:
    with pytest.raises(NotFound, match="lab/bass"):
        engine.containers.run("lab/bass", ["true"], rm=True)
    with pytest.raises(NotFound, match="nobody"):
        engine.containers.run("lab/base", ["true"], volumes_from=["nobody"], rm=True)
