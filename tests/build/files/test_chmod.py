"""Modes as --chmod takes them; the cases are those of chmod(1) and of the library that BuildKit uses."""

from __future__ import annotations

import pytest

from containerlab import errors
from containerlab.build.files.chmod import parsed


@pytest.mark.parametrize(
    ("mode", "text", "result"),
    [
        (0o777, "644", 0o644),
        (0o000, "07421", 0o7421),
        (0o777, "=", 0o000),
        (0o421, "+", 0o421),
        (0o000, "u+r", 0o400),
        (0o001, "u+X", 0o101),
        (0o000, "u+X", 0o000),
        (0o000, "g+s", 0o2000),
        (0o000, "o+s", 0o000),
        (0o000, "+s", 0o6000),
        (0o421, "+t", 0o1421),
        (0o1421, "-t", 0o421),
        (0o777, "-r", 0o333),
        (0o777, "-X", 0o777),
        (0o6777, "-s", 0o777),
        (0o777, "u=rw", 0o677),
        (0o042, "u=g", 0o442),
        (0o742, "u=g-w", 0o442),
        (0o021, "u+go", 0o321),
        (0o777, "a=r,ug=rw,u+x", 0o764),
        (0o777, "go-w", 0o755),
        (0o770, "go=u-w", 0o755),
        (0o766, "=rw,+X", 0o777),
        (0o000, "o+r,g+w,a+t,g-s,u+og", 0o1624),
        (0o4755, "u=rwX,go=rX", 0o755),
        (0o600, "u=rwX,go=rX", 0o644),
    ],
)
def test_changes(mode: int, text: str, result: int) -> None:
    assert parsed(text).apply(mode, is_directory=False) == result


def test_folders_get_the_conditional_execute_bit() -> None:
    assert parsed("a=rX").apply(0o600, is_directory=True) == 0o555
    assert parsed("u+X").apply(0o000, is_directory=True) == 0o100


@pytest.mark.parametrize("text", [",", "q+r", "017777", "9", "z", "u", "go", "u+q", "u+x,"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(errors.InvalidInput):
        parsed(text)
