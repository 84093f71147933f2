"""Errors that show where they are."""

from __future__ import annotations

import pytest

from containerlab.build.language.instructions import Place
from containerlab.build.language.located import DockerfileError, at, excerpt, within
from containerlab.build.language.parser import parse
from containerlab.errors import InvalidInput, NotFound

TEXT = "FROM a\nRUN b \\\n  c\nRUN d\nRUN e\nRUN f\n"


def test_lines_are_marked_between_their_neighbours() -> None:
    assert excerpt(TEXT, Place(3, 4)).splitlines() == [
        "    1 | FROM a",
        "    2 | RUN b \\",
        "  > 3 |   c",
        "  > 4 | RUN d",
        "    5 | RUN e",
        "    6 | RUN f",
    ]


@pytest.mark.parametrize("place", [Place(1, 1), Place(6, 6), Place(1, 6), Place(6, 9)])
def test_ends_of_the_file_are_no_trouble(place: Place) -> None:
    assert excerpt(TEXT, place).count(">") == min(place.last, 6) - place.first + 1


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    assert "\x1b" not in excerpt("RUN \x1b[2J", Place(1, 1))
    assert len(excerpt("x" * 1_000, Place(1, 1))) < 200


def test_errors_inside_an_instruction_get_its_place_and_name() -> None:
    dockerfile = parse(TEXT)
    run = dockerfile.stages[0].instructions[0]
    with pytest.raises(DockerfileError) as error, within(dockerfile, run):
        raise NotFound("there is none", "make one")
    assert error.value.place == Place(2, 3)
    assert str(error.value).splitlines()[0] == "Dockerfile:2: RUN: there is none"
    assert str(error.value).splitlines()[-1] == "  hint: make one"
    with pytest.raises(DockerfileError) as error, within(dockerfile, run):
        raise InvalidInput("RUN is wrong")
    assert str(error.value).splitlines()[0] == "Dockerfile:2: RUN is wrong"


def test_errors_with_a_place_keep_it() -> None:
    dockerfile = parse(TEXT)
    with pytest.raises(DockerfileError) as error, within(dockerfile, dockerfile.stages[0].from_):
        raise at("Other", "FROM x", Place(1, 1), "wrong")
    assert error.value.message.startswith("Other:1: wrong")
