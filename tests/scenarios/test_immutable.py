"""Fields that cannot be changed: told with object, field and way out, and recreated only where that was asked for."""

import pytest

from gitops.model.plan import ABSENT, Recreate, Update
from gitops.model.result import Outcome
from tests.scenarios.world import config_map, deployment, job

RECREATE = "gitops.dev/recreate"
LABELS = {"app": "db"}


def _with(body, *path_and_value):
    """A copy of `body` with one value set (None removes it)."""
    *path, value = path_and_value
    head, rest = path[0], path[1:]
    if rest:
        return {**body, head: _with(body.get(head, {}), *rest, value)}
    return {**{name: item for name, item in body.items() if name != head}, **({} if value is None else {head: value})}


def _named(api_version, kind, name, **rest):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}


def _claim(size="1Gi", mode="ReadWriteOnce"):
    return {"accessModes": [mode], "resources": {"requests": {"storage": size}}}


def _stateful_set(size="1Gi", service="db"):
    return _named(
        "apps/v1",
        "StatefulSet",
        "db",
        spec={
            "serviceName": service,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "db", "image": "db:1"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": _claim(size)}],
        },
    )


def _relabelled(body):
    labels = {"app": "web", "tier": "front"}
    body = _with(body, "spec", "selector", "matchLabels", labels)
    return _with(body, "spec", "template", "metadata", "labels", labels)


def _daemon_set():
    body = _with(_with(deployment(), "kind", "DaemonSet"), "spec", "replicas", None)
    return body


def _binding(role):
    return _named(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "read",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        subjects=[{"kind": "User", "name": "ada", "apiGroup": "rbac.authorization.k8s.io"}],
    )


SERVICE = _named("v1", "Service", "web", spec={"ports": [{"port": 80}], "clusterIP": "10.96.7.7"})
SECRET = _named("v1", "Secret", "token", type="Opaque")
CLASS = _named("storage.k8s.io/v1", "StorageClass", "fast", provisioner="a.example.com", parameters={"iops": "1"})
PRIORITY = _named("scheduling.k8s.io/v1", "PriorityClass", "high", value=10)
POD = _named("v1", "Pod", "one", spec={"containers": [{"name": "one", "image": "a:1"}]})

# What changes, and the field that the message has to name.
STORIES = {
    "a Deployment's selector": (deployment(), _relabelled(deployment()), "spec.selector.matchLabels.tier"),
    "a DaemonSet's selector": (_daemon_set(), _relabelled(_daemon_set()), "spec.selector.matchLabels.tier"),
    "a Job's template": (job("run"), job("run", "busybox:2"), "spec.template.spec.containers[name=run].image"),
    "a StatefulSet's claim templates": (
        _stateful_set(),
        _stateful_set("2Gi"),
        "spec.volumeClaimTemplates[0].spec.resources.requests.storage",
    ),
    "a StatefulSet's service": (_stateful_set(), _stateful_set(service="other"), "spec.serviceName"),
    "a Service's address": (SERVICE, _with(SERVICE, "spec", "clusterIP", "10.96.7.8"), "spec.clusterIP"),
    "a Secret's type": (SECRET, _with(SECRET, "type", "example.com/other"), "type"),
    "a binding's role": (_binding("reader"), _binding("writer"), "roleRef.name"),
    "a class's provisioner": (CLASS, _with(CLASS, "provisioner", "b.example.com"), "provisioner"),
    "a class's parameters": (CLASS, _with(CLASS, "parameters", {"iops": "2"}), "parameters.iops"),
    "a priority": (PRIORITY, _with(PRIORITY, "value", 20), "value"),
    "a Pod's command": (
        POD,
        _with(POD, "spec", "containers", [{"name": "one", "image": "a:1", "command": ["b"]}]),
        "spec.containers[name=one].command",
    ),
    "an immutable ConfigMap": (
        _with(config_map("c"), "immutable", True),
        _with(config_map("c", a="2"), "immutable", True),
        "data.a",
    ),
    "an immutable Secret": (
        _with(_with(SECRET, "data", {"a": "MQ=="}), "immutable", True),
        _with(_with(SECRET, "data", {"a": "Mg=="}), "immutable", True),
        "data.a",
    ),
}
CLUSTER_SCOPED = {"StorageClass", "PriorityClass"}


def _own(world, body):
    """The body under a name that no other story has; the cluster is shared."""
    return _with(body, "metadata", "name", world.namespace) if body["kind"] in CLUSTER_SCOPED else body


def _uid(world, body):
    group = body["apiVersion"].rpartition("/")[0]
    namespace = "" if body["kind"] in CLUSTER_SCOPED else None
    return world.get(body["kind"], body["metadata"]["name"], group, namespace)["metadata"]["uid"]


@pytest.mark.parametrize("what", STORIES)
def test_an_immutable_field_is_held_with_object_field_and_way_out_and_recreated_where_annotated(world, what):
    before, after, field = STORIES[what]
    before, after = _own(world, before), _own(world, after)
    world.commit(thing=before)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    first = _uid(world, before)
    world.commit(thing=after)
    held = world.sync(wait=False)
    assert held.outcome is Outcome.HELD
    assert "thing.yaml:1" in held.message
    assert f"{before['kind']} " in held.message
    assert f": {field}" in held.message
    assert "gitops.dev/recreate: enabled" in held.message
    assert _uid(world, before) == first, "nothing was touched"
    world.commit(thing=_with(after, "metadata", "annotations", {RECREATE: "enabled"}))
    (change,) = world.plan().plan.changes
    assert isinstance(change, Recreate)
    assert field in [one.path for one in change.fields]
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert _uid(world, before) != first
    assert world.plan().plan.changes == ()


