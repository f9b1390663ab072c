"""`gitops run --compat flux`: the custom resources of Flux are run, and told how they are."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map, deployment

DEFINITIONS = Path(__file__).parents[2] / "deploy/components/flux/crds.yaml"
KINDS = {
    "Kustomization": ("kustomize.toolkit.fluxcd.io/v1", "kustomizations"),
    "GitRepository": ("source.toolkit.fluxcd.io/v1", "gitrepositories"),
    "Bucket": ("source.toolkit.fluxcd.io/v1", "buckets"),
    "Alert": ("notification.toolkit.fluxcd.io/v1beta3", "alerts"),
    "Provider": ("notification.toolkit.fluxcd.io/v1beta3", "providers"),
    "Receiver": ("notification.toolkit.fluxcd.io/v1", "receivers"),
    "HelmRelease": ("helm.toolkit.fluxcd.io/v2", "helmreleases"),
}


@cache
def definitions() -> list[dict]:
    return list(yaml.load_all(DEFINITIONS.read_text(), yaml.CSafeLoader))


class Flux:
    """Flux's objects in the namespace of a world."""

    def __init__(self, world) -> None:
        self.world = world
        world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        there = {item["metadata"]["name"] for item in world.request("GET", path)["items"]}
        for definition in definitions():
            if definition["metadata"]["name"] not in there:
                world.request("POST", path, definition)

    def body(self, kind: str, name: str, spec: dict, **metadata) -> dict:
        names = {"name": name, "namespace": self.world.namespace, **metadata}
        return {"apiVersion": KINDS[kind][0], "kind": kind, "metadata": names, "spec": spec}

    def kustomization(self, name: str, **spec) -> dict:
        plain = {"interval": "10m", "path": f"./{name}", "prune": True, "wait": True, "timeout": "20s"}
        return self.body(
            "Kustomization", name, {**plain, "sourceRef": {"kind": "GitRepository", "name": "repo"}, **spec}
        )

    def source(self, name: str = "repo", **spec) -> dict:
        url = self.world.repository.as_uri()
        return self.body("GitRepository", name, {"interval": "300ms", "url": url, "ref": {"branch": "main"}, **spec})

    def path(self, kind: str, name: str = "") -> str:
        version, plural = KINDS[kind]
        return f"/apis/{version}/namespaces/{self.world.namespace}/{plural}{'/' * bool(name)}{name}"

    def make(self, *bodies: dict) -> None:
        for body in bodies:
            self.world.request("POST", self.path(body["kind"]), body)

    def get(self, kind: str, name: str) -> dict | None:
        found = self.world.request("GET", self.path(kind))["items"]
        return next((item for item in found if item["metadata"]["name"] == name), None)

    def edit(self, kind: str, name: str, change: dict) -> None:
        self.world.request("PATCH", self.path(kind, name), change, kind="application/merge-patch+json")

    def ready(self, kind: str, name: str) -> tuple[str, str]:
        """The word of its condition Ready, and the message."""
        conditions = ((self.get(kind, name) or {}).get("status") or {}).get("conditions") or []
        found = next((item for item in conditions if item["type"] == "Ready"), {})
        return found.get("status", ""), found.get("message", "")

    def write(self, **bodies) -> str:
        for name in bodies:
            (self.world.repository / name).parent.mkdir(exist_ok=True)
        return self.world.commit(**bodies)


@pytest.fixture
def flux(world):
    return Flux(world)


def test_a_kustomization_is_synced_and_told_so(world, flux):
    sha = flux.write(**{"apps/web": deployment("web")})
    flux.make(flux.source(), flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        found = flux.get("Kustomization", "apps")
        assert found["status"]["lastAppliedRevision"] == f"main@sha1:{sha}"
        assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
        assert flux.ready("GitRepository", "repo")[0] == "True"
        assert world.get("Deployment", "web", "apps")["status"]["readyReplicas"] == 2
        world.edit("apps/deployments/web", {"spec": {"replicas": 5}})
        running.until(lambda: world.get("Deployment", "web", "apps")["spec"]["replicas"] == 2)


def test_a_kustomization_says_what_it_delivers(world, flux):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "a:b"}, "rules": []}
    flux.write(**{"apps/web": deployment("web", replicas=1), "apps/role": role})
    flux.make(flux.source(), flux.kustomization("apps"))
    space = world.namespace
    web = {"id": f"{space}_web_apps_Deployment", "v": "v1"}
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        entries = flux.get("Kustomization", "apps")["status"]["inventory"]["entries"]
        assert entries == [web, {"id": f"{space}_a__b_rbac.authorization.k8s.io_Role", "v": "v1"}]
        sha = flux.write(**{"apps/role": None})
        running.until(lambda: flux.get("Kustomization", "apps")["status"]["inventory"]["entries"] == [web])
        conditions = {
            item["type"]: item["status"] for item in flux.get("Kustomization", "apps")["status"]["conditions"]
        }
        assert conditions == {"Ready": "True", "Healthy": "True"}
        flux.write(**{"apps/web": "kind: [Deployment\n"})  # what cannot be applied leaves what was
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "False")
        status = flux.get("Kustomization", "apps")["status"]
        assert (status["lastAppliedRevision"], status["inventory"]["entries"]) == (f"main@sha1:{sha}", [web])


