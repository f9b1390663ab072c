"""What an apply is predicted to do: the short way to "nothing" says it only where the long way does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.engine import predict as prediction
from gitops.engine.predict import FIELD_MANAGER, predict
from gitops.manifests.structured_merge import apply, update
from tests.soak import IS_SHARE, examples

NOW = "1970-01-01T00:00:00Z"

WORDS = st.sampled_from(["a", "b", "c"])
PORTS = st.lists(
    st.fixed_dictionaries(
        {"containerPort": st.sampled_from([53, 80])}, optional={"protocol": st.sampled_from(["TCP", "UDP"])}
    ),
    max_size=2,
    unique_by=lambda port: (port["containerPort"], port.get("protocol", "TCP")),
)
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": WORDS, "image": WORDS}, optional={"ports": PORTS, "args": st.lists(WORDS, max_size=2)}
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda container: container["name"],
)
METADATA = st.fixed_dictionaries(
    {"name": st.just("web")},
    optional={
        "labels": st.dictionaries(WORDS, WORDS, max_size=2),
        "finalizers": st.lists(WORDS, max_size=2, unique=True),
    },
)


@st.composite
def deployments(draw):
    spec = {"template": {"spec": {"containers": draw(CONTAINERS)}}}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(1, 2))
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": draw(METADATA), "spec": spec}


def by_the_long_way(live, desired):
    return apply(live, desired, manager=FIELD_MANAGER, now=NOW, force=True).body


def agree(first, edited, second):
    live = by_the_long_way(None, first)
    for other in (live, update(live, {**live, "spec": edited["spec"]}, manager="kubectl", now=NOW)):
        for desired in (first, second):
            expected = by_the_long_way(other, desired)
            found = predict(other, desired)
            assert (found is other) == (expected is other)
            assert found == expected


def test_the_short_way_and_the_long_way_agree():
    given(deployments(), deployments(), deployments())(
        settings(max_examples=100, deadline=None, derandomize=True)(agree)
    )()


@pytest.mark.soak
def test_the_short_way_and_the_long_way_agree_on_very_many():
    given(deployments(), deployments(), deployments())(
        settings(max_examples=examples(20_000), deadline=None, derandomize=IS_SHARE)(agree)
    )()


@pytest.mark.parametrize("version", ["autoscaling/v1", "autoscaling/v2"])
def test_what_was_applied_in_another_version_is_told_by_the_long_way(version):
    metadata = {"name": "web", "labels": {"app": "web"}}
    spec = {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "web"}}
    desired = {"apiVersion": version, "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}
    live = {**by_the_long_way(None, desired), "apiVersion": "autoscaling/v2"}
    wanted = {**desired, "apiVersion": "autoscaling/v2"}
    found = predict(live, wanted)
    assert found == by_the_long_way(live, wanted)
    assert found["metadata"]["managedFields"][0]["apiVersion"] == "autoscaling/v2"


def test_what_is_applied_already_is_told_by_the_short_way(monkeypatch):
    ports = [{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]
    containers = [{"name": "a", "image": "a", "ports": ports}, {"name": "b", "image": "b", "args": ["x"]}]
    desired = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"template": {"spec": {"containers": containers}}},
    }
    live = by_the_long_way(None, desired)
    defaulted = [{"containerPort": 53, "protocol": "TCP"}, ports[1]]
    containers = [{**containers[0], "ports": defaulted, "imagePullPolicy": "Always"}, containers[1]]
    live = {**live, "spec": {"template": {"spec": {"containers": containers}}}}
    monkeypatch.setattr(prediction, "apply", None)
    assert predict(live, desired) is live
