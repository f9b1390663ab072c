"""Who somebody is that asks over HTTP, and what they may: the one place that says yes or no.

    Authorization: Bearer TOKEN, or the cookie that the page's sign-in sets  ──► Person(name, scope)
    nobody                                                                   ──► may read where that is open, else not

Whoever acts is an operator with a token: there is no other way. A browser sends the cookie by itself, also when another
site's page has it ask; so an act that comes with the cookie has to come from our own page, by the browser's word.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from gitops.server.auth.tokens import Scope, TokenFile
from gitops.server.problems import Problem

COOKIE: Final = "gitops_token"
_LONGEST_TOKEN: Final = 4096
_HOW: Final = "start gitops run with --tokens FILE (gitops token NAME --scope operator --tokens FILE makes one)"


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks; `name` is "" for nobody in particular. `by_cookie` when a browser may have sent it by itself."""

    name: str
    scope: Scope
    by_cookie: bool = False

    @property
    def may_act(self) -> bool:
        return self.scope is Scope.OPERATOR


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

    def person(self, request: web.Request) -> Person:
        """Who asks, and may read. Raises Problem for somebody who may not."""
        self._check_host(request)
        token, by_cookie = _token_of(request)
        if token:
            found = self.tokens.find(token, self.now()) if self.tokens else None
            if found is not None:
                return Person(found.name, found.scope, by_cookie)
            if not by_cookie or not self.anyone_reads:  # an old cookie does not keep anyone from what all may read
                raise Problem(401, "Not signed in", "this token is not valid: it expired, was taken out, or is none")
        if self.anyone_reads:
            return Person("", Scope.VIEWER)
        if self.tokens is None:
            how = f"{_HOW}, or with --anyone-reads"
            raise Problem(401, "Not signed in", f"reading is closed, and there are no tokens: {how}")
        raise Problem(401, "Not signed in", "send a token (Authorization: Bearer …), or sign in on the page")

    def actor(self, request: web.Request, person: Person) -> Person:
        """The same person, who may act. Raises Problem for somebody who may not."""
        if self.tokens is None:
            raise Problem(403, "Acts are off", f"acts need a token of scope operator, and there are no tokens: {_HOW}")
        if not person.name:
            raise Problem(401, "Not signed in", "acts need a token of scope operator; this request has none")
        if not person.may_act:
            raise Problem(403, "Not allowed", f"{person.name} is a viewer; acts need a token of scope operator")
        if person.by_cookie and not is_same_origin(request):
            raise Problem(403, "Another site's request", "an act with the page's cookie has to come from the page")
        return person

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
        return given.strip()[:_LONGEST_TOKEN], False
    return request.cookies.get(COOKIE, "")[:_LONGEST_TOKEN], True


def is_loopback(host: str) -> bool:
    """Whether only this machine gets at what listens there."""
    try:
        return host.casefold() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_of_this_machine(header: str) -> bool:
    host = header.rpartition(":")[0] if header.rpartition(":")[2].isdigit() else header
    return is_loopback(host)
