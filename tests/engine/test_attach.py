"""Keys that let go of a container."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from containerlab.engine.attach import Keyboard
from containerlab.engine.terminal import parse_keys
from containerlab.errors import InvalidInput


@contextmanager
def keyboard(*typed: bytes) -> Iterator[Keyboard]:
    reading, writing = os.pipe()
    watched = Keyboard(reading, b"\x10\x11")
    for data in typed:
        os.write(writing, data)
    os.close(writing)
    try:
        yield watched
    finally:
        watched.stop()
        watched.close()
        os.close(reading)


def test_keys_let_go_and_are_not_handed_on() -> None:
    with keyboard(b"ab\x10\x11cd") as watched:
        assert watched.read_some() == b"ab"
        assert watched.is_detached


def test_first_key_alone_is_handed_on_with_what_follows() -> None:
    with keyboard(b"a\x10") as watched:
        assert watched.read_some() == b"a"
        assert watched._held == b"\x10"


def test_end_of_input() -> None:
    with keyboard() as watched:
        assert watched.read_some() == b""
        assert not watched.is_detached


def test_reading_is_ended_from_outside() -> None:
    reading, writing = os.pipe()
    watched = Keyboard(reading)
    watched.stop()
    assert watched.read_some() == b""
    watched.close()
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_wrong_detach_keys_are_refused() -> None:
    assert parse_keys("ctrl-p,ctrl-q") == b"\x10\x11"
    assert parse_keys("ctrl-],ctrl-@,a") == b"\x1d\x00a"
    for wrong in ("shift-x", "ctrl-?", "ctrl-1", "ctrl-", "ü"):
        with pytest.raises(InvalidInput, match="not a key"):
            parse_keys(wrong)
