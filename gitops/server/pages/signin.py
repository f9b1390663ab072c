"""Signing in and out on the page: with a token, or by the OpenID provider. No address says where that leads to."""

from typing import Final

from aiohttp import web

from gitops.server.auth.access import COOKIE, SESSION_COOKIE, is_same_origin
from gitops.server.auth.oidc import BEGUN, SESSION, Oidc
from gitops.server.listening import CALLBACK
from gitops.server.pages.routes import Pages
from gitops.server.problems import Problem

_HOME: Final = "/applications"
_BEGUN_COOKIE: Final = "gitops_signin"
_LONGEST: Final = 3800  # a browser keeps no longer cookie
_TOKEN_SECONDS: Final = 12 * 3600


def routes(pages: Pages) -> list[web.RouteDef]:
    def shown(wrong: str = "", status: int = 200) -> web.Response:
        return pages.renderer.page("signin.html", status, wrong=wrong, **pages.shared(None, "signin"))

    async def form(_: web.Request) -> web.Response:
        return shown()

    async def sign_in(request: web.Request) -> web.Response:
        access = pages.served.access
        _check_ours(request)
        token = str((await request.post()).get("token", "")).strip()
        if not access.takes_tokens:
            return shown("This controller has no tokens, so nobody can sign in with one.", 403)
        if len(token) > _LONGEST or await access.holder(token) is None:
            return shown("This token is not valid: it expired, was taken out, or is none.", 401)
        response = _sent_to(_HOME)
        _set_cookie(response, request, COOKIE, token, _TOKEN_SECONDS)
        _set_cookie(response, request, SESSION_COOKIE, "", 0)
        return response

    async def sign_out(request: web.Request) -> web.Response:
        _check_ours(request)
        response = _sent_to("/signin")
        for name in (COOKIE, SESSION_COOKIE):
            _set_cookie(response, request, name, "", 0)
        return response

    found = [web.get("/signin", form), web.post("/signin", sign_in), web.post("/signout", sign_out)]
    oidc = pages.served.access.oidc
    return found if oidc is None else [*found, *_oidc_routes(oidc)]


def _oidc_routes(oidc: Oidc) -> list[web.RouteDef]:
    async def begin(request: web.Request) -> web.Response:
        address, kept = await oidc.begin()
        response = _sent_to(address)
        seconds = int(BEGUN.total_seconds())
        _set_cookie(response, request, _BEGUN_COOKIE, kept, seconds, lax=True, secure=oidc.is_secure)
        return response

    async def callback(request: web.Request) -> web.Response:
        _, session = await oidc.finish(dict(request.query), request.cookies.get(_BEGUN_COOKIE, ""))
        response = _sent_to(_HOME)
        seconds = int(SESSION.total_seconds())
        # Lax: by Strict the browser would not send it where the provider's page has sent it to.
        _set_cookie(response, request, SESSION_COOKIE, session, seconds, lax=True, secure=oidc.is_secure)
        _set_cookie(response, request, _BEGUN_COOKIE, "", 0, lax=True, secure=oidc.is_secure)
        _set_cookie(response, request, COOKIE, "", 0)
        return response

    return [web.get("/signin/oidc", begin), web.get(CALLBACK, callback)]


def _sent_to(address: str) -> web.Response:
    return web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})


def _set_cookie(
    response: web.Response,
    request: web.Request,
    name: str,
    value: str,
    seconds: int,
    *,
    lax: bool = False,
    secure: bool = False,
) -> None:
    """The browser keeps it, shows it to no script, and sends it with no act of another site's page."""
    is_secure = secure or request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    same_site = "Lax" if lax else "Strict"
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite=same_site, secure=is_secure, path="/")


def _check_ours(request: web.Request) -> None:
    """Raise Problem for a form on another site's page."""
    if not is_same_origin(request):
        raise Problem(403, "Another site's request", "sign in and out on the page of this controller")
