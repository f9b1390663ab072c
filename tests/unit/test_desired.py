"""The desired state: what names it, and what must not be guessed from its name."""

import hashlib
import json

import pytest

from gitops.engine.desired import digest_of, rendered_set
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.kinds import KindInfo, Kinds
from gitops.model.revision import Revision

KINDS = Kinds(
    [
        KindInfo("", "v1", "ConfigMap", "configmaps", True),
        KindInfo("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False),
    ]
)


def secret(value, name="s"):
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"p": value}}


def test_a_digest_tells_every_change_apart():
    bodies = [
        secret("a"),
        secret("b"),
        secret("a", "t"),
        {**secret("a"), "type": "x"},
        {**secret("a"), "data": {"p": "YQ=="}},
    ]
    assert len({digest_of([body]) for body in bodies}) == len(bodies)
    assert digest_of([secret("a")]) == digest_of([secret("a")])


def test_a_digest_over_a_secret_is_not_a_plain_hash_of_it():
    body = secret("hunter2")
    plain = hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode() + b"\n").hexdigest()
    assert digest_of([body]) != plain


def body_of(kind, data=None, **metadata):
    api = "v1" if kind == "ConfigMap" else "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "a", **metadata}} | ({"data": data} if data else {})


def desired(*bodies, **options):
    manifests = [Manifest(key_of(body), body, Origin(f"{number}.yaml", 1)) for number, body in enumerate(bodies)]
    return rendered_set(Revision("a" * 40, "main"), manifests, KINDS, "shop", **options)


@pytest.mark.parametrize(
    ("kind", "given", "namespace"),
    [
        ("ConfigMap", {}, "shop"),
        ("ConfigMap", {"namespace": ""}, "shop"),
        ("ConfigMap", {"namespace": "other"}, "other"),
        ("ClusterRole", {}, None),
        ("ClusterRole", {"namespace": "shop"}, None),
    ],
)
def test_each_object_names_the_namespace_that_it_is_in_and_one_of_the_cluster_names_none(kind, given, namespace):
    (found,) = desired(body_of(kind, **given)).manifests
    assert found.body["metadata"].get("namespace") == namespace
    assert found.key.namespace == (namespace or "")


def test_an_object_with_and_one_without_its_namespace_are_one_that_is_defined_twice():
    with pytest.raises(
        ManifestError, match=r"1\.yaml:1: ConfigMap shop/a is defined twice; the other one is at 0\.yaml"
    ):
        desired(body_of("ConfigMap"), body_of("ConfigMap", namespace="shop"))


def test_slips_are_told_of_what_is_new_and_what_was_released_with_them_is_taken():
    slip = body_of("ConfigMap", annotations={"gitops.dev/prune": "never"})
    with pytest.raises(ManifestError, match=r"gitops\.dev/prune"):
        desired(slip)
    assert desired(slip, is_new=False).manifests
