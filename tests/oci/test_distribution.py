"""The words of the protocol."""

from __future__ import annotations

import pytest

from containerlab.oci.distribution import challenges, next_link, problems


def test_a_problem_may_have_details_of_any_shape() -> None:
    body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":%s}]}\n'
    for detail in (b'{"Tag":"x"}', b"null", b'"text"', b"[1]"):
        assert [problem.code for problem in problems(body % detail)] == ["MANIFEST_UNKNOWN"]


def test_what_is_no_document_of_problems_has_none() -> None:
    for body in (b"", b"<html>", b"[]", b'{"errors":null}', b'{"errors":[{}]}', b"[" * 100_000):
        assert problems(body) == ()


@pytest.mark.timeout(20)  # which a square of the length would take by far
@pytest.mark.parametrize(
    "piece", ["<", "<a>; ", "<a>;rel= ", ",", '"', 'a="', "\\", "a ", " ", "\t", "=", ";"]
)
def test_headers_are_read_in_time_that_grows_with_their_length(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    assert next_link(f"<a>;{text}", "https://r") is None
    assert next_link(text, "https://r") is None
    assert len(challenges([text, f"Bearer {text}", f'Bearer a="{text}'])) >= 2
