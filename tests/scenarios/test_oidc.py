"""Signing in with an OpenID provider that runs: who it lets in acts by the policy, and no other token counts."""

import base64
import hmac
import http.cookies
import json
import time
import urllib.parse
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gitops.adapters.oidc_provider import OidcProvider
from gitops.server.listening import OidcSettings
from tests.identity_provider import CLIENT, SECRET, identity_provider
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.world import config_map

ONE = "/applications/gitops/app"
BACK = "/signin/callback"
LINES = """\
p, role:shop, applications, get, gitops/*, allow
p, role:shop, applications, update, gitops/app, allow
g, shop-team, role:shop
g, role:admin-team, role:admin
"""


@pytest.fixture(scope="module")
def provider():
    with identity_provider() as found:
        yield found


@pytest.fixture
def web(world, tmp_path, provider):
    provider.__init__(int(provider.issuer.rpartition(":")[2].partition("/")[0]))
    with serving(world, tmp_path, provider) as found:
        yield found


def serving(world, tmp_path, provider, redirect="http://127.0.0.1:8080/signin/callback"):
    (tmp_path / "policy.csv").write_text(LINES)
    settings = OidcSettings(provider.issuer, CLIENT, redirect)
    options = {"policy": tmp_path / "policy.csv", "oidc": settings}
    return _Serving(world, tmp_path, OidcProvider(provider.issuer, CLIENT, SECRET), options)


class _Serving:
    def __init__(self, world, folder, adapter, options):
        self.world, self.folder, self.adapter, self.options = world, folder, adapter, options

    def __enter__(self):
        sha = self.world.commit(settings=config_map("settings", a="1"))
        self.running = Running(self.world)
        self.running.__enter__()
        self.web = Web(self.running, self.folder, provider=self.adapter, options=self.options)
        self.web.__enter__()
        self.running.until_synced(sha)
        return self.web

    def __exit__(self, *given):
        self.web.__exit__(*given)
        self.running.__exit__(*given)


def cookie(answer, name):
    """A cookie that an answer sets, with its attributes."""
    found = http.cookies.SimpleCookie()
    for line in answer.cookies:
        found.load(line)
    return found.get(name)


def begun(web):
    """Where the browser is sent, and the cookie that it keeps."""
    answer = web.ask("/signin/oidc")
    assert answer.status == 303, answer.text
    return answer.headers["Location"], f"gitops_signin={cookie(answer, 'gitops_signin').value}"


def signed_in(web, provider):
    """The answer to a browser that comes back from the provider."""
    address, kept = begun(web)
    return web.ask(provider.authorize(address), Cookie=kept)


def session(web, provider):
    answer = signed_in(web, provider)
    assert answer.status == 303, answer.text
    return f"gitops_session={cookie(answer, 'gitops_session').value}"


def test_who_signs_in_acts_by_the_policy_of_their_groups_and_is_in_the_audit_log(web, provider):
    answer = signed_in(web, provider)
    assert (answer.status, answer.headers["Location"]) == (303, "/applications")
    made = cookie(answer, "gitops_session")
    assert (made["httponly"], made["samesite"], made["max-age"], made["secure"]) == (True, "Lax", "3600", "")
    mine = {"Cookie": f"gitops_session={made.value}"}
    known = web.ask("/api/v1/whoami", **mine).json
    assert (known["name"], known["by"], known["groups"]) == ("ada@example.com", "oidc", ["shop-team"])
    assert f"{ONE}/acts/suspend" in web.ask(ONE, **mine).text
    origin = {"Origin": f"http://127.0.0.1:{web.port}", "Content-Type": "application/x-www-form-urlencoded"}
    done = web.ask(f"{ONE}/acts/suspend", "POST", b"reason=the+night", **mine, **origin)
    assert done.status == 303
    (entry,) = web.ask(f"/api/v1{ONE}/events?fact=application.suspended", **mine).json["items"]
    assert (entry["actor"], entry["detail"]["reason"]) == ("ada@example.com", "the night")
    assert web.ask(f"{ONE}/acts/sync", "POST", b"", **mine, **origin).status == 403


