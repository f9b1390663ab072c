"""Tokens of a GitHub App: what reads a repository in place of a person's password, for an hour each.

    key of the App ──► a signed word of two minutes ──► the API ──► a token of the installation, kept while it is good

Who the App is and where its API is are told by a Secret, so the API is called within the reach of whose Secret that is.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gitops.adapters.http_get import Answer, HttpReader, Reach, Way, shown_url
from gitops.bounds import MIB, parsed
from gitops.model.errors import ConfigError, SourceError

USERNAME: Final = "x-access-token"
_API: Final = "https://api.github.com"
_HEADERS: Final = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
# Clocks differ, and a token has to last for a fetch.
_BEFORE, _SIGNED_SECONDS, _LEFT_SECONDS = 30, 120, 300.0
_MOST_ANSWER: Final = 4 * MIB
_PAGES: Final = 50
_KEPT: Final = 4096
_WRONG: Final = "source.credentials.secretRef: of a GitHub App"


@dataclass(frozen=True, slots=True)
class GithubApp:
    """An App, and where it is installed: by that installation's number, or by whose it is."""

    id: str
    key: str = field(repr=False)
    installation: str = ""
    owner: str = ""
    api: str = _API

    @classmethod
    def of_fields(cls, fields: dict[str, str]) -> "GithubApp":
        """What the entries `githubApp…` of a Secret say. Raises ConfigError, which holds nothing of the key."""
        found = {name.removeprefix("githubApp"): text.strip() for name, text in fields.items()}
        numbers = (found.get("ID", ""), found.get("InstallationID", ""))
        if not numbers[0].isdecimal() or not (numbers[1] or "0").isdecimal() or max(map(len, numbers)) > 20:
            raise ConfigError(f"{_WRONG}, githubAppID (and githubAppInstallationID) are numbers")
        if bool(numbers[1]) == bool(found.get("InstallationOwner")):
            raise ConfigError(f"{_WRONG}, name either githubAppInstallationID or githubAppInstallationOwner")
        if not found.get("PrivateKey"):
            raise ConfigError(f"{_WRONG}, githubAppPrivateKey is missing")
        api = found.get("BaseURL", "").rstrip("/") or _API
        if urlsplit(api).scheme not in ("https", "http"):
            raise ConfigError(f"{_WRONG}, githubAppBaseURL: expected the address of GitHub's API (https://...)")
        return cls(numbers[0], found["PrivateKey"], numbers[1], found.get("InstallationOwner", ""), api)


class GithubTokens:
    """Tokens of installations, each kept until shortly before it ends. Called in threads."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, float]] = {}

    def token(self, app: GithubApp, reach: Reach, way: Way) -> str:
        """A token that reads what the installation may. Raises SourceError, and ConfigError for a key that is none."""
        place = hashlib.sha256(repr((app.id, app.key, app.installation, app.owner, app.api, reach, way)).encode())
        name = place.hexdigest()
        with self._lock:
            known = self._known.get(name)
        if known is not None and known[1] - self._now() > _LEFT_SECONDS:
            return known[0]
        found = self._fetched(app, HttpReader(reach, way))
        with self._lock:
            self._known.pop(name, None)
            self._known[name] = found
            for oldest in list(self._known)[:-_KEPT]:
                del self._known[oldest]
        return found[0]

    def _fetched(self, app: GithubApp, reader: HttpReader) -> tuple[str, float]:
        authorization = f"Bearer {_signed(app, int(self._now()))}"
        number = app.installation or _installation_of(app, reader, authorization)
        headers = {**_HEADERS, "Authorization": authorization}
        url = f"{app.api}/app/installations/{number}/access_tokens"
        said = _json(app, reader.send("POST", url, headers, b"", most=_MOST_ANSWER), 201)
        token, ends = (said.get("token"), said.get("expires_at")) if isinstance(said, dict) else (None, None)
        until = _moment(ends)
        if isinstance(token, str) and token and token.isascii() and token.isprintable() and until is not None:
            return token, until
        raise SourceError(f"{shown_url(url)}: what it answers is no token")


def _moment(text: object) -> float | None:
    """Seconds since 1970 of a time as GitHub writes it; None for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


def _installation_of(app: GithubApp, reader: HttpReader, authorization: str) -> str:
    """The number of the installation in the account of its owner."""
    for page in range(1, _PAGES + 1):
        url = f"{app.api}/app/installations?per_page=100&page={page}"
        answer = reader.get(url, _HEADERS, authorization=authorization, most=_MOST_ANSWER)
        listed = _json(app, answer, 200)
        items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
        for item in items:
            account, number = item.get("account"), item.get("id")
            login = account.get("login") if isinstance(account, dict) else None
            if isinstance(login, str) and login.lower() == app.owner.lower() and isinstance(number, int):
                return str(number)
        if not items:
            break
    raise SourceError(f"{app.api}: GitHub App {app.id} is not installed for {app.owner[:100]}")


def _json(app: GithubApp, answer: Answer, status: int) -> Any:
    if answer.status != status:
        why = {401: "the key is not its own", 403: "it is suspended", 404: "there is no such installation"}
        told = f", {why[answer.status]}" if answer.status in why else ""
        raise SourceError(f"{shown_url(answer.url)}: GitHub App {app.id} is refused ({answer.status}{told})")
    try:
        return parsed(answer.data)
    except ValueError as error:
        raise SourceError(f"{shown_url(answer.url)}: what it answers cannot be read ({error})") from error


def _signed(app: GithubApp, now: int) -> str:
    """A word that the App is who it says (JSON Web Token, RS256)."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(app.key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigError(f"{_WRONG}, githubAppPrivateKey is no private key in PEM") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(f"{_WRONG}, githubAppPrivateKey is no RSA key")
    begins = now - _BEFORE
    claims = {"iat": begins, "exp": begins + _SIGNED_SECONDS, "iss": app.id}
    text = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(claims)}"
    return f"{text}.{_base64(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _encoded(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
