"""What stands in the way of an act on one object, and which acts there are for its kind."""

import pytest

from gitops.engine.object_acts import RESTARTED_AT, acts_of, obstruction
from gitops.manifests.key import key_of

STAMP = {"f:template": {"f:metadata": {"f:annotations": {f"f:{RESTARTED_AT}": {}}}}}


def live(kind="Deployment", version="apps/v1", spec=None, fields=None, manager="gitops", **metadata):
    entry = {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": fields or {}}}
    metadata = {"name": "x", "namespace": "shop", "managedFields": [entry], **metadata}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec or {}}


def why(act, body):
    found = obstruction(act, key_of(body), body)
    return found and (found.why, found.confirmable)


@pytest.mark.parametrize(
    ("kind", "version", "is_made", "acts"),
    [
        ("Deployment", "apps/v1", False, ("restart", "scale", "delete")),
        ("StatefulSet", "apps/v1", False, ("restart", "scale", "delete")),
        ("DaemonSet", "apps/v1", False, ("restart", "delete")),
        ("ConfigMap", "v1", False, ("delete",)),
        ("Deployment", "other.example/v1", False, ("delete",)),
        ("Pod", "v1", True, ("delete",)),
        ("ReplicaSet", "apps/v1", True, ()),
        ("Job", "batch/v1", True, ()),
    ],
)
def test_each_kind_has_its_acts(kind, version, is_made, acts):
    assert acts_of(key_of(live(kind, version)), is_made=is_made) == acts


def test_what_git_sets_is_changed_in_git():
    scaled = live(fields={"f:replicas": {}})
    assert "Git sets spec.replicas" in why("scale", scaled)[0]
    assert why("scale", live(fields={"f:replicas": {}}, manager="kubectl")) is None
    assert why("restart", scaled) is None
    assert RESTARTED_AT in why("restart", live(fields=STAMP))[0]


def test_what_is_paused_or_being_deleted_is_left():
    assert "paused" in why("restart", live(spec={"paused": True}))[0]
    assert why("scale", live(spec={"paused": True})) is None
    for act in ("restart", "scale", "delete"):
        assert why(act, live(deletionTimestamp="2026-01-01T00:00:00Z")) == ("it is being deleted", False)


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Namespace", "v1"),
        ("PersistentVolumeClaim", "v1"),
        ("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
        ("Application", "gitops.dev/v1alpha1"),
        ("HelmRelease", "helm.toolkit.fluxcd.io/v2"),
    ],
)
def test_what_takes_others_along_is_to_be_confirmed(kind, version):
    assert why("delete", live(kind, version))[1] is True
    assert why("delete", live("ConfigMap", "v1")) is None