def test_a_tree_comes_in_order_and_what_leaves_it_is_pruned(world, flux):
    children = [flux.kustomization("infra"), flux.kustomization("apps", dependsOn=[{"name": "infra"}])]
    flux.write(
        **{
            "all/children": children,
            "infra/settings": config_map("settings"),
            "apps/web": deployment("web"),
        }
    )
    flux.make(flux.source(), flux.kustomization("all"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "all")[0] == "True")
        assert flux.ready("Kustomization", "apps")[0] == "True"
        running.until(lambda: flux.get("Kustomization", "apps")["metadata"].get("finalizers") == ["gitops.dev/prune"])
        flux.write(**{"all/children": children[:1]})
        running.until(lambda: flux.get("Kustomization", "apps") is None)
        assert world.get("Deployment", "web", "apps") is None
        assert world.get("ConfigMap", "settings") is not None


def test_one_that_orphans_leaves_its_objects(world, flux):
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("apps", deletionPolicy="Orphan"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        world.request("DELETE", flux.path("Kustomization", "apps"))
        running.until(lambda: running.tracked(f"{world.namespace}/apps") is None)
        assert world.get("ConfigMap", "settings") is not None


def test_what_cannot_be_run_is_told_why_and_stops_no_other(world, flux):
    flux.write(**{"apps/settings": config_map("settings"), "odd/other": config_map("other")})
    odd = flux.kustomization("odd", kubeConfig={"configMapRef": {"name": "x"}})
    lost = flux.kustomization("lost", sourceRef={"kind": "GitRepository", "name": "none"})
    flux.make(flux.source(), odd, lost, flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        running.until(lambda: flux.ready("Kustomization", "odd")[0] == "False")
        assert flux.ready("Kustomization", "odd")[1].startswith("spec.kubeConfig.configMapRef: ")
        assert flux.ready("Kustomization", "lost") == ("False", f"GitRepository {world.namespace}/none is not there")
        assert world.get("ConfigMap", "other") is None
        flux.make(flux.source("none"))
        flux.write(**{"lost/found": config_map("found")})
        running.until(lambda: flux.ready("Kustomization", "lost")[0] == "True")


def test_a_source_that_changes_moves_those_that_name_it(world, flux):
    flux.write(**{"apps/settings": config_map("settings", a="1")})
    world._git("branch", "other")
    flux.write(**{"apps/settings": config_map("settings", a="2")})
    flux.make(flux.source(ref={"branch": "other"}), flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
        flux.edit("GitRepository", "repo", {"spec": {"ref": {"branch": "main"}}})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})


def test_one_that_is_suspended_waits_and_one_that_was_asked_looks_again(world, flux):
    flux.write(**{"apps/settings": config_map("settings", a="1")})
    flux.make(flux.source(interval="1h"), flux.kustomization("apps", suspend=True))
    with Running(world, flux="all") as running:
        running.until(lambda: running.tracked(f"{world.namespace}/apps") is not None)
        running.until(lambda: running.tracked(f"{world.namespace}/apps").last.response is not None)
        assert world.get("ConfigMap", "settings") is None
        flux.edit("Kustomization", "apps", {"spec": {"suspend": False}})
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        flux.write(**{"apps/settings": config_map("settings", a="2")})
        asked = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "noon"}}}
        flux.edit("Kustomization", "apps", asked)
        running.until(lambda: (world.get("ConfigMap", "settings") or {})["data"] == {"a": "2"})
        running.until(lambda: flux.get("Kustomization", "apps")["status"].get("lastHandledReconcileAt") == "noon")


