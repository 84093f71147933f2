"""Names that tell of a secret."""

from __future__ import annotations

import pytest

from containerlab.build.secrecy.secret_names import looks_secret


@pytest.mark.parametrize(
    "name",
    [
        "TOKEN",
        "github_token",
        "API_KEY",
        "apikey",
        "secret_message",
        "AUTH",
        "db_Password_2",
        "AWS_CREDENTIALS",
    ],
)
def test_secret(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name",
    ["", "TOKENS", "MONKEY", "AUTHOR", "PUBLIC_KEY", "KEY_FILE", "SECRET_VERSION", "keyboard", "PASSWORDS"],
)
def test_harmless(name: str) -> None:
    assert not looks_secret(name)
