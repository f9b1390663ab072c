"""The pages: each is an address of its own, made from what the API's own functions give."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from gitops.model.errors import GitopsError
from gitops.server.api.openapi import NAMES
from gitops.server.api.operations import Call, Operation, Served
from gitops.server.api.parameters import read_query
from gitops.server.auth.person import Person
from gitops.server.auth.policy import ACTIONS, GET
from gitops.server.pages.render import STATIC, Renderer
from gitops.server.pages.render import error_page as render_error
from gitops.server.pages.shared_pages import SharedPages
from gitops.server.problems import Problem, problem_of

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
ONE: Final = f"/applications/{{namespace:{NAMES['namespace']}}}/{{name:{NAMES['name']}}}"


@dataclass(frozen=True, slots=True)
class Pages:
    """What every page is made with."""

    served: Served
    renderer: Renderer
    shared_pages: SharedPages = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shared_pages", SharedPages(self.served, self.renderer, self.shared))

    async def call(self, request: web.Request, operation: Operation | None = None, **values: Any) -> Call:
        """The call of an operation that a page's address stands for. Raises Problem, also for what may not be seen."""
        person = await self.served.access.person(request)
        names = request.match_info
        application = f"{names['namespace']}/{names['name']}" if "name" in names else ""
        if application:
            self.served.access.decisions.check(person, GET, application)
        read = read_query(operation.query, given(request)) if operation else {}
        return Call(self.served, person, application, {**read, **values})

    def shared(self, person: Person | None, place: str = "") -> dict[str, Any]:
        """What the frame of every page shows: where we are, and who looks."""
        return {
            "place": place,
            "person": person,
            "can_sign_in": self.served.access.can_sign_in,
            "takes_tokens": self.served.access.takes_tokens,
            "has_provider": self.served.access.oidc is not None,
            "live": person is not None,
        }

    def show(self, name: str, call: Call, place: str, **values: Any) -> web.Response:
        """The page; `may` are the actions on its Application that are allowed to whoever looks."""
        may = frozenset(action for action in ACTIONS if call.application and call.may(action))
        return self.renderer.page(name, **self.shared(call.person, place), may=may, **values)

    async def error(self, request: web.Request, problem: Problem) -> web.Response:
        """A problem as a page; who may not read is asked to sign in."""
        person: Person | None = None
        try:
            person = await self.served.access.person(request)
        except Problem:
            pass
        return render_error(self.renderer, problem, self.shared(person))


def given(request: web.Request) -> dict[str, str]:
    """The query of a page: a form sends each of its fields, also the empty ones, and several of one name."""
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if value and name not in ("said", "verify"):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


async def part(work: Awaitable[dict[str, Any]]) -> Mapping[str, Any]:
    """One part of a page; what cannot be had is told in its place, and the rest of the page is there."""
    try:
        return {**await work, "error": ""}
    except Problem as exc:
        return {"error": f"{exc.title}: {exc.detail}"}
    except GitopsError as exc:
        return {"error": f"{problem_of(exc).title}: {exc}"}


def static_routes() -> list[web.RouteDef]:
    """Our own few files, read once."""
    return [web.get(f"/static/{path.name}", _file(path)) for path in sorted(STATIC.iterdir()) if path.suffix in _TYPES]


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    body, kind = path.read_bytes(), _TYPES[path.suffix]

    async def handle(_: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)

    return handle
