"""Objects of Flux that change under what they deliver: a source that goes, another repository, other names."""

import subprocess
import time

import pytest

from gitops.adapters import http_get
from gitops.manifests.yaml_write import write_manifests
from tests.chart_servers import served
from tests.s3_server import S3Server
from tests.scenarios.running import Running
from tests.scenarios.test_flux_controller import Flux
from tests.scenarios.world import config_map

store = served(S3Server)


@pytest.fixture
def flux(world):
    return Flux(world)


def test_what_was_delivered_stays_when_its_source_is_removed(world, flux):
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        world.request("DELETE", flux.path("GitRepository", "repo"))
        lost = ("False", f"GitRepository {world.namespace}/repo is not there")
        running.until(lambda: flux.ready("Kustomization", "apps") == lost)
        flux.write(**{"apps/settings": None, "apps/other": config_map("other")})
        time.sleep(1.5)
        assert world.get("ConfigMap", "settings") is not None
        flux.make(flux.source())
        running.until(lambda: world.get("ConfigMap", "other") is not None)
        running.until(lambda: world.get("ConfigMap", "settings") is None)


def test_one_whose_source_is_gone_can_be_deleted_and_takes_along_what_it_delivered(world, flux):
    flux.write(**{"apps/settings": config_map("settings"), "kept/more": config_map("more")})
    flux.make(flux.source(), flux.kustomization("apps"), flux.kustomization("kept", deletionPolicy="Orphan"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        running.until(lambda: flux.ready("Kustomization", "kept")[0] == "True")
        running.until(lambda: flux.get("Kustomization", "apps")["metadata"].get("finalizers") == ["gitops.dev/prune"])
        world.request("DELETE", flux.path("GitRepository", "repo"))
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "False")
        world.request("DELETE", flux.path("Kustomization", "apps"))
        world.request("DELETE", flux.path("Kustomization", "kept"))
        running.until(lambda: flux.get("Kustomization", "apps") is None)
        assert world.get("ConfigMap", "settings") is None
        running.until(lambda: flux.get("Kustomization", "kept") is None)
        assert world.get("ConfigMap", "more") is not None


def test_what_goes_into_another_namespace_leaves_the_old_one(world, flux):
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"{world.namespace}-b"}})
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        assert world.get("ConfigMap", "settings") is not None
        flux.edit("Kustomization", "apps", {"spec": {"targetNamespace": f"{world.namespace}-b"}})
        path = f"/api/v1/namespaces/{world.namespace}-b/configmaps"
        running.until(lambda: [1 for x in world.request("GET", path)["items"] if x["metadata"]["name"] == "settings"])
        running.until(lambda: world.get("ConfigMap", "settings") is None)


def test_one_that_is_renamed_in_git_delivers_the_same_again(world, flux):
    spec = {"path": "./web"}
    flux.write(**{"all/children": [flux.kustomization("old", **spec)], "web/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("all"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "all")[0] == "True")
        running.until(lambda: flux.get("Kustomization", "old")["metadata"].get("finalizers") == ["gitops.dev/prune"])
        flux.write(**{"all/children": [flux.kustomization("new", **spec)]})
        running.until(lambda: flux.get("Kustomization", "old") is None)
        running.until(lambda: flux.ready("Kustomization", "new")[0] == "True")
        assert world.get("ConfigMap", "settings") is not None


def test_those_that_deliver_each_other_both_come(world, flux):
    flux.write(**{"one/two": flux.kustomization("two"), "two/one": flux.kustomization("one")})
    flux.make(flux.source(), flux.kustomization("one", wait=False))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "one")[0] == "True")
        running.until(lambda: flux.ready("Kustomization", "two")[0] == "True")


