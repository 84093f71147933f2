"""Find secrets by their looks in any bytes, text or not, at several hundred MB/s."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator

from containerlab.build.audit import judging
from containerlab.build.audit.finding import Found
from containerlab.build.audit.rules import RULES, Rule

__all__ = ["LONGEST_BYTES", "tokens"]

LONGEST_BYTES = 4096
"""As much of a secret is looked at."""
_RUN = {
    "_": "[A-Za-z0-9]{16}",
    "-": "[A-Za-z0-9_-]{16}",
    ".": "[A-Za-z0-9_-]{16}",
    "=": "[A-Za-z0-9%+/]{16}",
}
"""What follows a pivot that ends a prefix: a cheap test before the prefixes themselves are compared."""


def tokens(data: bytes | memoryview) -> Iterator[Found]:
    """Yield secrets in the order of their kinds, not of their places."""
    for expression in _EXPRESSIONS:
        for match in expression.finditer(data):
            assert match.lastgroup is not None
            rule = RULES[int(match.lastgroup[1:])]
            start = match.start() - len(rule.before) + 1
            if found := _judged(rule, data, start, match.end()):
                yield found


def _expressions() -> Iterator[re.Pattern[bytes]]:
    """Make one expression for each pivot. An alternative is a group with the number of its rule."""
    for pivot in dict.fromkeys(rule.pivot for rule in RULES):
        long: list[str] = []
        short: list[str] = []
        for number, rule in enumerate(RULES):
            if rule.pivot == pivot:
                words = f"(?<={re.escape(rule.start)})(?P<r{number}>{rule.body})"
                (long if rule.after else short).append(re.escape(rule.after) + words)
        if short and pivot in _RUN:
            short = [f"(?={_RUN[pivot]})(?:{'|'.join(short)})"]
        yield re.compile(f"{re.escape(pivot)}(?:{'|'.join(long + short)})".encode())


_EXPRESSIONS = tuple(_expressions())


def _judged(rule: Rule, data: bytes | memoryview, start: int, end: int) -> Found | None:
    """Return a match as a secret, unless what stands around it or its characters speak against it."""
    prefix = rule.start
    if rule.kind in _HEADS:
        head = _word_before(data, start)
        if _HEADS[rule.kind].fullmatch(head) is None:
            return None
        start, prefix = start - len(head), ""
    elif _is_word(data[start - 1 : start]) and _is_word(data[start : start + 1]):
        return None
    if rule.kind not in _OPEN and _is_word(data[end : end + 1]):
        return None
    value = bytes(data[start:end])
    secret = value[len(prefix) :].lstrip(b" \t\r\n\"':=").rstrip(b"\"'")
    if rule.kind == "url-password":
        secret = secret.partition(b":")[2].rpartition(b"@")[0]
    if not _TESTS.get(rule.kind, judging.is_real_token)(secret):
        return None
    kind, severity = _refined(rule, value)
    shown = prefix if prefix[-1:] in ("_", "-", ".") or prefix.isalpha() else ""
    if shown:
        return Found(kind=kind, severity=severity, value=prefix.encode() + secret, start=start, prefix=shown)
    return Found(kind=kind, severity=severity, value=secret, start=start + value.index(secret))


_HEADS = {
    "jwt": re.compile(rb"eyJ[\w-]{8,}"),
    "telegram-token": re.compile(rb"\d{8,10}"),
    "terraform-cloud-token": re.compile(rb"[A-Za-z0-9]{14}"),
}
"""The word before the prefix of a kind, which stands in its middle."""
_WORD = (string.ascii_letters + string.digits + "_-").encode()


def _word_before(data: bytes | memoryview, end: int) -> bytes:
    """Return the letters, digits, `_` and `-` that stand before a place."""
    head = bytes(data[max(0, end - LONGEST_BYTES) : end])
    return head[len(head.rstrip(_WORD)) :]


_OPEN = ("jwt", "private-key", "putty-key", "url-password")
"""Kinds that are not looked at to their end."""


def _is_word(character: bytes | memoryview) -> bool:
    return bytes(character).isalnum() or bytes(character) == b"_"


def _is_password(value: bytes) -> bool:
    return not judging.is_placeholder(value) and b"example" not in value.lower()


_TESTS: dict[str, Callable[[bytes], bool]] = {
    "registry-login": judging.is_login,
    "url-password": _is_password,
    "putty-key": lambda value: True,
    "npm-login": lambda value: not judging.is_placeholder(value),
}
_ENCRYPTED = (b"ENCRYPTED", b"b3BlbnNzaC1rZXktdjEAAAAACmFlcz", b"b3BlbnNzaC1rZXktdjEAAAAAFmFlcz")


def _refined(rule: Rule, value: bytes) -> tuple[str, str]:
    """Tell keys that a passphrase protects from those that nothing does."""
    if rule.kind != "private-key":
        return rule.kind, rule.severity
    if any(mark in value for mark in _ENCRYPTED):
        return "private-key-encrypted", "medium"
    return ("pgp-private-key" if b"PGP" in value else rule.kind), rule.severity