def test_a_recreation_shows_all_that_changes_and_names_only_what_cannot_be_changed_as_its_cause(world):
    before = _stateful_set()
    world.commit(db=before)
    world.sync(wait=False)
    after = _with(_stateful_set(service="other"), "spec", "replicas", 3)
    after = _with(after, "spec", "template", "spec", "containers", [{"name": "db", "image": "db:2"}])
    world.commit(db=_with(after, "metadata", "annotations", {RECREATE: "enabled"}))
    (change,) = world.plan().plan.changes
    assert isinstance(change, Recreate)
    assert [(field.path, field.live, field.desired) for field in change.fields] == [
        (f"metadata.annotations[{RECREATE}]", ABSENT, "enabled"),
        ("spec.replicas", 1, 3),
        ("spec.serviceName", "db", "other"),
        ("spec.template.spec.containers[name=db].image", "db:1", "db:2"),
    ]
    assert change.reason.startswith("spec.serviceName cannot be changed (")


def test_what_may_change_in_a_pod_is_not_the_cause_of_its_recreation(world):
    world.commit(one=POD)
    world.sync(wait=False)
    containers = [{"name": "one", "image": "a:2", "command": ["b"]}]
    world.commit(
        one=_with(_with(POD, "spec", "containers", containers), "metadata", "annotations", {RECREATE: "enabled"})
    )
    (change,) = world.plan().plan.changes
    assert {"spec.containers[name=one].command", "spec.containers[name=one].image"} <= {
        field.path for field in change.fields
    }
    assert change.reason.startswith("spec.containers[name=one].command cannot be changed (")


@pytest.mark.parametrize("options", [RECREATE, "argocd.argoproj.io/sync-options", "kustomize.toolkit.fluxcd.io/force"])
def test_the_other_tools_words_for_recreation_count_as_well(world, options):
    words = {"argocd.argoproj.io/sync-options": "Replace=true,Force=true"}
    world.commit(run=job("run"))
    world.sync(wait=False)
    world.commit(run=job("run", "busybox:2", **{options: words.get(options, "enabled")}))
    assert [item.verb for item in world.sync(wait=False).changed] == ["recreated"]


def test_what_a_server_would_refuse_anew_is_not_deleted_for_it(world):
    """An immutable field and a plain mistake: to recreate it would only lose it."""
    world.commit(run=job("run"))
    world.sync(wait=False)
    wrong = _with(job("run", "busybox:2", **{RECREATE: "enabled"}), "spec", "completions", -1)
    world.commit(run=wrong)
    held = world.sync(wait=False)
    assert held.outcome is Outcome.HELD
    assert "must be greater than or equal to 0" in held.message
    assert world.get("Job", "run", "batch")


def test_a_claim_is_recreated_only_when_annotated_and_confirmed(world):
    claim = _named("v1", "PersistentVolumeClaim", "data", spec={**_claim(), "storageClassName": "standard"})
    world.commit(data=claim)
    world.sync(wait=False)
    first = _uid(world, claim)
    changed = _with(claim, "spec", "accessModes", ["ReadWriteMany"])
    world.commit(data=changed)
    held = world.sync(wait=False, confirm=True)
    assert held.outcome is Outcome.HELD
    assert "PersistentVolumeClaim" in held.message
    assert "spec.accessModes" in held.message
    assert "core.PersistentVolumeClaimSpec" not in held.message, "what is meant for the server's developers"
    world.commit(data=_with(changed, "metadata", "annotations", {RECREATE: "enabled"}))
    held = world.sync(wait=False)
    assert held.outcome is Outcome.HELD
    assert "deleted with all that is in it" in held.message
    assert _uid(world, claim) == first
    assert world.sync(wait=False, confirm=True).outcome is Outcome.SYNCED
    assert _uid(world, claim) != first


def test_a_definition_is_recreated_only_when_annotated_and_confirmed(world):
    group = f"{world.namespace}.example.com"
    schema = {"openAPIV3Schema": {"type": "object"}}
    definition = _named(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"gears.{group}",
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    )
    world.commit(gears=definition)
    world.sync()
    changed = _with(definition, "spec", "scope", "Cluster")
    world.commit(gears=_with(changed, "metadata", "annotations", {RECREATE: "enabled"}))
    held = world.sync()
    assert held.outcome is Outcome.HELD
    assert "spec.scope" in held.message
    assert "deleted with all that is in it" in held.message
    assert world.sync(confirm=True).outcome is Outcome.SYNCED
    assert world.get("CustomResourceDefinition", f"gears.{group}", "apiextensions.k8s.io", "")["spec"]["scope"] == (
        "Cluster"
    )


@pytest.mark.parametrize(
    ("body", "field", "word"),
    [(deployment(), "strategy", "Recreate"), (_stateful_set(), "updateStrategy", "OnDelete")],
    ids=["Deployment", "StatefulSet"],
)
def test_a_switch_of_strategy_takes_the_defaulted_options_of_the_old_one_away(world, body, field, word):
    world.commit(web=body)
    world.sync(wait=False)
    kind, name = body["kind"], body["metadata"]["name"]
    assert "rollingUpdate" in world.get(kind, name, "apps")["spec"][field]
    switched = _with(body, "spec", field, {"type": word})
    world.commit(web=switched)
    (change,) = world.plan().plan.changes
    assert isinstance(change, Update)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert world.get(kind, name, "apps")["spec"][field] == {"type": word}
    assert world.plan().plan.changes == ()
    world.commit(web=body)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert world.get(kind, name, "apps")["spec"][field]["type"] == "RollingUpdate"
