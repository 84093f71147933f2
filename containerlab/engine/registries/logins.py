"""Log in to a registry and out again, in Docker's words."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from containerlab import errors
from containerlab.distribution import logins
from containerlab.distribution.credentials import Credentials, find, key_of
from containerlab.distribution.endpoints import endpoint
from containerlab.distribution.exchange import Exchange
from containerlab.engine import asking
from containerlab.oci.reference import DEFAULT_REGISTRY, Reference
from containerlab.views import html

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Login", "Logout", "log_in", "log_out"]

_INSECURE = "WARNING! Using --password via the CLI is insecure. Use --password-stdin."
_PLAIN = """\
WARNING! Your credentials are stored unencrypted in '{}'.
Configure a credential helper to remove this warning. See
https://docs.docker.com/go/credential-store/"""


class Login(html.Shown, msgspec.Struct, frozen=True, kw_only=True):
    """That a registry took a login."""

    registry: str
    username: str
    place: str
    """Where it is kept: a file, or the program of a credential helper."""
    notices: tuple[str, ...] = ()
    """What its user should know."""

    def to_text(self) -> str:
        return "Login Succeeded"

    def to_html(self) -> str:
        notices = "".join(html.line(html.text(notice)) for notice in self.notices)
        return html.line(html.mark(is_good=True) + html.text(self.to_text())) + notices

    def __repr__(self) -> str:
        return self.to_text()


class Logout(html.Shown, msgspec.Struct, frozen=True):
    """Which logins were forgotten."""

    registries: tuple[str, ...]
    asked: str = ""
    """The registry that was named; empty for all."""

    def to_text(self) -> str:
        if not self.registries:
            return f"Not logged in to {self.asked}" if self.asked else "Not logged in anywhere"
        return "\n".join(f"Removing login credentials for {registry}" for registry in self.registries)

    def __repr__(self) -> str:
        return self.to_text()


class _Target(NamedTuple):
    """Whose login it is, and where it is tried."""

    key: str
    """A registry, or a repository there, as podman has it."""
    registry: str


def log_in(text: str, given: Mapping[str, Any], face: str) -> Login:
    """Try a login at a registry, and keep it if it is taken.

    given: username, password, password_stdin, tls_verify. face: where its user is, for prompts.

    Raises: NotPermitted when the registry does not take it; InvalidInput when nobody can be asked for it.
    """
    target, tls_verify = _target(text), given.get("tls_verify")
    notices = [_INSECURE] if "password" in given and face else []
    kept = find(target.key)
    if kept and not given.keys() & {"username", "password", "password_stdin"}:
        try:
            credentials = _verified(target, kept, tls_verify)
        except errors.NotPermitted:
            credentials = _verified(target, _asked(given, face, kept.username), tls_verify)
    else:
        credentials = _verified(target, _asked(given, face, kept.username), tls_verify)
    place = logins.keep(target.key, credentials)
    notices += [_PLAIN.format(place.place)] if place.is_plain else []
    return Login(
        registry=target.key, username=credentials.username, place=place.place, notices=tuple(notices)
    )


def log_out(text: str, everywhere: bool) -> Logout:
    """Forget the login of a registry, or all."""
    if everywhere:
        return Logout(tuple(logins.forget_all()))
    key = _target(text).key
    return Logout((key,) if logins.forget(key) else (), key)


def _target(text: str) -> _Target:
    """Read what names a registry.

    >>> _target(""), _target("https://r.example:5000/v2/")
    (_Target(key='docker.io', registry='docker.io'), _Target(key='r.example:5000', registry='r.example:5000'))
    """
    key = key_of(text.strip()) if text.strip() else DEFAULT_REGISTRY
    registry, _, repository = key.partition("/")
    try:
        if Reference.parse(f"{registry}/{repository or 'x'}").registry == registry:
            return _Target(key, registry)
    except errors.InvalidInput:
        pass
    raise errors.InvalidInput(
        f"{text!r} is not a registry", "write host or host:port, or nothing for Docker Hub"
    )


def _verified(target: _Target, credentials: Credentials, tls_verify: bool | None) -> Credentials:
    """Return credentials that the registry took, with the identity token that it may give for a password."""
    with Exchange(endpoint(target.registry, tls_verify=tls_verify), credentials, offline=True) as exchange:
        with exchange.request("GET", "/v2/", scope="") as answer:
            answer.read()
        token = exchange.identity_token
    return Credentials(credentials.username, identity_token=token) if token else credentials


def _asked(given: Mapping[str, Any], face: str, usual: str) -> Credentials:
    """Return what was given, or what its user says when asked."""
    username, password = given.get("username", ""), given.get("password", "")
    if given.get("password_stdin"):
        if "password" in given:
            raise errors.InvalidInput(
                "--password and --password-stdin are mutually exclusive", "give one of them"
            )
        if not username:
            raise errors.InvalidInput("--password-stdin needs --username", "give -u NAME too")
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    elif not username or not password:
        asking.check_somebody_is_there(
            face, "a login", "give -u NAME --password-stdin, and the password there"
        )
    if not username:
        username = asking.ask(f"Username ({usual}): " if usual else "Username: ") or usual
    if not password and not given.get("password_stdin"):
        password = asking.ask_secret("Password: ")
    for value, name in ((username, "username"), (password, "password")):
        if not value:
            raise errors.InvalidInput(f"{name} required", f"a login has a {name}")
    try:
        (username + password).encode()
    except UnicodeEncodeError:
        raise errors.InvalidInput("a username and a password are text, and this is not UTF-8") from None
    if ":" in username or "\n" in username + password:
        raise errors.InvalidInput("a username has no colon, and neither it nor a password more than one line")
    return Credentials(username, password)
