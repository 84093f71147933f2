"""Which names of variables tell that their value is a secret.

Source: BuildKit's check SecretsUsedInArgOrEnv.
"""

from __future__ import annotations

import re

__all__ = ["looks_secret"]

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_HARMLESS = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)


def looks_secret(name: str) -> bool:
    """Whether a variable of this name should hold nothing that others can read.

    >>> looks_secret("GITHUB_TOKEN"), looks_secret("PUBLIC_KEY"), looks_secret("monkey")
    (True, False, False)
    """
    return bool(_SECRET.search(name)) and not _HARMLESS.search(name)
