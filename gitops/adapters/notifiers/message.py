"""What is to be sent, and the request that sends it. Making the one of the other is pure: one module per kind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops.adapters.http_get import basic
from gitops.adapters.notifiers.login import Login
from gitops.model.notification import Notification, Place

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Message:
    """A notification for a place, in the words of its template."""

    place: Place
    login: Login
    note: Notification
    text: str

    @property
    def address(self) -> str:
        """Where it goes: what the credentials say comes before what is written openly."""
        return self.login.address or self.place.spec.url

    @property
    def object(self) -> tuple[str, str, str]:
        """Kind, namespace and name of the custom resource that it is about."""
        kind, _, rest = self.note.object.partition("/")
        namespace, _, name = rest.partition("/")
        return kind or "Application", namespace or self.note.namespace, name or self.note.name

    @property
    def is_of_flux(self) -> bool:
        return self.place.style == "flux"


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP request. `done` is what an answer of 400 says where that had been told before; with `says_ok` an answer
    of 200 is JSON whose `ok` counts.
    """

    url: str = field(repr=False)
    data: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"
    done: bytes = b""
    says_ok: bool = False


def posted(url: str, value: Any, headers: Mapping[str, str] | None = None, **given: Any) -> Post:
    """A request with JSON."""
    return Post(url, encoded(value), {"Content-Type": JSON_TYPE, **(headers or {})}, **given)


def encoded(value: Any) -> bytes:
    """A value as JSON; half of a surrogate pair becomes a question mark."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def bearer(login: Login) -> dict[str, str]:
    """The header for a token, or for a user with a password; none for neither."""
    if login.token:
        return {"Authorization": f"Bearer {login.token}"}
    return {"Authorization": basic(login.username, login.password)} if login.username else {}
