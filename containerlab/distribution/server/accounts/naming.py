"""What accounts and organisations may be called, and what may be said of things."""

from __future__ import annotations

from containerlab import errors
from containerlab.distribution.server.rights import SYSTEM
from containerlab.oci.distribution import is_name

__all__ = ["check_account", "check_organization", "check_text"]

_MOST_NAME, _MOST_TEXT = 64, 255
_HINT = "use small letters and digits, with one of . _ - between them"


def check_account(name: str) -> str:
    """Return a name that a user may have, and a robot after the plus sign.

    >>> check_account("alice")
    'alice'

    Raises: InvalidInput.
    """
    if len(name) > _MOST_NAME or not is_name(name) or "/" in name or name == SYSTEM.name:
        raise errors.InvalidInput(f"{name[:_MOST_NAME]!r} is not a name", f"{_HINT}, {_MOST_NAME} at most")
    return name


def check_organization(name: str) -> str:
    """Return a name that an organisation may have.

    Raises: InvalidInput.
    """
    if not is_name(name) or "/" in name:
        raise errors.InvalidInput(f"{name[:_MOST_NAME]!r} is not the name of an organisation", _HINT)
    return name


def check_text(text: str) -> str:
    """Return a description: one line of at most 255 bytes, whatever the characters.

    Raises: InvalidInput.
    """
    is_line = text.isprintable()  # no control characters, no surrogates
    if not is_line or len(text.encode()) > _MOST_TEXT:
        raise errors.InvalidInput(
            f"a description is one line of at most {_MOST_TEXT} bytes", "leave control characters out"
        )
    return text
