"""Webhooks over HTTP: a push is seen at once; what is forged, too large or unknown does nothing."""

import hashlib
import hmac
import json
import socket
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from gitops.server.webhooks.signatures import path_token
from tests.scenarios.running import Running
from tests.scenarios.test_flux_controller import Flux
from tests.scenarios.world import config_map

SECRET = "hunter2"


@pytest.fixture
def port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def post(port: int, path: str, payload: object, secret: str = SECRET, header: str = "X-Hub-Signature-256"):
    """The status and the text of the answer."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, {header: signature})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def patient(world):
    """An Application whose repository is looked at once an hour."""
    app = replace(world.app, sync=replace(world.app.sync, automated=True), interval=3600.0)
    return app, {"ref": "refs/heads/main", "repository": {"clone_url": world.repository.as_uri()}}


def test_a_push_is_synced_as_soon_as_its_host_tells_of_it(world, port):
    world.commit(settings=config_map("settings", a="1"))
    app, push = patient(world)
    with Running(world, app, listen=f"127.0.0.1:{port}", environment={"webhook": SECRET}) as running:
        running.until(lambda: world.get("ConfigMap", "settings"))
        world.commit(settings=config_map("settings", a="2"))
        assert post(port, "/webhook/github", {**push, "n": 1}) == (202, "1 looked at\n")
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})
        assert post(port, "/webhook/github", {**push, "n": 1}) == (200, "seen before\n")
        assert post(port, "/webhook/github", {**push, "ref": "refs/heads/other"}) == (202, "0 looked at\n")
        assert post(port, "/webhook/github", {"zen": "x"}) == (202, "0 looked at\n")


def test_what_is_forged_too_large_or_unknown_does_nothing(world, port):
    world.commit(settings=config_map("settings", a="1"))
    app, push = patient(world)
    with Running(world, app, listen=f"127.0.0.1:{port}", environment={"webhook": SECRET}) as running:
        running.until(lambda: world.get("ConfigMap", "settings"))
        assert post(port, "/webhook/github", push, secret="guess")[0] == 401
        assert post(port, "/webhook/github", push, header="X-Hub-Signature")[0] == 401
        assert post(port, "/webhook/none", push)[0] == 404
        assert post(port, "/webhook/github", b"x" * (5 * 2**20 + 1))[0] == 413
        assert post(port, "/webhook/github", b"no json") == (400, "expected JSON\n")
        assert post(port, "/hook/0000", push)[0] == 404


def test_a_registry_that_signs_nothing_is_known_by_its_path_or_its_login(world, port):
    world.commit(settings=config_map("settings", a="1"))
    app, _ = patient(world)
    push = {"docker_url": "quay.io/team/shop", "updated_tags": ["1.2"]}
    with Running(world, app, listen=f"127.0.0.1:{port}", environment={"webhook": SECRET}) as running:
        running.until(lambda: world.get("ConfigMap", "settings"))
        way = f"/webhook/quay/{path_token('quay', SECRET)}"
        for _ in range(2):  # pushes of one tag look alike
            assert post(port, way, push, header="X-None") == (202, "0 looked at\n")
        assert post(port, way[:-1] + "x", push)[0] == 401
        assert post(port, f"/webhook/quay/{SECRET}", push)[0] == 401
        assert post(port, "/webhook/quay", push)[0] == 401
        assert post(port, f"/webhook/dockerhub/{path_token('quay', SECRET)}", push)[0] == 401
        assert post(port, f"/webhook/github/{path_token('github', SECRET)}", push)[0] == 404


def test_without_a_secret_webhooks_are_off(world, port):
    world.commit(settings=config_map("settings"))
    app, push = patient(world)
    with Running(world, app, listen=f"127.0.0.1:{port}") as running:
        running.until(lambda: world.get("ConfigMap", "settings"))
        status, text = post(port, "/webhook/github", push)
        assert (status, "GITOPS_SECRET_WEBHOOK" in text) == (404, True)


def test_a_receiver_of_flux_has_its_path_and_looks_at_what_it_names(world, port):
    flux = Flux(world)
    flux.write(**{"apps/settings": config_map("settings", a="1")})
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": SECRET}}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/secrets", secret)
    wanted = {
        "type": "github",
        "secretRef": {"name": "token"},
        "resources": [{"kind": "GitRepository", "name": "repo"}],
    }
    flux.make(flux.source(interval="1h"), flux.kustomization("apps"), flux.body("Receiver", "hook", wanted))
    path = "/hook/" + hashlib.sha256(f"{SECRET}hook{world.namespace}".encode()).hexdigest()
    with Running(world, flux="all", listen=f"127.0.0.1:{port}") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        running.until(lambda: (flux.get("Receiver", "hook").get("status") or {}).get("webhookPath") == path)
        flux.write(**{"apps/settings": config_map("settings", a="2")})
        assert post(port, path, {"x": 1}, secret="guess")[0] == 401
        assert post(port, path, {"x": 1}) == (200, "1 looked at\n")
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})
