"""What the Secrets of a source say: who asks, with which certificates, through which proxy."""

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gitops.adapters.credentials import read_credentials
from gitops.adapters.kubernetes.registered import credentials_text
from gitops.adapters.source import Sources
from gitops.manifests.secrets import with_data_only
from gitops.model.errors import ConfigError, SourceError
from gitops.model.source_access import Credentials
from gitops.sandbox.certificates import Certificates, make_certificates
from tests.unit.repositories import Repository

TOKEN = "b3arer-canary"


def secret(**entries: str) -> str:
    """A Secret of a cluster as the text that a secretRef stands for."""
    data = {name.replace("_", "."): text for name, text in entries.items()}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "stringData": data}
    return credentials_text(with_data_only(body))


def client() -> tuple[str, str]:
    """A certificate of its own signature, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gitops")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return made.public_bytes(Encoding.PEM).decode(), pem


class _Handler(SimpleHTTPRequestHandler):
    """A dumb Git server that wants a token as such."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") == f"Bearer {TOKEN}":
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Nothing is printed."""


CLIENT = client()
SERVER: Certificates = make_certificates()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """A repository over TLS, for who shows the client's certificate."""
    repository = Repository(tmp_path / "origin").commit({"a.yaml": "a"})
    repository.git("update-server-info")
    for name, text in (("pem", SERVER.certificate + SERVER.key), ("client", CLIENT[0])):
        (tmp_path / name).write_text(text)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "client"))
    context.load_cert_chain(tmp_path / "pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(repository.path))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/.git"
        server.shutdown()


def test_git_reads_with_the_certificates_and_the_token_of_its_secrets(served: str, tmp_path: Path) -> None:
    secrets = {
        "login": secret(bearerToken=TOKEN),
        "tls": secret(ca_crt=SERVER.ca, tls_crt=CLIENT[0], tls_key=CLIENT[1]),
        "unknown": secret(ca_crt=SERVER.ca),
    }
    sources = Sources(tmp_path / "cache", lambda name: secrets[name])
    assert sources.git(Credentials("login", "tls")).resolve(served, "main").ref == "main"
    for wrong in (Credentials("login"), Credentials("login", "unknown"), Credentials("", "tls")):
        with pytest.raises(SourceError) as caught:
            sources.git(wrong).resolve(served, "main")
        assert TOKEN not in str(caught.value)
    texts = [file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert not any(TOKEN.encode() in text or CLIENT[1].encode() in text for text in texts)


def test_a_bearer_token_that_would_add_a_header_is_refused(served: str, tmp_path: Path) -> None:
    sources = Sources(tmp_path / "cache", lambda name: secret(bearerToken="x\r\nX-Other: y"))
    with pytest.raises(SourceError, match="its bearerToken holds a line break"):
        sources.git(Credentials("login")).resolve(served, "main")


def test_a_proxy_of_a_secret_is_a_url_with_who_uses_it() -> None:
    secrets = {
        "plain": secret(address="http://proxy.example:3128"),
        "login": secret(address="http://proxy.example:3128", username="ä@b", password="p/w:d"),
        "none": secret(username="a"),
        "odd": secret(address="socks5://proxy.example"),
    }
    assert read_credentials(Credentials(proxySecretRef="plain"), secrets.__getitem__).address == (
        "http://proxy.example:3128"
    )
    found = read_credentials(Credentials(proxySecretRef="login"), secrets.__getitem__)
    assert found.address == "http://%C3%A4%40b:p%2Fw%3Ad@proxy.example:3128"
    assert "p/w:d" not in repr(found)
    for name in ("none", "odd"):
        with pytest.raises(ConfigError, match=r"proxySecretRef: .* address: expected http://HOST:PORT"):
            read_credentials(Credentials(proxySecretRef=name), secrets.__getitem__)


def test_certificates_that_are_not_there_are_told() -> None:
    secrets = {"empty": secret(username="a", password="b"), "half": secret(tls_crt=CLIENT[0])}
    with pytest.raises(ConfigError, match=r"certSecretRef: empty holds no certificates"):
        read_credentials(Credentials(certSecretRef="empty"), secrets.__getitem__)
    with pytest.raises(ConfigError, match=r"both certificate and key \(tls.crt, tls.key\)"):
        read_credentials(Credentials("half"), secrets.__getitem__)
    with pytest.raises(ConfigError, match=r"source.credentials.certSecretRef: gone is not known here"):
        read_credentials(Credentials(certSecretRef="gone"), lambda name: "")
