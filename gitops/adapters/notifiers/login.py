"""The credentials of a destination: of the environment as text, or the entries of a Secret, by Flux's names."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import unquote, urlsplit

from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import ConfigError

_MOST: Final = 64 * 1024
_ENTRIES: Final = ("address", "token", "username", "password", "proxy", "headers")
_CA: Final = ("ca.crt", "caFile")


@dataclass(frozen=True, slots=True)
class Login:
    """What a destination is reached with. Nothing of it is ever shown."""

    address: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    proxy: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> list[str]:
        """All text that may be in no log, the longest first."""
        parts = [self.address, self.token, self.password, self.proxy, *self.headers.values()]
        with contextlib.suppress(ValueError):  # no URL has no parts
            address = urlsplit(self.address)
            path = address.path.strip("/")
            parts += [path, unquote(path), address.query, address.password or ""]
        return sorted({part for part in parts if len(part) > 3}, key=len, reverse=True)

    def with_address(self, address: str) -> "Login":
        """The same with an address, where it has none."""
        return self if self.address else replace(self, address=address)


def login_in(reference: str, text: str) -> Login:
    """What the environment says: an address, a token, or YAML with the entries of a Secret. Raises ConfigError."""
    try:
        value = load_all(text.encode(), reference)[0].value
    except (ManifestError, IndexError):
        value = text
    if isinstance(value, dict):
        return login_of(reference, {str(name): _bytes(item) for name, item in value.items()})
    plain = text.strip()
    return Login(address=plain) if "://" in plain else Login(token=plain)


def login_of(reference: str, entries: Mapping[str, bytes]) -> Login:
    """What the entries of a Secret say; others are somebody else's. Raises ConfigError, which holds nothing of them."""
    found = {name: _text(reference, name, entries[name]) for name in (*_ENTRIES, *_CA) if name in entries}
    headers = _headers(reference, found.pop("headers", ""))
    ca = next((found[name] for name in _CA if name in found), "")
    plain = {name: text.strip() for name, text in found.items() if name not in _CA}
    return Login(**plain, ca=ca, headers=headers)


def _headers(reference: str, text: str) -> dict[str, str]:
    if not text.strip():
        return {}
    try:
        value = load_all(text.encode(), reference)[0].value
    except (ManifestError, IndexError):
        value = None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise ConfigError(f"secretRef {reference}: headers: expected a map of text in YAML")
    return {str(name): item for name, item in value.items()}


def _text(reference: str, name: str, data: bytes) -> str:
    if len(data) > _MOST:
        raise ConfigError(f"secretRef {reference}: {name}: expected at most {_MOST} bytes")
    return data.decode("utf-8", "replace")


def _bytes(value: object) -> bytes:
    return (json.dumps(value) if isinstance(value, dict) else str(value)).encode()
