"""Fields of which one may be set: which of those that others own have to go."""

import pytest

from gitops.engine.unions import excluded_fields
from gitops.manifests.key import ResourceKey

LEAF = {}
WEB = 'k:{"name":"web"}'


def pod(**container):
    return {"spec": {"template": {"spec": {"containers": [{"name": "web", **container}]}}}}


def excluded(desired, live, group="apps", kind="Deployment"):
    return excluded_fields(desired, live, ResourceKey(group, kind, "shop", "web"))


def below(found, *steps):
    for step in steps:
        found = found[f"f:{step}" if ":" not in step else step]
    return found


def test_a_variable_that_gets_its_value_from_elsewhere_loses_the_one_it_had():
    wanted = pod(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    live = pod(env=[{"name": "A", "value": "plain"}, {"name": "B", "value": "kept"}])
    found = below(excluded(wanted, live), "spec", "template", "spec", "containers", WEB, "env")
    assert found == {'k:{"name":"A"}': {"f:value": LEAF}}


def test_a_reference_to_another_kind_takes_the_place_of_the_first():
    wanted = pod(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "s", "key": "k"}}}])
    live = pod(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    found = below(excluded(wanted, live), "spec", "template", "spec", "containers", WEB, "env", 'k:{"name":"A"}')
    assert found == {"f:valueFrom": {"f:secretKeyRef": {".": LEAF, "f:name": LEAF, "f:key": LEAF}}}


@pytest.mark.parametrize("probe", ["livenessProbe", "readinessProbe", "startupProbe"])
def test_a_probe_has_one_way_of_asking(probe):
    found = excluded(
        pod(**{probe: {"httpGet": {"port": 80}, "periodSeconds": 5}}),
        pod(**{probe: {"exec": {"command": ["x"]}, "periodSeconds": 9}}),
    )
    assert below(found, "spec", "template", "spec", "containers", WEB, probe) == {
        "f:exec": {".": LEAF, "f:command": LEAF}
    }


def test_a_volume_is_of_one_kind_whatever_its_name():
    def volumes(*items):
        return {"spec": {"template": {"spec": {"volumes": list(items)}}}}

    found = excluded(volumes({"name": "v", "emptyDir": {}}), volumes({"name": "v", "hostPath": {"path": "/"}}))
    assert below(found, "spec", "template", "spec", "volumes", 'k:{"name":"v"}') == {
        "f:hostPath": {".": LEAF, "f:path": LEAF}
    }
    assert excluded(volumes({"name": "v"}), volumes({"name": "v", "hostPath": {"path": "/"}})) == {}
    assert excluded(volumes({"name": "w", "emptyDir": {}}), volumes({"name": "v", "hostPath": {"path": "/"}})) == {}


@pytest.mark.parametrize(
    ("group", "kind", "wanted", "live", "gone"),
    [
        ("policy", "PodDisruptionBudget", {"spec": {"minAvailable": 1}}, {"spec": {"maxUnavailable": 1}}, True),
        ("policy", "PodDisruptionBudget", {"spec": {"minAvailable": 1}}, {"spec": {"minAvailable": 2}}, False),
        ("policy", "PodDisruptionBudget", {"spec": {}}, {"spec": {"maxUnavailable": 1}}, False),
        (
            "networking.k8s.io",
            "Ingress",
            {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"name": "http"}}}}},
            {"spec": {"defaultBackend": {"service": {"name": "a", "port": {"number": 80}}}}},
            True,
        ),
        (
            "admissionregistration.k8s.io",
            "ValidatingWebhookConfiguration",
            {"webhooks": [{"name": "w", "clientConfig": {"url": "https://x"}}]},
            {"webhooks": [{"name": "w", "clientConfig": {"service": {"name": "x"}}}]},
            True,
        ),
        (
            "batch",
            "CronJob",
            {"spec": {"jobTemplate": pod(env=[{"name": "A", "value": "x"}])}},
            {"spec": {"jobTemplate": pod(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}])}},
            True,
        ),
        ("example.dev", "Widget", {"spec": {"minAvailable": 1}}, {"spec": {"maxUnavailable": 1}}, False),
    ],
)
def test_each_kind_has_its_own(group, kind, wanted, live, gone):
    assert bool(excluded(wanted, live, group, kind)) is gone


@pytest.mark.parametrize("live", [None, [], "text", {"spec": []}, pod(env="text"), pod(env=[1, {"name": 2}])])
def test_what_is_shaped_otherwise_excludes_nothing(live):
    assert excluded(pod(env=[{"name": "A", "value": "x"}]), live) == {}
    assert excluded(live, pod(env=[{"name": "A", "value": "x"}])) == {}


def test_of_a_list_that_stands_where_none_stood_nothing_is_excluded():
    named = [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]
    for other in ({"A": "x"}, "text", None, {}):
        assert excluded(pod(env=named), pod(env=other)) == {}
        assert excluded(pod(env=other), pod(env=named)) == {}
    mixed = pod(env=[1, {"value": "x"}, {"name": ["A"], "value": "x"}, {"name": "A", "value": "x"}])
    found = below(excluded(pod(env=named), mixed), "spec", "template", "spec", "containers", WEB, "env")
    assert found == {'k:{"name":"A"}': {"f:value": LEAF}}


def test_an_empty_map_that_cannot_stay_goes_as_one():
    found = excluded(pod(livenessProbe={"exec": {"command": ["x"]}}), pod(livenessProbe={"httpGet": {}}))
    assert below(found, "spec", "template", "spec", "containers", WEB, "livenessProbe") == {"f:httpGet": LEAF}
