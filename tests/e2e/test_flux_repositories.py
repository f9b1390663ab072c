"""Repositories of Flux of the shapes that people have: from an empty cluster to a healthy one, and what comes after."""

import os
import time

import pytest

from gitops.adapters import http_get
from tests.chart_servers import ChartRepository, OciRegistry, served
from tests.e2e.flux_repositories import DATA, Fleet
from tests.e2e.shell import Shell
from tests.soak import only_at_leisure

charts, registry = served(ChartRepository), served(OciRegistry)


@pytest.fixture
def fleet(fresh_sandbox, tmp_path, charts, registry):
    sandbox = fresh_sandbox(nodes=2, speed=8.0)
    folder = tmp_path / "work"
    folder.mkdir()
    (tmp_path / "kubeconfig").write_text(sandbox.kubeconfig())
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("GITOPS_", "KUBE", "XDG_"))}
    places = {"HOME": tmp_path, "KUBECONFIG": tmp_path / "kubeconfig", "GITOPS_STATE": tmp_path / "state"}
    environment = {**plain, **{name: str(place) for name, place in places.items()}}
    return Fleet(Shell(folder, "flux-system", environment), charts, registry)


@pytest.fixture
def near(monkeypatch):
    """Custom resources may name servers of this machine."""
    monkeypatch.setattr(http_get, "refused", lambda *_: "")


def give_key(fleet):
    """The key of SOPS, where the homelab's Kustomizations look for it."""
    if fleet.get("namespace", "flux-system") is None:
        fleet.shell.kubectl("create", "namespace", "flux-system")
    key = f"--from-file=age.agekey={DATA / 'sops/one.agekey'}"
    fleet.shell.kubectl("create", "secret", "generic", "sops-age", "-n", "flux-system", key)


# ── from a checkout ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_repository_that_is_split_into_artifacts_is_delivered_from_a_checkout(fleet):
    fleet.make("monorepo")
    done = fleet.shell.gitops("sync", "-f", "clusters/production")
    assert done.returncode == 0, done.stderr
    assert fleet.data("shop-settings", "shop")["hostnames"] == "shop.production.example"
    assert fleet.data("shop-settings", "shop")["chart"] == "1.0.0"
    assert server(fleet) == "https://acme.example/directory"
    assert fleet.shell.gitops("diff", "-f", "clusters/production").returncode == 0
    staging = fleet.shell.gitops("render", "-f", "clusters/staging")
    assert staging.returncode == 0, staging.stderr
    assert "shop.staging.example" in staging.stdout
    assert "1.1.0-alpha.1" in staging.stdout


def test_a_commit_a_hand_edit_and_a_bad_commit_of_a_checkout(fleet):
    fleet.make("monorepo")
    fleet.shell.gitops("sync", "-f", "clusters/production")
    fleet.shell.kubectl("patch", "issuer/letters", "--type=merge", "-p", '{"spec": {"acme": {"server": "x"}}}')
    fleet.replace("apps/production/shop-values.yaml", "shop.production.example", "shop.example")
    found = fleet.shell.gitops("diff", "-f", "clusters/production")
    assert found.returncode == 1
    assert "x → https://acme.example/directory" in found.stdout
    assert "shop.production.example → shop.example" in found.stdout
    assert fleet.shell.gitops("sync", "-f", "clusters/production").returncode == 0
    assert (server(fleet), fleet.data("shop-settings", "shop")["hostnames"]) == (
        "https://acme.example/directory",
        "shop.example",
    )
    fleet.replace("infrastructure/configs/kustomization.yaml", "issuer.yaml", "issuers.yaml")
    bad = fleet.shell.gitops("sync", "-f", "clusters/production")
    assert bad.returncode != 0
    assert "issuers.yaml" in bad.stderr
    assert "held: Kustomization flux-system/apps: depends on flux-system/configs" in bad.stderr
    assert server(fleet) == "https://acme.example/directory"


def test_tenants_are_delivered_from_a_checkout(fleet):
    fleet.make("tenancy", "team-a")
    done = fleet.shell.gitops("sync", "-f", "clusters/production")
    assert done.returncode == 0, done.stderr
    assert fleet.get("clusterrule", "own-repositories")
    assert fleet.get("deployment", "web", "apps")["status"]["readyReplicas"] == 2


def test_a_homelab_is_delivered_from_a_checkout(fleet):
    fleet.make("homelab")
    give_key(fleet)
    done = fleet.shell.gitops("sync", "-f", "kubernetes/flux/config")
    assert done.returncode == 0, done.stderr
    check_homelab(fleet)
    assert fleet.shell.gitops("diff", "-f", "kubernetes/flux/config").returncode == 0


def server(fleet):
    return fleet.get("issuer", "letters")["spec"]["acme"]["server"]


def check_homelab(fleet):
    told = {"hostnames": "player.home.example", "zone": "Europe/Oslo", "storage": "fast", "chart": "1.0.0"}
    assert fleet.data("player-settings", "media") == told
    assert fleet.data("disks-settings", "storage")["hostnames"] == "disks.home.example"
    assert fleet.get("secret", "db", "media")["metadata"]["labels"]["app.kubernetes.io/name"] == "player"


