"""An OpenID provider over HTTP: discovery, its keys, and the token for a code. Bounded in size and time.

No redirect is followed, and nothing is sent but to the addresses that the issuer's own document names, by https.
"""

import asyncio
import base64
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus

import aiohttp
import orjson

from gitops.model.errors import UnreachableError

_SECONDS: Final = 10.0
_MOST_BYTES: Final = 1 << 20
_MOST_KEYS: Final = 100
_MOST_AT_ONCE: Final = 8  # codes that strangers make up are asked about one after the other, too
_GOOD_SECONDS: Final = 3600.0
_REFRESH_SECONDS: Final = 10.0  # a stranger's token with a made-up key has the keys read no more often
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class OidcProvider:
    """The provider `issuer`, to which we are `client_id`, with a `secret` or, as a public client, "" of it."""

    def __init__(self, issuer: str, client_id: str, secret: str) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self._metadata: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, list[dict[str, Any]]] | None = None
        self._lock = asyncio.Lock()
        self._places = asyncio.Semaphore(_MOST_AT_ONCE)

    async def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery), read every hour. Raises UnreachableError."""
        async with self._lock:
            if self._metadata is None or time.monotonic() - self._metadata[0] > _GOOD_SECONDS:
                url = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
                _, found = await self._asked("GET", url)
                self._check(found)
                self._metadata = (time.monotonic(), found)
            return self._metadata[1]

    async def keys(self, *, refresh: bool = False) -> list[dict[str, Any]]:
        """The keys that it signs with. Raises UnreachableError."""
        url = str((await self.metadata())["jwks_uri"])
        async with self._lock:
            most = _REFRESH_SECONDS if refresh else _GOOD_SECONDS
            if self._keys is None or time.monotonic() - self._keys[0] > most:
                _, found = await self._asked("GET", url)
                listed = found.get("keys")
                if not isinstance(listed, list):
                    raise UnreachableError(f"{url}: expected a set of keys")
                self._keys = (time.monotonic(), [one for one in listed[:_MOST_KEYS] if isinstance(one, dict)])
            return self._keys[1]

    async def exchange(self, code: str, redirect: str, verifier: str) -> str:
        """The id token for a code, "" where the provider gives none for it. Raises UnreachableError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": self._client_id,
            "code_verifier": verifier,
        }
        metadata = await self.metadata()
        methods = metadata.get("token_endpoint_auth_methods_supported")
        headers = {}
        if self._secret and isinstance(methods, list) and "client_secret_basic" not in methods:
            form["client_secret"] = self._secret
        elif self._secret:
            # As RFC 6749, 2.3.1 has names and secrets in Basic.
            login = f"{quote_plus(self._client_id)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        async with self._places:
            status, found = await self._asked("POST", str(metadata["token_endpoint"]), form, headers)
        token = found.get("id_token")
        return token if status == 200 and isinstance(token, str) else ""

    async def _asked(
        self, method: str, url: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object of an answer. A GET is answered by 200 alone."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            # A sign-in is rare: no connection is kept for the next one.
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.request(
                    method,
                    url,
                    data=form,
                    allow_redirects=False,
                    headers={"Accept": "application/json", **(headers or {})},
                ) as answer,
            ):
                raw = await _bounded(answer)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise UnreachableError(f"{url}: {type(exc).__name__}") from None
        try:
            found = orjson.loads(raw)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict) or status >= 500 or (method == "GET" and status != 200):
            raise UnreachableError(f"{url}: status {status}, and no JSON as it should be")
        return status, found

    def _check(self, found: Mapping[str, Any]) -> None:
        """Raise UnreachableError for a document of another issuer, or with an address less safe than its own."""
        if found.get("issuer") != self._issuer:
            raise UnreachableError(
                f"{self._issuer}: its document is of another issuer (write --oidc-issuer as it does)"
            )
        scheme = self._issuer.partition("://")[0]
        for name in _ENDPOINTS:
            url = found.get(name)
            if not isinstance(url, str) or not url.startswith(("https://", f"{scheme}://")):
                raise UnreachableError(f"{self._issuer}: its {name} is no address by https")


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in answer.content.iter_chunked(64 * 1024):
        found += chunk
        if len(found) > _MOST_BYTES:
            raise UnreachableError(f"{answer.url}: more than {_MOST_BYTES} bytes")
    return bytes(found)
