"""`gitops takeover flux`: what Flux left in a cluster becomes ours, and goes back, and nothing that runs is touched."""

import json

import pytest

from tests.scenarios.running import Running
from tests.scenarios.test_flux_controller import Flux
from tests.scenarios.world import config_map, deployment

TAKEN = "gitops.dev/taken-over"


@pytest.fixture
def flux(world):
    """A Kustomization with its objects, as kustomize-controller leaves them."""
    flux = Flux(world)
    objects = [deployment("web"), config_map("settings", a="1")]
    flux.write(**{"apps/all": objects})
    flux.make(flux.source(), flux.kustomization("apps"))
    labels = {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": world.namespace,
    }
    for body, path in zip(objects, ("/apis/apps/v1/%s/deployments/web", "/api/v1/%s/configmaps/settings"), strict=True):
        names = {**body["metadata"], "labels": labels, "namespace": world.namespace}
        place = path % f"namespaces/{world.namespace}"
        owned = {**body, "metadata": names}
        world.request("PATCH", place, owned, "kustomize-controller", "application/apply-patch+yaml", force="true")
    return flux


def settled(world) -> dict:
    """The Deployment, once its Pods are there."""
    for _ in range(200):
        web = world.get("Deployment", "web", "apps")
        if web.get("status", {}).get("readyReplicas") == 2:
            return web
    raise AssertionError(web)