def test_a_source_says_its_revision_and_is_looked_at_when_somebody_asks(world, flux):
    sha = flux.write(**{"apps/web": config_map("web")})
    flux.make(flux.source(interval="10m"), flux.kustomization("apps"))

    def told() -> dict:
        return (flux.get("GitRepository", "repo") or {}).get("status") or {}

    with Running(world, flux="all") as running:
        running.until(lambda: told().get("artifact", {}).get("revision") == f"main@sha1:{sha}")
        running.until(
            lambda: flux.ready("GitRepository", "repo")[1] == f"stored artifact for revision 'main@sha1:{sha}'"
        )
        sha = flux.write(**{"apps/web": config_map("web", color="red")})
        annotations = {"reconcile.fluxcd.io/requestedAt": "2026-01-01T00:00:00Z"}
        flux.edit("GitRepository", "repo", {"metadata": {"annotations": annotations}})
        running.until(lambda: told().get("lastHandledReconcileAt") == "2026-01-01T00:00:00Z")
        running.until(lambda: flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"] == f"main@sha1:{sha}")
        running.until(lambda: told()["artifact"]["revision"] == f"main@sha1:{sha}")
        assert told()["artifact"]["digest"] == f"sha1:{sha}"
    with Running(world, flux="all") as running:  # what was read is known after a restart
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        assert told()["artifact"]["revision"] == f"main@sha1:{sha}"


def test_sources_of_other_namespaces_may_be_forbidden(world, flux):
    flux.write(**{"apps/settings": config_map("settings")})
    abroad = {"kind": "GitRepository", "name": "repo", "namespace": "elsewhere"}
    flux.make(flux.source(), flux.kustomization("apps", sourceRef=abroad))
    with Running(world, flux="own") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "False")
        assert "--no-cross-namespace-refs" in flux.ready("Kustomization", "apps")[1]


def test_an_expression_says_when_one_comes_and_is_asked_again_when_either_object_changes(world, flux):
    same = "self.metadata.?labels['version'] == dep.metadata.?labels['version'] && dep.status.observedGeneration > 0"
    apps = flux.kustomization("apps", dependsOn=[{"name": "infra", "readyExpr": same}])
    apps["metadata"]["labels"] = {"version": "2"}
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(interval="1h"), flux.kustomization("infra", suspend=True), apps)
    with Running(world, flux="all") as running:
        running.until(lambda: "its readyExpr is false" in flux.ready("Kustomization", "apps")[1])
        assert world.get("ConfigMap", "settings") is None
        flux.edit("Kustomization", "infra", {"metadata": {"labels": {"version": "2"}}})
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")


def test_a_commit_in_a_repository_that_is_included_is_synced(world, flux):
    (world.folder / "library").mkdir()
    library = World(world.folder / "library", world.kubeconfig.read_text(), world.namespace)
    (library.repository / "deploy").mkdir()
    library.commit(**{"deploy/settings": config_map("settings", a="1"), "deploy/secret": config_map("left-out")})
    sha = flux.write(**{"apps/web": config_map("web")})
    include = [{"repository": {"name": "library"}, "fromPath": "deploy", "toPath": "apps/lib"}]
    other = flux.source("library", url=library.repository.as_uri(), ignore="secret.yaml\n")
    flux.make(flux.source(include=include), other, flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
        assert world.get("ConfigMap", "left-out") is None
        assert flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"] == f"main@sha1:{sha}"
        library.commit(**{"deploy/settings": config_map("settings", a="2")})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})


def test_who_depends_on_another_comes_after_it_at_every_commit(world, flux):
    apps = flux.kustomization("apps", dependsOn=[{"name": "infra"}])
    flux.write(**{"infra/web": deployment("web"), "apps/settings": config_map("settings", a="1")})
    flux.make(flux.source(), flux.kustomization("infra"), apps)
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        flux.write(**{"infra/web": deployment("web", image="broken"), "apps/settings": config_map("settings", a="2")})
        running.until(lambda: "not been synced to" in flux.ready("Kustomization", "apps")[1])
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
        flux.write(**{"infra/web": deployment("web", image="nginx:1.27")})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "2"})
        assert world.get("Deployment", "web", "apps")["status"]["readyReplicas"] == 2
