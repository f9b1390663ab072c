"""Who changed what a sync had applied, before it was healthy; and which sync came in between."""

from dataclasses import replace

import pytest

from gitops.engine.inventory import Inventory, LastHealthy, PastRelease, parent_key
from gitops.engine.overtaken import overtaken_by, overtaken_fields, overtaken_inventory
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.engine.predict import predict
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.manifests.structured_merge import apply, update
from gitops.model.application import Application, Destination
from gitops.model.plan import FieldChange, Manager, Unknown
from gitops.model.release import BY_HAND, Quarantine
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision

NOW = "2026-01-01T00:00:00Z"
SHA = "0123456789abcdef0123456789abcdef01234567"


def workload(kind="Deployment", **spec):
    labels = {"app": "web"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": labels}, "template": pod, **spec},
    }


def applied(body):
    stored = apply(None, body, manager="gitops", now=NOW).body
    return {**stored, "metadata": {**stored["metadata"], "generation": 1}}


def edited(live, manager="kubectl-edit", **spec):
    return update(live, {**live, "spec": {**live["spec"], **spec}}, manager=manager, now=NOW)


def changed(body, live, was=None):
    manifest = Manifest(key_of(body), body, Origin("a.yaml", 1))
    app = Application("app", destination=Destination(namespace="shop"))
    inventory = Inventory(app.identity, parent_key("app", "shop"))
    rendered = RenderedSet(Revision(SHA, "main"), (manifest,), "d")
    at = PlanInput(app, rendered, {manifest.key: live}, inventory, PlanOptions())
    found = overtaken_fields(at, manifest, was or applied(body), live, predict)
    return [change.path.lstrip(".") for change in found]


def without_marks(paths):
    return [path for path in paths if not path.startswith("metadata")]


def test_what_stands_as_it_was_applied_is_not_overtaken():
    assert without_marks(changed(workload(), applied(workload()))) == []


def test_a_rollout_that_was_undone_is_told_by_its_field():
    body = workload()
    live = edited(applied(body), template={"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}})
    assert any(path.startswith("spec.template") for path in changed(body, live))


@pytest.mark.parametrize("manager", ["kube-controller-manager", "some-autoscaler"])
def test_a_scale_by_an_autoscaler_changes_how_many_run_and_not_what(manager):
    body = workload(replicas=2)
    assert without_marks(changed(body, edited(applied(body), manager, replicas=5))) == []


def test_another_number_by_a_sync_of_ours_is_another_word():
    body = workload(replicas=2)
    assert without_marks(changed(body, edited(applied(body), "gitops", replicas=5))) == ["spec.replicas"]


def test_what_runs_nothing_any_more_has_not_run_what_was_applied():
    body = workload()
    assert without_marks(changed(body, edited(applied({**body, "spec": {**body["spec"], "replicas": 2}}), replicas=0)))
    live = edited(applied(body), replicas=0)
    assert without_marks(changed(body, live)) == ["spec.replicas"]


def test_a_rollout_that_somebody_paused_has_not_run_what_was_applied():
    body = workload()
    assert without_marks(changed(body, edited(applied(body), paused=True))) == ["spec.paused"]


def test_another_update_strategy_holds_a_rollout_back():
    body = workload("StatefulSet", serviceName="web")
    live = edited(applied(body), updateStrategy={"type": "OnDelete"})
    assert all(path.startswith("spec.updateStrategy") for path in without_marks(changed(body, live)))
    assert without_marks(changed(body, live))


@pytest.mark.parametrize(
    ("status", "is_told"),
    [
        ({"observedGeneration": 1, "desiredNumberScheduled": 0}, True),
        ({"observedGeneration": 1}, True),
        ({"observedGeneration": 1, "desiredNumberScheduled": 3}, False),
        ({"observedGeneration": 0, "desiredNumberScheduled": 0}, False),
    ],
)
def test_a_daemon_set_that_fits_no_node_any_more_has_not_run_what_was_applied(status, is_told):
    body = workload("DaemonSet")
    pod = body["spec"]["template"]
    live = edited(applied(body), template={**pod, "spec": {**pod["spec"], "nodeSelector": {"none": "fits"}}})
    found = without_marks(changed(body, {**live, "status": status}))
    assert any("nodeSelector" in path for path in found) is is_told


def test_what_a_field_of_an_object_of_a_custom_kind_means_is_not_guessed():
    body = {**workload("Widget"), "apiVersion": "example.dev/v1"}
    assert without_marks(changed(body, edited(applied(body), paused=True, replicas=0))) == []


@pytest.mark.parametrize("spec", [None, "text", []])
def test_a_live_object_whose_spec_is_no_map_is_no_fault(spec):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}}
    live = {**applied(config), **({} if spec is None else {"spec": spec})}
    assert without_marks(changed(config, live, was=live)) == []


# ── in words ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def field(path, owner):
    return FieldChange(path, 1, 2, owner)


def test_who_changed_what_is_told_with_the_time():
    assert overtaken_by([]) == ""
    assert overtaken_by([field("spec.a", Manager("bob", "Update", NOW))]) == f"spec.a was changed by bob at {NOW}"
    assert overtaken_by([field("spec.a", Manager("bob", "Update", ""))]) == "spec.a was changed by bob"
    assert overtaken_by([field("spec.a", Manager("gitops", "Apply", ""))]) == "spec.a was changed by another sync"
    assert overtaken_by([field("spec.a", Unknown())]) == "spec.a was removed or changed"


def test_of_many_fields_the_first_are_named_and_the_rest_counted():
    many = [field(f"spec.{name}", Unknown()) for name in "abcde"]
    told = overtaken_by(many)
    assert told.count("removed or changed") == 3
    assert told.endswith("spec.c was removed or changed and 2 more")
    assert "more" not in overtaken_by(many[:3])


# ── by another sync ──────────────────────────────────────────────────────────────────────────────────────────────────

OURS = Inventory("gitops/app", parent_key("app", "shop"), synced="old")
BACK = LastHealthy(SHA, "main", "d0", NOW)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ({}, ""),
        ({"synced": "new"}, ""),  # another runner's sync of the very same set
        ({"synced": "another"}, "another revision was synced"),
        (
            {"synced": "another", "releases": (PastRelease(2, SHA, "main", "another", NOW, "bob"),)},
            "0123456789ab was synced by bob",
        ),
        ({"quarantine": Quarantine(SHA, "new", f"{BY_HAND}bob", NOW)}, "revision 0123456789ab was rolled back by bob"),
        ({"quarantine": Quarantine(SHA, "new", "it failed", NOW)}, "revision 0123456789ab was rolled back"),
        ({"quarantine": Quarantine(SHA, "another", "it failed", NOW)}, ""),
        ({"rollback_target": BACK}, "a rollback to 0123456789ab has begun"),
        ({"partially_applied": frozenset({"another"})}, "a sync of another revision has begun"),
        ({"partially_applied": frozenset({"new"})}, ""),
    ],
)
def test_another_word_that_came_in_between_is_told(now, told):
    assert overtaken_inventory(OURS, "new", replace(OURS, **now)) == told
    assert overtaken_inventory(replace(OURS, **now), "new", replace(OURS, **now)) == ""
