"""Every kind of secret is found wherever it stands, and little else."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerlab.build.audit import judging
from containerlab.build.audit.rules import RULES, Rule
from containerlab.build.audit.tokens import tokens
from tests.build.audit import planted

RULE = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.start.strip('"-: ') or rule.kind)


def kinds(text: str | bytes) -> list[str]:
    return [found.kind for found in tokens(text.encode() if isinstance(text, str) else text)]


@RULE
def test_each_kind_is_found_in_text_and_between_other_bytes(rule: Rule) -> None:
    secret = planted.of_rule(rule)
    for around in (f"{secret}", f"x = '{secret}'\nmore = 1\n", f"\0\xff {secret}\0\0"):
        assert kinds(around) == [rule.kind], secret


@RULE
def test_a_piece_of_a_longer_word_is_none(rule: Rule) -> None:
    if rule.start[0].isalnum() and not rule.kind.startswith(("jwt", "url")):
        assert kinds(f"x{planted.of_rule(rule)}") == []


def test_the_place_and_the_prefix_are_told_but_tests_decide_what_is_shown() -> None:
    token = planted.of_kind("github-token")
    (found,) = tokens(f"a = {token}".encode())
    assert (found.start, found.value, found.prefix) == (4, token.encode(), "ghp_")
    (found,) = tokens(b'"auth" : "x", ' + planted.of_kind("registry-login").encode())
    assert found.prefix == ""


@pytest.mark.parametrize(
    "harmless",
    [
        "AKIA" + "IOSFODNN7EXAMPLE",
        "aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
        "ghp_" + "x" * 36,
        "-----BEGIN PRIVATE KEY-----\n",
        '"-----BEGIN RSA PRIVATE KEY-----" "-----END RSA PRIVATE KEY-----"',
        "https://user:password@example.com/ https://${USER}:${PASSWORD}@host/ http://host:8080/a@b",
        "//registry.npmjs.org/:_authToken=${NPM_TOKEN}",
        '"auth": "Zm9vYmFy" "auth": "required"',
        "_ZN4llvm12_GLOBAL__N_121InstCombinerImplEv_hf_abc",
    ],
)
def test_examples_and_placeholders_are_none(harmless: str) -> None:
    assert kinds(harmless) == []


def test_keys_that_a_passphrase_protects_are_less_severe() -> None:
    assert kinds(planted.private_key("ENCRYPTED")) == ["private-key-encrypted"]
    assert kinds(planted.private_key("RSA", "Proc-Type: 4,ENCRYPTED")) == ["private-key-encrypted"]
    for label in ("", "RSA", "EC", "OPENSSH"):
        assert kinds(planted.private_key(label)) == ["private-key"]
    assert kinds(planted.private_key().replace("\n", "\\n")) == ["private-key"]


@given(st.binary(max_size=200), st.sampled_from(RULES))
def test_no_bytes_break_it(data: bytes, rule: Rule) -> None:
    for found in tokens(rule.start.encode() + data):
        assert 0 <= found.start <= len(rule.start) + len(data)


@pytest.mark.slow
def test_random_bytes_are_no_secrets() -> None:
    assert kinds(os.urandom(8 << 20)) == []


@pytest.mark.parametrize(
    "value", ["", "ab", "${X}", "<token>", "changeme", "xxxxxxxx", "None", "{{ secret }}"]
)
def test_placeholders(value: str) -> None:
    assert judging.is_placeholder(value.encode())


@pytest.mark.parametrize("value", ["hunter2", "postgres", "xK93-vQp", "correct horse"])
def test_values_that_may_be_real(value: str) -> None:
    assert not judging.is_placeholder(value.encode())
