"""The words of the protocol."""

from __future__ import annotations

from containerlab.oci.distribution import problems


def test_a_problem_may_have_details_of_any_shape() -> None:
    body = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":%s}]}\n'
    for detail in (b'{"Tag":"x"}', b"null", b'"text"', b"[1]"):
        assert [problem.code for problem in problems(body % detail)] == ["MANIFEST_UNKNOWN"]


def test_what_is_no_document_of_problems_has_none() -> None:
    for body in (b"", b"<html>", b"[]", b'{"errors":null}', b'{"errors":[{}]}', b"[" * 100_000):
        assert problems(body) == ()
