"""Whatever comes from outside: an answer, or an error that tells; never a fault.

A share runs with every change; `make soak` goes on for an hour (FUZZ_SECONDS), and tries FUZZ_EXAMPLES of the rest.
"""

import contextlib
import json
import os
import time

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gitops.adapters.kubernetes import answers
from gitops.adapters.kubernetes.connection import connect
from gitops.adapters.kubernetes.discovery import _aggregated, _Found, _infos, _versions
from gitops.adapters.kubernetes.registered import connection_of, credentials_text
from gitops.adapters.store_sql import _event
from gitops.config import application_of, read_applications
from gitops.engine.annotations import ignores_health
from gitops.engine.health import health_of
from gitops.engine.inventory import Inventory, LastHealthy, parent_key
from gitops.engine.inventory_parent import parent_body, read_parent
from gitops.engine.kstatus import kstatus_of
from gitops.manifests.errors import GitopsError
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.audit import Anchor, check_chain
from gitops.model.health import Health
from gitops.model.kinds import KindInfo
from gitops.model.release import Quarantine
from gitops.notification_file import read_notifications
from gitops.views.explain import explained
from gitops.views.status import _of_resource, all_statuses, status_of
from tests.hostile.mutation import anything, spoiled
from tests.hostile.proxy import as_json
from tests.scenarios.world import config_map, deployment, job
from tests.soak import IS_SHARE, SHARE, only_at_leisure

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
few = settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES <= 60, database=None)
CONDITION = {
    "type": "Available",
    "status": "True",
    "reason": "R",
    "message": "m",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
STATUS = {"observedGeneration": 1, "replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "conditions": [CONDITION]}
META = {"name": "a", "namespace": "b", "generation": 1, "uid": "u", "resourceVersion": "5"}
KINDS = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("networking.k8s.io/v1", "Ingress"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("cert-manager.io/v1", "Certificate"),
    ("argoproj.io/v1alpha1", "Rollout"),
    ("example.com/v1", "Thing"),
]
SPEC = {
    "replicas": 2,
    "type": "LoadBalancer",
    "selector": {"matchLabels": {"a": "b"}},
    "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}},
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    "completions": 1,
    "parallelism": 1,
    "suspend": False,
    "minReadySeconds": 1,
}
MORE = {"succeeded": 1, "failed": 0, "phase": "Running", "loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
MORE |= {"containerStatuses": [{"name": "a", "ready": True, "restartCount": 0, "state": {"waiting": {"reason": "x"}}}]}
OBJECTS = [
    {"apiVersion": version, "kind": kind, "metadata": META, "spec": SPEC, "status": {**STATUS, **MORE}}
    for version, kind in KINDS
]
KEPT = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"))
INFO = KindInfo("apps", "v1", "Deployment", "deployments", True)
DISCOVERY = {
    "kind": "APIGroupDiscoveryList",
    "items": [
        {
            "metadata": {"name": "apps"},
            "versions": [
                {
                    "version": "v1",
                    "freshness": "Current",
                    "resources": [
                        {
                            "resource": "deployments",
                            "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                            "scope": "Namespaced",
                            "verbs": ["get", "list"],
                        }
                    ],
                }
            ],
        }
    ],
}
GROUPS = {
    "kind": "APIGroupList",
    "groups": [
        {"name": "apps", "versions": [{"groupVersion": "apps/v1"}], "preferredVersion": {"groupVersion": "apps/v1"}}
    ],
}
RESOURCES = {
    "kind": "APIResourceList",
    "resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True, "verbs": ["get"]}],
}
PARENT = parent_key("shop", "shop")
INVENTORY = parent_body(
    Inventory(
        "gitops/shop",
        PARENT,
        frozenset({ResourceKey("apps", "Deployment", "shop", "web")}),
        healthy=LastHealthy("a", "main", "d", "now"),
        quarantine=Quarantine("a", "d", "why", "now"),
        anchor=Anchor("s", 1, "h"),
    ),
    "1",
)
RESOURCE = {
    "apiVersion": "gitops.dev/v1alpha1",
    "kind": "Application",
    "metadata": META,
    "spec": {
        "source": {"repoURL": "https://h/p"},
        "destination": {"namespace": "shop"},
        "windows": [{"kind": "allow"}],
    },
    "status": {
        "sync": {"status": "Synced", "revision": "a"},
        "health": {"status": "Healthy"},
        "conditions": [{"type": "Ready"}],
    },
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": META,
    "data": {"name": "YQ==", "server": "aHR0cHM6Ly94", "config": "eyJ0bHNDbGllbnRDb25maWciOiB7ImNhRGF0YSI6IDV9fQ=="},
}


@few
@given(st.sampled_from(OBJECTS).flatmap(lambda body: spoiled(body, KEPT)))
def test_no_object_is_a_fault_to_who_asks_for_its_health(body):
    if not isinstance(body.get("metadata"), dict):
        return
    assert isinstance(health_of(body), Health)
    kstatus_of(body)


@few
@given(spoiled(OBJECTS[0]) | anything)
def test_no_object_is_a_fault_to_who_asked_for_it(body):
    try:
        answers.check_object(body if isinstance(body, dict) else {}, ResourceKey("apps", "Deployment", "b", "a"))
    except answers.NotAsAskedError:
        return
    assert key_of(body) == ResourceKey("apps", "Deployment", "b", "a")
    ignores_health(body)
    read_parent(
        {**body, "metadata": {**body["metadata"], "labels": INVENTORY["metadata"]["labels"]}, "data": {}}, "a/b", PARENT
    )


@few
@given(spoiled({"kind": "DeploymentList", "metadata": {"resourceVersion": "1"}, "items": OBJECTS[:1]}))
def test_no_list_is_a_fault(page):
    try:
        for item in answers.page_items(page if isinstance(page, dict) else {}, INFO):
            key_of(item)
    except answers.NotAsAskedError:
        return


@few
@given(
    spoiled({"type": "ADDED", "object": OBJECTS[0]})
    | spoiled({"type": "ERROR", "object": {"code": 410, "kind": "Status"}})
)
def test_no_event_is_a_fault(event):
    try:
        answers.check_event(event, INFO)
    except answers.NotAsAskedError:
        return
    answers.status_of(event["object"])


@few
@given(st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_are_a_fault(raw):
    answers.status_in(raw)
    try:
        assert isinstance(answers.decoded(raw), dict)
    except answers.NotAsAskedError:
        return


@few
@given(spoiled(DISCOVERY), spoiled(GROUPS), spoiled(RESOURCES))
def test_no_discovery_is_a_fault(document, groups, resources):
    found = _Found()
    for ask in (
        lambda: _aggregated(found, document, False),
        lambda: list(_versions(found, groups)),
        lambda: list(_infos("apps/v1", resources)),
    ):
        try:
            ask()
        except answers.NotAsAskedError:
            continue
    assert all(isinstance(info.plural, str) and info.plural for info in found.infos)


@few
@given(spoiled(INVENTORY, (("apiVersion",), ("kind",), ("metadata",))))
def test_no_inventory_is_a_fault(body):
    try:
        found = read_parent({**INVENTORY, **body, "metadata": INVENTORY["metadata"]}, "gitops/shop", PARENT)
    except GitopsError:
        return
    assert found.healthy is None or isinstance(found.healthy.revision, str)


@few
@given(spoiled(RESOURCE, KEPT))
def test_no_custom_resource_is_a_fault(body):
    if not isinstance(body.get("metadata"), dict):
        return
    record = _of_resource(body)
    assert isinstance(record.head, str)
    try:
        application_of(body)
    except GitopsError:
        return


@few
@given(spoiled(SECRET, KEPT))
def test_no_secret_is_a_fault(body):
    if not isinstance(body.get("metadata"), dict):
        return
    credentials_text(body)
    try:
        connection_of(body)
    except GitopsError:
        return


FILE = """apiVersion: gitops.dev/v1alpha1
kind: Application
metadata: {name: shop}
spec:
  source: {repoURL: https://h/p}
  destination: {namespace: shop}
"""
KUBECONFIG = json.dumps(
    {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://h", "certificate-authority-data": "YQ=="}}],
        "users": [{"name": "u", "user": {"token": "t", "client-certificate-data": "YQ==", "client-key-data": "YQ=="}}],
    }
)
odd_text = st.builds(
    lambda text, at, more: text[:at] + more + text[at:],
    st.sampled_from([FILE, KUBECONFIG]),
    st.integers(0, len(KUBECONFIG)),
    st.text(max_size=6)
    | st.sampled_from(["[" * 2000, "&a [*a]", "!!python/x", "\0", "{" * 2000, "- " * 2000, "? " * 500]),
)


@settings(few, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    odd_text.map(str.encode)
    | st.binary(max_size=60)
    | spoiled(json.loads(KUBECONFIG)).map(lambda value: json.dumps(value).encode())
)
def test_no_file_is_a_fault(tmp_path, data):
    path = tmp_path / "file.yaml"
    path.write_bytes(data)
    for read in (lambda: read_applications(path), lambda: read_notifications(path), lambda: connect(str(path))):
        with contextlib.suppress(GitopsError):
            read()


ROW = (1, "now", "ada", "gitops/shop", "c", "sync.finished", "sha", "{}", "0" * 64, "h")


@few
@given(st.lists(spoiled(list(ROW), most=2), max_size=3))
def test_no_row_of_the_audit_log_is_a_fault(rows):
    events = [
        _event(tuple((row if isinstance(row, list) else [])[:10]) + ("",) * max(0, 10 - len(row))) for row in rows
    ]
    try:
        check_chain(events, Anchor("s", 1, "h"), "s")
    except GitopsError:
        return


def turned(proxy, world, body, change):
    """What the cluster says of one object, as `change` makes it; then everything that reads it."""
    key = key_of(body)
    part = f"/{ {'Deployment': 'deployments', 'Job': 'jobs'}[key.kind] }"

    def spoil(method, path, true):
        if method != "GET" or part not in path or "watch=true" in path or true.status != 200:
            return None
        found = json.loads(true.body)
        if "items" in found:
            return as_json({**found, "items": [change for _ in found["items"]]})
        return as_json(change)

    proxy.spoil = spoil
    for work in (
        world.plan,
        lambda: world._context(lambda context: all_statuses(context, "", world.namespace)),
        lambda: world._context(lambda context: _explained(context, world)),
    ):
        try:
            work()
        except GitopsError:
            continue


async def _explained(context, world):
    told = await status_of(context, "app", world.namespace)
    return await explained(context, told, world.app)


def _live(world):
    world.commit(web=deployment(), work=job("work"), settings=config_map("settings"))
    world.sync(wait=False)
    return [world.get("Deployment", "web", "apps"), world.get("Job", "work", "batch")]


def _fuzz_live(proxy, world, live, most, seed):
    @hypothesis.seed(seed)
    @settings(max_examples=most, deadline=None, database=None, phases=[Phase.generate])
    @given(st.sampled_from(live).flatmap(lambda body: st.tuples(st.just(body), spoiled(body, KEPT, 6))))
    def tried(pair):
        turned(proxy, world, *pair)

    tried()


def test_no_live_object_is_a_fault_to_a_plan_or_to_who_asks(proxy, world):
    _fuzz_live(proxy, world, _live(world), 15, seed=1)


@only_at_leisure
@pytest.mark.timeout(0)
def test_no_live_object_of_an_hour_is_a_fault(proxy, world):
    live, seed = _live(world), 0 if IS_SHARE else int(time.time())
    until = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "3600")) * SHARE
    while time.monotonic() < until:
        proxy.spoil, seed = (lambda *_: None), seed + 1
        _fuzz_live(proxy, world, live, 10 if IS_SHARE else 50, seed)  # a round is not cut short by the time
