"""A release that Helm installed is taken over: nothing restarts, nothing is shown that is no difference."""

import json
import os
import shutil
import subprocess
import time
from typing import Any

import pytest

from gitops.model.plan import Update
from gitops.model.result import Outcome
from tests.scenarios.test_charts import chart
from tests.scenarios.world import World

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
  labels: {app: web, app.kubernetes.io/managed-by: {{ .Release.Service }}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.25"}]}
"""
HOOK = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: %s, annotations: {helm.sh/hook: %s}}
"""


def release(world: World, name: str = "app") -> None:
    """What `helm install NAME` leaves of WEB."""
    world.request(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    )
    marks = {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": world.namespace}
    body: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"{name}-web",
            "labels": {"app": "web", "app.kubernetes.io/managed-by": "Helm"},
            "annotations": marks,
        },
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx:1.25"}]},
            },
        },
    }
    world.request("POST", f"/apis/apps/v1/namespaces/{world.namespace}/deployments", body, manager="helm")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "helm.sh/release.v1",
        "metadata": {
            "name": f"sh.helm.release.v1.{name}.v1",
            "labels": {"owner": "helm", "name": name, "version": "1"},
        },
    }
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/secrets", secret, manager="helm")


def pods(world: World) -> set[str]:
    found = world.request("GET", f"/api/v1/namespaces/{world.namespace}/pods")
    return {body["metadata"]["uid"] for body in found["items"]}


def settled(world: World) -> set[str]:
    """The uids of the Pods, once both are there."""
    deadline = time.monotonic() + 20
    while (world.get("Deployment", "app-web", "apps").get("status") or {}).get("availableReplicas") != 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return pods(world)


def of_metadata(plan: Any) -> bool:
    """Whether a plan changes nothing but labels and annotations of the objects themselves."""
    updates = [change for change in plan.changes if isinstance(change, Update)]
    return bool(updates) and all(str(one.path).startswith("metadata.") for found in updates for one in found.fields)


def test_a_release_is_taken_over_without_a_restart(world: World) -> None:
    chart(world, **{"templates/settings": WEB})
    release(world)
    before = settled(world)
    assert world.sync().outcome is Outcome.HELD
    assert of_metadata(world.plan(adopt=True).plan)
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    assert world.sync().outcome is Outcome.IN_SYNC
    assert settled(world) == before
    marks = world.get("Deployment", "app-web", "apps")["metadata"]["annotations"]
    assert not [name for name in marks if name.startswith("meta.helm.sh/")]


def test_taking_over_is_no_installation(world: World) -> None:
    hooks = {
        "templates/install": HOOK % ("installs", "pre-install"),
        "templates/upgrade": HOOK % ("upgrades", "post-upgrade"),
    }
    chart(world, **{"templates/settings": WEB, **hooks})
    release(world)
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    assert (world.get("ConfigMap", "installs"), bool(world.get("ConfigMap", "upgrades"))) == (None, True)


def test_hooks_of_an_installation_run_first_and_those_of_an_upgrade_later(world: World) -> None:
    hooks = {
        "templates/install": HOOK % ("installs", "pre-install"),
        "templates/upgrade": HOOK % ("upgrades", "pre-upgrade"),
        "templates/both": HOOK % ("both", "'post-install,post-upgrade'"),
    }

    def ran() -> list[str]:
        names = [name for name in ("installs", "upgrades", "both") if world.get("ConfigMap", name)]
        for name in names:
            world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/configmaps/{name}")
        return names

    chart(world, **hooks)
    world.sync()
    assert ran() == ["installs", "both"]
    world.commit(values="colour: blue\n")
    world.sync()
    assert ran() == ["upgrades", "both"]


def test_what_helm_still_knows_is_said_and_forgotten_when_asked(world: World) -> None:
    chart(world, **{"templates/settings": WEB})
    release(world)
    file = world.folder / "app.yaml"
    source = {"repoURL": world.app.source.repoURL, "targetRevision": "main"}
    spec = {"source": source, "destination": {"namespace": world.namespace}}
    head = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": {"name": "app"}}
    file.write_text(json.dumps({**head, "spec": spec}))
    by_file = ("-f", str(file))
    said = world.gitops("sync", *by_file, "--adopt")
    assert f"Helm still knows release app in {world.namespace} (1 Secrets" in said.stderr
    assert world.get("Secret", "sh.helm.release.v1.app.v1")
    said = world.gitops("sync", *by_file, "--forget-helm-release")
    assert f"Helm knows release app in {world.namespace} no more (1 Secrets deleted)" in said.stderr
    assert world.get("Secret", "sh.helm.release.v1.app.v1") is None
    assert "helm.forgotten" in [event.fact for event in world.check_audit()]
    assert world.get("Deployment", "app-web", "apps")
    assert "Helm" not in world.gitops("sync", *by_file, "--adopt").stderr


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on this machine")
def test_what_the_real_helm_installed_is_taken_over_upgraded_and_deleted(world: World) -> None:
    chart(world, **{"templates/settings": WEB, "templates/install": HOOK % ("installs", "pre-install")})
    environment = {**os.environ, "KUBECONFIG": str(world.kubeconfig), "HOME": str(world.folder)}
    helm = ("helm", "install", "app", str(world.repository), "-n", world.namespace, "--create-namespace", "--wait")
    subprocess.run(helm, check=True, capture_output=True, env=environment)
    before = settled(world)
    world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/configmaps/installs")
    assert of_metadata(world.plan(adopt=True).plan)
    assert world.sync(adopt=True).outcome is Outcome.SYNCED
    assert (settled(world), world.get("ConfigMap", "installs")) == (before, None)
    (world.repository / "templates/settings.yaml").write_text(WEB.replace("1.25", "1.26"))
    world.commit()
    assert world.sync().outcome is Outcome.SYNCED
    assert world.gitops("rollback", "app", "-n", world.namespace, "--yes").returncode == 0
    image = world.get("Deployment", "app-web", "apps")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "nginx:1.25"
    assert world.gitops("delete", "app", "-n", world.namespace, "--yes").returncode == 0
    assert world.get("Deployment", "app-web", "apps") is None
