"""Secrets that are made when a test runs: none stands in this repository, where scanners would find it."""

from __future__ import annotations

import base64
import random
import re
import string
from typing import Any

from containerlab.build.audit.rules import RULES, Rule

__all__ = ["of_kind", "of_rule", "private_key"]

_CHANCE = random.Random(7)
_CATEGORIES = {"CATEGORY_DIGIT": string.digits, "CATEGORY_WORD": string.ascii_letters, "CATEGORY_SPACE": " "}


def of_kind(kind: str) -> str:
    """Return a secret of a kind."""
    return of_rule(next(rule for rule in RULES if rule.kind == kind))


def of_rule(rule: Rule) -> str:
    """Return a secret as a rule describes it."""
    login = base64.b64encode(b"someone:" + _sampled(r"[a-zA-Z0-9]{12}").encode()).decode()
    special = {
        "registry-login": f'"auth": "{login}"',
        "jwt": ".".join(
            (_encoded('{"alg":"HS256"}'), _encoded('{"sub":"me","n":8172}'), _sampled(r"\w{43}"))
        ),
        "telegram-token": _sampled(r"[1-9]\d{8}") + rule.start + _sampled(rule.body),
        "terraform-cloud-token": _sampled("[A-Za-z0-9]{14}") + rule.start + _sampled(rule.body),
        "url-password": f"https://someone:{_sampled('[a-zA-Z0-9]{12}')}@host/x",
        "private-key": private_key(),
    }
    return special.get(rule.kind) or rule.start + _sampled(rule.body)


def private_key(label: str = "", header: str = "") -> str:
    """Return a key in PEM, of random bytes."""
    body = base64.b64encode(_CHANCE.randbytes(150)).decode()
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    name = f"{label} PRIVATE KEY".strip()
    return "\n".join(
        [f"-----BEGIN {name}-----", *([header, ""] if header else []), *lines, f"-----END {name}-----\n"]
    )


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _sampled(pattern: str) -> str:
    """Return a random text that a regular expression matches."""
    return "".join(_pieces(re._parser.parse(pattern)))  # type: ignore[attr-defined]


def _pieces(parsed: Any) -> list[str]:
    return [_piece(str(operation), argument) for operation, argument in parsed]


def _piece(operation: str, argument: Any) -> str:
    match operation:
        case "LITERAL":
            return chr(argument)
        case "NOT_LITERAL" | "ANY":
            return "q"
        case "IN":
            return _CHANCE.choice(_characters(argument))
        case "SUBPATTERN":
            return "".join(_pieces(argument[3]))
        case "BRANCH":
            return "".join(_pieces(argument[1][0]))
        case "MAX_REPEAT" | "MIN_REPEAT":
            least, most, inner = argument
            return "".join("".join(_pieces(inner)) for _ in range(min(least, int(most))))
    raise AssertionError(f"a test cannot make {operation}")


def _characters(ranges: Any) -> str:
    if str(ranges[0][0]) == "NEGATE":
        return "".join(sorted(set(string.ascii_letters + string.digits) - set(_characters(ranges[1:]))))
    found = ""
    for operation, argument in ranges:
        match str(operation):
            case "LITERAL":
                found += chr(argument)
            case "RANGE":
                found += "".join(map(chr, range(argument[0], argument[1] + 1)))
            case _:
                found += _CATEGORIES[str(argument)]
    return found
