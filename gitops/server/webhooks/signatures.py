"""Who sent a webhook: each host proves it in a way of its own, and what proves nothing is nobody's."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from typing import Final

_ALGORITHMS: Final = ("sha256", "sha384", "sha512")
Headers = Mapping[str, str]  # names in lower case


def is_signed(kind: str, headers: Headers, body: bytes, secret: str) -> bool:
    """Whether a host of this kind, who knows the secret, sent this body. False for a kind that proves nothing."""
    proof = _PROOFS.get(kind)
    return bool(secret) and proof is not None and proof(headers, body, secret)


def _by_hmac(*names: str) -> Callable[[Headers, bytes, str], bool]:
    """An HMAC in one of these headers, with `sha256=` before it (or sha384, sha512), or with nothing for sha256."""

    def proof(headers: Headers, body: bytes, secret: str) -> bool:
        given = next((headers[name] for name in names if name in headers), "")
        algorithm, equals, digest = given.partition("=")
        if not equals:
            algorithm, digest = "sha256", given
        if algorithm not in _ALGORITHMS:
            return False
        return _are_equal(digest.lower(), hmac.new(secret.encode(), body, algorithm).hexdigest())

    return proof


def _by_token(name: str, prefix: str = "") -> Callable[[Headers, bytes, str], bool]:
    """The secret itself, in a header."""
    return lambda headers, _, secret: _are_equal(headers.get(name, ""), prefix + secret)


def _by_password(headers: Headers, _: bytes, secret: str) -> bool:
    """The secret as the password of a login."""
    scheme, _blank, encoded = headers.get("authorization", "").partition(" ")
    try:
        login = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(login.partition(b":")[2], secret.encode())


def path_token(kind: str, secret: str) -> str:
    """What stands behind /webhook/KIND/ for a host that signs nothing: of no use for another kind, or to sign with."""
    return hmac.new(secret.encode(), f"webhook {kind}".encode(), "sha256").hexdigest()


def is_path_of(kind: str, given: str, secret: str) -> bool:
    """Whether the path is one that only who knows the secret can know, of a kind that has no other way."""
    return bool(secret) and kind in UNSIGNED_KINDS and _are_equal(given, path_token(kind, secret))


def _are_equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


_PROOFS: Final[dict[str, Callable[[Headers, bytes, str], bool]]] = {
    "github": _by_hmac("x-hub-signature-256"),
    "gitea": _by_hmac("x-forgejo-signature", "x-gitea-signature", "x-hub-signature-256"),
    "gitlab": _by_token("x-gitlab-token"),
    "bitbucket": _by_hmac("x-hub-signature"),
    "azure": _by_password,
    "harbor": _by_token("authorization"),
    "dockerhub": _by_password,
    "quay": _by_password,
    "generic": _by_hmac("x-signature"),
}
KINDS: Final = tuple(_PROOFS)
# Registries that sign nothing: a login in the address that they call, or a path that nobody can guess.
UNSIGNED_KINDS: Final = ("dockerhub", "quay")
