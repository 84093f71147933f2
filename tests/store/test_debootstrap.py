"""Images from debootstrap: what is refused, and that a failure of the real one leaves nothing."""

from __future__ import annotations

import os

import pytest

from containerlab.errors import InvalidInput, Unavailable
from containerlab.store.blobs import Blobs
from containerlab.store.debootstrap import from_debootstrap
from containerlab.store.home import Home
from tests.users import User


@pytest.mark.parametrize("suite", ["", "../x", "--help", "Bookworm", "a b"])
def test_a_wrong_suite_is_refused(home: Home, suite: str) -> None:
    with pytest.raises(InvalidInput, match="not the name of a release"):
        from_debootstrap(home, suite)


def test_a_wrong_variant_has_a_nearest_one(home: Home) -> None:
    with pytest.raises(InvalidInput, match="did you mean minbase"):
        from_debootstrap(home, "bookworm", variant="minbas")


@pytest.mark.root
@pytest.mark.system("debootstrap")
@pytest.mark.parametrize("suite", ["no-such-suite", "bookworm"])
def test_a_failure_gives_its_last_words_and_leaves_nothing(home: Home, suite: str) -> None:
    said: list[str] = []
    with pytest.raises(Unavailable, match=r"debootstrap failed: E: .*"):
        from_debootstrap(home, suite, "file:///nowhere", progress=said.append)
    assert said
    assert not os.listdir(home.temporary)
    assert not list(Blobs(home).digests())


@pytest.mark.system("debootstrap")
def test_others_than_root_are_told_why_not(single_id_user: User) -> None:
    result = single_id_user.script(
        "from pathlib import Path; from containerlab.store.home import Home\n"
        "from containerlab.store.debootstrap import from_debootstrap\n"
        "from_debootstrap(Home.open(Path.home() / 'deb'), 'bookworm')"
    )
    assert "NotPermitted: debootstrap needs root" in result.stderr
