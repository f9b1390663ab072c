"""Signing in with an OpenID provider: authorization code with PKCE, and a session of our own that ends soon.

    /signin/oidc ──► provider ──► /signin/callback?code&state ──► id token ──► cookie gitops_session

State, nonce and verifier are in a signed cookie of the browser that began: no other browser can end what it began, and
no replica has to remember it. Where somebody goes after signing in is never taken from the address.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import structlog

from gitops.model.errors import GitopsError
from gitops.server.auth.id_token import NotValidError, UnknownKeyError, claims_of, person_in
from gitops.server.auth.person import Person, Way
from gitops.server.auth.sessions import Sessions
from gitops.server.listening import OidcSettings
from gitops.server.problems import Problem

SESSION: Final = timedelta(hours=1)
BEGUN: Final = timedelta(minutes=10)
_BEGIN, _PERSON = "sign-in", "person"
_SCOPES: Final = ("openid", "email", "profile", "groups")
_MOST_CODE: Final = 4096
log = structlog.get_logger()


class Provider(Protocol):
    """An OpenID provider. Everything raises UnreachableError."""

    async def metadata(self) -> Mapping[str, Any]:
        """What it says of itself; `authorization_endpoint` is there and safe."""
        ...

    async def keys(self, *, refresh: bool = False) -> list[dict[str, Any]]:
        """The keys that it signs with, newly read with `refresh` (but not all the time)."""
        ...

    async def exchange(self, code: str, redirect: str, verifier: str) -> str:
        """The id token for a code, "" where it gives none for that code."""
        ...


class Oidc:
    """Signs people in; who is signed in is known by the session's text."""

    def __init__(self, settings: OidcSettings, provider: Provider, sessions: Sessions) -> None:
        self._settings = settings
        self._provider = provider
        self._sessions = sessions

    @property
    def is_secure(self) -> bool:
        """Whether the browser comes back by https, and cookies are for https alone."""
        return self._settings.redirect.startswith("https://")

    async def begin(self) -> tuple[str, str]:
        """Where to send the browser, and what it has to keep until it comes back. Raises Problem."""
        try:
            metadata = await self._provider.metadata()
        except GitopsError as exc:
            raise _away(exc) from None
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(kept["verifier"].encode()).digest()).decode().rstrip("=")
        offered = metadata.get("scopes_supported")
        scopes = [one for one in _SCOPES if not isinstance(offered, list) or one in offered or one == "openid"]
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect,
            "scope": " ".join(scopes),
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        place = str(metadata["authorization_endpoint"])
        address = f"{place}{'&' if '?' in place else '?'}{urlencode(query)}"
        return address, self._sessions.sealed(_BEGIN, kept, BEGUN)

    async def finish(self, query: Mapping[str, str], kept_text: str) -> tuple[Person, str]:
        """Who came back from the provider, and the session's text. Raises Problem for nobody."""
        kept = self._sessions.opened(_BEGIN, kept_text)
        state = query.get("state", "")
        if kept is None or not hmac.compare_digest(state.encode(errors="replace"), str(kept["state"]).encode()):
            raise _refused("this browser has not begun to sign in, or too long ago: begin again")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise _refused("another provider has answered")
        code = query.get("code", "")
        if not 0 < len(code) <= _MOST_CODE:
            raise _refused("the provider did not let you in")
        try:
            token = await self._provider.exchange(code, self._settings.redirect, str(kept["verifier"]))
            if not token:
                raise _refused("the provider gives no id token for this sign-in: begin again")
            person = await self._person_of(token, str(kept["nonce"]))
        except GitopsError as exc:
            raise _away(exc) from None
        except NotValidError as exc:
            log.warning("access.id-token-refused", error=str(exc))
            raise _refused(f"the provider's id token does not count: {exc}") from None
        log.info("access.signed-in", person=person.name, way=person.way.value)
        data = {"name": person.name, "groups": list(person.groups)}
        return person, self._sessions.sealed(_PERSON, data, SESSION)

    def person(self, session: str) -> Person | None:
        """Who is signed in by this text; None for nobody, any more."""
        found = self._sessions.opened(_PERSON, session)
        return None if found is None else Person(found["name"], Way.OIDC, groups=tuple(found["groups"]))

    async def _person_of(self, token: str, nonce: str) -> Person:
        try:
            claims = claims_of(token, await self._provider.keys(), self._settings, nonce)
        except UnknownKeyError:  # providers change their keys
            claims = claims_of(token, await self._provider.keys(refresh=True), self._settings, nonce)
        return person_in(claims, self._settings)


def _refused(detail: str) -> Problem:
    return Problem(403, "Not signed in", detail)


def _away(error: GitopsError) -> Problem:
    log.warning("access.no-provider", error=str(error))
    return Problem(503, "The provider does not answer", "signing in is not possible now; try again", Retry_After="10")
