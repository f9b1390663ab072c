"""A small client for the embedded cluster's own tests: JSON in, (status, JSON) out, over real HTTPS."""

import http.client
import json
import ssl
import time
import urllib.parse

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Api:
    """Requests to one cluster as one user."""

    def __init__(self, sandbox, token=None):
        self.host = urllib.parse.urlsplit(sandbox.url).netloc
        self.context = ssl.create_default_context(cadata=sandbox.ca_pem)
        self.token = token or sandbox.token

    def open(self, method, path, body=None, **options):
        return self.send(method, path, body, **options).getresponse()

    def send(self, method, path, body=None, type="application/json", headers=None, **query):
        """The connection over which a request was sent; its answer is still to be read."""
        connection = http.client.HTTPSConnection(self.host, context=self.context, timeout=20)
        if query:
            path += ("&" if "?" in path else "?") + urllib.parse.urlencode(query)
        sent = {"Authorization": f"Bearer {self.token}", "User-Agent": "test/1", **(headers or {})}
        data = None
        if body is not None:
            sent["Content-Type"] = type
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, body=data, headers=sent)
        return connection

    def __call__(self, method, path, body=None, **options):
        with self.open(method, path, body, **options) as response:
            raw = response.read()
        try:
            return response.status, json.loads(raw)
        except ValueError:
            return response.status, raw.decode()

    def get(self, path, **options):
        return self("GET", path, **options)

    def create(self, path, body, **options):
        status, created = self("POST", path, body, **options)
        assert status == 201, created
        return created

    def apply(self, path, body, manager="gitops", **options):
        return self("PATCH", path, body, type=APPLY, fieldManager=manager, **options)

    def namespace(self, name):
        self("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def until(self, path, holds, seconds=15):
        """The object at `path` once `holds(status, body)` is true."""
        deadline = time.monotonic() + seconds
        while True:
            status, body = self.get(path)
            if holds(status, body):
                return body
            assert time.monotonic() < deadline, (status, body)
            time.sleep(0.03)


def config_map(name, data=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}


def deployment(name, image="nginx:1", replicas=2, **spec):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }
