"""Words become calls by Docker's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.commands.help import help_text
from containerlab.commands.parse import HelpWanted, WrongUsage, parse
from containerlab.commands.table import commands


def test_words_after_the_image_belong_to_the_program() -> None:
    call = parse(["run", "-it", "--rm", "-m64m", "image", "ls", "-l", "--memory", "--", "x"])
    assert call.arguments == ("image", ["ls", "-l", "--memory", "--", "x"])
    assert call.options == {"interactive": True, "tty": True, "rm": True, "memory": 64 << 20}


@pytest.mark.parametrize("words", ["--memory 64m", "--memory=64m", "-m 64m", "-m64m", "-m=64m", "-itm 64m"])
def test_a_value_may_be_written_in_every_usual_way(words: str) -> None:
    assert parse(["run", *words.split(), "image"]).options["memory"] == 64 << 20


@pytest.mark.parametrize(("word", "value"), [("--rm", True), ("--rm=false", False), ("--no-rm", False)])
def test_switch(word: str, value: bool) -> None:
    assert parse(["run", word, "image"]).options["rm"] is value


def test_repeated_option_gathers_and_single_one_takes_the_last() -> None:
    call = parse(["run", "-e", "A=1", "-e", "B=2", "-m", "1k", "-m", "2k", "image"])
    assert call.options == {"env": ("A=1", "B=2"), "memory": 2048}


def test_value_may_look_like_an_option() -> None:
    assert parse(["run", "--memory-swap", "-1", "image"]).options == {"memory_swap": -1}


def test_two_dashes_end_options() -> None:
    assert parse(["rm", "--", "-f"]).arguments == (["-f"],)


def test_options_may_follow_names_where_no_program_does() -> None:
    call = parse(["rm", "a", "-f", "b"])
    assert [each.arguments for each in call.each()] == [("a",), ("b",)]
    assert call.options == {"force": True}


@pytest.mark.parametrize(
    ("short", "full"),
    [("run", "container run"), ("ps", "container ls"), ("images", "image ls"), ("rmi", "image rm")],
)
def test_both_spellings_are_one_command(short: str, full: str) -> None:
    known = commands()
    assert known[(short,)] is known[tuple(full.split())]


def test_detach_calls_another_method() -> None:
    assert parse(["run", "-d", "image"]).method == "start"
    assert not parse(["run", "-d", "image"]).is_attached
    assert parse(["run", "image"]).is_attached


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("run --memry 1 x", "did you mean --memory?"),
        ("rmm x", "did you mean rm"),
        ("container lgos x", "did you mean logs?"),
        ("run -m", "-m needs a value"),
        ("run", "needs IMAGE"),
        ("rm", "needs CONTAINER"),
        ("ps x", "does not take 'x'"),
        ("run -Z x", "no such option: -Z"),
        ("run --memory=lots x", "--memory: not a size"),
        ("run --no-rm=1 x", "takes no value"),
        ("nonsense", "no such command"),
        ("builder cache exprt", "no such command: builder cache exprt (did you mean export?)"),
        ("build --sbom -t app .", "--sbom took -t as its value: write --sbom VALUE"),
    ],
)
def test_wrong_words_are_told_in_one_line(words: str, told: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        parse(words.split())
    first, *usage = caught.value._render_traceback_()
    assert told in first
    assert "\n" not in first
    assert len(usage) <= 1


@pytest.mark.parametrize("words", [[], ["--help"], ["run", "--help"], ["container"], ["ps", "-h"]])
def test_help_is_asked_for(words: list[str]) -> None:
    with pytest.raises(HelpWanted):
        parse(words)


@pytest.mark.parametrize("words", ["builder cache", "builder cache --help", "help builder cache"])
def test_groups_within_groups_have_help(words: str) -> None:
    with pytest.raises(HelpWanted) as caught:
        parse(words.split())
    assert caught.value.path == ("builder", "cache")
    assert "groups of commands: cache" in help_text(("builder",))


def test_hostname_keeps_its_letter() -> None:
    assert parse(["run", "-h", "box", "image"]).options == {"hostname": "box"}


def test_table_options_are_the_faces() -> None:
    call = parse(["ps", "-aq", "--format", "{{.ID}}"])
    assert (call.options, call.face) == ({"all": True}, {"ids": True, "format": "{{.ID}}"})


@given(st.lists(st.text(max_size=6), max_size=6))
def test_any_words_make_a_call_or_a_clear_error(words: list[str]) -> None:
    try:
        assert parse(["run", *words]).command.name == "run"
    except HelpWanted:
        assert "--help" in words
    except WrongUsage:
        return
