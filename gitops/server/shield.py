"""What surrounds every answer: a page may load nothing from elsewhere, run no script but ours, and be framed by nobody.

Errors become problems for programs and pages for people here; a fault of ours is logged whole, and tells nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gitops.model.errors import GitopsError
from gitops.server.problems import CONTENT_TYPE, Problem, problem_of

log = structlog.get_logger()
ErrorPage = Callable[[web.Request, Problem], Awaitable[web.Response]]

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Server": "gitops",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # by "no-referrer" a browser would not say that a form is of our own page
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_TITLES: Final = {404: "There is no such page", 405: "Not done that way", 413: "Too large"}


def shield(error_page: ErrorPage) -> Middleware:
    """The middleware; `error_page` makes a problem readable for a person."""

    @web.middleware
    async def shielded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as exc:
            return await _told(request, exc, error_page)
        except GitopsError as exc:
            return await _told(request, problem_of(exc), error_page)
        except web.HTTPRedirection as exc:
            return web.Response(status=exc.status, headers={"Location": exc.headers["Location"]})
        except web.HTTPException as exc:
            title = _TITLES.get(exc.status, exc.reason or "Not done")
            allowed = {"Allow": exc.headers["Allow"]} if "Allow" in exc.headers else {}
            return await _told(request, Problem(exc.status, title, **allowed), error_page)
        except Exception:
            log.exception("http.crashed", path=request.path[:200])
            return await _told(request, Problem(500, "A fault of ours", "the controller's log has it"), error_page)

    return shielded


def acting(done: Callable[[], None]) -> Middleware:
    """The middleware that tells `done` of each request which may have changed something."""

    @web.middleware
    async def acted(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            if request.method not in ("GET", "HEAD"):
                done()

    return acted


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """What every answer says to a browser, a stream's too."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def _told(request: web.Request, problem: Problem, error_page: ErrorPage) -> web.Response:
    headers = {**problem.headers, "Cache-Control": "no-store"}
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if request.path.startswith("/api/"):
        body = orjson.dumps(problem.body())
        return web.Response(status=problem.status, body=body, content_type=CONTENT_TYPE, headers=headers)
    response = await error_page(request, problem)
    response.headers.update(headers)
    return response
