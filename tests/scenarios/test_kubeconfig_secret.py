"""An Application that goes to the cluster whose kubeconfig is in a Secret of its namespace, and to no other's."""

import base64
import json
from dataclasses import replace

import pytest

from gitops.adapters.kubernetes import registry
from gitops.controller import clusters
from gitops.manifests.yaml_documents import load_all
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Destination, KubeConfig
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import encoded, make_namespace, secrets
from tests.scenarios.test_controller import custom_resource, make_kind, resources
from tests.scenarios.world import World, config_map


@pytest.fixture
def other(fresh_sandbox, tmp_path):
    """A second cluster."""
    (tmp_path / "other").mkdir()
    return World(tmp_path / "other", fresh_sandbox(speed=4.0).kubeconfig(), "story")


def keep(world, name="far", method="POST", **entries):
    """The Secret that holds a kubeconfig."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": encoded(**entries)}
    path = secrets(world) if method == "POST" else f"{secrets(world)}/{name}"
    world.request(method, path, body)


def changed(kubeconfig, *, user=None, **cluster):
    """The kubeconfig with other entries of its cluster, or of its user."""
    config = load_all(kubeconfig.encode(), "kubeconfig")[0].value
    config["clusters"][0]["cluster"] |= cluster
    config["users"][0]["user"] = config["users"][0]["user"] if user is None else user
    return write_manifests([config])


def going(world, key="", **more):
    """The world's Application, which lives in the world's namespace and goes to the cluster of the Secret."""
    destination = Destination(namespace="far-away", kubeConfig=KubeConfig("far", key), **more)
    return replace(world.app, namespace=world.namespace, destination=destination)


def test_an_application_goes_to_the_cluster_of_its_secret_and_follows_it(world, other, monkeypatch):
    monkeypatch.setattr(registry, "_LOOK_SECONDS", 0.3)
    make_namespace(world)
    sha = world.commit(settings=config_map("settings", a="1"))
    app = going(world)
    app = replace(app, sync=replace(app.sync, automated=True, drift="correct"), interval=0.3)
    with Running(world, app) as running:
        running.until(lambda: "there is no Secret" in running.tracked(app.identity).problem)
        keep(world, value=other.kubeconfig.read_text())
        running.until_synced(sha, app.identity)
        path = "/api/v1/namespaces/far-away/configmaps/settings"
        assert other.request("GET", path)["data"] == {"a": "1"}
        other.request("PATCH", path, {"data": {"a": "2"}}, "kubectl-edit", "application/merge-patch+json")
        running.until(lambda: other.request("GET", path)["data"] == {"a": "1"})
        keep(world, method="PUT", value=changed(other.kubeconfig.read_text(), user={"token": "nobody"}))
        world.commit(settings=config_map("settings", a="3"))
        running.until(lambda: "Unauthorized" in running.tracked(app.identity).problem)
        keep(world, method="PUT", **{"value.yaml": other.kubeconfig.read_text()})
        running.until(lambda: other.request("GET", path)["data"] == {"a": "3"})
    assert "settings" not in json.dumps(world.request("GET", f"/api/v1/namespaces/{world.namespace}/configmaps"))


def test_a_cluster_that_nobody_names_is_let_go_and_makes_place_for_another(world, other, monkeypatch):
    monkeypatch.setattr(clusters, "_MOST_OF_NAMESPACE", 1)
    make_namespace(world)
    sha = world.commit(settings=config_map("settings"))
    keep(world, one=other.kubeconfig.read_text(), two=other.kubeconfig.read_text())
    first, second = (
        replace(going(world, key), name=key, sync=replace(world.app.sync, automated=True), interval=0.3)
        for key in ("one", "two")
    )
    second = replace(second, destination=replace(second.destination, namespace="farther"))
    with Running(world, first) as running:
        running.until_synced(sha, first.identity)
        running.call(lambda: running.put_trusted(second))
        running.until(lambda: "1 clusters are open by kubeconfigs of" in running.tracked(second.identity).problem)
        workers = running.controller.workers
        assert running.call(lambda: [worker.name for worker in workers]) == [first.cluster]
        running.call(lambda: running.controller.registry.drop("test", first.identity))
        running.until_synced(sha, second.identity)
        assert running.call(lambda: [worker.name for worker in workers]) == [second.cluster]
        moved = replace(second, destination=Destination(namespace=world.namespace))
        running.call(lambda: running.put_trusted(moved))
        running.until(lambda: running.call(lambda: [worker.name for worker in workers]) == [""])
        assert f"cluster {second.cluster}" not in running.tasks()


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"other": "x"}, "has no entry value or value.yaml"),
        ({"value": "[]"}, "expected a kubeconfig whose current context names a server"),
        ({"value": "a: [\n"}, "expected a kubeconfig whose current context names a server"),
        ({"user": {"exec": {"command": "/bin/sh", "apiVersion": "client.authentication.k8s.io/v1"}}}, "no program"),
        ({"user": {"tokenFile": "/var/run/secrets/token"}}, "no file"),
        ({"user": {"client-certificate": "/etc/shadow", "client-key": "/etc/shadow"}}, "certificate: names a file"),
        ({"certificate-authority": "/etc/passwd"}, "certificate-authority: names a file"),
        ({"server": "http://169.254.169.254"}, "server: expected https:// with a certificate that is checked"),
        ({"insecure-skip-tls-verify": True}, "server: expected https:// with a certificate that is checked"),
        ({"proxy-url": "http://127.0.0.1:1"}, "expected a kubeconfig whose current context names a server"),
    ],
)  # fmt: skip
def test_a_kubeconfig_that_would_run_read_or_trust_anything_is_refused(world, entries, said):
    make_namespace(world)
    world.commit(settings=config_map("settings"))
    is_plain = set(entries) <= {"other", "value"}
    keep(world, **(entries if is_plain else {"value": changed(world.kubeconfig.read_text(), **entries)}))
    app = going(world)
    with Running(world, replace(app, sync=replace(app.sync, automated=True), interval=0.3)) as running:
        running.until(lambda: said in running.tracked(app.identity).problem)
        assert running.tracked(app.identity).problem.count("\n") == 0


def test_no_name_of_a_cluster_leads_to_another_namespaces_secret(world, other):
    make_kind(world)
    vault = f"{world.namespace}-vault"
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": vault}})
    body = {"metadata": {"name": "far"}, "data": encoded(value=other.kubeconfig.read_text())}
    world.request("POST", f"/api/v1/namespaces/{vault}/secrets", body)
    world.commit(settings=config_map("settings"))
    ways = {"by-name": {"cluster": f"kubeconfig:{vault}/far/"}, "by-secret": {"kubeConfig": {"secretRef": "far"}}}
    with Running(world, resources=True, contexts=True) as running:
        for name, destination in ways.items():
            thief = custom_resource(world, name)
            thief["spec"]["destination"] |= destination
            world.request("POST", resources(world), thief)
        for name in ways:
            identity = f"{world.namespace}/{name}"
            running.until(lambda identity=identity: running.tracked(identity) and running.tracked(identity).problem)
    assert "settings" not in json.dumps(other.request("GET", "/api/v1/configmaps"))


def test_a_one_shot_sync_and_diff_go_there_too(world, other):
    make_namespace(world)
    keep(world, config=other.kubeconfig.read_text())
    world.commit(settings=config_map("settings", a="1"))
    spec = {
        "source": {"repoURL": world.repository.as_uri(), "targetRevision": "main"},
        "destination": {"namespace": "far-away", "kubeConfig": {"secretRef": "far", "key": "config"}},
        "sync": {"createNamespace": True},
    }
    metadata = {"name": "app", "namespace": world.namespace}
    file = world.folder / "application.yaml"
    file.write_text(
        write_manifests(
            [{"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}]
        )
    )
    assert world.gitops("diff", "-f", str(file)).returncode == 1
    done = world.gitops("sync", "-f", str(file))
    assert done.returncode == 0, done.stderr
    assert other.request("GET", "/api/v1/namespaces/far-away/configmaps/settings")["data"] == {"a": "1"}
    assert world.gitops("diff", "-f", str(file)).returncode == 0
    world.request("DELETE", f"{secrets(world)}/far")
    done = world.gitops("sync", "-f", str(file))
    assert (done.returncode, f"there is no Secret {world.namespace}/far" in done.stderr) == (2, True)
    assert base64.b64encode(b"token").decode() not in done.stderr