# ── by a controller ──────────────────────────────────────────────────────────────────────────────────────────────────


@only_at_leisure
def test_a_controller_delivers_what_is_split_into_artifacts_and_follows_it(fleet, near):
    fleet.make("monorepo")
    fleet.bootstrap("clusters/production/flux-system")
    with fleet.running():
        fleet.until(fleet.all_ready)
        assert fleet.ready("artifactgenerator", "flux-system")[0] == "True"
        fleet.replace("apps/production/shop-values.yaml", "shop.production.example", "shop.example")
        fleet.commit()
        fleet.until(lambda: fleet.data("shop-settings", "shop")["hostnames"] == "shop.example")
        fleet.shell.kubectl("patch", "issuer/letters", "--type=merge", "-p", '{"spec": {"acme": {"server": "x"}}}')
        fleet.until(lambda: server(fleet) == "https://acme.example/directory")
        fleet.replace("apps/base/shop/release.yaml", "replicas: 2", "replicas: 2\n    image: broken")
        fleet.commit()
        fleet.until(lambda: fleet.ready("helmrelease", "shop", "shop")[0] == "False", 60)
        fleet.replace("apps/base/shop/release.yaml", "image: broken", "image: nginx:1.27")
        fleet.commit()
        fleet.until(fleet.all_ready, 60)


def test_a_controller_delivers_tenants_in_their_own_names(fleet, near):
    fleet.make("tenancy", "team-a")
    fleet.bootstrap("clusters/production/flux-system")
    with fleet.running(cross_namespace=False):
        fleet.until(fleet.all_ready)
        assert fleet.get("deployment", "web", "apps")["status"]["readyReplicas"] == 2
        assert fleet.get("clusterrule", "own-repositories")
        # What a team may not do, its Kustomization cannot.
        fleet.shell.git("checkout", "-q", "team-a")
        fleet.shell.write("production/far.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: far}\n")
        fleet.replace("production/kustomization.yaml", "  - ../base\n", "  - ../base\n  - far.yaml\n")
        fleet.commit()
        fleet.until(lambda: fleet.ready("kustomization", "team-a", "apps")[0] == "False")
        assert "cannot" in fleet.ready("kustomization", "team-a", "apps")[1]
        assert fleet.get("namespace", "far") is None


@only_at_leisure
def test_a_controller_delivers_a_homelab_and_leaves_a_suspended_branch(fleet, near):
    fleet.make("homelab")
    give_key(fleet)
    fleet.bootstrap("kubernetes/flux/config")
    with fleet.running():
        fleet.until(fleet.all_ready)
        check_homelab(fleet)
        fleet.shell.kubectl("patch", "kustomization/player", "--type=merge", "-p", '{"spec": {"suspend": true}}')
        fleet.replace("kubernetes/flux/vars/cluster-settings.yaml", "home.example", "house.example")
        fleet.commit()
        fleet.until(lambda: fleet.data("disks-settings", "storage")["hostnames"] == "disks.house.example")
        assert fleet.data("player-settings", "media")["hostnames"] == "player.home.example"


@only_at_leisure
def test_a_bad_commit_of_a_release_is_rolled_back_in_a_homelab(fleet, near):
    fleet.make("homelab")
    give_key(fleet)
    fleet.bootstrap("kubernetes/flux/config")
    with fleet.running():
        fleet.until(fleet.all_ready)
        values = "kubernetes/apps/media/player/app/values.yaml"
        fleet.replace(values, "zone:", "image: broken\nzone:")
        fleet.replace(
            "kubernetes/apps/media/player/app/helmrelease.yaml", "interval: 30m", "interval: 30m\n  timeout: 4s"
        )
        fleet.commit()
        fleet.until(lambda: fleet.ready("helmrelease", "player", "media")[0] == "False", 60)
        fleet.until(lambda: image(fleet) == "nginx:1.26")
        assert fleet.ready("kustomization", "disks")[0] == "True"
        fleet.replace(values, "image: broken", "image: nginx:1.27")
        fleet.commit()
        fleet.until(fleet.all_ready, 60)
        assert image(fleet) == "nginx:1.27"


def image(fleet):
    template = fleet.get("deployment", "player", "media")["spec"]["template"]
    return template["spec"]["containers"][0]["image"]


@only_at_leisure
def test_a_source_that_is_suspended_brings_no_commit(fleet, near):
    fleet.make("tenancy", "team-a")
    fleet.bootstrap("clusters/production/flux-system")
    with fleet.running():
        fleet.until(fleet.all_ready)
        fleet.replace("tenants/base/team-a/sync.yaml", "  interval: 1s\n", "  interval: 1s\n  suspend: true\n")
        fleet.commit()
        fleet.until(lambda: fleet.get("gitrepository", "team-a", "apps")["spec"].get("suspend"))
        fleet.shell.git("checkout", "-q", "team-a")
        fleet.replace("production/kustomization.yaml", "count: 2", "count: 1")
        fleet.commit()
        time.sleep(4)
        assert fleet.get("deployment", "web", "apps")["spec"]["replicas"] == 2
