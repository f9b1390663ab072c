"""Whether an id token is the provider's, for us, of now and of this sign-in; and who it says somebody is. Pure.

OpenID Connect Core 3.1.3.7: signature, issuer, audience, authorized party, time, nonce.
"""

import hmac
from collections.abc import Sequence
from typing import Any, Final

import jwt

from gitops.server.auth.person import Person, Way, is_reserved
from gitops.server.listening import OidcSettings

# By the kind of the key, and never by what the token says of itself: no "none", no HMAC with a public key.
_ALGORITHMS: Final = {("RSA", ""): "RS256", ("EC", "P-256"): "ES256"}
_REQUIRED: Final = ["iss", "aud", "exp", "iat", "sub"]
_LEEWAY_SECONDS: Final = 60
_LONGEST: Final = 64 * 1024
_MOST_GROUPS: Final = 1_000
_MOST_NAME: Final = 253


class NotValidError(Exception):
    """An id token that lets nobody in; the text says why, and holds nothing of the token."""


class UnknownKeyError(NotValidError):
    """It names a key that is not among those that are known: there may be new ones."""


def claims_of(token: str, keys: Sequence[dict[str, Any]], settings: OidcSettings, nonce: str) -> dict[str, Any]:
    """The claims of a token that is valid. Raises NotValidError."""
    if len(token) > _LONGEST:
        raise NotValidError("it is too long")
    try:
        header = jwt.get_unverified_header(token)
        algorithm, key = _key_for(header, keys)
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=settings.client_id,
            issuer=settings.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise NotValidError(_WORDS.get(type(exc), "it is no token as it should be")) from None
    _check_party(claims, settings.client_id)
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise NotValidError("it is of another sign-in (nonce)")
    return claims


_WORDS: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not valid yet",
    jwt.InvalidAudienceError: "it is for somebody else (audience)",
    jwt.InvalidIssuerError: "it is another provider's (issuer)",
    jwt.InvalidSignatureError: "its signature is wrong",
    jwt.InvalidAlgorithmError: "it is signed in another way than its key is for",
    jwt.MissingRequiredClaimError: "a claim is missing",
}


def _key_for(header: dict[str, Any], keys: Sequence[dict[str, Any]]) -> tuple[str, Any]:
    """The algorithm and the key that the token has to be signed with. Raises NotValidError."""
    named = header.get("kid")
    fitting = [key for key in keys if key.get("use", "sig") == "sig" and _algorithm(key)]
    found = [key for key in fitting if key.get("kid") == named] if named is not None else fitting
    if len(found) != 1:
        raise UnknownKeyError("its key is none of the provider's")
    algorithm = _algorithm(found[0])
    return algorithm, jwt.PyJWK(found[0], algorithm)


def _algorithm(key: dict[str, Any]) -> str:
    """What the key signs with, "" for one that we take nothing of."""
    curve = str(key.get("crv") or "") if key.get("kty") == "EC" else ""
    algorithm = _ALGORITHMS.get((str(key.get("kty")), curve), "")
    return algorithm if key.get("alg", algorithm) == algorithm else ""


def _check_party(claims: dict[str, Any], client_id: str) -> None:
    """Raise NotValidError for a token that was made for another client, which happens to name us too."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    party = claims.get("azp")
    if (several or party is not None) and party != client_id:
        raise NotValidError("it is for somebody else (azp)")


def person_in(claims: dict[str, Any], settings: OidcSettings) -> Person:
    """Who the claims say somebody is. Raises NotValidError for nobody that we may call so."""
    name = claims.get(settings.name_claim)
    if settings.name_claim == "email" and claims.get("email_verified") is not True:
        raise NotValidError("the provider does not say that the e-mail address is theirs (another --oidc-name-claim?)")
    if not isinstance(name, str) or not 0 < len(name) <= _MOST_NAME or not name.isprintable() or is_reserved(name):
        raise NotValidError(f"the claim {settings.name_claim} holds no name that somebody may have here")
    listed = claims.get(settings.groups_claim, [])
    listed = [listed] if isinstance(listed, str) else listed
    if not isinstance(listed, list) or len(listed) > _MOST_GROUPS:
        raise NotValidError(f"the claim {settings.groups_claim} holds no list of groups")
    groups = tuple(one for one in listed if isinstance(one, str) and one and not is_reserved(one))
    return Person(name, Way.OIDC, groups=groups)
