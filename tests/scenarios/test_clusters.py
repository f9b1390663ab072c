"""Several clusters and repositories, some of them bad: the others do not notice."""

import base64
import json
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gitops.bootstrap_controller import Settings
from gitops.controller import clusters
from gitops.manifests.yaml_documents import load_all
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import SourceSpec
from tests.hostile.repositories import doubling
from tests.scenarios.running import Running, of
from tests.scenarios.test_controller import application, custom_resource, make_kind, resources, standing
from tests.scenarios.world import World, config_map


def encoded(**data):
    return {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}


def cluster_secret(kubeconfig, name, label="gitops.dev/secret-type", **config):
    """A Secret that registers the cluster of a kubeconfig."""
    parsed = load_all(kubeconfig.encode(), "kubeconfig")[0].value
    cluster, user = parsed["clusters"][0]["cluster"], parsed["users"][0]["user"]
    tls = {"caData": cluster["certificate-authority-data"]}
    config = config or {"bearerToken": user["token"], "tlsClientConfig": tls}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"cluster-{name}", "labels": {label: "cluster"}},
        "data": encoded(name=name, server=cluster["server"], config=json.dumps(config)),
    }


def to(app, cluster):
    return replace(app, destination=replace(app.destination, cluster=cluster))


@pytest.fixture
def other(fresh_sandbox, tmp_path):
    """A second cluster."""
    (tmp_path / "other").mkdir()
    return World(tmp_path / "other", fresh_sandbox(speed=4.0).kubeconfig(), "story")


def make_namespace(world):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})


def secrets(world):
    return f"/api/v1/namespaces/{world.namespace}/secrets"


@pytest.mark.parametrize("label", ["gitops.dev/secret-type", "argocd.argoproj.io/secret-type"])
def test_a_secret_registers_a_cluster_while_the_controller_runs(world, other, label):
    make_namespace(world)
    world.commit(settings=config_map("settings"))
    app = to(application(world, "app"), "far")
    with Running(world, app) as running:
        running.until(lambda: "far" in running.tracked().problem)
        secret = cluster_secret(other.kubeconfig.read_text(), "far", label)
        world.request("POST", secrets(world), secret)
        running.until(lambda: other.get("ConfigMap", "settings", namespace=world.namespace))
        assert world.get("ConfigMap", "settings") is None
        url = f"/api/v1/namespaces/{world.namespace}/configmaps/settings"
        other.request("PATCH", url, {"data": {"a": "by hand"}}, "kubectl", "application/merge-patch+json")
        running.until(lambda: other.get("ConfigMap", "settings", namespace=world.namespace)["data"] == {"a": "1"})


def test_a_cluster_secret_that_would_run_a_program_is_refused(world):
    make_namespace(world)
    world.commit(settings=config_map("settings"))
    plugin = {"execProviderConfig": {"command": "aws"}}
    world.request("POST", secrets(world), cluster_secret(world.kubeconfig.read_text(), "far", **plugin))
    with Running(world, to(application(world, "app"), "far")) as running:
        running.until(lambda: "would run a program" in running.tracked().problem)