def test_a_dry_run_shows_that_only_marks_change_and_changes_nothing(world, flux):
    before = settled(world)
    done = world.gitops("takeover", "flux", "-n", world.namespace, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"Kustomization {world.namespace}/apps: marks of ownership on 2 objects" in done.stdout
    assert (
        world.get("Deployment", "web", "apps")["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    )
    assert TAKEN not in (flux.get("Kustomization", "apps")["metadata"].get("annotations") or {})


def pods(world) -> set[str]:
    found = world.request("GET", f"/api/v1/namespaces/{world.namespace}/pods")["items"]
    return {pod["metadata"]["uid"] for pod in found}


def test_a_takeover_restarts_nothing_and_a_controller_goes_on(world, flux):
    before = settled(world)
    running_before = pods(world)
    done = world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    assert done.returncode == 0, done.stderr
    after = world.get("Deployment", "web", "apps")
    assert (after["spec"], after["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    assert pods(world) == running_before
    assert not [name for name in after["metadata"]["labels"] if "fluxcd" in name]
    assert {entry["manager"] for entry in after["metadata"]["managedFields"] if "subresource" not in entry} >= {
        "gitops"
    }
    found = flux.get("Kustomization", "apps")
    assert (found["spec"]["suspend"], TAKEN in found["metadata"]["annotations"]) == (True, True)
    told = world.gitops("audit", "list", f"{world.namespace}/apps").stdout
    assert "flux.suspended" in told
    flux.write(**{"apps/all": [deployment("web"), config_map("settings", a="2")]})
    with Running(world, flux="all") as running:
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})
        assert pods(world) == running_before


def test_one_that_depends_on_another_is_taken_over_in_the_same_go(world, flux):
    settled(world)
    flux.write(**{"last/all": config_map("last")})
    same = {"name": "apps", "readyExpr": "self.metadata.labels['version'] == dep.metadata.labels['version']"}
    flux.make(flux.kustomization("last", dependsOn=[same]), flux.kustomization("later", dependsOn=[{"name": "last"}]))
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", config_map("last"))
    flux.write(**{"later/all": config_map("last2")})
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", config_map("last2"))
    done = world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("apps", "last", "later"):
        assert flux.get("Kustomization", name)["spec"]["suspend"] is True


def test_what_was_taken_over_goes_back(world, flux):
    before = settled(world)
    world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    done = world.gitops("takeover", "flux", "-n", world.namespace, "--undo")
    assert done.returncode == 0, done.stderr
    found = flux.get("Kustomization", "apps")
    assert not found["spec"].get("suspend")
    assert TAKEN not in (found["metadata"].get("annotations") or {})
    after = world.get("Deployment", "web", "apps")
    assert after["spec"] == before["spec"]
    assert "gitops.dev/tracking" not in (after["metadata"].get("annotations") or {})
    assert world.get("ConfigMap", "gitops-apps") is None


def test_where_more_than_marks_would_change_it_is_shown_and_left_alone(world, flux):
    settled(world)
    flux.write(**{"apps/all": [deployment("web", replicas=3), config_map("settings", a="1"), config_map("new")]})
    done = world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    assert done.returncode == 3
    assert "spec.replicas" in done.stdout
    assert "ConfigMap" in done.stdout
    assert not flux.get("Kustomization", "apps")["spec"].get("suspend")
    assert world.gitops("takeover", "flux", "-n", world.namespace, "-y", "--changes").returncode == 0
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 3


def test_what_cannot_be_run_stays_with_flux(world, flux):
    settled(world)
    flux.make(flux.kustomization("odd", kubeConfig={"configMapRef": {"name": "x"}}))
    done = world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    assert done.returncode == 2
    assert f"refused: Kustomization {world.namespace}/odd: spec.kubeConfig" in done.stderr
    assert flux.get("Kustomization", "apps")["spec"]["suspend"] is True
    assert not flux.get("Kustomization", "odd")["spec"].get("suspend")


def test_one_that_cannot_be_planned_is_named_and_keeps_back_no_other(world, flux):
    settled(world)
    flux.make(flux.kustomization("absent"))
    done = world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    assert done.returncode != 0
    assert f"failed: Kustomization {world.namespace}/absent: " in done.stderr
    assert not flux.get("Kustomization", "absent")["spec"].get("suspend")
    assert flux.get("Kustomization", "apps")["spec"]["suspend"] is True


def test_what_the_cluster_holds_can_be_imported(world, flux):
    done = world.gitops("import", "flux", "--cluster", "-o", "json")
    found = [one for one in json.loads(done.stdout) if one["namespace"] == world.namespace]
    assert {(one["kind"], one["name"], one["outcome"]) for one in found} == {
        ("Kustomization", "apps", "run"),
        ("GitRepository", "repo", "run"),
    }
    assert world.gitops("import", "flux").returncode == 2


# ── Helm ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/templates/web.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-web\n"
        "  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}\ndata: {greeting: {{ .Values.greeting }}}\n"
    ),
    "chart/templates/hook.yaml": (
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: {helm.sh/hook: post-upgrade}\n"
        "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: busybox}]}}}\n"
    ),
}


FROM_FLUX = {
    "name": "web",
    "namespace": "apps",
    "version": 2,
    "status": "deployed",
    "chartName": "chart",
    "chartVersion": "1.0.0",
    "digest": "sha256:1",
    "configDigest": "sha256:2",
    "firstDeployed": "2026-01-01T00:00:00Z",
    "lastDeployed": "2026-01-02T00:00:00Z",
}


def test_a_release_of_helm_controller_is_taken_over_without_a_hook_and_goes_on(world):
    flux = Flux(world)
    for name, text in CHART.items():
        (world.repository / name).parent.mkdir(parents=True, exist_ok=True)
        (world.repository / name).write_text(text)
    world.commit()
    chart = {"chart": "./chart", "sourceRef": {"kind": "GitRepository", "name": "repo"}}
    wanted = [{"kind": "ConfigMap", "name": "settings", "valuesKey": "greeting", "targetPath": "greeting"}]
    place = f"/api/v1/namespaces/{world.namespace}/configmaps"
    world.request("POST", place, {**config_map("settings", greeting="hello")})
    flux.make(
        flux.source(),
        flux.body("HelmRelease", "web", {"interval": "1h", "chart": {"spec": chart}, "valuesFrom": wanted}),
    )
    left = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": {"name": "web"}}
    left["status"] = {"history": [FROM_FLUX]}
    path = f"{flux.path('HelmRelease', 'web')}/status"
    world.request("PATCH", path, left, "helm-controller", kind="application/merge-patch+json")
    metadata = {
        "name": "web-web",
        "labels": {
            "app.kubernetes.io/managed-by": "Helm",
            "helm.toolkit.fluxcd.io/name": "web",
            "helm.toolkit.fluxcd.io/namespace": world.namespace,
        },
        "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": world.namespace},
    }
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"greeting": "hello"}}
    world.request("POST", place, body, "helm-controller")
    done = world.gitops("takeover", "flux", "-n", world.namespace, "-y")
    assert done.returncode == 0, done.stdout + done.stderr
    assert world.get("ConfigMap", "web-web")["data"] == {"greeting": "hello"}
    assert world.get("Job", "migrate", "batch") is None
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("HelmRelease", "web")[0] == "True")
        status = flux.get("HelmRelease", "web")["status"]
        assert status["history"] == [FROM_FLUX]  # Flux would find it as it left it
        assert (status["lastAttemptedGeneration"], status["failures"]) == (status["observedGeneration"], 0)
        assert [entry["id"] for entry in status["inventory"]["entries"]] == [f"{world.namespace}_web-web__ConfigMap"]
        conditions = {item["type"] for item in flux.get("HelmRelease", "web")["status"]["conditions"]}
        assert conditions >= {"Ready", "Released"}
        (world.repository / "chart/templates/web.yaml").write_text(
            CHART["chart/templates/web.yaml"].replace("data: {", "data: {more: a, ")
        )
        world.commit()
        running.until(lambda: world.get("ConfigMap", "web-web")["data"].get("more") == "a")
        running.until(lambda: world.get("Job", "migrate", "batch") is not None)
        running.until(lambda: (flux.get("HelmRelease", "web")["status"].get("history") or [{}])[0].get("version") == 3)
        newest, older = flux.get("HelmRelease", "web")["status"]["history"]
        assert (newest["chartName"], newest["status"], newest["name"]) == ("chart", "deployed", "web")
        assert older == {**FROM_FLUX, "status": "superseded"}
