"""Programs that keep credentials in the keychain of a system: `docker-credential-NAME get|store|erase`.

A request is a line or a JSON document on standard input, the answer JSON on standard output; a message there
and another exit code than 0 say what failed. Source: docker/docker-credential-helpers, client/client.go.
"""

from __future__ import annotations

import re

import msgspec

from containerlab import errors
from containerlab.distribution.refusals import plain
from containerlab.oci.untrusted import UNREADABLE

__all__ = ["erase", "get", "store"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_FOUND = "credentials not found in native keychain"
_PATIENCE_S = 120.0
"""A keychain may ask its user for a password first."""


class _Kept(msgspec.Struct, frozen=True):
    ServerURL: str = ""
    Username: str = ""
    Secret: str = ""


def get(helper: str, server: str) -> tuple[str, str]:
    """Return user and secret for a server; both empty when the helper has none.

    Raises: Unavailable.
    """
    code, said = _ask(helper, "get", server.encode())
    if code and _NOT_FOUND in said.decode(errors="replace"):
        return "", ""
    _check(code, said, helper, f"get credentials for {server}")
    try:
        kept = msgspec.json.decode(said, type=_Kept)
    except UNREADABLE as error:
        raise errors.Unavailable(
            f"docker-credential-{helper} gave no credentials for {server} but: {_shown(said)}"
        ) from error
    return kept.Username, kept.Secret


def store(helper: str, server: str, username: str, secret: str) -> None:
    """Keep user and secret for a server.

    Raises: Unavailable.
    """
    code, said = _ask(helper, "store", msgspec.json.encode(_Kept(server, username, secret)))
    _check(code, said, helper, f"store credentials for {server}")


def erase(helper: str, server: str) -> None:
    """Forget what is kept for a server; nothing kept is no error.

    Raises: Unavailable.
    """
    code, said = _ask(helper, "erase", server.encode())
    if code and _NOT_FOUND not in said.decode(errors="replace"):
        _check(code, said, helper, f"erase credentials for {server}")


def _ask(helper: str, verb: str, request: bytes) -> tuple[int, bytes]:
    import subprocess

    if not _NAME.fullmatch(helper):
        raise errors.InvalidInput(
            f"{helper!r} is not the name of a credential helper", "write what follows docker-credential-"
        )
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run([program, verb], input=request, capture_output=True, timeout=_PATIENCE_S)
    except FileNotFoundError as error:
        raise errors.Unavailable(
            f"the configuration names the credential helper {helper}, but there is no program {program}",
            "install it, or take it out of credsStore and credHelpers in config.json",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise errors.Unavailable(f"{program} {verb} gave no answer for {_PATIENCE_S:.0f} s") from error
    except OSError as error:
        raise errors.of_the_system(error, program) from error
    return done.returncode, done.stdout or done.stderr


def _check(code: int, said: bytes, helper: str, what: str) -> None:
    if code:
        raise errors.Unavailable(
            f"docker-credential-{helper} could not {what}: {_shown(said) or f'exit code {code}'}"
        )


def _shown(said: bytes) -> str:
    return plain(said.decode(errors="replace"), 200)
