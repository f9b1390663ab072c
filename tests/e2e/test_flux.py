"""A repository of Flux, as it is: rendered, compared and synced from a checkout, with nothing installed."""

import pytest

from gitops.manifests.yaml_write import write_manifests
from tests.scenarios.listener import Listener
from tests.scenarios.world import config_map, deployment

SYNC = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: %(space)s}
spec: {interval: 1m, url: "ssh://git@git.example/team/fleet", ref: {branch: main}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: %(space)s}
spec: {interval: 10m, path: ./clusters/prod, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
"""
PART = """\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: %(name)s, namespace: %(space)s}
spec:
  interval: 10m
  path: ./%(name)s
  prune: true
  wait: true
  timeout: 30s
  sourceRef: {kind: GitRepository, name: flux-system}
"""


@pytest.fixture
def fleet(shell):
    """A repository with two parts, one of which depends on the other."""
    names = {"space": shell.namespace}
    shell.write("clusters/prod/flux-system/gotk-sync.yaml", SYNC % names)
    shell.write("clusters/prod/infra.yaml", PART % {"name": "infra", **names})
    depends = "  dependsOn: [{name: infra}]\n"
    shell.write("clusters/prod/apps.yaml", PART % {"name": "apps", **names} + depends)
    shell.write("infra/settings.yaml", write_manifests([config_map("settings", a="1")]))
    shell.write("apps/web.yaml", write_manifests([deployment("web")]))
    shell.git("init", "-q", "-b", "main")
    shell.git("add", "-A")
    shell.git("commit", "-qm", "first")
    return shell


def ended(done) -> list[str]:
    """The Applications that ended, in order, each with how it did."""
    lines = [line.split(": ") for line in done.stderr.splitlines() if "@" in line]
    return [f"{head.split()[0].rpartition('/')[2]} {words[0]}" for head, *words in lines]


def test_a_folder_of_a_cluster_is_synced_in_the_order_of_its_tree(fleet):
    first = fleet.gitops("sync", "-f", "clusters/prod")
    assert first.returncode == 0, first.stderr
    assert ended(first) == ["flux-system synced", "infra synced", "apps synced"]
    assert "deployment.apps/web" in fleet.kubectl("get", "deployments", "-o", "name")
    again = fleet.gitops("sync", "-f", "clusters/prod")
    assert ended(again) == ["flux-system in-sync", "infra in-sync", "apps in-sync"]
    assert fleet.gitops("diff", "-f", "clusters/prod").returncode == 0


def test_a_dry_run_shows_the_plan_of_each_and_changes_nothing(fleet):
    done = fleet.gitops("sync", "-f", "clusters/prod", "--dry-run")
    assert "+ create ConfigMap" in done.stdout, done.stdout
    there = fleet.kubectl("get", "deployments,configmaps", "-o", "name")
    assert not [name for name in ("web", "settings") if name in there]


def test_one_that_is_suspended_is_left_alone_and_those_that_depend_on_it_go_on(fleet):
    assert fleet.gitops("sync", "-f", "clusters/prod").returncode == 0
    part = (fleet.folder / "clusters/prod/infra.yaml").read_text()
    fleet.write("clusters/prod/infra.yaml", part + "  suspend: true\n")
    fleet.write("infra/settings.yaml", write_manifests([config_map("settings", a="2")]))
    fleet.write("apps/more.yaml", write_manifests([config_map("more")]))
    done = fleet.gitops("sync", "-f", "clusters/prod")
    assert done.returncode == 0, done.stderr
    assert f"Kustomization {fleet.namespace}/infra: is suspended, and left alone" in done.stderr
    assert "apps synced" in ended(done)
    assert "infra synced" not in ended(done)
    assert fleet.kubectl("get", "configmap", "settings", "-o", "jsonpath={.data.a}").strip() == "1"


@pytest.mark.parametrize("words", [(), ("./apps", "-f", "clusters/prod")], ids=["nothing", "two things"])
def test_what_is_compared_has_to_be_named_also_where_a_folder_holds_objects_of_flux(fleet, words):
    done = fleet.gitops("diff", *words)
    assert (done.returncode, done.stdout, "name " in done.stderr) == (2, "", True), done.stdout + done.stderr


def test_what_was_changed_by_hand_or_in_git_is_seen_and_synced(fleet):
    fleet.gitops("sync", "-f", "clusters/prod")
    fleet.kubectl("scale", "deployment/web", "--replicas=5")
    fleet.write("infra/settings.yaml", write_manifests([config_map("settings", a="2")]))
    found = fleet.gitops("diff", "-f", "clusters/prod")
    assert found.returncode == 1
    assert "data.a: 1 → 2" in found.stdout
    assert "spec.replicas: 5 → 2" in found.stdout
    assert ended(fleet.gitops("sync", "-f", "clusters/prod"))[1:] == ["infra synced", "apps synced"]


def test_a_failure_keeps_back_those_that_depend_on_it_and_no_others(fleet):
    fleet.write("infra/web.yaml", write_manifests([deployment("down", image="broken")]))
    fleet.write("clusters/prod/alone.yaml", PART % {"name": "alone", "space": fleet.namespace})
    fleet.write("alone/one.yaml", write_manifests([config_map("one")]))
    part = (fleet.folder / "clusters/prod/infra.yaml").read_text()
    fleet.write("clusters/prod/infra.yaml", part.replace("timeout: 30s", "timeout: 30s\n  retryInterval: 1m"))
    done = fleet.gitops("sync", "-f", "clusters/prod", "--timeout", "3s")
    assert done.returncode == 4
    assert {"infra failed", "alone synced"} <= set(ended(done))
    assert f"held: Kustomization {fleet.namespace}/apps: depends on {fleet.namespace}/infra" in done.stderr


def test_a_render_without_a_cluster_knows_the_variables_that_the_tree_itself_brings(fleet):
    space = fleet.namespace
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-settings", "namespace": space}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cluster-secrets", "namespace": space}}
    bodies = [{**plain, "data": {"DOMAIN": "example.com"}}, {**secret, "stringData": {"TOKEN": "t0ken"}}]
    fleet.write("infra/variables.yaml", write_manifests(bodies))
    fleet.write("apps/settings.yaml", write_manifests([config_map("places", at="https://${DOMAIN}/${TOKEN}")]))
    part = (fleet.folder / "clusters/prod/apps.yaml").read_text()
    names = ["{kind: ConfigMap, name: cluster-settings}", "{kind: Secret, name: cluster-secrets}"]
    fleet.write("clusters/prod/apps.yaml", part + f"  postBuild: {{substituteFrom: [{', '.join(names)}]}}\n")
    done = fleet.gitops("render", "-f", "clusters/prod")
    assert done.returncode == 0, done.stderr
    assert "at: https://example.com/t0ken" in done.stdout
    fleet.write("infra/variables.yaml", write_manifests(bodies[:1]))
    done = fleet.gitops("render", "-f", "clusters/prod")
    assert f"Secret {space}/cluster-secrets: is in a cluster, which this does not read" in done.stderr


def test_what_is_not_supported_is_refused_by_name_and_the_rest_is_synced(fleet):
    part = PART % {"name": "odd", "space": fleet.namespace}
    fleet.write("clusters/prod/odd.yaml", part + "  kubeConfig: {configMapRef: {name: x}}\n")
    done = fleet.gitops("sync", "-f", "clusters/prod")
    assert done.returncode == 2
    assert f"refused: Kustomization {fleet.namespace}/odd: spec.kubeConfig.configMapRef: " in done.stderr
    assert "apps synced" in ended(done)


def test_the_whole_tree_is_rendered_without_a_cluster(fleet):
    done = fleet.gitops("render", "-f", "clusters/prod")
    assert done.returncode == 0, done.stderr
    assert "kind: Deployment" in done.stdout
    assert "kind: Kustomization" not in done.stdout
    assert fleet.gitops("render", "-f", "apps").returncode == 2


def test_options_for_one_application_are_refused(fleet):
    done = fleet.gitops("sync", "-f", "clusters/prod", "--name", "shop")
    assert done.returncode == 2
    assert "--name: is for one Application, and clusters/prod delivers a tree of them" in done.stderr


def test_each_of_a_tree_is_told(fleet):
    with Listener() as listener:
        rules = (
            f"destinations: [{{name: hook, type: webhook, url: '{listener.url}'}}]\nrules: [{{destinations: [hook]}}]\n"
        )
        fleet.write("notifications.yaml", rules)
        done = fleet.gitops("sync", "-f", "clusters/prod", "--notifications", "notifications.yaml")
        assert done.returncode == 0, done.stderr
        told = [(body["application"]["name"], body["fact"]) for body in listener.bodies()]
    assert told == [("flux-system", "synced"), ("infra", "synced"), ("apps", "synced")]
