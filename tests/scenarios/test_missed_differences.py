"""What changed in Git changes in the cluster, also where the API server's own bookkeeping would hide it."""

import subprocess

import pytest

from gitops.manifests.yaml_write import write_manifests
from gitops.model.result import Outcome
from tests.scenarios.test_clusters import make_namespace
from tests.scenarios.test_no_false_difference import busy_deployment
from tests.scenarios.world import config_map, custom_kind, deployment


def secret(**text):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": text}


def free_kind(world):
    """A custom kind whose spec takes anything, as those that hold a chart's values do."""
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return custom_kind(world, "Free", {"type": "object", "properties": {"spec": spec}})


def test_a_secrets_key_that_leaves_string_data_leaves_the_cluster(world):
    world.commit(s=secret(a="1", b="2"))
    world.sync()
    world.commit(s=secret(a="1"))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("Secret", "s")["data"] == {"a": "MQ=="}


def test_string_data_wins_over_data_as_the_api_server_has_it(world):
    world.commit(s={**secret(a="1"), "data": {"a": "Mg==", "b": "Mg=="}})
    world.sync()
    assert world.get("Secret", "s")["data"] == {"a": "MQ==", "b": "Mg=="}
    assert world.sync().outcome is Outcome.IN_SYNC


@pytest.mark.parametrize(
    ("before", "after"), [(1, True), (0, False), (True, 1), ([1], [True]), ({"a": 1}, {"a": True})]
)
def test_a_number_that_becomes_a_truth_value_is_a_change(world, before, after):
    group, kind = free_kind(world)
    free = {"apiVersion": f"{group}/v1", "kind": "Free", "metadata": {"name": "f"}, "spec": {"enabled": before}}
    world.commit(all=[kind, free])
    world.sync()
    world.commit(all=[kind, {**free, "spec": {"enabled": after}}])
    assert world.sync().outcome is Outcome.SYNCED
    found = world.get("Free", "f", group)["spec"]["enabled"]
    assert repr(found) == repr(after)


@pytest.mark.parametrize(
    ("note", "outcome"),
    [
        ({"argocd.argoproj.io/sync-options": "Prune=confirm"}, Outcome.HELD),
        ({"helm.sh/resource-policy": "keep"}, Outcome.SYNCED),
    ],
)
def test_another_tools_word_about_pruning_counts(world, note, outcome):
    kept = config_map("kept")
    kept["metadata"]["annotations"] = note
    world.commit(web=config_map("web"), kept=kept)
    world.sync()
    world.commit(kept=None)
    assert world.sync().outcome is outcome
    assert world.get("ConfigMap", "kept")


def by_kubectl(world, *bodies, side):
    """`kubectl apply`, in the client or by the server."""
    path = world.folder / "by-hand.yaml"
    path.write_text(write_manifests(list(bodies)))
    command = ["kubectl", "--kubeconfig", str(world.kubeconfig), "-n", world.namespace, "apply", "-f", str(path)]
    command += ["--server-side"] if side == "server" else []
    for _ in range(20):  # it gives up where the cluster is faulty
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            return
    raise AssertionError("kubectl could not apply")


@pytest.mark.parametrize("side", ["client", "server"])
def test_what_kubectl_applied_loses_in_the_plan_just_what_it_loses_in_the_sync(world, side):
    """Whoever comes from kubectl apply reads the plan: its defaults stay, and what left the manifest goes."""
    make_namespace(world)
    port = {"port": 80}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"selector": {"a": "b"}, "ports": [port]},
    }
    bound = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": world.namespace},
        "spec": {"policyName": "p", "validationActions": ["Audit", "Warn"]},
    }
    by_kubectl(world, service, deployment("d"), bound, side=side)
    fewer = {**bound, "spec": {**bound["spec"], "validationActions": ["Audit"]}}
    world.commit(service=service, deployment=deployment("d"), bound=fewer)
    before = {name: world.get(kind, name, group)["spec"] for kind, name, group in OF_KUBECTL}
    shown = {f"{change.key.kind} {field.path}" for change in world.plan().plan.changes for field in change.fields}
    of_us = {
        f"{kind} metadata.{field}"
        for kind in ("Service", "Deployment", "ValidatingAdmissionPolicyBinding")
        for field in OURS
    }
    assert shown - of_us == {"ValidatingAdmissionPolicyBinding spec.validationActions"}
    world.sync(wait=False)
    assert {name: world.get(kind, name, group)["spec"] for kind, name, group in OF_KUBECTL} == before


OF_KUBECTL = (("Service", "s", ""), ("Deployment", "d", "apps"))
OURS = (
    "annotations",
    "annotations[gitops.dev/tracking]",
    "annotations[kubectl.kubernetes.io/last-applied-configuration]",
    "labels",
    "labels[gitops.dev/managed-by]",
    "labels[applyset.kubernetes.io/part-of]",
)


def test_strict_sees_what_was_equal_without_it(world):
    world.commit(web=busy_deployment())
    world.sync(wait=False)
    world.edit("apps/deployments/web", {"metadata": {"labels": {"hand": "made"}}}, manager="kubectl-label")
    assert world.plan().plan.changes == ()
    strict = world.with_sync(strict=True)
    assert [change.key.name for change in world.plan(strict).plan.changes] == ["web"]
    world.sync(strict, wait=False)
    assert "hand" not in world.get("Deployment", "web", "apps")["metadata"].get("labels", {})


def test_strict_sees_an_item_that_a_person_added_to_a_set(world):
    world.commit(settings=config_map("settings"))
    strict = world.with_sync(strict=True)
    world.sync(strict)
    world.edit("core/configmaps/settings", {"metadata": {"finalizers": ["example.com/held"]}})
    (change,) = world.plan(strict).plan.changes
    assert [field.path for field in change.fields] == ["metadata.finalizers"]
    assert world.sync(strict).outcome is Outcome.SYNCED
    assert "finalizers" not in world.get("ConfigMap", "settings")["metadata"]
