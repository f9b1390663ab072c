"""The inventory parent and the marks on members."""

from dataclasses import replace

import pytest

from gitops.engine.inventory import (
    Inventory,
    LastHealthy,
    PastRelease,
    claimed,
    foreign_owner,
    handed_over,
    is_ours,
    is_owned_by,
    merged,
    owner_of,
    parent_key,
    set_id,
    with_ownership,
)
from gitops.engine.inventory_parent import parent_body, read_parent
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import ResourceKey
from gitops.model.audit import Anchor
from gitops.model.release import Quarantine
from gitops.model.source_name import source_name, source_parts

PARENT = parent_key("shop", "prod")
WEB = ResourceKey("apps", "Deployment", "prod", "web")
DATABASE = ResourceKey("apps", "StatefulSet", "prod", "db")


def deployment(**metadata):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "prod", **metadata}}


def test_the_set_id_is_the_one_that_the_apply_set_specification_gives():
    key = ResourceKey("", "Secret", "test", "my-set")
    assert set_id(key) == "applyset-0eFHV8ySqp7XoShsGvyWFQD3s96yqwHmzc4e0HR1dsY-v1"


def test_everything_that_the_parent_records_is_read_back():
    inventory = Inventory(
        application="gitops/shop",
        parent=PARENT,
        keys=frozenset({WEB, ResourceKey("", "Namespace", "", "prod")}),
        source="https://git.example.com/shop.git//apps",
        synced="d" * 64,
        healthy=LastHealthy("abc", "main", "d" * 64, "2026-01-01T00:00:00Z"),
        quarantine=Quarantine("bad", "e" * 64, "no such image", "2026-01-02T00:00:00Z"),
        anchor=Anchor("store", 7, "f" * 64),
        exists=True,
    )
    assert read_parent(parent_body(inventory, "1.0"), "gitops/shop", PARENT) == inventory


def test_the_parent_names_the_kinds_and_namespaces_of_its_members():
    keys = {WEB, ResourceKey("", "Service", "other", "web")}
    body = parent_body(Inventory("gitops/shop", PARENT, frozenset(keys)), "1.0")
    annotations = body["metadata"]["annotations"]
    assert annotations["applyset.kubernetes.io/contains-group-kinds"] == "Deployment.apps,Service"
    assert annotations["applyset.kubernetes.io/additional-namespaces"] == "other"
    assert annotations["applyset.kubernetes.io/tooling"] == "gitops/v1.0"


def test_a_config_map_of_somebody_else_is_not_taken_for_an_inventory():
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gitops-shop", "namespace": "prod"}}
    with pytest.raises(ManifestError, match="not an inventory of ours"):
        read_parent(body, "gitops/shop", PARENT)


def test_a_damaged_inventory_is_an_error_that_names_the_config_map():
    body = parent_body(Inventory("gitops/shop", PARENT, frozenset({WEB})), "1.0")
    body["binaryData"] = {"inventory": "bm90IGd6aXA="}
    with pytest.raises(ManifestError, match="ConfigMap prod/gitops-shop: its inventory cannot be read"):
        read_parent(body, "gitops/shop", PARENT)


def test_marks_do_not_touch_the_manifest_that_they_are_made_of():
    body = deployment(labels={"a": "b"})
    found = with_ownership(body, WEB, Inventory("gitops/shop", PARENT))
    assert body == deployment(labels={"a": "b"})
    assert found["metadata"]["labels"]["applyset.kubernetes.io/part-of"] == set_id(PARENT)
    assert owner_of(found, WEB) == "gitops/shop"


def test_an_object_of_the_whole_cluster_is_applied_without_the_namespace_that_its_manifest_names():
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a", "namespace": "prod"}}
    found = with_ownership(body, ResourceKey("", "Node", "", "a"), Inventory("gitops/shop", PARENT))
    assert "namespace" not in found["metadata"]
    assert with_ownership(deployment(), WEB, Inventory("gitops/shop", PARENT))["metadata"]["namespace"] == "prod"


