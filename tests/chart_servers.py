"""Servers of charts for tests: a chart repository over HTTP, and an OCI registry, each with what may go wrong there."""

import base64
import contextlib
import gzip
import hashlib
import http.server
import io
import json
import shutil
import socket
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

Server = TypeVar("Server", bound=http.server.ThreadingHTTPServer)

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: {name}\nversion: {version}\n",
    "values.yaml": "greeting: hello\n",
    "templates/greeting.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {{{{ .Release.Name }}}}-{name}}}\n"
        "data: {{text: {{{{ .Values.greeting }}}}, version: \"{version}\"}}\n"
    ),
}  # fmt: skip


def chart_files(name: str, version: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """A chart with one ConfigMap, whose files `more` add to or replace."""
    return {path: text.format(name=name, version=version) for path, text in CHART.items()} | dict(more or {})


def packed(name: str, files: Mapping[str, str]) -> bytes:
    """A chart as `helm package` packs it; the same files give the same bytes."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        for path, text in sorted(files.items()):
            member = tarfile.TarInfo(f"{name}/{path}" if name else path)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(inner.getvalue(), mtime=0)


class ChartRepository(http.server.ThreadingHTTPServer):
    """Serves `files`; asks for `login` where there is one, waits `delay` seconds, and notes who asked for what."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.entries: dict[str, list[dict[str, Any]]] = {}
        self.login = ""
        self.delay = 0.0
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name: str, version: str, more: Mapping[str, str] | None = None, **facts: Any) -> bytes:
        """Offer a version of a chart; `facts` replace what the index says of it."""
        data = packed(name, chart_files(name, version, more))
        path = f"/{name}-{version}.tgz"
        self.files[path] = (200, {}, data)
        entry = {
            "name": name,
            "version": version,
            "urls": [path.lstrip("/")],
            "digest": hashlib.sha256(data).hexdigest(),
            "created": "2026-01-01T00:00:00Z",
        }
        self.entries.setdefault(name, []).append({**entry, **facts})
        self.write_index()
        return data

    def write_index(self) -> None:
        data = yaml.safe_dump({"apiVersion": "v1", "entries": self.entries}, sort_keys=True).encode()
        self.files["/index.yaml"] = (200, {"ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, data)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ChartRepository

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((path, self.headers.get("Authorization") or ""))
        time.sleep(self.server.delay)
        status, headers, data = self.server.files.get(path, (404, {}, b""))
        if self._login() not in ("", self.headers.get("Authorization")):
            status, headers, data = 401, {"WWW-Authenticate": 'Basic realm="charts"'}, b""
        elif headers.get("ETag") and headers["ETag"] == self.headers.get("If-None-Match"):
            status, data = 304, b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET

    def _login(self) -> str:
        """Who may read; "" is anybody."""
        return self.server.login

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextlib.contextmanager
def running(server: http.server.ThreadingHTTPServer) -> Iterator[None]:
    """Serve until the end."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def served(kind: Callable[[], Server]) -> Callable[[], Iterator[Server]]:
    """A fixture: a server of this kind for each test."""

    @pytest.fixture
    def server() -> Iterator[Server]:
        made = kind()
        with running(made):
            yield made

    return server


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


# ── an OCI registry ──────────────────────────────────────────────────────────────────────────────────────────────────

CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
FILES_LAYER = "application/vnd.cncf.flux.content.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class OciRegistry(ChartRepository):
    """A registry in memory; with `token` it sends who has none to itself for one, which costs `login`."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _OciHandler
        self.token = ""

    @property
    def address(self) -> str:
        return f"oci://127.0.0.1:{self.server_port}"

    def push(self, repository: str, tag: str, layer: bytes, media_type: str = CHART_LAYER) -> str:
        """Offer a layer under a tag; the digest of its manifest (hex)."""
        digest = hashlib.sha256(layer).hexdigest()
        config = b"{}"
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": "application/json", "digest": _sha(config), "size": len(config)},
            "layers": [{"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(layer)}],
        }
        text = json.dumps(manifest).encode()
        head = {"Content-Type": _MANIFEST, "Docker-Content-Digest": _sha(text)}
        for name in (tag, _sha(text)):
            self.files[f"/v2/{repository}/manifests/{name}"] = (200, head, text)
        self.files[f"/v2/{repository}/blobs/sha256:{digest}"] = (200, {}, layer)
        tags = f"/v2/{repository}/tags/list"
        known = json.loads(self.files[tags][2])["tags"] if tags in self.files else []
        listed = json.dumps({"name": repository, "tags": sorted({*known, tag})}).encode()
        self.files[tags] = (200, {"Content-Type": "application/json"}, listed)
        return _sha(text).removeprefix("sha256:")

    def sign(self, repository: str, digest: str, key: Any, of: str = "") -> None:
        """Sign a manifest (hex) as cosign 2 does; `of` is the digest that the payload names, where that is another."""
        image = {"docker-manifest-digest": f"sha256:{of or digest}"}
        kind = "cosign container image signature"
        critical = {"identity": {"docker-reference": ""}, "image": image, "type": kind}
        payload = json.dumps({"critical": critical, "optional": None}).encode()
        layer = {
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": _sha(payload),
            "size": len(payload),
            "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(key(payload)).decode()},
        }
        path = f"/v2/{repository}/manifests/sha256-{digest}.sig"
        before = json.loads(self.files[path][2])["layers"] if path in self.files else []
        text = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "layers": [*before, layer]}).encode()
        self.files[path] = (200, {"Content-Type": _MANIFEST, "Docker-Content-Digest": _sha(text)}, text)
        self.files[f"/v2/{repository}/blobs/{_sha(payload)}"] = (200, {}, payload)

    def attest(self, repository: str, digest: str, key: Any, *, by_tag: bool = False, **statement: Any) -> None:
        """Sign a manifest (hex) as cosign 3 does: a bundle that refers to it; `statement` replaces what that says."""
        said = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
            **statement,
        }
        payload, kind = json.dumps(said).encode(), "application/vnd.in-toto+json"
        signature = key(f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload)
        encoded = {"payload": base64.b64encode(payload).decode(), "payloadType": kind}
        signatures = [{"sig": base64.b64encode(signature).decode()}]
        bundle = json.dumps({"dsseEnvelope": {**encoded, "signatures": signatures}}).encode()
        media = "application/vnd.dev.sigstore.bundle.v0.3+json"
        made = self.push(repository, f"bundle-{len(self.files)}", bundle, media)
        listed = {"mediaType": _MANIFEST, "digest": f"sha256:{made}", "artifactType": media}
        index = json.dumps({"schemaVersion": 2, "manifests": [listed]}).encode()
        place = f"manifests/sha256-{digest}" if by_tag else f"referrers/sha256:{digest}"
        self.files[f"/v2/{repository}/{place}"] = (200, {}, index)

    def add_chart(self, repository: str, version: str, more: Mapping[str, str] | None = None) -> str:
        name = repository.rpartition("/")[2]
        return self.push(repository, version.replace("+", "_"), packed(name, chart_files(name, version, more)))