def test_what_left_git_while_prune_was_off_goes_once_it_is_on(world, flux):
    flux.write(**{"apps/settings": config_map("settings"), "apps/other": config_map("other")})
    flux.make(flux.source(), flux.kustomization("apps", prune=False))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        sha = flux.write(**{"apps/other": None})
        running.until(lambda: flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"].endswith(sha))
        assert world.get("ConfigMap", "other") is not None
        flux.edit("Kustomization", "apps", {"spec": {"prune": True}})
        running.until(lambda: world.get("ConfigMap", "other") is None)
        assert world.get("ConfigMap", "settings") is not None


def test_a_repository_at_another_address_takes_the_place_of_the_old_one(world, flux):
    flux.write(**{"apps/settings": config_map("settings"), "apps/both": config_map("both", a="1")})
    other = world.repository.parent / "other"
    subprocess.run(["git", "clone", "-q", str(world.repository), str(other)], check=True)
    flux.make(flux.source(), flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        world.repository = other
        flux.write(**{"apps/settings": None, "apps/both": config_map("both", a="2"), "apps/new": config_map("new")})
        flux.edit("GitRepository", "repo", {"spec": {"url": other.as_uri()}})
        running.until(lambda: world.get("ConfigMap", "new") is not None)
        running.until(lambda: world.get("ConfigMap", "settings") is None)
        assert world.get("ConfigMap", "both")["data"] == {"a": "2"}


def test_a_release_stays_when_its_repository_is_removed(world, flux):
    chart = {
        "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        "chart/templates/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {a: '1'}\n",
    }
    for name, text in chart.items():
        (world.repository / name).parent.mkdir(parents=True, exist_ok=True)
        (world.repository / name).write_text(text)
    world.commit()
    spec = {
        "interval": "1h",
        "chart": {"spec": {"chart": "chart", "sourceRef": {"kind": "GitRepository", "name": "repo"}}},
    }
    flux.make(flux.source(), flux.body("HelmRelease", "web", spec))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("HelmRelease", "web")[0] == "True")
        world.request("DELETE", flux.path("GitRepository", "repo"))
        running.until(lambda: flux.ready("HelmRelease", "web")[0] == "False")
        time.sleep(1)
        assert world.get("ConfigMap", "web") is not None
        world.request("DELETE", flux.path("HelmRelease", "web"))
        running.until(lambda: flux.get("HelmRelease", "web") is None)
        assert world.get("ConfigMap", "web") is None


def test_a_namespace_with_all_that_is_in_it_can_be_deleted(world, flux):
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("apps"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        running.until(lambda: flux.get("Kustomization", "apps")["metadata"].get("finalizers") == ["gitops.dev/prune"])
        world.request("DELETE", f"/api/v1/namespaces/{world.namespace}")
        running.until(lambda: not namespaces(world, world.namespace))


def namespaces(world, name: str) -> list[dict]:
    return [item for item in world.request("GET", "/api/v1/namespaces")["items"] if item["metadata"]["name"] == name]


def revision_of(body: dict | None) -> str:
    return ((body or {}).get("status") or {}).get("artifact", {}).get("revision", "")


def test_a_bucket_is_delivered_and_says_its_revision(world, flux, store, monkeypatch):
    monkeypatch.setattr(http_get, "refused", lambda *_: "")  # the store is on this machine
    store.key, store.secret = "key", "a secret that nobody sees"
    secret = {"metadata": {"name": "store"}, "stringData": {"accesskey": store.key, "secretkey": store.secret}}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/secrets", secret)
    store.files["apps/one.yaml"] = written(config_map("one"))
    store.files["apps/.flux.yaml"] = written(config_map("two"))  # which of a repository would be left out
    place = {"bucketName": store.bucket, "endpoint": f"127.0.0.1:{store.server_port}", "insecure": True}
    source = flux.body("Bucket", "store", {"interval": "300ms", **place, "secretRef": {"name": "store"}})
    flux.make(source, flux.kustomization("apps", sourceRef={"kind": "Bucket", "name": "store"}))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        assert world.get("ConfigMap", "two") is not None
        first = flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"]
        running.until(lambda: revision_of(flux.get("Bucket", "store")) == first)
        assert first.startswith("sha256:")
        del store.files["apps/one.yaml"]
        running.until(lambda: world.get("ConfigMap", "one") is None)
        running.until(lambda: revision_of(flux.get("Bucket", "store")) not in ("", first))
        store.answer = lambda path: (503, b"")  # away: what is there stays
        world.edit("core/configmaps/two", {"data": {"a": "by hand"}})
        running.until(lambda: world.get("ConfigMap", "two")["data"] == {"a": "1"})
        assert flux.get("Bucket", "store") is not None


def written(body: dict) -> bytes:
    return write_manifests([body]).encode()


def test_an_object_moves_to_one_that_comes_first_and_is_not_made_anew(world, flux):
    flux.write(**{"infra/base": config_map("base"), "apps/moved": config_map("moved"), "apps/web": config_map("web")})
    flux.make(flux.source(), flux.kustomization("infra"), flux.kustomization("apps", dependsOn=[{"name": "infra"}]))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        uid = world.get("ConfigMap", "moved")["metadata"]["uid"]
        sha = flux.write(**{"apps/moved": None, "infra/moved": config_map("moved", a="2")})
        running.until(lambda: flux.get("Kustomization", "apps")["status"]["lastAppliedRevision"].endswith(sha))
        running.until(lambda: flux.get("Kustomization", "infra")["status"]["lastAppliedRevision"].endswith(sha))
        moved = world.get("ConfigMap", "moved")
        assert (moved["metadata"]["uid"], moved["data"]) == (uid, {"a": "2"})


def test_what_two_of_them_deliver_stays_with_the_first(world, flux):
    flux.write(**{"one/both": config_map("both", a="1"), "two/both": config_map("both", a="2")})
    flux.make(flux.source(), flux.kustomization("one"))
    with Running(world, flux="all") as running:
        running.until(lambda: flux.ready("Kustomization", "one")[0] == "True")
        flux.make(flux.kustomization("two"))
        running.until(lambda: "belongs to Application" in flux.ready("Kustomization", "two")[1])
        time.sleep(1.5)
        assert world.get("ConfigMap", "both")["data"] == {"a": "1"}
