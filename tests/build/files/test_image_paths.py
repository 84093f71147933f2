"""Where the paths of instructions lead in an image."""

from __future__ import annotations

import pytest

from containerlab.build.files.image_paths import absolute, destination


@pytest.mark.parametrize(
    ("path", "workdir", "expected"),
    [
        ("x", "/w", "/w/x"),
        ("x/", "/w", "/w/x/"),
        ("", "/w", "/w/"),
        (".", "/w", "/w/"),
        ("./", "/w", "/w/"),
        ("/", "/w", "/"),
        ("..", "/w/v", "/w/"),
        ("../..", "/w", "/"),
        ("//x", "/w", "/x"),
        ("a/..b", "/w", "/w/a/..b"),
        ("x", "", "/x"),
    ],
)
def test_destinations(path: str, workdir: str, expected: str) -> None:
    assert destination(path, workdir) == expected


@pytest.mark.parametrize(("path", "expected"), [("/", "/"), ("//a//b/", "/a/b"), ("../x", "/x")])
def test_nothing_is_above_the_root(path: str, expected: str) -> None:
    assert absolute(path) == expected
