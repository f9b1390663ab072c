"""Which creates are tried out before anything is changed, and which need not be."""

from dataclasses import replace

import pytest

from gitops.engine.completed_jobs import ended, has_ended
from gitops.engine.creations import creations, holds_data_only, need_no_try
from gitops.engine.inventory import Inventory, parent_key
from gitops.engine.plan_input import PlanInput, PlanOptions
from gitops.manifests.key import ResourceKey, key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.application import Application, Destination
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from tests.unit.desk import SPACE, config_map

INVENTORY = Inventory("gitops/app", parent_key("app", "shop"))
A, B = config_map("a"), config_map("b")


def manifest(body):
    return Manifest(key_of(body), body, Origin("a.yaml", 1))


def at(*bodies, live=(), options=PlanOptions(), inventory=INVENTORY):  # noqa: B008 - frozen
    app = Application("app", destination=Destination(namespace="shop"))
    rendered = RenderedSet(Revision("a" * 40, "main"), tuple(map(manifest, bodies)), "d")
    return PlanInput(app, rendered, {key_of(body): body for body in live}, inventory, options)


def tried(*bodies, makes=None, **more):
    return [(one.key.name, one.is_first) for one in creations(at(*bodies, **more), makes)]


def job(name="job", ttl=60, **annotations):
    metadata = {"name": name, "namespace": "shop", "annotations": annotations}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"ttlSecondsAfterFinished": ttl}}


def test_what_is_not_there_is_tried_and_what_is_there_is_not():
    assert tried(A, B, live=[B]) == [("a", True)]


def test_what_comes_after_a_wave_is_not_of_the_first():
    late = config_map("late", annotations={"argocd.argoproj.io/sync-wave": "2"})
    assert tried(A, late) == [("a", True), ("late", False)]


def test_a_hook_is_not_tried():
    assert tried(A, config_map("hook", annotations={"gitops.dev/hook": "pre-sync"})) == [("a", False)]


def test_what_goes_into_a_namespace_that_the_sync_brings_cannot_be_tried():
    assert tried(SPACE, A) == [("shop", True)]
    assert tried(A, makes=key_of(SPACE)) == []
    assert tried(A, makes=ResourceKey("", "Namespace", "", "other")) == [("a", True)]
    assert tried(SPACE, A, live=[SPACE]) == [("a", True)]


def definition(kind="Widget"):
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.dev"},
        "spec": {
            "group": "example.dev",
            "names": {"kind": kind, "plural": "widgets"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True}],
        },
    }


def test_a_kind_that_the_sync_defines_or_defines_anew_cannot_be_tried():
    widget = {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": {"name": "w", "namespace": "shop"}}
    names = [one.key.kind for one in creations(at(definition(), widget), None)]
    assert names == ["CustomResourceDefinition"]
    live = at(definition(), widget, live=[definition()])
    assert [one.key.name for one in creations(live, None)] == ["w"]
    assert creations(live, None, changing={key_of(definition())}) == []


def test_a_kind_that_may_lack_is_tried_where_it_is_served():
    annotations = {"argocd.argoproj.io/sync-options": "SkipDryRunOnMissingResource=true"}
    metadata = {"name": "w", "namespace": "shop", "annotations": annotations}
    widget = {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": metadata}
    assert creations(at(widget), None) == []
    served = replace(at(widget), served={("example.dev", "Widget"): frozenset({"v1"})})
    assert [one.key.name for one in creations(served, None)] == ["w"]


def test_a_job_that_has_run_and_removed_itself_is_not_made_again_until_it_changes():
    done = replace(INVENTORY, completed_jobs=ended([manifest(job())]))
    assert tried(job(), inventory=done) == []
    assert tried(job(ttl=90), inventory=done) == [("job", True)]
    assert has_ended(done, manifest(job()))
    assert not has_ended(done, manifest(job(ttl=90)))
    assert not has_ended(INVENTORY, manifest(job()))


def test_a_job_that_has_run_is_the_same_in_whichever_order_its_fields_are_written():
    done = replace(INVENTORY, completed_jobs=ended([manifest(job())]))
    assert has_ended(done, manifest(dict(reversed(job().items()))))


def test_only_jobs_that_remove_themselves_and_are_no_hooks_are_remembered():
    plain = job("plain")
    del plain["spec"]["ttlSecondsAfterFinished"]
    hook = job("hook", **{"gitops.dev/hook": "pre-sync"})
    assert [key.name for key in ended(map(manifest, (job(), plain, hook, A)))] == ["job"]


def test_data_in_a_first_sync_of_one_wave_needs_no_try():
    assert need_no_try(at(A, B)) == {key_of(A), key_of(B)}
    assert need_no_try(at(A, B, options=PlanOptions(prune=True, force_conflicts=True))) == {key_of(A), key_of(B)}


def of_kind(version, kind):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}}


@pytest.mark.parametrize(
    ("kinds", "needless"),
    [
        (["Deployment", "Service", "Role", "ConfigMap"], ["ConfigMap", "Role", "Service"]),
        (["Deployment", "Service", "RoleBinding", "Role", "ConfigMap"], ["ConfigMap", "Role"]),
        (["Service", "NetworkPolicy", "ConfigMap"], ["ConfigMap"]),
        (["Deployment"], []),
    ],
)
def test_a_role_and_a_service_need_no_try_where_nothing_that_acts_comes_before_them(kinds, needless):
    versions = {"Deployment": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1"}
    rights = dict.fromkeys(["Role", "RoleBinding"], "rbac.authorization.k8s.io/v1")
    bodies = [of_kind({**versions, **rights}.get(kind, "v1"), kind) for kind in kinds]
    assert sorted(key.kind for key in need_no_try(at(*bodies))) == needless


@pytest.mark.parametrize(
    "found",
    [
        at(A, B, live=[B]),
        at(A, B, inventory=replace(INVENTORY, exists=True)),
        at(A, config_map("late", annotations={"argocd.argoproj.io/sync-wave": "2"})),
        at(A, config_map("hook", annotations={"gitops.dev/hook": "sync"})),
        at(A, options=PlanOptions(adopt=True)),
        at(A, options=PlanOptions(confirm=True)),
        at(A, options=PlanOptions(resources=("ConfigMap/a",))),
    ],
)
def test_anything_else_is_tried_out_first(found):
    assert not need_no_try(found)


@pytest.mark.parametrize(
    ("group", "kind", "holds"),
    [
        ("", "ConfigMap", True),
        ("", "Secret", True),
        ("", "ServiceAccount", True),
        ("", "Service", False),
        ("apps", "ConfigMap", False),
    ],
)
def test_what_only_holds_data_comes_first_of_all(group, kind, holds):
    assert holds_data_only(ResourceKey(group, kind, "a", "b")) is holds
