"""Platforms: the nearest that runs, in containerd's order."""

from __future__ import annotations

import pytest

from containerlab.errors import InvalidInput
from containerlab.oci.platform import Platform


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("linux", str(Platform.host())),
        ("Windows/AMD64", "windows/amd64"),
    ],
)
def test_spellings(text: str, normal: str) -> None:
    assert str(Platform.parse(text)) == normal


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d", "linux/a b"])
def test_wrong_platforms_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "best"),
    [
        ("amd64", ["arm64", "amd64"], 1),
        ("amd64", ["386", "amd64"], 1),
        ("amd64", ["386", "arm"], 0),
        ("amd64/v3", ["amd64", "amd64/v2", "amd64/v4"], 1),
        ("arm64", ["arm/v7", "linux/arm64/v8"], 1),
        ("arm64", ["arm/v6", "arm/v7"], 1),
        ("arm/v6", ["arm/v7", "arm/v5"], 1),
        ("arm/v7", ["arm64"], None),
        ("amd64", ["windows/amd64"], None),
        ("amd64", [], None),
    ],
)
def test_best_is_the_nearest_that_runs(wanted: str, offered: list[str], best: int | None) -> None:
    def parse(text: str) -> Platform:
        return Platform.parse(text if text.startswith(("linux", "windows")) else f"linux/{text}")

    assert parse(wanted).best([parse(each) for each in offered]) == best


def test_an_explicit_wish_gets_no_other_architecture() -> None:
    assert Platform.parse("linux/amd64").best([Platform.parse("linux/386")], strict=True) is None


def test_a_single_silent_offer_is_taken_and_attestations_are_not() -> None:
    unknown = Platform("unknown", "unknown")
    assert Platform.host().best([None, unknown]) == 0
    assert Platform.host().best([unknown]) is None