def test_copied_marks_do_not_make_an_owner():
    found = with_ownership(deployment(), WEB, Inventory("gitops/shop", PARENT))
    assert owner_of(found, ResourceKey("apps", "Deployment", "prod", "copy")) == ""


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"annotations": {"argocd.argoproj.io/tracking-id": "guestbook:apps/Deployment:prod/web"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux"),
        (
            {
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "web"},
            },
            "Helm",
        ),
        ({"annotations": {"gitops.dev/tracking": "team/db:apps/Deployment:prod/web"}}, "Application team/db"),
        ({"annotations": {"gitops.dev/tracking": "gitops/shop:apps/Deployment:prod/web"}}, ""),
        ({}, ""),
    ],
)
def test_the_other_owner_of_an_object_is_named(metadata, words):
    found = foreign_owner(deployment(**metadata), WEB, "gitops/shop")
    assert words in found if words else found == ""


def test_a_claim_holds_what_is_owned_and_what_is_about_to_be():
    old = ResourceKey("", "Service", "prod", "old")
    assert claimed(Inventory("gitops/shop", PARENT, frozenset({old})), [WEB], [WEB]).keys == {old, WEB}


def test_what_is_about_to_be_made_is_fresh_where_there_is_a_release_to_go_back_to():
    healthy = LastHealthy("abc", "main", "digest", "2026-01-01T00:00:00.000Z")
    before = Inventory("gitops/shop", PARENT, frozenset({DATABASE}))
    assert claimed(before, [WEB, DATABASE], [WEB]).being_created == frozenset()
    found = claimed(replace(before, healthy=healthy), [WEB, DATABASE], [WEB])
    assert found.being_created == {WEB}
    again = read_parent(parent_body(found, "1.0"), "gitops/shop", PARENT)
    assert (again.keys, again.being_created, again.healthy) == ({WEB, DATABASE}, {WEB}, healthy)


@pytest.mark.parametrize(
    ("ours", "now", "expected"),
    [
        (None, None, None),
        (("a", 7), None, ("a", 7)),
        (("a", 7), ("a", 6), ("a", 7)),
        (("a", 7), ("a", 8), ("a", 8)),
        (("a", 7), ("b", 8), ("a", 7)),
    ],
)
def test_the_later_entry_of_the_same_audit_log_stays_recorded(ours, now, expected):
    ours, now, expected = (Anchor(*one, "f" * 64) if one else None for one in (ours, now, expected))
    base = Inventory("gitops/shop", PARENT)
    assert merged(replace(base, anchor=ours), base, replace(base, anchor=now)).anchor == expected


def test_what_two_runners_record_at_one_time_is_merged():
    base = Inventory("gitops/shop", PARENT, frozenset({WEB}), synced="one")
    quarantine = Quarantine("abc", "two", "rolled back by ada", "2026-01-01T00:00:00.000Z")
    theirs = replace(base, keys=frozenset({WEB, DATABASE}), quarantine=quarantine, synced="theirs")
    found = merged(replace(base, synced="ours"), base, theirs)
    assert (found.keys, found.quarantine, found.synced) == ({WEB, DATABASE}, quarantine, "ours")
    ours, theirs = (
        replace(base, being_created=frozenset({key}), partially_applied=frozenset({key.name}))
        for key in (WEB, DATABASE)
    )
    found = merged(ours, base, theirs)
    assert (found.being_created, found.partially_applied) == ({WEB, DATABASE}, {"web", "db"})


def test_the_parent_remembers_releases_in_their_order():
    past = tuple(
        PastRelease(number, "a" * 40, "main", f"d{number}", "2026-01-01T00:00:00Z", "ada") for number in (2, 1)
    )
    written = parent_body(Inventory("gitops/shop", PARENT, releases=past), "1.0")
    assert read_parent(written, "gitops/shop", PARENT).releases == past


def test_a_source_has_one_name_that_can_be_taken_apart():
    for address in ("https://git.example.com/shop.git", "git@git.example.com:team/shop.git", "file:///srv/shop"):
        for path in (".", "apps/shop"):
            assert source_parts(source_name(address, path)) == (address, path)
    assert source_name("https://ada:secret@git.example.com/shop", "") == "https://git.example.com/shop"