class _OciHandler(_Handler):
    server: OciRegistry

    def do_GET(self) -> None:
        if not self.server.token or self.headers.get("Authorization") == f"Bearer {self.server.token}":
            super().do_GET()
            return
        own, data = self.headers.get("Authorization") or "", b""
        if self.path.startswith("/token") and (not self.server.login or own == self.server.login):
            data = json.dumps({"token": self.server.token}).encode()
        self.server.asked.append((self.path, own))
        self.send_response(200 if data else 401)
        realm = f'Bearer realm="{self.server.url}/token",service="registry",scope="repository:x:pull"'
        self.send_header("WWW-Authenticate", realm)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET

    def _login(self) -> str:
        """Who has the token may."""
        return "" if self.server.token else super()._login()


def _sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


# ── Debian's registry ────────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def docker_registry(folder: Path) -> Iterator[str | None]:
    """The address of a real registry; None where the program is not on this machine."""
    program = shutil.which("docker-registry")
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "registry.yml").write_text(yaml.safe_dump(settings))
    process = subprocess.Popen(
        [program, "serve", str(folder / "registry.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/v2/")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def push_to(registry: str, repository: str, tag: str, layer: bytes) -> str:
    """Upload a chart to a registry as Helm does; the digest of its manifest (hex)."""
    config = b'{"name":"x"}'
    for blob in (config, layer):
        begun = _send("POST", f"http://{registry}/v2/{repository}/blobs/uploads/", b"")
        place = begun.headers["Location"]
        mark = "&" if "?" in place else "?"
        _send("PUT", f"{place}{mark}digest={_sha(blob)}", blob, "application/octet-stream")
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {
            "mediaType": "application/vnd.cncf.helm.config.v1+json",
            "digest": _sha(config),
            "size": len(config),
        },
        "layers": [{"mediaType": CHART_LAYER, "digest": _sha(layer), "size": len(layer)}],
    }
    text = json.dumps(manifest).encode()
    _send("PUT", f"http://{registry}/v2/{repository}/manifests/{tag}", text, _MANIFEST)
    return _sha(text).removeprefix("sha256:")


def _send(method: str, url: str, data: bytes, kind: str = "") -> Any:
    headers = {"Content-Type": kind} if kind else {}
    return urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            urllib.request.urlopen(url, timeout=1)
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