@contextmanager
def silent_server():
    """Takes connections and says nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    held = []

    def accept():
        while True:
            try:
                held.append(listener.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for connection in held:
            connection.close()


def drift_times(world, running, count=8):
    """Seconds from each of some hand edits to its undoing."""
    times = []
    for number in range(count):
        world.edit("core/configmaps/settings", {"data": {"a": f"by hand {number}"}}, manager=f"kubectl-{number}")
        times.append(running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "1"}))
    return sorted(times)


def test_a_silent_cluster_a_trickling_repository_and_endless_renders_delay_nobody(world, capsys):
    for folder in ("good", "endless"):
        (world.repository / folder).mkdir()
    (world.repository / "endless/a.yaml.j2").write_text(
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    )
    for path, text in doubling(24).items():
        (world.repository / "doubling" / path).parent.mkdir(parents=True, exist_ok=True)
        (world.repository / "doubling" / path).write_text(text)
    sha = world.commit(**{"good/settings": config_map("settings")})
    good = application(world, "app", path="good")
    with Running(world, good) as running:
        running.until_synced(sha)
        alone = drift_times(world, running)
    with silent_server() as port:
        mute = world.kubeconfig.read_text()
        server = load_all(mute.encode(), "kubeconfig")[0].value["clusters"][0]["cluster"]["server"]
        make_secret = cluster_secret(mute.replace(server, f"https://127.0.0.1:{port}"), "mute")
        world.request("POST", secrets(world), make_secret)
        trickle = SourceSpec(repoURL=f"https://127.0.0.1:{port}/slow.git", targetRevision="main")
        bad = [
            *(to(application(world, f"mute-{number}", renderer="plain"), "mute") for number in range(20)),
            *(replace(application(world, f"slow-{number}"), source=trickle) for number in range(3)),
            *(application(world, f"endless-{number}", path="endless", renderer="template") for number in range(2)),
            *(application(world, f"doubling-{number}", path="doubling/24") for number in range(2)),
        ]
        with Running(world, good, *bad) as running:
            running.until_synced(sha)
            beside = drift_times(world, running)
    with capsys.disabled():
        print(f"\n    drift to repair, alone: {alone[4] * 1000:.0f} ms, beside bad ones: {beside[4] * 1000:.0f} ms")
    assert beside[-1] < 5


def test_a_git_secret_is_found_in_the_applications_own_namespace_only(world):
    """What a secretRef means is not shared with whoever writes the same name elsewhere."""
    make_kind(world)
    world.commit(settings=config_map("settings"))
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "git"}, "data": encoded(token="t0ken")}
    world.request("POST", secrets(world), body)
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world, source={"credentials": {"secretRef": "git"}}))
        other = custom_resource(world, "other", source={"credentials": {"secretRef": "absent"}})
        world.request("POST", resources(world), other)
        running.until(lambda: world.get("ConfigMap", "settings"))
        running.until(lambda: "absent" in running.tracked(f"{world.namespace}/other").problem)
        names = {running.controller.poller.name_of(item) for item in running.controller.index}
        assert names == {
            f"{world.app.source.repoURL} {world.namespace}/git",
            f"{world.app.source.repoURL} {world.namespace}/absent",
        }


def test_a_custom_resource_may_not_read_the_controllers_own_files(world):
    make_kind(world)
    world.commit(settings=config_map("settings"))
    with Running(world, resources=True, local_repositories=False) as running:
        world.request("POST", resources(world), custom_resource(world))
        running.until(lambda: standing(world).get("conditions"))
        assert "on the controller's machine" in str(standing(world)["conditions"])


def test_settings_have_safe_defaults():
    assert not Settings().local_repositories


def test_a_broken_connection_to_git_heals_by_itself(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        hidden = world.repository.with_name("moved")
        os.rename(world.repository, hidden)
        running.until(lambda: running.tracked().problem)
        subprocess.run(["git", "-C", str(hidden), "status"], check=True, capture_output=True)
        os.rename(hidden, world.repository)
        newer = world.commit(settings=config_map("settings", a="2"))
        began = time.monotonic()
        number = running.ask(
            running.controller.store.request("gitops/app", "refresh", {}, "ada", "2026-01-01T00:00:00Z")
        )
        running.until_synced(newer)
        assert number
        assert time.monotonic() - began < 10


def test_a_credential_plug_in_that_hangs_delays_its_own_cluster_alone(world, lines):
    config = load_all(world.kubeconfig.read_bytes(), "kubeconfig")[0].value
    plug_in = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["60"]}
    config["users"].append({"name": "slow", "user": {"exec": {**plug_in, "interactiveMode": "Never"}}})
    here = config["contexts"][0]["context"]
    config["contexts"].append({"name": "slow", "context": {"cluster": here["cluster"], "user": "slow"}})
    world.kubeconfig.write_text(write_manifests([config]))
    sha = world.commit(settings=config_map("settings"))
    apps = [to(application(world, "slow"), "slow"), application(world, "app")]
    with Running(world, *apps) as running:
        running.until(lambda: running.tracked("gitops/slow").source.observed_revision)
        began = time.monotonic()
        running.until_synced(sha)
        running.call(lambda: None)
        assert time.monotonic() - began < 5.0
        assert running.tracked("gitops/slow").sync != "Synced"
        running.stop(within=10.0)
    assert not of(lines, "cluster.not-understood")


def test_a_cluster_that_becomes_known_to_the_kubeconfig_is_had_by_itself(world, monkeypatch):
    monkeypatch.setattr(clusters, "_FIRST_SECONDS", 0.2)
    sha = world.commit(settings=config_map("settings"))
    with Running(world, to(application(world, "app"), "staging")) as running:
        running.until(lambda: "staging" in running.tracked().problem)
        config = load_all(world.kubeconfig.read_bytes(), "kubeconfig")[0].value
        config["contexts"].append({**config["contexts"][0], "name": "staging"})
        world.kubeconfig.write_text(write_manifests([config]))
        running.until_synced(sha)