@pytest.mark.parametrize(
    ("labels", "annotations"),
    [
        ({"app.kubernetes.io/managed-by": "Helm"}, {}),
        ({"app.kubernetes.io/managed-by": "me"}, {"meta.helm.sh/release-name": "web"}),
        ({}, {"meta.helm.sh/release-name": "web"}),
        ({"app.kubernetes.io/instance": "guestbook"}, {}),
    ],
)
def test_half_a_mark_of_another_tool_is_none(labels, annotations):
    assert foreign_owner(deployment(labels=labels, annotations=annotations), WEB, "gitops/shop") == ""


def entry(manager, operation="Apply"):
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {}}}


def test_an_object_that_lost_its_annotation_is_ours_by_our_entry_alone():
    assert is_ours(deployment(managedFields=[entry("kubectl"), entry("gitops")]), WEB, "gitops/shop")
    assert not is_ours(deployment(managedFields=[entry("kubectl")]), WEB, "gitops/shop")
    assert not is_ours(deployment(), WEB, "gitops/shop")


def test_our_entry_is_no_claim_to_what_another_application_or_tool_names_as_its_own():
    other = {"gitops.dev/tracking": "team/db:apps/Deployment:prod/web"}
    assert not is_ours(deployment(annotations=other, managedFields=[entry("gitops")]), WEB, "gitops/shop")
    flux = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    assert not is_ours(deployment(labels=flux, managedFields=[entry("gitops")]), WEB, "gitops/shop")


def test_argo_cd_is_known_by_its_instance_label_only_with_its_entry():
    labels = {"app.kubernetes.io/instance": "guestbook"}
    found = foreign_owner(deployment(labels=labels, managedFields=[entry("argocd-controller")]), WEB, "gitops/shop")
    assert found == "Argo CD (application guestbook)"


@pytest.mark.parametrize(
    ("where", "labels", "annotations", "entries", "held"),
    [
        ("prod", {}, {}, ["gitops"], True),  # inside of its namespace our entry is enough
        ("other", {}, {}, ["gitops"], False),  # outside it is not
        ("other", {"applyset.kubernetes.io/part-of": set_id(PARENT)}, {}, ["gitops"], True),
        ("other", {}, {"gitops.dev/tracking": "gitops/shop:apps/Deployment:other/web"}, [], True),
        ("prod", {"applyset.kubernetes.io/part-of": "applyset-other-v1"}, {}, ["gitops"], False),
        ("prod", {}, {}, [], False),
        ("prod", {}, {"gitops.dev/tracking": "team/db:apps/Deployment:prod/web"}, ["gitops"], False),
    ],
)
def test_what_is_held_bears_a_mark_of_its_own(where, labels, annotations, entries, held):
    key = ResourceKey("apps", "Deployment", where, "web")
    metadata = {"namespace": where, "labels": labels, "annotations": annotations}
    live = deployment(**metadata, managedFields=[entry(name) for name in entries])
    assert is_owned_by(Inventory("gitops/shop", PARENT, frozenset({key})), live, key) is held


def test_what_is_handed_over_is_held_until_it_bears_the_new_name():
    key = ResourceKey("apps", "Deployment", "other", "web")
    label = {"applyset.kubernetes.io/part-of": set_id(PARENT)}
    annotations = {"gitops.dev/tracking": "team/old:apps/Deployment:other/web"}
    live = deployment(namespace="other", labels=label, annotations=annotations)
    given = handed_over(Inventory("team/old", PARENT, frozenset({key})), "gitops/shop")
    assert (given.application, given.previous_application) == ("gitops/shop", "team/old")
    assert is_owned_by(given, live, key)
    assert not is_owned_by(replace(given, keys=frozenset()), live, key)
    assert not is_owned_by(replace(given, previous_application="team/else"), live, key)
    bare = deployment(namespace="other", annotations=annotations)
    assert not is_owned_by(given, bare, key)
