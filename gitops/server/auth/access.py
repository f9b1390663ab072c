"""Who somebody is that asks over HTTP. What they may is said by `gitops.server.auth.decisions`.

    Authorization: Bearer TOKEN, or a cookie that signing in on the page sets  ──► Person(name, roles or groups)
    nobody                                                                     ──► may read where that is open, else not

A browser sends a cookie by itself, also when another site's page has it ask; so an act that comes with a cookie has to
come from our own page, by the browser's word.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from aiohttp import web

from gitops.server.auth.decisions import Decisions
from gitops.server.auth.kubernetes_tokens import KubernetesTokens
from gitops.server.auth.oidc import Oidc
from gitops.server.auth.person import NOBODY, Person, Sight, Way
from gitops.server.auth.policy import ROLE
from gitops.server.auth.policy_file import PolicyFile
from gitops.server.auth.tokens import PREFIX, TokenFile
from gitops.server.listening import is_loopback
from gitops.server.problems import Problem

COOKIE: Final = "gitops_token"
SESSION_COOKIE: Final = "gitops_session"
_LONGEST_TOKEN: Final = 8000  # a header line has no more
_PERSON: Final = web.RequestKey("person", Person)
_HOW: Final = "start gitops run with --tokens FILE (gitops token NAME --scope operator --tokens FILE makes one)"


@dataclass(frozen=True, slots=True)
class Access:
    """The rules: tokens, if there are any, and whether anyone may read.

    `only_here` when reading is open because only this machine gets at us: then a name that a stranger's server has
    given itself, which leads here, is not served.
    """

    tokens: TokenFile | None
    now: Callable[[], datetime]
    anyone_reads: bool = False
    only_here: bool = False
    decisions: Decisions = field(default_factory=lambda: Decisions(PolicyFile(None)))
    kubernetes: KubernetesTokens | None = None
    oidc: Oidc | None = None

    @property
    def can_sign_in(self) -> bool:
        """Whether there is any way for somebody to say who they are."""
        return self.takes_tokens or self.oidc is not None

    @property
    def takes_tokens(self) -> bool:
        """Whether there is any token that lets somebody in."""
        return self.tokens is not None or self.kubernetes is not None

    async def person(self, request: web.Request) -> Person:
        """Who asks, and may read something. Raises Problem for somebody who may not."""
        if _PERSON in request:
            return request[_PERSON]
        self._check_host(request)
        request[_PERSON] = found = await self._found(request)
        return found

    async def person_now(self, request: web.Request) -> Person:
        """Who asks, as it is now, however long ago the request came. Raises Problem for nobody any more."""
        return await self._found(request)

    async def sight(self, request: web.Request) -> Sight:
        """What who asks may see, as it is now. Raises Problem for nobody any more."""
        return self.decisions.sight(await self.person_now(request))

    async def _found(self, request: web.Request) -> Person:
        token, by_cookie = _token_of(request)
        if token:
            found = await self.holder(token)
            if found is not None:
                return replace(found, by_cookie=by_cookie)
        if by_cookie and (signed_in := self._signed_in(request)) is not None:
            return signed_in
        # An old cookie does not keep anyone from what all may read.
        if token and not (by_cookie and self.anyone_reads):
            raise Problem(401, "Not signed in", "this token is not valid: it expired, was taken out, or is none")
        if self.anyone_reads:
            return NOBODY
        if not self.can_sign_in:
            how = f"{_HOW}, or with --anyone-reads"
            raise Problem(401, "Not signed in", f"reading is closed, and there are no tokens: {how}")
        raise Problem(401, "Not signed in", "send a token (Authorization: Bearer …), or sign in on the page")

    def _signed_in(self, request: web.Request) -> Person | None:
        """Who has signed in with the provider, by the cookie that we gave them for it."""
        session = request.cookies.get(SESSION_COOKIE, "")
        found = self.oidc.person(session) if self.oidc is not None and session else None
        return None if found is None else replace(self.decisions.with_default(found), by_cookie=True)

    async def holder(self, token: str) -> Person | None:
        """Whose token this is; None for nobody's. Raises Problem where that cannot be known now."""
        ours = self.tokens.find(token, self.now()) if self.tokens else None
        if ours is not None:
            return Person(ours.name, Way.TOKEN, (ROLE + ours.scope.value,), only=ours.only)
        if self.kubernetes is None or token.startswith(PREFIX):
            return None
        found = await self.kubernetes.find(token)
        return None if found is None else self.decisions.with_default(found)

    def check_act(self, request: web.Request, person: Person, actions: tuple[str, ...], application: str) -> None:
        """Raise Problem where the person may not do all of this, or where another site's page may have asked for it."""
        if not self.can_sign_in:
            raise Problem(403, "Acts are off", f"acts need a token of scope operator, and there are no tokens: {_HOW}")
        if not person.name:
            raise Problem(401, "Not signed in", "acts need somebody who says who they are; this request has no token")
        for action in actions:
            self.decisions.check(person, action, application)
        if person.by_cookie and not is_same_origin(request):
            raise Problem(403, "Another site's request", "an act with the page's cookie has to come from the page")

    def _check_host(self, request: web.Request) -> None:
        if self.only_here and not _is_of_this_machine(request.headers.get("Host", "")):
            raise Problem(421, "Not this host", "reading is open to this machine only: ask by localhost or its address")


def is_same_origin(request: web.Request) -> bool:
    """Whether the browser says that the request comes from a page of ours; a client that says nothing is no browser."""
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    if origin is not None:
        return origin.partition("://")[2].casefold() == request.headers.get("Host", "").casefold()
    return site is not None


def _token_of(request: web.Request) -> tuple[str, bool]:
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.casefold() == "bearer" and given.strip():
        return _bounded(given.strip()), False
    return _bounded(request.cookies.get(COOKIE, "")), True


def _bounded(token: str) -> str:
    """The token; of one that is too long, what is no token."""
    return token if len(token) <= _LONGEST_TOKEN else "too long"


def _is_of_this_machine(header: str) -> bool:
    host = header.rpartition(":")[0] if header.rpartition(":")[2].isdigit() else header
    return is_loopback(host)
