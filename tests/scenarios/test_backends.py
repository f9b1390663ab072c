"""What makes the API server call a Service waits for that Service: its place in the order, and its endpoints."""

import pytest

from gitops.manifests.key import ResourceKey
from gitops.model.health import HEALTHY
from gitops.model.result import Outcome
from gitops.sync import events
from tests.scenarios.world import deployment


def service(world, **selector):
    spec = {"ports": [{"port": 443}], "selector": selector or {"app": "hooks"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "hooks"}, "spec": spec}


def webhook(world, kind="ValidatingWebhookConfiguration", name="hooks"):
    hook = {
        "name": "check.example.com",
        "clientConfig": {"service": {"namespace": world.namespace, "name": name}},
        "rules": [
            {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["gears"]}
        ],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    version = "admissionregistration.k8s.io/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": world.namespace}, "webhooks": [hook]}


def api_service(world):
    group = f"{world.namespace}.example.com"
    spec = {
        "group": group,
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 10,
        "insecureSkipTLSVerify": True,
        "service": {"namespace": world.namespace, "name": "hooks"},
    }
    version = "apiregistration.k8s.io/v1"
    return {"apiVersion": version, "kind": "APIService", "metadata": {"name": f"v1.{group}"}, "spec": spec}


CALLERS = pytest.mark.parametrize(
    "make",
    [webhook, lambda world: webhook(world, "MutatingWebhookConfiguration"), api_service],
    ids=["validating", "mutating", "APIService"],
)


def is_live(world, body):
    group = body["apiVersion"].rpartition("/")[0]
    return world.get(body["kind"], body["metadata"]["name"], group, "") is not None


@CALLERS
def test_it_is_written_when_its_service_answers(world, make):
    world.commit(caller=make(world), service=service(world), hooks=deployment("hooks"))
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    assert [item.key.name for item in result.changed][1:3] == ["hooks", "hooks"]
    healthy = events.HealthChanged(ResourceKey("apps", "Deployment", world.namespace, "hooks"), HEALTHY)
    written = next(
        item for item in world.events if isinstance(item, events.Wrote) and item.changed == result.changed[3]
    )
    assert world.events.index(healthy) < world.events.index(written)
    assert is_live(world, make(world))


@CALLERS
@pytest.mark.parametrize("wait", [True, False], ids=["waiting", "not waiting"])
def test_it_is_not_written_while_its_service_does_not_answer(world, make, wait):
    world.commit(caller=make(world), service=service(world), hooks=deployment("hooks", "nginx:broken"))
    result = world.sync(world.with_sync(timeout=2.0), wait=wait)
    assert result.outcome is Outcome.FAILED
    assert "ImagePull" in result.message
    assert not is_live(world, make(world))


def test_a_service_that_selects_nothing_is_named(world):
    world.commit(caller=webhook(world), service=service(world, app="misspelt"), hooks=deployment("hooks"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.FAILED
    assert f"the API server would call Service {world.namespace}/hooks: no ready endpoint" in result.message
    assert result.failures[0].key.kind == "ValidatingWebhookConfiguration"
    assert not is_live(world, webhook(world))


def test_an_earlier_wave_does_not_bring_it_before_what_is_behind_its_service(world):
    caller = webhook(world)
    caller["metadata"]["annotations"] = {"gitops.dev/wave": "-5"}
    world.commit(caller=caller, service=service(world), hooks=deployment("hooks", **{"gitops.dev/wave": "2"}))
    result = world.sync()
    kinds = [item.key.kind for item in result.changed]
    assert kinds == ["Namespace", "Service", "Deployment", "ValidatingWebhookConfiguration"]


def test_a_service_of_somebody_else_is_not_waited_for(world):
    world.commit(caller=webhook(world, name="elsewhere"), hooks=deployment("hooks"))
    assert world.sync().outcome is Outcome.SYNCED


@pytest.mark.parametrize("wait", [True, False], ids=["waiting", "not waiting"])
def test_what_is_not_behind_its_service_is_not_waited_for(world, wait):
    """It may need the very webhook that is to be written."""
    others = [deployment("a-needs-it", "nginx:broken"), deployment("other", "nginx:broken")]
    world.commit(caller=webhook(world), service=service(world), hooks=deployment("hooks"), others=others)
    result = world.sync(world.with_sync(timeout=3.0, rollback="never"), wait=wait)
    assert is_live(world, webhook(world))
    assert result.outcome is (Outcome.FAILED if wait else Outcome.SYNCED)
