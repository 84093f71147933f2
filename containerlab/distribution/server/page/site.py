"""The pages of a registry: where each is, and what is true of all: who asks, forms, errors, headers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from containerlab import errors
from containerlab.distribution.api.problem import status_of
from containerlab.distribution.server.accounts import authentication
from containerlab.distribution.server.page import addresses, rendering, sessions
from containerlab.distribution.server.page.visit import Visit, cookie_name

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from containerlab.distribution.server.registry import Registry
    from containerlab.distribution.server.rights import Identity

__all__ = ["HEADERS", "Handler", "routes"]

Handler = Callable[[Visit], "Response"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: browsers would then send forms with the origin "null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every page. `no-store`: what a signed-in visitor saw is not in the browser after signing out."""
_MAX_FORM_BYTES, _MAX_FIELDS = 64 << 10, 500
_KEPT_FOR_EVER = "public, max-age=31536000, immutable"
_log = logging.getLogger(__name__)


def routes(registry: Registry) -> list[BaseRoute]:
    """Return what answers at `/` and below `/ui/`."""
    from starlette.responses import RedirectResponse
    from starlette.routing import Route

    from containerlab.distribution.server.archives import pieces
    from containerlab.distribution.server.page import contents

    async def home(request: Request) -> Response:
        return RedirectResponse(addresses.HOME, 303, HEADERS)

    pages: list[BaseRoute] = [
        Route(path, _endpoint(registry, handler), methods=[method])
        for method, path, handler in contents.PAGES
    ]
    return [
        Route("/", home),
        Route("/ui", home),
        Route("/ui/static/{version}/{name}", _asset),
        pieces.route(registry, _uploader, "/ui/uploads/{id}/content"),
        *pages,
        Route("/ui/{rest:path}", _endpoint(registry, contents.missing), methods=["GET", "POST"]),
    ]


async def _asset(request: Request) -> Response:
    from starlette.responses import Response

    try:
        content, media_type = rendering.asset(request.path_params["name"])
    except KeyError:
        return Response(status_code=404, headers=HEADERS)
    return Response(content, 200, {**HEADERS, "Cache-Control": _KEPT_FOR_EVER}, media_type)


def _endpoint(registry: Registry, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    from starlette.concurrency import run_in_threadpool

    async def answer(request: Request) -> Response:
        form = await _form(request) if request.method == "POST" else {}
        response = await run_in_threadpool(_answer, registry, handler, request, form)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return answer


async def _form(request: Request) -> Mapping[str, Sequence[str]] | None:
    """Read what was posted; None when it is too long, malformed or cut off."""
    from starlette.requests import ClientDisconnect

    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_FORM_BYTES:
                return None
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="replace")
    except (ValueError, ClientDisconnect):
        return None


def _answer(
    registry: Registry, handler: Handler, request: Request, form: Mapping[str, Sequence[str]] | None
) -> Response:
    from starlette.responses import PlainTextResponse

    try:
        visit = Visit(registry, request, *_visitor(registry, request), form or {})
    except errors.LabError as error:  # as a damaged database: no page can be made
        return PlainTextResponse(f"{error}\n", status_of(error))
    try:
        if form is None:
            raise errors.InvalidInput("the form is too long, or not one of this page")
        if request.method == "POST" and not _is_ours(visit):
            return _refused(visit)
        return handler(visit)
    except errors.LabError as error:
        return _failed(visit, error)
    except Exception:
        _log.exception("%s %r failed", request.method, request.url.path)
        return visit.render("error.html", 500, title="This should not happen", error=_UNEXPECTED, back="")


def _is_ours(visit: Visit) -> bool:
    """Tell whether a form, or what a script sent, came from a page that this visitor was shown."""
    return sessions.is_token(visit.key, visit.field("csrf") or visit.request.headers.get("x-csrf-token", ""))


_UNEXPECTED = errors.LabError("the server failed at this; its log says where", "try again")


def _visitor(registry: Registry, request: Request) -> tuple[Identity, sessions.Session | None]:
    address = request.client.host if request.client else ""
    key = request.cookies.get(cookie_name(request), "")
    session = sessions.find(registry, key) if key else None
    identity = sessions.identity(registry, session, address) if session else None
    if session is None or identity is None:
        return authentication.identify(registry, "", address), None
    if "x-live" not in request.headers:
        sessions.touch(registry, key, session)
    return identity, session


def _uploader(registry: Registry, request: Request) -> Identity:
    """Return who sends a piece of an archive.

    Raises: NotPermitted when it was not a script of ours.
    """
    visit = Visit(registry, request, *_visitor(registry, request), {})
    if not _is_ours(visit):
        raise errors.NotPermitted("the upload page is too old", "load it again")
    return visit.identity


def _refused(visit: Visit) -> Response:
    error = errors.NotPermitted(
        "the form was not made for this session, so nothing was done",
        "open the page again and repeat it; are cookies allowed?",
    )
    return visit.render("error.html", 403, title="Not done", error=error, back=visit.request.url.path)


def _failed(visit: Visit, error: errors.LabError) -> Response:
    status = status_of(error)
    if status in (401, 403, 404) and visit.session is None and not visit.is_open and _wants_page(visit):
        return visit.go(addresses.with_query("/ui/login", next=visit.here))
    back = visit.request.url.path if visit.request.method == "POST" else ""
    response = visit.render(
        "error.html", status, title=_TITLES.get(status, "Not done"), error=error, back=back
    )
    if wait_s := getattr(error, "retry_after_s", None):
        response.headers["Retry-After"] = str(int(wait_s) + 1)
    return response


def _wants_page(visit: Visit) -> bool:
    return visit.request.method == "GET" and "x-live" not in visit.request.headers


_TITLES = {
    403: "Not permitted",
    404: "Not found",
    409: "Not possible now",
    429: "Too many tries",
    503: "Not available now",
}
