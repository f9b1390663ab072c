"""Tokens of a GitHub App: how it proves who it is, how long a token is kept, and what is told of a refusal."""

import base64
import http.server
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gitops.adapters.credentials import read_secret
from gitops.adapters.git_process import GitCredentials
from gitops.adapters.github_app import GithubApp, GithubTokens
from gitops.adapters.http_get import Way
from gitops.adapters.kubernetes.registered import credentials_text
from gitops.adapters.source import Sources
from gitops.manifests.secrets import with_data_only
from gitops.model.errors import ConfigError, SourceError
from gitops.model.source_access import Credentials
from tests.chart_servers import served

KEY = rsa.generate_private_key(65537, 2048)
NOW = 1_800_000_000.0
HOUR = 3600.0


def pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


class Github(http.server.ThreadingHTTPServer):
    """The API of GitHub as an App sees it: it checks the signed word, and gives a token for an hour."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.now = NOW
        self.installations = {11: "someone", 22: "Team"}
        self.given: list[int] = []
        self.answer: bytes | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api/v3"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Github

    def do_GET(self) -> None:
        if not self._is_the_app():
            self._send(401, {"message": "bad credentials"})
            return
        items = [{"id": number, "account": {"login": name}} for number, name in self.server.installations.items()]
        self._send(200, items if self.path == "/api/v3/app/installations?per_page=100&page=1" else [])

    def do_POST(self) -> None:
        parts = self.path.split("/")
        number = int(parts[5])
        assert parts == ["", "api", "v3", "app", "installations", str(number), "access_tokens"]
        if not self._is_the_app():
            self._send(401, {"message": "bad credentials"})
        elif number not in self.server.installations:
            self._send(404, {})
        else:
            self.server.given.append(number)
            ends = datetime.fromtimestamp(self.server.now + HOUR, UTC).isoformat().replace("+00:00", "Z")
            self._send(201, {"token": f"ghs_{len(self.server.given)}", "expires_at": ends})

    def _is_the_app(self) -> bool:
        kind, _, word = (self.headers.get("Authorization") or "").partition(" ")
        head, claims, signature = word.split(".")
        try:
            KEY.public_key().verify(
                _decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return False
        said = json.loads(_decoded(claims))
        assert (kind, json.loads(_decoded(head))) == ("Bearer", {"alg": "RS256", "typ": "JWT"})
        assert said["iat"] <= self.server.now < said["exp"] <= said["iat"] + 600
        return bool(said["iss"] == "42")

    def _send(self, status: int, value: Any) -> None:
        data = self.server.answer if self.server.answer is not None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


github = served(Github)


def app(github: Github, **other: str) -> GithubApp:
    fields = {"githubAppID": "42", "githubAppPrivateKey": pem(KEY), "githubAppBaseURL": github.url + "/", **other}
    return GithubApp.of_fields({"githubAppInstallationID": "22"} | fields if len(fields) == 3 else fields)


def tokens(github: Github) -> GithubTokens:
    return GithubTokens(lambda: github.now)


def test_a_token_is_kept_until_shortly_before_it_ends(github: Github) -> None:
    kept = tokens(github)
    assert [kept.token(app(github), "anywhere", Way()) for _ in range(2)] == ["ghs_1", "ghs_1"]
    github.now += HOUR - 301
    assert kept.token(app(github), "anywhere", Way()) == "ghs_1"
    github.now += 2
    assert kept.token(app(github), "anywhere", Way()) == "ghs_2"
    assert github.given == [22, 22]


def test_an_installation_is_found_by_its_owner(github: Github) -> None:
    assert tokens(github).token(app(github, githubAppInstallationOwner="team"), "anywhere", Way()) == "ghs_1"
    with pytest.raises(SourceError, match="GitHub App 42 is not installed for nobody"):
        tokens(github).token(app(github, githubAppInstallationOwner="nobody"), "anywhere", Way())


def test_tokens_of_one_app_are_not_those_of_another(github: Github) -> None:
    kept = tokens(github)
    kept.token(app(github), "anywhere", Way())
    other = pem(rsa.generate_private_key(65537, 2048))
    stolen = app(github, githubAppPrivateKey=other, githubAppInstallationID="22")
    with pytest.raises(SourceError, match=r"GitHub App 42 is refused \(401, the key is not its own\)") as caught:
        kept.token(stolen, "anywhere", Way())
    assert not [line for line in other.splitlines() if line in str(caught.value)]


def test_a_refusal_says_why(github: Github) -> None:
    with pytest.raises(SourceError, match=r"is refused \(404, there is no such installation\)"):
        tokens(github).token(app(github, githubAppInstallationID="33"), "anywhere", Way())
    with pytest.raises(SourceError, match="the controller's own machine"):
        tokens(github).token(app(github), "network", Way())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"token": 1}',
        b'{"token": "a"}',
        b'{"token": "a", "expires_at": "x"}',
        b'{"token": "a", "expires_at": "0001-01-01T00:00:00"}',
    ],
)
def test_an_answer_that_is_no_token_is_told(github: Github, answer: bytes) -> None:
    github.answer = answer
    with pytest.raises(SourceError, match=r"is no token|cannot be read"):
        tokens(github).token(app(github), "anywhere", Way())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"githubAppID": "x"}, "are numbers"),
        ({"githubAppInstallationID": "../1"}, "are numbers"),
        ({"githubAppInstallationOwner": "team"}, "name either"),
        ({"githubAppInstallationID": ""}, "name either"),
        ({"githubAppPrivateKey": ""}, "githubAppPrivateKey is missing"),
        ({"githubAppBaseURL": "ftp://x"}, "githubAppBaseURL: expected"),
    ],
    ids=str,
)
def test_what_is_no_app_is_told(fields: dict[str, str], words: str) -> None:
    plain = {"githubAppID": "42", "githubAppInstallationID": "22", "githubAppPrivateKey": "x"}
    with pytest.raises(ConfigError, match=words):
        GithubApp.of_fields({**plain, **fields})


@pytest.mark.parametrize(
    ("key", "words"),
    [("canary", "is no private key in PEM"), (pem(ed25519.Ed25519PrivateKey.generate()), "is no RSA key")],
    ids=["none", "another"],
)
def test_a_key_that_cannot_be_used_is_told_without_it(github: Github, key: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        tokens(github).token(app(github, githubAppPrivateKey=key, githubAppInstallationID="22"), "anywhere", Way())
    assert key.strip().splitlines()[0] not in str(caught.value)


def test_git_reads_with_the_token_of_the_app_in_its_secret(
    github: Github, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {
        "githubAppID": "42",
        "githubAppInstallationID": "22",
        "githubAppPrivateKey": pem(KEY),
        "githubAppBaseURL": github.url,
    }
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "app"}, "stringData": entries}
    text = credentials_text(with_data_only(body))
    assert read_secret("app", text).github_app == entries
    used: list[GitCredentials] = []
    monkeypatch.setattr("gitops.adapters.source.GitSource", lambda _, found, **__: used.append(found("")))
    sources = Sources(tmp_path, lambda name: text, as_account=True, tokens=tokens(github))
    sources.git(Credentials("app"))
    assert (used[0].username, used[0].password) == ("x-access-token", "ghs_1")
    assert "ghs_1" in used[0].secrets
    github.now = time.time()
    Sources(tmp_path, lambda name: text, as_account=True).git(Credentials("app"))  # which keeps tokens of its own
    assert used[1].password == "ghs_2"
