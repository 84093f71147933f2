"""Digests are exactly what the specification allows, and so never lead a path astray."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.errors import InvalidInput
from containerlab.oci import digest


@given(st.binary(max_size=200))
def test_of_is_what_hashlib_says_and_parses(data: bytes) -> None:
    assert digest.parse(digest.of(data)) == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert digest.parse(digest.of(data, "sha512")) == f"sha512:{hashlib.sha512(data).hexdigest()}"


@given(st.lists(st.binary(max_size=50)))
def test_hasher_is_independent_of_the_pieces(pieces: list[bytes]) -> None:
    hasher = digest.Hasher()
    for piece in pieces:
        hasher.update(piece)
    assert (hasher.digest(), hasher.size) == (digest.of(b"".join(pieces)), len(b"".join(pieces)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:../../x",
        f"sha256:{'0' * 63}",
        f"sha256:{'0' * 65}",
        f"sha256:{'A' * 64}",
        f"sha256:{'0' * 64}\n",
        f" sha256:{'0' * 64}",
        f"sha256:{'0' * 63}/",
        f"md5:{'0' * 32}",
        f"sha512:{'0' * 64}",
    ],
)
def test_anything_else_is_refused_and_never_a_path(text: str) -> None:
    with pytest.raises(InvalidInput):
        digest.parse(text)
    with pytest.raises(InvalidInput):
        digest.path(text)


@given(st.text(max_size=100))
def test_whatever_parses_has_no_way_out(text: str) -> None:
    try:
        path = digest.path(text)
    except InvalidInput:
        return
    assert path.count("/") == 1
    assert ".." not in path


def test_unknown_algorithm_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"blake3.*not supported"):
        digest.parse("blake3:abc")
