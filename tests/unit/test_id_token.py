"""An id token counts where the provider signed it for us, now and for this sign-in; and who it says somebody is."""

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gitops.server.auth.id_token import NotValidError, UnknownKeyError, claims_of, person_in
from gitops.server.auth.person import Person, Way
from gitops.server.listening import OidcSettings

ISSUER, CLIENT, NONCE = "https://id.example.com/realm", "gitops", "n-1"
SETTINGS = OidcSettings(ISSUER, CLIENT, "https://gitops.example.com/signin/callback")
EC, RSA, OTHER = (
    ec.generate_private_key(ec.SECP256R1()),
    rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ec.generate_private_key(ec.SECP384R1()),
)
OWN = {"email": "ada@example.com", "email_verified": True, "groups": ["shop-team"]}


def published(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


KEYS = [published(EC, "ec"), published(RSA, "rsa")]


def claims(**more: Any) -> dict[str, Any]:
    """Those of a good token, but for `more`; times are in seconds from now, None is for none."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "iat": 0, "exp": 300, "nonce": NONCE, **OWN, **more}
    timed = {name: now + whole[name] for name in ("iat", "exp", "nbf") if whole.get(name) is not None}
    return {name: value for name, value in {**whole, **timed}.items() if value is not None}


def signed(key: Any = EC, algorithm: str = "ES256", kid: str | None = "ec", **more: Any) -> str:
    return jwt.encode(claims(**more), key, algorithm, headers={"kid": kid} if kid else {})


def why(token: str, keys: list[dict[str, Any]] = KEYS) -> str:
    with pytest.raises(NotValidError) as refused:
        claims_of(token, keys, SETTINGS, NONCE)
    return str(refused.value)


@pytest.mark.parametrize(
    ("token", "keys"),
    [
        (signed, KEYS),
        (lambda: signed(RSA, "RS256", "rsa"), KEYS),
        (lambda: signed(kid=None), KEYS[:1]),
        (signed, [published(EC, "ec", alg="ES256")]),
        (signed, [{name: value for name, value in KEYS[0].items() if name != "use"}]),
        (lambda: signed(aud=[CLIENT]), KEYS),
        (lambda: signed(aud=[CLIENT, "another"], azp=CLIENT), KEYS),
        (lambda: signed(azp=CLIENT), KEYS),
        (lambda: signed(exp=-30), KEYS),
        (lambda: signed(iat=30), KEYS),
    ],
)
def test_a_token_of_the_provider_counts(token: Callable[[], str], keys: list[dict[str, Any]]) -> None:
    found = claims_of(token(), keys, SETTINGS, NONCE)
    assert (found["sub"], person_in(found, SETTINGS).name) == ("1", "ada@example.com")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"aud": "another"}, "it is for somebody else (audience)"),
        ({"aud": [CLIENT, "another"]}, "it is for somebody else (azp)"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "it is for somebody else (azp)"),
        ({"azp": "another"}, "it is for somebody else (azp)"),
        ({"iss": ISSUER + "/"}, "it is another provider's (issuer)"),
        ({"nonce": NONCE + "x"}, "it is of another sign-in (nonce)"),
        ({"nonce": None}, "it is of another sign-in (nonce)"),
        ({"nonce": 1}, "it is of another sign-in (nonce)"),
        ({"exp": -120}, "it has expired"),
        ({"iat": 300}, "it is not valid yet"),
        ({"nbf": 300}, "it is not valid yet"),
        *(({name: None}, "a claim is missing") for name in ("iss", "aud", "exp", "iat", "sub")),
    ],
)
def test_a_token_that_says_anything_else_does_not(more: dict[str, Any], said: str) -> None:
    assert why(signed(**more)) == said


@pytest.mark.parametrize(
    ("token", "keys"),
    [
        (lambda: signed(kid="other"), KEYS),
        (lambda: signed(kid=None), KEYS),
        (signed, []),
        (signed, [KEYS[0], KEYS[0]]),
        (signed, [{**KEYS[0], "use": "enc"}]),
        (signed, [{**KEYS[0], "alg": "ES384"}]),
        (lambda: signed(OTHER, "ES384", "big"), [published(OTHER, "big")]),
        (lambda: signed("x" * 32, "HS256", "oct"), [{"kty": "oct", "k": "eHh4", "kid": "oct"}]),
    ],
)
def test_a_key_that_is_not_just_one_of_the_providers_may_be_a_new_one(
    token: Callable[[], str], keys: list[dict[str, Any]]
) -> None:
    with pytest.raises(UnknownKeyError, match="its key is none of the provider's"):
        claims_of(token(), keys, SETTINGS, NONCE)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (lambda: signed(ec.generate_private_key(ec.SECP256R1())), "its signature is wrong"),
        (lambda: signed(RSA, "RS256", "ec"), "it is signed in another way than its key is for"),
        (lambda: signed("x" * 32, "HS256", "ec"), "it is signed in another way than its key is for"),
        (
            lambda: jwt.encode(claims(), None, "none", headers={"kid": "ec"}),
            "it is signed in another way than its key is for",
        ),
        (str, "it is no token as it should be"),
        (lambda: "a.b.c", "it is no token as it should be"),
        (lambda: "a" * (64 * 1024 + 1), "it is too long"),
    ],
)
def test_what_the_provider_has_not_signed_does_not(token: Callable[[], str], said: str) -> None:
    assert why(token()) == said


# ── who somebody is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_person_has_the_name_and_the_groups_that_the_provider_says() -> None:
    assert person_in(claims(), SETTINGS) == Person("ada@example.com", Way.OIDC, groups=("shop-team",))
    assert person_in(claims(groups="one"), SETTINGS).groups == ("one",)
    assert person_in(claims(groups=None), SETTINGS).groups == ()
    odd = ["a", "", 7, None, "role:admin", "system:masters", "b"]
    assert person_in(claims(groups=odd), SETTINGS).groups == ("a", "b")
    by_name = OidcSettings(ISSUER, CLIENT, SETTINGS.redirect, name_claim="login", groups_claim="teams")
    found = person_in(claims(login="ada", teams=["x"], email_verified=False), by_name)
    assert (found.name, found.groups) == ("ada", ("x",))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"email_verified": False}, "e-mail address is theirs"),
        ({"email_verified": None}, "e-mail address is theirs"),
        ({"email_verified": "true"}, "e-mail address is theirs"),
        ({"email": None}, "email holds no name"),
        ({"email": ""}, "email holds no name"),
        ({"email": 7}, "email holds no name"),
        ({"email": "a" * 254}, "email holds no name"),
        ({"email": "a\nb"}, "email holds no name"),
        ({"email": "role:admin"}, "email holds no name"),
        ({"groups": {"a": 1}}, "groups holds no list"),
        ({"groups": ["a"] * 1001}, "groups holds no list"),
    ],
)
def test_nobody_has_a_name_or_groups_that_they_may_not_have(more: dict[str, Any], said: str) -> None:
    with pytest.raises(NotValidError, match=said):
        person_in(claims(**more), SETTINGS)
