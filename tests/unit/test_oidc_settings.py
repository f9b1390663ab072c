"""What an OpenID provider may be configured as: nothing that sends a code or a token unencrypted elsewhere."""

import pytest

from gitops.model.errors import ConfigError
from gitops.server.listening import OidcSettings

BACK = "https://gitops.example.com/signin/callback"


@pytest.mark.parametrize(
    ("issuer", "client", "redirect", "why"),
    [
        ("http://id.example.com", "x", BACK, "--oidc-issuer"),
        ("https://user:word@id.example.com", "x", BACK, "--oidc-issuer"),
        ("id.example.com", "x", BACK, "--oidc-issuer"),
        ("https://id.example.com:x", "x", BACK, "--oidc-issuer"),
        ("https://id.example.com", "", BACK, "--oidc-client-id"),
        ("https://id.example.com", "x", "", "--oidc-redirect"),
        ("https://id.example.com", "x", "http://gitops.example.com/signin/callback", "--oidc-redirect"),
        ("https://id.example.com", "x", "https://gitops.example.com/", "--oidc-redirect"),
        ("https://id.example.com", "x", BACK + "?to=x", "--oidc-redirect"),
    ],
)
def test_what_is_not_safe_or_not_whole_is_refused_with_its_option(issuer, client, redirect, why):
    with pytest.raises(ConfigError, match=why):
        OidcSettings(issuer, client, redirect).check()


@pytest.mark.parametrize(
    "issuer", ["https://id.example.com/realms/x", "http://127.0.0.1:5556/dex", "http://localhost:1"]
)
def test_https_or_this_machine_is_taken(issuer):
    OidcSettings(issuer, "x", BACK).check()
