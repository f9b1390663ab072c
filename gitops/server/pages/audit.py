"""The audit log as a timeline, with the state of its proof; signing in and out."""

from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gitops.server.api import audit
from gitops.server.auth.access import is_same_origin
from gitops.server.pages.routes import Pages, given, set_cookie
from gitops.server.pages.shown import folded, told_detail
from gitops.server.problems import Problem

_LIST: Final = audit.OPERATIONS[0]
_LONGEST: Final = 3800  # a browser keeps no longer cookie
_SESSION_SECONDS: Final = 12 * 3600


def routes(pages: Pages) -> list[web.RouteDef]:
    async def timeline(request: web.Request) -> web.Response:
        call = await pages.call(request, _LIST)
        found = await audit.list_entries(call)
        asked = {name: value for name, value in given(request).items() if name not in ("before", "limit")}
        application = call["application"] or ""
        is_wanted = "verify" in request.query
        proof = await pages.served.proofs.proof(application) if is_wanted else pages.served.proofs.last(application)
        following = f"/audit?{urlencode({**asked, 'before': found['next']})}" if found["next"] else ""
        return pages.show(
            "audit.html",
            call,
            "audit",
            days=[(day, list(some)) for day, some in groupby(found["items"], key=lambda one: one["at"][:10])],
            asked=asked,
            following=following,
            is_first="before" not in request.query,
            proof=proof.data(call.sees) if proof else None,
            verify=f"/audit?{urlencode({**asked, 'verify': '1'})}",
            told=told_detail,
            folded=folded,
        )

    return [web.get("/audit", timeline)]


def session_routes(pages: Pages) -> list[web.RouteDef]:
    def shown(wrong: str = "", status: int = 200) -> web.Response:
        return pages.renderer.page("signin.html", status, wrong=wrong, **pages.shared(None, "signin"))

    async def form(_: web.Request) -> web.Response:
        return shown()

    async def sign_in(request: web.Request) -> web.Response:
        access = pages.served.access
        _check_ours(request)
        token = str((await request.post()).get("token", "")).strip()
        if not access.can_sign_in:
            return shown("This controller has no tokens, so nobody can sign in.", 403)
        if len(token) > _LONGEST or await access.holder(token) is None:
            return shown("This token is not valid: it expired, was taken out, or is none.", 401)
        response = web.Response(status=303, headers={"Location": "/applications", "Cache-Control": "no-store"})
        set_cookie(response, request, token, _SESSION_SECONDS)
        return response

    async def sign_out(request: web.Request) -> web.Response:
        _check_ours(request)
        response = web.Response(status=303, headers={"Location": "/signin", "Cache-Control": "no-store"})
        set_cookie(response, request, "", 0)
        return response

    return [web.get("/signin", form), web.post("/signin", sign_in), web.post("/signout", sign_out)]


def _check_ours(request: web.Request) -> None:
    """Raise Problem for a form on another site's page."""
    if not is_same_origin(request):
        raise Problem(403, "Another site's request", "sign in and out on the page of this controller")
