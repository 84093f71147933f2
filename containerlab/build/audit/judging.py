"""Whether what looks like a secret is one: not an example, a placeholder or a variable's name."""
# ruff: noqa: E501 - expressions

from __future__ import annotations

import base64
import binascii
import re

from containerlab.build.secrecy.disguises import entropy

__all__ = ["is_example_path", "is_login", "is_placeholder", "is_real_token"]

_PLACEHOLDER = re.compile(
    rb"""(?ix)
    ^[<\[{($%*] | ^your[-_ ] | \$\{ | \{\{ | ^\.\.\. | ^x{4,}$ | ^\*+$ | ^-+$ | ^_+$ | ^@\w+@$ | ^/run/secrets/
    | ^(?:none|null|nil|undefined|true|false|yes|no|on|off|auto|enabled?|disabled?|required|optional|default
        |empty|unset|todo|tbd|redacted|removed|replace[-_ ]?me|change[-_ ]?(?:me|it|this)|change_?me.*
        |placeholder|dummy|sample|example|example[-_.].*|insert.*here|my[-_]?(?:secret|password|token|key)\d*|xyzzy?|proxypass|repopwd|somepassword|12345?6?
        |password|passwd|secret|token|pass|pw|user|foo|bar|foobar|test|testing|string|value|xxx+)$
    """
)
_EXAMPLE = re.compile(
    rb"(?i)EXAMPLE|X{6}|0{8}|1234567890|0123456789|abcdefghij|deadbeefdeadbeef|placeholder|your[-_]?(?:api|token|key|secret)"
    rb"|eyJzdWIiOiIxMjM0NTY3ODkw"  # the token that jwt.io shows
)
_LEAST_ENTROPY = 2.8
_EXAMPLE_PATH = re.compile(
    r"(?i)(?:^|/)(?:usr/share/doc|man/man\d\w?|usr/share/info|tests?|testdata|test[-_]data|__tests__|examples?|samples?|fixtures?"
    r"|spec|vectors|docs?|mocks?|demos?|dummyserver|snakeoil)(?:/|$)|(?:^|/)test_[^/]*$|[._-](?:test|spec|example|sample|template|dist)\.?\w*$"
    r"|(?:^|/)(?:README[^/]*|PKG-INFO|METADATA)$|snakeoil|\.(?:md|rst|html?|pod|po)$"
)


def is_placeholder(value: bytes) -> bool:
    """Tell whether the value of a setting stands for one, or means that there is none.

    >>> is_placeholder(b"${TOKEN}"), is_placeholder(b"changeme"), is_placeholder(b"xK93-vQp")
    (True, True, False)
    """
    value = value.strip(b" \t\"'")
    return len(value) < 3 or _PLACEHOLDER.search(value) is not None or len(set(value)) < 3


def is_real_token(value: bytes) -> bool:
    """Tell whether a token's characters are as random as those of real ones.

    >>> is_real_token(b"AKIAIOSFODNN7EXAMPLE"), is_real_token(b"AKIAQ3PB7RZK5WVN2TLD")
    (False, True)
    """
    return entropy(value) >= _LEAST_ENTROPY and _EXAMPLE.search(value) is None


def is_login(value: bytes) -> bool:
    """Tell whether a text is the base64 of `user:password`, as registries take it."""
    try:
        user, colon, password = base64.b64decode(value, validate=True).partition(b":")
    except binascii.Error:
        return False
    return bool(user and colon and password) and (user + password).isascii() and not is_placeholder(password)


def is_example_path(path: str) -> bool:
    """Tell whether files of this path show how something is used, or test it.

    >>> is_example_path("usr/lib/python3/test/keycert.pem"), is_example_path("root/.ssh/id_rsa")
    (True, False)
    """
    return _EXAMPLE_PATH.search(path) is not None
