"""Who would bring a custom resource back, and how one is deleted: with what it owns, without, or not at all."""

import asyncio

import pytest

from gitops.controller.origin import delete_resource, maker_of
from gitops.manifests.key import key_of
from gitops.model.errors import ApiError, UnreachableError
from gitops.testing.cluster import MemoryCluster
from tests.unit.desk import config_map

OURS, THEIRS = "example.dev/ours", "example.dev/theirs"
KEY = key_of(config_map("a"))


def body(**metadata):
    made = config_map("a")
    return {**made, "metadata": {**made["metadata"], **metadata}}


@pytest.mark.parametrize(
    ("metadata", "maker"),
    [
        ({}, ""),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:v1/x"}}, "Argo CD (application shop)"),
        (
            {"ownerReferences": [{"kind": "ApplicationSet", "name": "fleet", "controller": True}]},
            "ApplicationSet fleet",
        ),
        ({"ownerReferences": [{"kind": "Namespace", "name": "shop"}]}, ""),
        (
            {
                "ownerReferences": [
                    {"kind": "Namespace", "name": "shop", "controller": False},
                    {"kind": "Fleet", "name": "b", "controller": True},
                ]
            },
            "Fleet b",
        ),
        ({"ownerReferences": None}, ""),
    ],
)
def test_who_brings_it_back_is_whoever_its_marks_or_its_owner_name(metadata, maker):
    assert maker_of(body(**metadata), KEY) == maker


def deleted(cluster, *, prunes=True, dry_run=False):
    asyncio.run(delete_resource(cluster, KEY, OURS, prunes=prunes, dry_run=dry_run))
    return cluster.body(KEY)


def writes(cluster):
    return [verb for verb, _ in cluster.calls if verb not in ("get", "list", "kinds")]


def holding(*finalizers):
    return MemoryCluster([body(finalizers=[*finalizers])])


@pytest.mark.parametrize(
    ("present", "prunes", "left"),
    [
        ([THEIRS], True, [THEIRS, OURS]),
        ([OURS, THEIRS], True, [OURS, THEIRS]),
        ([THEIRS], False, [THEIRS]),
        ([OURS, THEIRS], False, [THEIRS]),
    ],
)
def test_our_finalizer_is_on_it_where_what_it_owns_goes_first_and_others_stay(present, prunes, left):
    found = deleted(holding(*present), prunes=prunes)
    assert found["metadata"]["deletionTimestamp"]
    assert found["metadata"]["finalizers"] == left


def test_one_that_nothing_holds_is_gone_and_one_that_is_gone_is_no_error():
    assert deleted(MemoryCluster([body()]), prunes=False) is None
    assert deleted(MemoryCluster(), prunes=True) is None


def test_a_look_changes_nothing():
    cluster = holding(THEIRS)
    found = deleted(cluster, dry_run=True)
    assert (found["metadata"]["finalizers"], "deletionTimestamp" in found["metadata"]) == ([THEIRS], False)
    assert "replace_finalizers" not in writes(cluster)


@pytest.mark.parametrize("dry_run", [True, False])
def test_without_the_right_to_delete_it_its_finalizers_are_not_touched(dry_run):
    cluster = holding(THEIRS)
    cluster.refuse("delete", KEY, 403, "Forbidden", "no right to it")
    with pytest.raises(ApiError, match="no right to it"):
        deleted(cluster, dry_run=dry_run)
    assert cluster.body(KEY)["metadata"]["finalizers"] == [THEIRS]
    assert "replace_finalizers" not in writes(cluster)


class Failing(MemoryCluster):
    """A deletion that is no dry run fails, and with `is_away` whatever comes after it."""

    is_away = False

    async def delete(self, key, **options):
        if options.get("dry_run"):
            return await super().delete(key, **options)
        if self.is_away:
            self.refuse_with("replace_finalizers", KEY, UnreachableError("it is away"))
        raise ApiError(500, "InternalError", "it broke")


def test_a_deletion_that_fails_leaves_the_finalizers_as_they_were():
    cluster = Failing([body(finalizers=[THEIRS])])
    with pytest.raises(ApiError, match="it broke"):
        deleted(cluster)
    assert cluster.body(KEY)["metadata"]["finalizers"] == [THEIRS]


def test_a_deletion_that_fails_writes_nothing_more_where_the_finalizers_were_right():
    cluster = Failing([body(finalizers=[OURS])])
    with pytest.raises(ApiError, match="it broke"):
        deleted(cluster)
    assert "replace_finalizers" not in writes(cluster)


def test_where_the_finalizers_cannot_be_put_back_that_is_said():
    cluster = Failing([body(finalizers=[THEIRS])])
    cluster.is_away = True
    with pytest.raises(UnreachableError, match="it broke; the finalizers of ConfigMap shop/a were changed for it"):
        deleted(cluster)
