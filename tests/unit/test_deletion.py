"""What goes along with a deletion, and what a new StatefulSet takes over from the one before."""

import pytest

from gitops.engine.deletion import holds_data, is_orphaning, leaves_pods, reason_to_stay
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.plan import Prune, Recreate
from tests.unit.test_plan import INVENTORY, answered, situation, stored

KEY = ResourceKey("apps", "StatefulSet", "shop", "db")


def stateful_set(claims=("data",), when_deleted="Retain", **spec):
    templates = [{"metadata": {"name": name}, "spec": {"storageClassName": "fast"}} for name in claims]
    retention = {"whenDeleted": when_deleted}
    spec = {"serviceName": "db", "selector": {"matchLabels": {"app": "db"}}, "replicas": 1, **spec}
    spec |= {"volumeClaimTemplates": templates, "persistentVolumeClaimRetentionPolicy": retention}
    metadata = {"name": "db", "namespace": "shop"}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def test_a_stateful_set_is_precious_where_the_live_or_the_desired_one_takes_its_claims_along():
    keeps, takes = stateful_set(), stateful_set(when_deleted="Delete")
    assert not holds_data(KEY, keeps, keeps)
    assert holds_data(KEY, takes, keeps)
    assert holds_data(KEY, keeps, takes)
    assert holds_data(ResourceKey("apps.kruise.io", "StatefulSet", "shop", "db"), takes)


@pytest.mark.parametrize("spec", [None, "text", {"persistentVolumeClaimRetentionPolicy": ["Delete"]}, {}])
def test_a_stateful_set_of_any_form_can_be_asked(spec):
    body = {**stateful_set(), "spec": spec}
    assert not holds_data(KEY, body)
    assert leaves_pods(KEY, body, body)


@pytest.mark.parametrize(
    ("desired", "stays"),
    [
        (stateful_set(podManagementPolicy="Parallel", replicas=3), True),
        (stateful_set(claims=()), True),
        (stateful_set(claims=("data", "more")), False),
        (stateful_set(serviceName="other"), False),
        (stateful_set(selector={"matchLabels": {"app": "other"}}), False),
    ],
)
def test_pods_stay_where_the_new_stateful_set_can_take_them_over(desired, stays):
    assert leaves_pods(KEY, stateful_set(), desired) is stays


def test_a_stateful_set_that_takes_its_claims_along_is_held_back_until_confirmed():
    live = stored(stateful_set(when_deleted="Delete"), INVENTORY)
    for confirm in (False, True):
        at = situation([], [live], [key_of(live)], PlanOptions(prune=True, confirm=confirm))
        plan = answered(at)
        (change,) = plan.prunes
        assert isinstance(change, Prune)
        assert bool(plan.obstacles) is not confirm
    back = situation([], [live], [key_of(live)], PlanOptions(confirm=True, prune_only=frozenset({KEY})))
    (kept,) = answered(back).kept
    assert kept.reason == "it may hold data, so a way back leaves it"


def test_what_somebody_deletes_without_its_pods_is_made_again_without_touching_them():
    gone = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["orphan"]}
    live = stored(stateful_set(), INVENTORY, **gone)
    assert is_orphaning(live)
    (change,) = answered(situation([stateful_set()], [live])).changes
    assert isinstance(change, Recreate)
    assert change.orphan


def test_what_does_not_go_says_what_holds_it():
    condition = {"type": "NamespaceContentRemaining", "status": "True"}
    kind, metadata = {"kind": "Namespace"}, {"name": "shop", "finalizers": ["a.dev/hold"]}
    body = {**kind, "metadata": metadata, "spec": {"finalizers": ["kubernetes"]}}
    assert reason_to_stay(body) == "held by a.dev/hold, kubernetes"
    assert reason_to_stay({**kind, "metadata": {"name": "shop"}}) == "held by nothing that it says"
    left = {**condition, "message": "2 pods are left"}
    for said, words in ((left, "2 pods are left"), (condition, "NamespaceContentRemaining")):
        assert reason_to_stay({**body, "status": {"conditions": [said]}}) == f"it says: {words}"
    over = {"conditions": [{**left, "status": "False"}]}
    assert reason_to_stay({**body, "status": over}) == "held by a.dev/hold, kubernetes"
