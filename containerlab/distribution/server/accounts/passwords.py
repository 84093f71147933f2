"""Passwords and secrets: how they are kept, checked and made.

A password is kept as argon2id with the parameters that OWASP gives for 19 MiB (two passes, one lane): 17 ms
here. RFC 9106's 64 MiB would cost a flood of logins more memory than the whole server has otherwise; the
limits on guessing (`attempts`) count for more than the price of one guess.

A secret is made here, of 256 random bits: nobody guesses it, so a plain SHA-256 is enough and costs nothing.

Source: RFC 9106; OWASP Password Storage Cheat Sheet.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from containerlab import errors

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["MOST_BYTES", "Passwords", "check_password", "new_password", "new_secret", "of_secret"]

_Result = TypeVar("_Result")
_PASSES, _MEMORY_KIB, _LANES = 2, 19 * 1024, 1
_AT_ONCE = 1
"""In a thread that does nothing else: the C library keeps what a thread has used for its next need, and in
the server's thirty threads that was 350 MB after a flood of logins. So one process checks 58 a second."""
_QUEUE_S = 10.0
_STRIPES = 16
_LEAST, MOST_BYTES = 8, 1024
_REMEMBERED_S, _MOST_REMEMBERED = 300.0, 10_000
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Those that nobody takes for another one."""


class Passwords:
    """What a process knows of passwords: the hashes that it computed lately, by a key of its own.

    Clients that send a password with every request would wait for argon2 each time; and those that go on with
    an old one would use up what their owner may mistype. What is remembered is whether a password was right,
    under a keyed hash of it with the account's hash and revision, and the address: with another password,
    from another address, or when the account was changed, nothing is found.

    memory_kib: what one hash costs; tests that compute hundreds take less.
    """

    def __init__(self, now: Callable[[], float], memory_kib: int = _MEMORY_KIB) -> None:
        self._now, self._memory_kib = now, memory_kib
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._wrong: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None
        self._stripes = tuple(threading.Lock() for _ in range(_STRIPES))
        parameters = f"m={memory_kib},t={_PASSES},p={_LANES}"
        # The hash of nobody's password, because nothing was hashed: what an account that is not there has.
        self._nobody = f"$argon2id$v=19${parameters}${'A' * 22}${'A' * 43}"

    def hash(self, password: str) -> str:
        """Return what to keep of a password."""
        return self._computed(self._hasher().hash, _one_form(password))

    def matches(self, kept: str, password: str) -> bool:
        """Tell whether this is the password of which `kept` is the hash; slow.

        An empty hash, as of an account that is not there, takes as long and is nobody's.

        Raises: Unavailable when too many wait for it already.
        """
        import argon2

        try:
            self._computed(self._hasher().verify, kept or self._nobody, _one_form(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return bool(kept)

    def remember(self, is_right: bool, *parts: str) -> None:
        """Note whether these belong together, for five minutes."""
        now = self._now()
        until = self._right if is_right else self._wrong
        with self._lock:
            if len(until) >= _MOST_REMEMBERED:
                over = [key for key, end in until.items() if end <= now]
                for key in over or list(until)[: _MOST_REMEMBERED // 2]:
                    del until[key]
            until[self._keyed(parts)] = now + _REMEMBERED_S

    def remembers(self, *parts: str) -> bool | None:
        """Return whether these were found to belong together lately, or not to; None: nobody knows."""
        key, now = self._keyed(parts), self._now()
        if self._right.get(key, 0.0) > now:
            return True
        return False if self._wrong.get(key, 0.0) > now else None

    def one_at_a_time(self, *parts: str) -> threading.Lock:
        """Return what makes equal logins wait for each other: the others then find the first one's result."""
        return self._stripes[self._keyed(parts)[0] % _STRIPES]

    def _keyed(self, parts: tuple[str, ...]) -> bytes:
        keyed = hashlib.blake2b(key=self._key, digest_size=32)
        for part in parts:
            content = part.encode()
            keyed.update(len(content).to_bytes(8, "little") + content)
        return keyed.digest()

    def _hasher(self) -> PasswordHasher:
        argon2 = errors.wanted("argon2", "a registry with accounts")
        hasher: PasswordHasher = argon2.PasswordHasher(_PASSES, self._memory_kib, _LANES)
        return hasher

    def _computed(self, function: Callable[..., _Result], *arguments: str) -> _Result:
        """Call what takes long in the thread for it."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_AT_ONCE, "argon2")
        waiting = self._threads.submit(function, *arguments)
        try:
            return waiting.result(_QUEUE_S)
        except TimeoutError:
            waiting.cancel()
            raise errors.Unavailable(
                "too many passwords are being checked", "try again in some seconds"
            ) from None

    def close(self) -> None:
        """End the thread."""
        if self._threads is not None:
            self._threads.shutdown()


def _one_form(password: str) -> str:
    """Let é be é, whichever of its two forms a keyboard writes (RFC 8265, section 4.2.2)."""
    return unicodedata.normalize("NFC", password)


def check_password(password: str) -> str:
    """Return a password that may be given to an account.

    Raises: InvalidInput.
    """
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise errors.InvalidInput("the password is not text", "use letters, digits and signs") from None
    if len(password) < _LEAST or size > MOST_BYTES:
        raise errors.InvalidInput(
            f"a password has {_LEAST} characters or more, and {MOST_BYTES} bytes at most",
            "a few random words are easy to remember",
        )
    return password


def new_password() -> str:
    """Make a password that can be read aloud, of 80 random bits.

    >>> len(new_password())
    19
    """
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def new_secret(kind: str) -> str:
    """Make a secret of 256 bits whose beginning says what it is, so that it is noticed where it leaked to.

    >>> new_secret("temporary").startswith("conlab_temporary_")
    True
    """
    return f"conlab_{kind}_{secrets.token_urlsafe(32)}"


def of_secret(secret: str) -> str:
    """Return what to keep of a secret, and under which it is found again.

    >>> of_secret("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(secret.encode()).hexdigest()
