"""Where the controller's HTTP listens, and who may read there and act."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gitops.model.errors import ConfigError

CALLBACK: Final = "/signin/callback"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """Whom an OpenID provider signs in: we are `client_id` to `issuer`, which sends people back to `redirect`.

    The claims of an id token with these names are what somebody is called, and their groups.
    """

    issuer: str
    client_id: str
    redirect: str
    name_claim: str = "email"
    groups_claim: str = "groups"

    def check(self) -> None:
        """Raise ConfigError for what cannot work, or would send codes and tokens unencrypted to another machine."""
        for option, url in (("--oidc-issuer", self.issuer), ("--oidc-redirect", self.redirect)):
            if not is_safe_url(url):
                raise ConfigError(f"{option}: expected https://HOST/PATH (http on this machine only), got {url!r}")
        if urlsplit(self.redirect).path != CALLBACK or urlsplit(self.redirect).query:
            raise ConfigError(f"--oidc-redirect: expected https://HOST{CALLBACK}, got {self.redirect!r}")
        if not self.client_id:
            raise ConfigError("--oidc-client-id is missing: say what the provider calls this controller")


def is_safe_url(url: str) -> bool:
    """Whether it is https, or http to this machine, and has neither user nor fragment in it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """Whether only this machine gets at what listens there."""
    try:
        return host.casefold() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Listening:
    """`address` is HOST:PORT (":8080" for every address), "" for nowhere.

    `tokens` is the file of those who may come in, `anyone_reads` when reading needs none. `policy` is the file of what
    they may, `default_role` what everyone has whom no token's scope gives a role. With `kubernetes_audience` the
    cluster is asked whose any other token is, which has to be for that audience. `oidc` signs people in on the page.
    """

    address: str = ""
    tokens: Path | None = None
    anyone_reads: bool = False
    policy: Path | None = None
    default_role: str = ""
    kubernetes_audience: str = ""
    oidc: OidcSettings | None = None

    def place(self) -> tuple[str, int]:
        """The host ("" for every one) and the port. Raises ConfigError."""
        host, colon, port = self.address.rpartition(":")
        if not (colon and port.isascii() and port.isdigit()) or int(port) > 65535:
            raise ConfigError(f"--listen: expected HOST:PORT, got {self.address!r}")
        return host.strip("[]"), int(port)


NOWHERE: Final = Listening()
