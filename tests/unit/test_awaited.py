"""Whose health a sync waits for."""

import pytest

from gitops.engine.awaited import checked_keys, is_awaited
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, HealthCheck, SyncOptions, Wait
from gitops.model.kinds import KindInfo, Kinds

WEB = ResourceKey("apps", "Deployment", "team", "web")
KINDS = Kinds(
    [
        KindInfo("apps", "v1", "Deployment", "deployments", True),
        KindInfo("example.dev", "v1", "Widget", "widgets", True),
        KindInfo("", "v1", "Namespace", "namespaces", False),
    ]
)


def app(objects, *checks):
    return Application("app", "team", sync=SyncOptions(wait=Wait(objects, checks)))


def test_all_nobody_or_those_that_are_listed():
    check = HealthCheck("Deployment", "web")
    assert is_awaited(app("all", check), ResourceKey("", "ConfigMap", "x", "y"))
    assert not is_awaited(app("none", check), WEB)
    assert is_awaited(app("listed", check), WEB)
    assert not is_awaited(app("listed"), WEB)


@pytest.mark.parametrize(
    ("check", "fits"),
    [
        (HealthCheck("Deployment", "web", "apps/v1"), True),
        (HealthCheck("Deployment", "web", "apps/v1beta1"), True),
        (HealthCheck("Deployment", "web", "other.dev/v1"), False),
        (HealthCheck("Deployment", "api"), False),
        (HealthCheck("StatefulSet", "web"), False),
        (HealthCheck("Deployment", "web", namespace="team"), True),
        (HealthCheck("Deployment", "web", namespace="other"), False),
    ],
)
def test_a_check_names_one_object(check, fits):
    assert is_awaited(app("listed", check), WEB) is fits


def test_an_object_without_a_namespace_is_named_by_kind_and_name():
    assert is_awaited(app("listed", HealthCheck("Namespace", "shop")), ResourceKey("", "Namespace", "", "shop"))


def test_the_objects_of_checks_are_found_by_what_the_cluster_serves():
    checks = (
        HealthCheck("Deployment", "web", "apps/v1"),
        HealthCheck("Widget", "w", namespace="other"),
        HealthCheck("Namespace", "shop"),
        HealthCheck("Gadget", "g"),
    )
    for objects in ("all", "listed"):
        assert checked_keys(app(objects, *checks), KINDS) == [
            WEB,
            ResourceKey("example.dev", "Widget", "other", "w"),
            ResourceKey("", "Namespace", "", "shop"),
            ResourceKey("?", "Gadget", "team", "g"),
        ]
    assert checked_keys(app("none", *checks), KINDS) == []
