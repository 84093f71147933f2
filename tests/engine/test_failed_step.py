"""`build --debug`: a step that failed can be looked into."""

from __future__ import annotations

import pytest

from containerlab.engine.containers import Containers
from containerlab.engine.engine import Engine
from containerlab.errors import LabError
from tests import containers as small

pytestmark = [pytest.mark.root, pytest.mark.slow]
DOCKERFILE = f"""
FROM {small.IMAGE}
ENV WHO=ann
WORKDIR /work
RUN mkdir -m 777 /open
USER ann
RUN echo half > /open/left && exit {{code}}
"""


def fail(engine: Engine, code: int = 3, **options: bool) -> LabError:
    with pytest.raises(LabError, match=f"exit code {code}") as caught:
        engine.builder.build(dockerfile=DOCKERFILE.format(code=code), **options)  # type: ignore[arg-type]
    return caught.value


def test_container_has_what_the_step_left_and_how_it_ran(engine: Engine, containers: Containers) -> None:
    assert "failed-step" in fail(engine, debug=True).hint
    seen = containers.exec("failed-step", ["sh", "-c", "cat /open/left; pwd; echo $WHO; id -un"])
    assert seen.stdout == "half\n/work\nann\nann\n"
    fail(engine, 4, debug=True)
    assert [container.name for container in containers.list(all=True)] == ["failed-step"]


def test_nothing_is_kept_unasked(engine: Engine, containers: Containers) -> None:
    fail(engine)
    assert len(containers.list(all=True)) == 0


def test_somebody_elses_container_stays(engine: Engine, containers: Containers) -> None:
    mine = containers.create(small.IMAGE, ["sh"], name="failed-step")
    with pytest.raises(LabError, match="a container is called failed-step"):
        engine.builder.build(dockerfile=DOCKERFILE.format(code=3), debug=True)
    assert [container.id for container in containers.list(all=True)] == [mine.id]
