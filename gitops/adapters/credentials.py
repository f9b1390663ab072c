"""What a secretRef stands for, as text: a token, or YAML with the fields of `Secret`."""

import base64
import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from gitops.bounds import parsed_map
from gitops.manifests.errors import ManifestError
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import ConfigError
from gitops.model.source_access import Credentials


@dataclass(frozen=True, slots=True)
class Secret:
    """The credentials of a repository, by the names that they are written with; every field may be left out.

    `ca`, `certificate`, `key` and `publicKeys` (of who signs what is read) are PEM; `dockerConfig` is the text of a
    Docker config file; `accessKey` and `secretKey` are a bucket's; a GitHub App reads Git repositories with tokens of
    its own. A `bearerToken` is a token that Git sends as such. `address` is that of a proxy.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    bearerToken: str = field(default="", repr=False)
    sshPrivateKey: str = field(default="", repr=False)
    knownHosts: str = field(default="", repr=False)
    ca: str = ""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    dockerConfig: str = field(default="", repr=False)
    publicKeys: str = ""
    accessKey: str = ""
    secretKey: str = field(default="", repr=False)
    githubAppID: str = ""
    githubAppInstallationID: str = ""
    githubAppInstallationOwner: str = ""
    githubAppPrivateKey: str = field(default="", repr=False)
    githubAppBaseURL: str = ""
    address: str = field(default="", repr=False)

    @property
    def github_app(self) -> dict[str, str]:
        """What it says of a GitHub App, by its fields; nothing where it is of none."""
        names = (one.name for one in dataclasses.fields(self) if one.name.startswith("githubApp"))
        return {name: text for name in names if (text := getattr(self, name))}

    def login_at(self, host: str) -> tuple[str, str]:
        """User and password for a host; a token is the password. Raises ConfigError for a damaged Docker config."""
        if self.dockerConfig:
            return _docker_login(self.dockerConfig, host)
        return self.username or ("x-access-token" if self.token else ""), self.password or self.token


def read_secret(reference: str, text: str, field: str = "source.credentials.secretRef") -> Secret:
    """What `text` says. Raises ConfigError, which holds nothing of it, for other fields; and where there is no text."""
    if not text:
        variable = "GITOPS_SECRET_" + re.sub(r"[-.]", "_", reference).upper()
        raise ConfigError(
            f"{field}: {reference} is not known here: set {variable}; where a controller "
            "takes the Application from a cluster or a repository, make that Secret in the Application's namespace"
        )
    try:
        value = load_all(text.encode(), reference)[0].value
    except (ManifestError, IndexError):
        value = text
    if text.lstrip().startswith(("-----BEGIN PUBLIC KEY", "-----BEGIN RSA PUBLIC KEY")):
        return Secret(publicKeys=text)
    if not isinstance(value, dict):
        return Secret(token=text.strip())
    if "auths" in value:
        return Secret(dockerConfig=text)
    known = [one.name for one in dataclasses.fields(Secret)]
    if set(value) - set(known) or not all(isinstance(item, str) for item in value.values()):
        raise ConfigError(f"credentials {reference}: expected text under {', '.join(known)} only")
    found = Secret(**value)
    return dataclasses.replace(found, token=found.token or found.bearerToken)


def read_credentials(spec: Credentials, secrets: Callable[[str], str]) -> Secret:
    """What the Secrets hold that a source names; its `address` is the URL of a proxy, or "". Raises ConfigError."""

    def read(name: str) -> Secret:
        reference = getattr(spec, name)
        return read_secret(reference, secrets(reference), f"source.credentials.{name}") if reference else Secret()

    found, tls = read("secretRef"), read("certSecretRef")
    if tls.ca or tls.certificate or tls.key:
        found = dataclasses.replace(found, ca=tls.ca, certificate=tls.certificate, key=tls.key)
    elif spec.certSecretRef:
        raise ConfigError(f"source.credentials.certSecretRef: {spec.certSecretRef} holds no certificates")
    if bool(found.certificate) != bool(found.key):
        raise ConfigError("source.credentials: a client certificate has both certificate and key (tls.crt, tls.key)")
    return dataclasses.replace(found, address=spec.proxy or _proxy(spec.proxySecretRef, read("proxySecretRef")))


def _proxy(reference: str, secret: Secret) -> str:
    """The URL of a proxy, with who uses it."""
    if not reference:
        return ""
    parts = _parts(secret.address)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigError(f"source.credentials.proxySecretRef: {reference}: address: expected http://HOST:PORT")
    if not secret.username:
        return secret.address
    login = f"{quote(secret.username, safe='')}:{quote(secret.password, safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()


def _parts(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        _ = parts.port
        return parts
    except ValueError:
        return None


def _docker_login(text: str, host: str) -> tuple[str, str]:
    try:
        auths = parsed_map(text).get("auths")
        found = next((item for name, item in (auths or {}).items() if _host(name) == _host(host)), None)
        if found is None:
            return "", ""
        if isinstance(found.get("auth"), str) and found["auth"]:
            username, _, password = base64.b64decode(found["auth"], validate=True).decode().partition(":")
            return username, password
        return str(found.get("username") or ""), str(found.get("password") or "")
    except (ValueError, AttributeError):
        raise ConfigError("source.credentials.secretRef: its Docker config cannot be read") from None


def _host(name: str) -> str:
    """`https://index.docker.io/v1/` and `docker.io` are one registry."""
    host = name.partition("://")[2] or name
    host = host.partition("/")[0]
    return "docker.io" if host in ("index.docker.io", "registry-1.docker.io") else host
