"""What was synced is in sync: no difference is shown that is not there."""

import json
import threading
from pathlib import Path

import pytest

from gitops.manifests.yaml_write import write_manifests
from gitops.model.result import Outcome
from gitops.sync.context import Request
from gitops.sync.reconcile import sync
from tests.scenarios.world import custom_kind, deployment

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests/data/recorded/apiserver/exchanges/apply-many-kinds.json"
SAMPLE = ROOT / "sample-repo/apps/shop"


def settle_and_compare(world):
    """Sync, then plan: empty; and a second sync sends no write."""
    first = world.sync(wait=False)
    assert first.outcome is Outcome.SYNCED, first.message
    plan = world.plan().plan
    found = [(str(change.key), getattr(change, "fields", change)) for change in plan.changes]
    assert found == []

    async def again(context):
        await sync(Request(world.app, "ada", wait=False), context)

    _, writes = world.requests_of(again)
    assert writes == 0


def test_the_sample_repository_is_in_sync_after_a_sync(world):
    for path in SAMPLE.iterdir():
        (world.repository / path.name).write_text(path.read_text())
    world.commit()
    settle_and_compare(world)


def test_every_recorded_kind_is_in_sync_after_a_sync(world):
    bodies = {}
    for exchange in json.loads(RECORDED.read_text()):
        body = exchange["request"].get("body")
        if exchange["response"]["status"] in (200, 201) and isinstance(body, dict) and "kind" in body:
            metadata = body.get("metadata", {})
            if body["kind"] in ("Namespace", "Status") or not metadata.get("name"):
                continue
            named = {**metadata, "namespace": world.namespace} if metadata.get("namespace") else metadata
            bodies[body["kind"], metadata["name"]] = {**body, "metadata": named}
    assert len(bodies) > 20
    (world.repository / "all.yaml").write_text(write_manifests(bodies.values()))
    world.commit()
    settle_and_compare(world)


VARIANTS = {
    "quantities in other units": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "resources": {"requests": {"cpu": "0.5", "memory": "0.5Gi"}, "limits": {"cpu": "1000m"}},
                }
            ]
        },
    },
    "a number of a port as text": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]},
    },
    "empty maps and lists": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "annotations": {}, "labels": {}},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}, "annotations": {}},
                "spec": {
                    "containers": [{"name": "c", "image": "i", "env": [], "resources": {}, "securityContext": {}}],
                    "volumes": [{"name": "v", "emptyDir": {}}],
                },
            },
        },
    },
    "values as text in a Secret": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"a": "b"},
        "data": {"c": "ZA=="},
    },
    "a null": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": None},
        "data": {"a": "1"},
    },
    "a null where a version's default comes back": {
        "apiVersion": "autoscaling/v1",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
            "maxReplicas": 5,
            "targetCPUUtilizationPercentage": None,
        },
    },
    "a null in the key of a list's item": {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"type": None, "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": None, "protocol": None}]},
    },
    "nulls in free maps": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"a": None}},
        "data": {"a": None},
    },
    "nulls all over": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {
            "replicas": None,
            "selector": {"matchLabels": {"a": "b"}, "matchExpressions": None},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {
                    "volumes": None,
                    "containers": [
                        {
                            "name": "c",
                            "image": "i",
                            "ports": [{"containerPort": 80, "protocol": None}],
                            "env": [{"name": "A", "value": None}],
                            "resources": {"limits": None, "requests": {"cpu": None}},
                        }
                    ],
                },
            },
        },
    },
    "a status in the manifest": {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "creationTimestamp": None},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {},
            "template": {
                "metadata": {"creationTimestamp": None, "labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i", "resources": {}}]},
            },
        },
        "status": {},
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_way_of_writing_is_no_difference(world, variant):
    world.commit(object=VARIANTS[variant])
    settle_and_compare(world)


def test_a_null_that_a_custom_kind_allows_is_a_value(world):
    text = {"type": "string", "nullable": True, "default": "x"}
    properties = {"spec": {"type": "object", "properties": {"a": text}}}
    group, kind = custom_kind(world, "Nullable", {"type": "object", "properties": properties})
    world.commit(kind=kind)
    world.sync()
    custom = {"apiVersion": f"{group}/v1", "kind": "Nullable", "metadata": {"name": "n", "labels": None}}
    world.commit(n={**custom, "spec": {"a": None}})
    settle_and_compare(world)
    assert world.get("Nullable", "n", group)["spec"] == {"a": None}


def test_a_sidecar_that_a_webhook_put_in_is_no_difference(world):
    pod = VARIANTS["empty maps and lists"]
    world.commit(object=pod)
    world.sync(wait=False)
    sidecar = {"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "proxy"}]}}}}
    group = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/d"
    world.request("PATCH", group, sidecar, "istio-injector", "application/strategic-merge-patch+json")
    assert world.plan().plan.changes == ()


def busy_deployment(**options):
    """One whose quantity is written so that only the API server can tell whether it is the same."""
    body = deployment(**options)
    del body["spec"]["replicas"]
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "0.1"}}
    return body


def test_what_another_changes_while_a_plan_is_made_is_no_difference(world):
    world.commit(web=busy_deployment())
    world.sync(wait=False)
    stop = threading.Event()

    def scale():
        replicas = 1
        while not stop.wait(0.03):
            replicas = replicas % 50 + 1
            world.edit("apps/deployments/web", {"spec": {"replicas": replicas}}, manager="autoscaler")

    thread = threading.Thread(target=scale)
    thread.start()
    try:
        plans = [world.plan().plan for _ in range(25)]
    finally:
        stop.set()
        thread.join()
    assert [plan.changes for plan in plans] == [()] * 25


def test_an_item_added_by_hand_to_a_list_that_we_own_is_a_difference(world):
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "n"},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 80}]}]},
    }
    world.commit(object=policy)
    world.sync()
    added = {"spec": {"ingress": [{"ports": [{"port": 80}]}, {"ports": [{"port": 22}]}]}}
    world.edit("networking.k8s.io/networkpolicies/n", added)
    (change,) = world.plan().plan.changes
    assert change.fields[0].path.startswith("spec.ingress")
