"""One request of a browser: who it is, what was sent, and how it is answered."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, cast
from urllib.parse import quote, unquote

from containerlab import errors
from containerlab.distribution.api.registry_api import RegistryApi
from containerlab.distribution.server.page import addresses, rendering, sessions
from containerlab.distribution.server.page.in_process import InProcess

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from containerlab.distribution.server.page.sessions import Session
    from containerlab.distribution.server.registry import Registry
    from containerlab.distribution.server.rights import Identity

__all__ = ["Notice", "Visit", "cookie_name"]

_NOTICE_LENGTH = 600


class Notice(NamedTuple):
    """A sentence at the top of a page about what was just done, or why not."""

    text: str
    is_good: bool = True


class Visit:
    """What every page takes; made for one request.

    form: what was posted, each name with all its values. key: what the visitor's cookie has, or nothing.
    """

    def __init__(
        self,
        registry: Registry,
        request: Request,
        identity: Identity,
        session: Session | None,
        form: Mapping[str, Sequence[str]],
    ) -> None:
        self.registry, self.request, self.identity = registry, request, identity
        self.session, self.form = session, form
        self.key = request.cookies.get(cookie_name(request), "")
        self.secrets: dict[str, str] = {}
        """What this answer shows and no other will, by what it is."""
        self._fresh_key = ""
        self._notice: Notice | None = None

    def field(self, name: str, default: str = "") -> str:
        """Return what the visitor wrote into a field of the form, without spaces around it."""
        return (self.form.get(name) or [default])[-1].strip()

    def secret(self, name: str) -> str:
        """Return a field just as it was written."""
        return (self.form.get(name) or [""])[-1]

    def number(self, name: str) -> int | None:
        """Return a field that has a number, None when it is empty.

        Raises: InvalidInput.
        """
        text = self.field(name)
        if text and not (text.isascii() and text.isdigit() and len(text) <= 15):
            raise errors.InvalidInput(f"{name.replace('_', ' ')}: not a number: {text[:40]!r}")
        return int(text) if text else None

    def id(self) -> int:
        """Return the number of what a form is about."""
        return self.number("id") or 0

    def level(self) -> Literal["read", "write", "manage"]:
        """Return the right that a form gives."""
        return cast("Literal['read', 'write', 'manage']", self.field("level"))  # the operation checks it

    def words(self, name: str) -> tuple[str, ...]:
        """Return a field that has several words, with spaces or commas between them."""
        return tuple(self.field(name).replace(",", " ").split())

    def has(self, name: str) -> bool:
        """Tell whether a box is ticked or a button was pressed."""
        return name in self.form

    def query(self, name: str, default: str = "") -> str:
        """Return a parameter of the address."""
        return self.request.query_params.get(name, default)

    def page_number(self) -> int:
        """Return which page of a long list is asked for, from 1."""
        text = self.query("page", "1")
        return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) <= 6 else 1

    def path(self, name: str) -> str:
        """Return a part of the address."""
        return str(self.request.path_params[name])

    @property
    def here(self) -> str:
        """The address of this page, with its query."""
        query = self.request.url.query
        return self.request.url.path + (f"?{query}" if query else "")

    def is_at(self, address: str) -> bool:
        """Tell whether this page is at an address or belongs below it."""
        path = self.request.url.path
        if address == addresses.HOME:
            return path == address or path.startswith("/ui/repositories/")
        return path == address or path.startswith(f"{address}/")

    def menu(self) -> list[tuple[str, str]]:
        """Return what the visitor can go to from every page."""
        is_somebody = self.session is not None or self.is_open
        entries = (
            ("Repositories", addresses.HOME, True),
            ("Organisations", "/ui/organizations", True),
            ("Activity", "/ui/audit", is_somebody),
            ("Storage", "/ui/storage", is_somebody),
            ("Connections", "/ui/connections", self.identity.is_admin),
            ("Users", "/ui/users", self.identity.is_admin and not self.is_open),
        )
        return [(name, address) for name, address, is_shown in entries if is_shown]

    @property
    def is_open(self) -> bool:
        """Whether nobody has to sign in here."""
        return self.registry.settings.auth == "none"

    @functools.cached_property
    def base_url(self) -> str:
        """Where the registry is, as the visitor's browser calls it; no slash at its end."""
        return self.registry.settings.public_url.rstrip("/") or str(self.request.base_url).rstrip("/")

    @functools.cached_property
    def api(self) -> RegistryApi:
        """The operations of the API, as the visitor may carry them out."""
        return RegistryApi(InProcess(self.registry, self.identity))

    def require_somebody(self) -> None:
        """Raise NotPermitted unless the visitor has signed in, or nobody has to."""
        if not (self.session or self.is_open):
            raise errors.NotPermitted("this is for those who have signed in", "sign in")

    def require_administrator(self) -> None:
        """Raise NotPermitted unless the visitor administers the registry."""
        if not self.identity.is_admin:
            raise errors.NotPermitted("this is for administrators", "ask one")

    @property
    def host(self) -> str:
        """What stands before the names of images."""
        return self.base_url.partition("://")[2]

    @property
    def token(self) -> str:
        """What forms have to bring along; a visitor who has no key yet is given one with the answer."""
        if not self.key:
            self.key = self._fresh_key = sessions.fresh_key()
        return sessions.token(self.key)

    def render(self, template: str, status: int = 200, /, **values: object) -> Response:
        """Answer with a page."""
        from starlette.responses import HTMLResponse

        response = HTMLResponse("", status)
        notice = self._notice or self._kept_notice(response)
        shown = {"visit": self, "notice": notice, "now": self.registry.now(), **values}
        response.body = rendering.render(template, shown).encode()
        response.headers["content-length"] = str(len(response.body))
        self._set_key(response)
        return response

    def live(self, templates: tuple[str, str], content: bytes, **values: object) -> Response:
        """Answer with a page that follows what happens, or with the part of it that changes.

        templates: of the page, of the part. content: what the part shows, but for how long ago it was: the
        page's script asks for the part again and again, and is told that nothing has changed.
        """
        from starlette.responses import Response

        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        if "x-live" not in self.request.headers:
            return self.render(templates[0], live=self.here, etag=etag, **values)
        headers = {"ETag": etag}
        if self.request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        response = self.render(templates[1], **values)
        response.headers["ETag"] = etag
        return response

    def notify(self, text: str, is_good: bool = True) -> None:
        """Show a sentence on the page that is rendered next for this request."""
        self._notice = Notice(text, is_good)

    def go(self, address: str, notice: str = "") -> Response:
        """Answer with where to go on, and a sentence that is shown there."""
        from starlette.responses import RedirectResponse

        response = RedirectResponse(address if addresses.is_ours(address) else addresses.HOME, 303)
        if notice:
            set_cookie(self.request, response, "-notice", quote(notice[:_NOTICE_LENGTH]))
        return response

    def sign_in(self, key: str, address: str) -> Response:
        """Answer with where to go on, signed in."""
        response = self.go(address)
        set_cookie(self.request, response, "", key)
        return response

    def sign_out(self) -> Response:
        """Answer with the first page, and forget the key."""
        response = self.go(addresses.HOME)
        response.delete_cookie(cookie_name(self.request), httponly=True, samesite="strict")
        return response

    def _kept_notice(self, response: Response) -> Notice | None:
        kept = self.request.cookies.get(cookie_name(self.request) + "-notice")
        if kept is None:
            return None
        response.delete_cookie(cookie_name(self.request) + "-notice", httponly=True, samesite="strict")
        return Notice(unquote(kept))

    def _set_key(self, response: Response) -> None:
        if self._fresh_key:
            set_cookie(self.request, response, "", self._fresh_key)


def cookie_name(request: Request) -> str:
    """Return the name of the visitor's cookie.

    Cookies know no ports (RFC 6265, 8.5): two registries on one machine would sign each other's visitors out.
    """
    port = request.url.port or ""
    # Browsers take a cookie with this prefix only over TLS and only from this very host (RFC 6265bis, 4.1.3).
    return f"{'__Host-' if request.url.scheme == 'https' else ''}conlab{port}"


def set_cookie(request: Request, response: Response, suffix: str, value: str) -> None:
    """Give the browser a value that neither scripts nor other sites' forms and links send or see."""
    response.set_cookie(
        cookie_name(request) + suffix,
        value,
        max_age=int(sessions.ABSOLUTE_S),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