@pytest.mark.parametrize(
    ("offered", "asked"),
    [(["openid", "groups", "more"], {"openid", "groups"}), (None, {"openid", "email", "profile", "groups"})],
    ids=["what is offered", "what is not said"],
)
def test_a_provider_is_asked_for_no_scope_that_it_does_not_offer(web, provider, offered, asked):
    provider.metadata = {"scopes_supported": offered}
    address, _ = begun(web)
    (scope,) = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)["scope"]
    assert set(scope.split()) == asked


def test_no_other_sites_page_acts_for_who_signed_in(web, provider):
    mine = session(web, provider)
    for headers in ({"Origin": "https://evil.example.com"}, {"Sec_Fetch_Site": "cross-site"}, {}):
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert web.ask(f"{ONE}/acts/suspend", "POST", b"", Cookie=mine, **kind, **headers).status == 403
        assert web.ask(f"/api/v1{ONE}/suspend", "POST", {}, Cookie=mine, **headers).status == 403


def test_a_key_of_an_elliptic_curve_counts_as_well(web, provider):
    provider.sign = lambda claims: provider.signed(claims, "ec", "ES256")
    assert signed_in(web, provider).status == 303


def test_keys_that_the_provider_changes_are_read_again(web, provider, monkeypatch):
    session(web, provider)
    monkeypatch.setattr("gitops.adapters.oidc_provider._REFRESH_SECONDS", 0.0)
    provider.keys["rsa-2"] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    provider.published = ["rsa-2"]
    provider.sign = lambda claims: provider.signed(claims, "rsa-2")
    assert signed_in(web, provider).status == 303


def test_an_id_token_that_is_for_us_alone_may_say_so_in_a_list(web, provider):
    provider.claims["aud"] = [CLIENT]
    assert signed_in(web, provider).status == 303


NOW = int(time.time())


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another"}, "audience"),
        ({"aud": ["another", CLIENT]}, "azp"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "azp"),
        ({"azp": "another"}, "azp"),
        ({"iss": "https://evil.example.com"}, "issuer"),
        ({"nonce": "x"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": NOW - 3600}, "expired"),
        ({"exp": None}, "a claim is missing"),
        ({"iat": NOW + 7200, "exp": NOW + 9000}, "not valid yet"),
        ({"nbf": NOW + 7200}, "not valid yet"),
        ({"sub": None}, "a claim is missing"),
        ({"email_verified": False}, "e-mail"),
        ({"email_verified": None}, "e-mail"),
        ({"email": "role:admin"}, "email"),
        ({"email": "system:masters"}, "email"),
        ({"email": None}, "email"),
        ({"groups": {"a": 1}}, "groups"),
        ({"groups": [f"group-{number:040}" for number in range(200)]}, "more groups than a browser keeps"),
    ],
)
def test_an_id_token_with_a_wrong_claim_lets_nobody_in(web, provider, claims, why):
    provider.claims |= claims
    refused = signed_in(web, provider)
    assert (refused.status, why in refused.text) == (403, True), refused.text
    assert cookie(refused, "gitops_session") is None


