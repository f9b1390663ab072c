"""A controller's HTTP, as its clients have it: the API held against its own document, pages, streams."""

import asyncio
import json
import re
import socket
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema_rs

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.adapters.kubernetes.token_reviews import TokenReviews
from gitops.server.api.openapi import document
from gitops.server.api.routes import OPERATIONS
from gitops.server.app import Outside, serve
from gitops.server.auth.tokens import Scope, new_token
from gitops.server.listening import Listening
from gitops.server.webhooks.routes import Webhooks

DOCUMENT = json.loads(json.dumps(document(OPERATIONS, "test")))


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    cookies: list[str] = field(default_factory=list)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


class _NotFollowed(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(_NotFollowed)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@dataclass
class Web:
    """`with Web(running, folder) as web:` serves its controller; `operator` and `viewer` are tokens."""

    running: object
    folder: Path
    with_tokens: bool = True
    anyone_reads: bool = False
    host: str = "127.0.0.1"
    port: int = 0
    tokens: dict[str, str] = field(default_factory=dict)
    provider: object = None
    options: dict[str, object] = field(default_factory=dict)  # more of Listening's

    def __enter__(self):
        file = self.folder / "tokens"
        lines = []
        for name, scope in (("ada", Scope.OPERATOR), ("grace", Scope.VIEWER)):
            self.tokens[name], line = new_token(name, scope, None)
            lines.append(line)
        file.write_text("\n".join(lines) + "\n")
        self.port = self.port or free_port()
        tokens = file if self.with_tokens else None
        listening = Listening(f"{self.host}:{self.port}", tokens, self.anyone_reads, **self.options)
        loop = self.running._loop
        hooks = Webhooks(self.running.controller, lambda _: "")
        http = KubernetesCluster(connect(str(self.running._world.kubeconfig))).http
        serving = serve(self.running.controller, listening, "test", hooks, Outside(TokenReviews(http), self.provider))
        self._task = asyncio.run_coroutine_threadsafe(self._closing(serving, http), loop)
        self.running.until(self._answers)
        return self

    async def _closing(self, serving, http):
        try:
            await serving
        finally:
            await http.close()

    def __exit__(self, *_):
        self._task.cancel()

    def _answers(self):
        assert not self._task.done(), self._task.exception()
        try:
            return self.ask("/healthz").status == 200
        except OSError:
            return False

    def ask(self, path, method="GET", body=None, token="", **headers):
        """One request; `body` is JSON, or text as it is."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            named.setdefault("Content-Type", "application/json")
        if token:
            named["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, named, method=method)
        try:
            with OPENER.open(request, timeout=30) as answer:
                return Answer(
                    answer.status, dict(answer.headers), answer.read(), answer.headers.get_all("Set-Cookie", [])
                )
        except urllib.error.HTTPError as exc:
            with exc:
                return Answer(exc.code, dict(exc.headers), exc.read(), exc.headers.get_all("Set-Cookie", []))

    def get(self, path, token="", **headers):
        """What the API answers, after holding it against its document; the JSON."""
        answer = self.ask(f"/api/v1{path}", token=token or self.tokens["ada"], **headers)
        check(answer, "GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, path, token=None, **body):
        """An act by the operator, or by `token`."""
        answer = self.ask(f"/api/v1{path}", "POST", body, token=self.tokens["ada"] if token is None else token)
        check(answer, "POST", path)
        return answer

    def form(self, path, cookie="", **given):
        """What a browser sends for a form of our page."""
        origin = {"Origin": f"http://127.0.0.1:{self.port}", "Cookie": f"gitops_token={cookie}"}
        fields = given.pop("fields")
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask(path, "POST", urllib.parse.urlencode(fields).encode(), **{**origin, **kind, **given})


def operation_of(method, path):
    """What the document says of a request."""
    plain = "/api/v1" + path.partition("?")[0]
    for template, operations in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), plain) and method.lower() in operations:
            return operations[method.lower()]
    raise AssertionError(f"{method} {path} is not in the document")


def check(answer, method, path):
    """The answer is one that the document has, of the shape that it says."""
    found = operation_of(method, path)["responses"][str(answer.status)]
    if answer.status == 304:
        return
    (kind, content), *_ = found["content"].items()
    assert answer.headers["Content-Type"].partition(";")[0] == kind
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(answer.json)


class Stream:
    """Events as they come, in a thread: (event, data, id)."""

    def __init__(self, web, token, last=""):
        headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
        request = urllib.request.Request(f"http://127.0.0.1:{web.port}/api/v1/stream", headers=headers)
        self.answer = urllib.request.urlopen(request, timeout=30)
        self.events = []
        self.last = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        name, data = "", ""
        try:
            for line in self.answer:
                field_name, _, value = line.decode().rstrip("\n").partition(": ")
                if field_name == "id":
                    self.last = value
                elif field_name == "event":
                    name = value
                elif field_name == "data":
                    data = value
                elif not line.strip() and name:
                    self.events.append((name, json.loads(data), self.last))
                    name = ""
        except (OSError, ValueError, AttributeError):
            return

    def close(self):
        self.answer.fp.raw._sock.shutdown(socket.SHUT_RDWR)
