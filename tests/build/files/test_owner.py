"""Who --chown means."""

from __future__ import annotations

from pathlib import Path

import pytest

from containerlab import errors
from containerlab.build.files.owner import owner
from tests.build.layers_of_copy import make


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, ...]:
    low = make(tmp_path / "low", {"etc/passwd": "app:x:5:6::/:\n", "etc/group": "staff:x:50:\n"})
    top = make(tmp_path / "top", {"etc/passwd": "app:x:1000:1001::/:\n7:x:8:9::/:\n"})
    return top, low


@pytest.mark.parametrize(
    ("chown", "ids"),
    [
        ("app", (1000, 1001)),
        ("app:staff", (1000, 50)),
        ("app:0", (1000, 0)),
        ("7", (7, 7)),
        ("7:staff", (7, 50)),
        ("0", (0, 0)),
        (":staff", (0, 50)),
    ],
)
def test_owners(image: tuple[Path, ...], chown: str, ids: tuple[int, int]) -> None:
    assert owner(chown, image) == ids


@pytest.mark.parametrize("chown", ["nobody", "app:nogroup", ":nogroup", "app:", "4294967296", "-1"])
def test_what_means_nobody_is_refused(image: tuple[Path, ...], chown: str) -> None:
    with pytest.raises(errors.InvalidInput):
        owner(chown, image)


def test_numbers_need_no_files() -> None:
    assert owner("5:6", (Path("/nonexistent"),)) == (5, 6)