def by_password(claims, password):
    """A token with an HMAC, which the library itself does not make with what is no password."""
    header = {"alg": "HS256", "typ": "JWT", "kid": "rsa"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    mac = hmac.digest(password, b".".join(parts), "sha256")
    return b".".join((*parts, base64.urlsafe_b64encode(mac).rstrip(b"="))).decode()


def test_an_id_token_that_is_not_signed_by_the_provider_lets_nobody_in(web, provider):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = provider.keys["rsa"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = {
        "another key": lambda claims: jwt.encode(claims, other, "RS256", headers={"kid": "rsa"}),
        "no signature": lambda claims: jwt.encode(claims, None, "none", headers={"kid": "rsa"}),
        "the public key as a password": lambda claims: by_password(claims, public),
        "an unknown key": lambda claims: provider.signed(claims, kid="nobody"),
        "no name of a key, of two": lambda claims: jwt.encode(claims, provider.keys["rsa"], "RS256"),
        "a key of the token's own": lambda claims: jwt.encode(
            claims,
            other,
            "RS256",
            headers={"jwk": jwt.algorithms.RSAAlgorithm.to_jwk(other.public_key(), as_dict=True)},
        ),
        "another algorithm": lambda claims: provider.signed(claims, "rsa", "PS256"),
        "text": lambda _: "a.b.c",
        "changed": lambda claims: provider.signed(claims)[:-8] + "AAAAAAAA",
    }
    for name, sign in forged.items():
        provider.sign = sign
        refused = signed_in(web, provider)
        assert (name, refused.status, cookie(refused, "gitops_session")) == (name, 403, None)


def test_only_the_browser_that_began_ends_a_sign_in(web, provider):
    address, kept = begun(web)
    back = provider.authorize(address)
    assert web.ask(back).status == 403
    _, other = begun(web)
    assert web.ask(back, Cookie=other).status == 403
    assert web.ask(back, Cookie=kept[:-4] + "aaaa").status == 403
    assert web.ask(back.replace("state=", "state=x"), Cookie=kept).status == 403
    assert web.ask(back.replace(urllib.parse.quote_plus(provider.issuer), "https://evil"), Cookie=kept).status == 403
    assert web.ask(f"{BACK}?error=access_denied&state=x", Cookie=kept).status == 403
    assert web.ask(back, Cookie=kept).status == 303
    assert web.ask(back, Cookie=kept).status == 403  # a code is good for once


def test_nothing_in_the_address_says_where_a_sign_in_leads_to(web, provider):
    address, kept = begun(web)
    assert urllib.parse.urlsplit(address).netloc == urllib.parse.urlsplit(provider.issuer).netloc
    back = provider.authorize(address) + "&next=https://evil.example.com&return_to=//evil.example.com"
    assert web.ask(back, Cookie=kept).headers["Location"] == "/applications"


def test_a_session_that_was_changed_made_up_or_is_for_something_else_is_nobodys(web, provider):
    mine = session(web, provider).removeprefix("gitops_session=")
    _, kept = begun(web)
    body, _, mac = mine.partition(".")
    for text in ("", "x", f"{body}.", f".{mac}", f"{body}A.{mac}", f"{body}.{mac[:-1]}", kept.partition("=")[2], "é.é"):
        answer = web.ask("/api/v1/whoami", Cookie=f"gitops_session={text}".encode().decode("latin-1"))
        assert (text, answer.status) == (text, 401)
    assert web.ask("/api/v1/whoami", Cookie=f"gitops_session={mine}").status == 200


def test_a_session_ends_soon(web, provider, monkeypatch):
    mine = session(web, provider)
    assert web.ask("/api/v1/whoami", Cookie=mine).status == 200
    monkeypatch.setattr("gitops.server.auth.oidc.SESSION", timedelta(seconds=-1))
    assert web.ask("/api/v1/whoami", Cookie=session(web, provider)).status == 401


def test_who_signs_out_has_no_session_any_more(web, provider):
    mine = session(web, provider)
    out = web.ask("/signout", "POST", b"", Cookie=mine, Origin=f"http://127.0.0.1:{web.port}")
    assert (out.status, cookie(out, "gitops_session")["max-age"]) == (303, "0")


def test_the_page_offers_the_provider_and_no_token_where_there_are_none(world, tmp_path, provider):
    provider.__init__(int(provider.issuer.rpartition(":")[2].partition("/")[0]))
    served = serving(world, tmp_path, provider, "https://gitops.example.com/signin/callback")
    with served as web:
        page = web.ask("/signin").text
        assert 'href="/signin/oidc"' in page
        secured = cookie(web.ask("/signin/oidc"), "gitops_signin")
        assert secured["secure"] is True
        # Neither the secret nor anything of a token is anywhere.
        assert SECRET not in page


def test_a_provider_that_is_away_or_another_one_is_told_and_lets_nobody_in(web, provider):
    provider.metadata = {"issuer": "https://evil.example.com"}
    answer = web.ask("/signin/oidc")
    assert (answer.status, "evil" in answer.text) == (503, False)
    provider.metadata = {"token_endpoint": "file:///etc/passwd"}
    assert web.ask("/signin/oidc").status == 503
    provider.metadata = {}
    assert signed_in(web, provider).status == 303
