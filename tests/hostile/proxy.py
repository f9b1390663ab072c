"""A proxy before the embedded cluster that answers what it likes."""

import http.client
import json
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple

HOP = {"transfer-encoding", "content-length", "connection", "content-encoding"}


class Answer(NamedTuple):
    """What goes back: `body` is sent as it is; more may follow as `then` gives it, for as long as anybody reads."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    then: Callable[[], bytes] | None = None


def as_json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


Spoil = Callable[[str, str, Answer], Answer | None]  # method, path with query, the true answer → another one


class Proxy:
    """`with Proxy(sandbox) as proxy`; `proxy.spoil` may be set and changed at any time."""

    def __init__(self, sandbox) -> None:
        self.spoil: Spoil = lambda method, path, true: None
        self.asked: list[tuple[str, str]] = []
        host = urllib.parse.urlsplit(sandbox.url).netloc
        context = ssl.create_default_context(cadata=sandbox.ca_pem)
        self._token = sandbox.token
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                self._upstream = http.client.HTTPSConnection(host, context=context, timeout=30)

            def finish(self) -> None:
                super().finish()
                self._upstream.close()

            def _pass_on(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                data = self.rfile.read(size) if size else None
                outer.asked.append((self.command, self.path))
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in ("host", "accept-encoding")
                }
                try:
                    self._upstream.request(self.command, self.path, body=data, headers=headers)
                    with self._upstream.getresponse() as response:
                        self._answer(response)
                except (OSError, http.client.HTTPException):
                    self.close_connection = True
                finally:
                    if self.close_connection or "watch=true" in self.path:  # there is more that nobody has read
                        self._upstream.close()

            def _answer(self, response: http.client.HTTPResponse) -> None:
                headers = {name: value for name, value in response.getheaders() if name.lower() not in HOP}
                is_watch = "watch=true" in self.path and response.status == 200
                true = Answer(response.status, b"" if is_watch else response.read(), headers)
                answer = outer.spoil(self.command, self.path, true) or true
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                if answer.then is None and not (is_watch and answer is true):
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                    return
                self.send_header("Connection", "close")
                self.close_connection = True
                self.end_headers()
                self.wfile.write(answer.body)
                while chunk := answer.then() if answer.then else response.read1(65536):
                    self.wfile.write(chunk)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self) -> str:
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self._server.server_port}"}}],
                "users": [{"name": "u", "user": {"token": self._token}}],
            }
        )
