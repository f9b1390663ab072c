"""What an Application's objects made, and one object by itself: as JSON values, read from a cluster in memory."""

import pytest

from gitops.manifests.key import ResourceKey, key_of
from gitops.model.errors import ConfigError
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.standing import standing_of
from gitops.views import workloads
from gitops.views.one_object import live_object, managers_of, manifests_of, object_facts
from gitops.views.resources import inventory_facts, resource_tree
from gitops.views.workloads import containers_of, controller_of, is_made, makes, pods_below, workload_tree
from tests.unit.desk import SPACE, Desk, config_map
from tests.unit.test_explain import SECRET
from tests.unit.test_passes import deployment, rolling_out
from tests.unit.test_status import AT, WEB, A, broken

CRASHED = {"name": "web", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "boom"}}}
RUNNING = {"name": "web", "ready": True, "restartCount": 0, "state": {"running": {"startedAt": AT}}}


@pytest.fixture
def desk(tmp_path):
    """A Deployment that runs, a ConfigMap and a Secret."""
    made = Desk(tmp_path, timeout=60.0)
    rolling_out(made)
    made.commit(WEB, A, SECRET)
    made.sync()
    return made


def owned(kind, name, owner, group="", is_controller=True, **parts):
    """Put an object that another one made; as it is stored."""
    version = {"apps": "apps/v1", "batch": "batch/v1"}.get(group, "v1")
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": is_controller,
    }
    metadata = {"name": name, "namespace": "shop", "ownerReferences": [reference]}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **parts}


def pod(name, owner, *statuses, **more):
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    return owned("Pod", name, owner, spec=spec, status={"containerStatuses": [*statuses], "phase": "Running"}, **more)


def replica_set(desk, name="web-1", replicas=1, owner=None):
    owner = owner or desk.live(WEB)
    return desk.cluster.put(owned("ReplicaSet", name, owner, "apps", spec={"replicas": replicas}))


def tree(desk, hidden=str):
    inventory = desk.inventory()
    return desk.run(lambda context: workload_tree(context.cluster, inventory, hidden))


def words(node):
    return node["object"], [words(child) for child in node["children"]]


# ── what was made ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_deployment_made_is_below_it_and_what_is_not_well_comes_first(desk):
    made = replica_set(desk)
    for name, status in (("web-1-a", RUNNING), ("web-1-b", CRASHED)):
        desk.cluster.put(pod(name, made, status))
    desk.cluster.put(pod("stranger", {**made, "metadata": {**made["metadata"], "uid": "x"}}, RUNNING))
    found = tree(desk)
    pods = [("Pod shop/web-1-b", []), ("Pod shop/web-1-a", [])]
    assert [words(node) for node in found["objects"]] == [
        ("apps/Deployment shop/web", [("apps/ReplicaSet shop/web-1", pods)])
    ]
    assert (found["application"], found["pods"], found["more"], found["unread"]) == ("gitops/app", 2, 0, [])
    bad, good = found["objects"][0]["children"][0]["children"]
    assert (bad["problem"], bad["restarts"], good["problem"], good["restarts"]) == (True, 3, False, 0)
    assert (good["kind"], good["group"], good["namespace"], good["name"]) == ("Pod", "", "shop", "web-1-a")


def test_what_made_nothing_is_not_shown(desk):
    assert tree(desk)["objects"] == []
    assert tree(desk)["pods"] == 0


def test_an_older_replica_set_of_which_nothing_is_left_is_left_out(desk):
    replica_set(desk, "web-0", replicas=0)
    replica_set(desk, "web-1", replicas=1)
    going = replica_set(desk, "web-2", replicas=0)
    desk.cluster.put(pod("web-2-a", going, RUNNING))
    (node,) = tree(desk)["objects"]
    assert [child["name"] for child in node["children"]] == ["web-1", "web-2"]


def test_what_was_made_is_followed_four_levels_down(desk):
    above = desk.live(WEB)
    for name in "abcdef":
        above = replica_set(desk, name, owner=above)
    assert str(words(tree(desk)["objects"][0])).count("ReplicaSet") == 4


def test_of_very_many_pods_the_rest_is_counted(desk, monkeypatch):
    monkeypatch.setattr(workloads, "MOST_PODS", 2)
    made = replica_set(desk)
    for name in "abcde":
        desk.cluster.put(pod(name, made, RUNNING))
    found = tree(desk)
    assert (found["pods"], found["more"]) == (2, 3)
    (shown,) = found["objects"][0]["children"]
    assert (len(shown["children"]), shown["more"]) == (2, 3)


def test_what_cannot_be_listed_is_told_and_the_rest_is_there(desk):
    replica_set(desk)
    desk.cluster.refuse("list", ResourceKey("", "Pod", "shop", ""), 403, "Forbidden", "no right to it")
    found = tree(desk)
    assert found["unread"] == ["the Pods in namespace shop cannot be listed: no right to it"]
    assert [child["name"] for child in found["objects"][0]["children"]] == ["web-1"]


def test_workloads_that_cannot_be_read_are_told(desk):
    desk.cluster.refuse("get", key_of(WEB), 500, "InternalError", "it is broken")
    desk.cluster.refuse("list", ResourceKey("apps", "Deployment", "shop", ""), 500, "InternalError", "it is broken")
    found = tree(desk)
    assert (found["unread"], found["objects"]) == (["its workloads cannot be read: it is broken"], [])


def test_a_secrets_value_is_in_nothing_that_a_pod_says(desk):
    made = replica_set(desk)
    said = {"waiting": {"reason": "CrashLoopBackOff", "message": "sesame-open is wrong"}}
    desk.cluster.put(pod("a", made, {**CRASHED, "state": said}))
    diagnostics = Diagnostics(desk.cluster, [SECRET])
    assert "sesame-open" in str(tree(desk))
    assert "sesame-open" not in str(tree(desk, diagnostics.hidden))


def test_the_pods_below_a_workload_are_found_through_what_it_made(desk):
    made = replica_set(desk)
    for name in ("b", "a"):
        desk.cluster.put(pod(name, made, RUNNING))
    desk.cluster.put(pod("direct", desk.live(WEB), RUNNING))
    desk.cluster.put(pod("not-controlled", made, RUNNING) | owned("Pod", "not-controlled", made, is_controller=False))
    below = desk.run(lambda context: pods_below(context.cluster, desk.live(WEB)))
    assert [body["metadata"]["name"] for body in below] == ["a", "b", "direct"]
    (itself,) = desk.run(lambda context: pods_below(context.cluster, below[0]))
    assert itself["metadata"]["name"] == "a"
    assert desk.run(lambda context: pods_below(context.cluster, desk.live(A))) == []


@pytest.mark.parametrize(
    ("group", "kind", "made"),
    [
        ("apps", "Deployment", ["ReplicaSet", "Pod"]),
        ("batch", "CronJob", ["Job", "Pod"]),
        ("", "Pod", []),
        ("", "ConfigMap", None),
        ("argoproj.io", "Rollout", ["ReplicaSet", "Job", "Pod"]),
        ("rbac.authorization.k8s.io", "Role", None),
    ],
)
def test_which_kinds_make_which(group, kind, made):
    found = makes(ResourceKey(group, kind, "shop", "x"))
    assert (None if found is None else [name for _, name in found]) == made


def test_what_is_made_by_others_is_a_replica_set_a_job_or_a_pod():
    kinds = [("apps", "ReplicaSet"), ("batch", "Job"), ("", "Pod"), ("apps", "Deployment"), ("example.com", "Pod")]
    assert [is_made(ResourceKey(*kind, "shop", "x")) for kind in kinds] == [True, True, True, False, False]


def test_who_controls_an_object_is_one_owner_of_several():
    owners = [{"name": "a", "controller": False}, {"name": "b"}, {"name": "c", "controller": True}]
    assert controller_of({"metadata": {"ownerReferences": owners}})["name"] == "c"
    assert controller_of({"metadata": {}}) is None


# ── containers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def container(status, name="web"):
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    (found,) = containers_of({"spec": spec, "status": {"containerStatuses": [{**status, "name": name}]}}, str)
    return found


def test_a_container_is_told_with_its_state_and_how_the_run_before_ended():
    last = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    assert container({**RUNNING, "restartCount": 2, "lastState": last}) == {
        "name": "web",
        "role": "main",
        "image": "web:1",
        "state": "running",
        "reason": "",
        "message": "",
        "exitCode": None,
        "since": AT,
        "ready": True,
        "restarts": 2,
        "last": "OOMKilled, exit code 137",
        "problem": False,
    }
    assert container({"lastState": {"terminated": {"startedAt": AT}}})["last"] == "ended, exit code 0"


@pytest.mark.parametrize(
    ("state", "problem", "code"),
    [
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, False, 0),
        ({"terminated": {"exitCode": 1}}, True, 1),
        ({"waiting": {"reason": "ImagePullBackOff"}}, True, None),
        ({"waiting": {"reason": "ErrImagePull"}}, True, None),
        ({"waiting": {"reason": "ErrImageNeverPull"}}, True, None),
        ({"waiting": {"reason": "ContainerCreating", "exitCode": 3}}, False, None),
        ({"running": {"reason": "BackOff"}}, False, None),
        ({"terminated": {"exitCode": True}}, False, None),
        ({}, False, None),
    ],
)
def test_a_container_is_a_problem_when_it_waits_for_what_will_not_come_or_ended_badly(state, problem, code):
    found = container({"state": state})
    assert (found["problem"], found["exitCode"]) == (problem, code)
    assert found["state"] == next(iter(state), "unknown")


def test_a_container_without_a_status_is_unknown_and_not_ready():
    found = container(RUNNING, "another")
    assert (found["state"], found["ready"], found["restarts"], found["since"], found["last"]) == (
        "unknown",
        False,
        0,
        "",
        "",
    )
    assert container({"restartCount": -1})["restarts"] == 0
    assert container({"state": {"terminated": {"finishedAt": "later", "startedAt": AT}}})["since"] == "later"


def test_containers_are_in_the_order_in_which_they_run():
    spec = {
        "containers": [{"name": "web"}, "damaged"],
        "ephemeralContainers": [{"name": "shell"}],
        "initContainers": [{"name": "prepare", "image": 3}],
    }
    found = containers_of({"spec": spec}, str)
    assert [(one["name"], one["role"]) for one in found] == [
        ("prepare", "init"),
        ("web", "main"),
        ("shell", "ephemeral"),
    ]
    assert found[0]["image"] == ""
    assert containers_of({"spec": "damaged", "status": []}, str) == []


# ── the tree of an inventory ─────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_owned_is_told_by_kind_and_what_is_not_well_first(desk):
    other = config_map("b")
    desk.commit(WEB, A, SECRET, other)
    desk.sync()
    desk.cluster.take(key_of(other))
    inventory = desk.inventory()
    standing = desk.run(lambda context: standing_of(context.cluster, inventory))
    found = resource_tree(standing, {key_of(WEB): "its pod waits"})
    assert [(one["kind"], one["group"]) for one in found["kinds"]] == [
        ("ConfigMap", ""),
        ("Secret", ""),
        ("Deployment", "apps"),
    ]
    missing, fine = found["kinds"][0]["objects"]
    assert (missing["name"], missing["problem"], missing["kstatus"], missing["message"]) == (
        "b",
        True,
        "NotFound",
        "not in the cluster",
    )
    assert (fine["object"], fine["problem"], fine["health"], fine["message"]) == (
        "ConfigMap shop/a",
        False,
        "Healthy",
        "",
    )
    assert found["kinds"][2]["objects"][0]["message"] == "its pod waits"
    assert found["counts"] == {"Missing": 1, "Healthy": 3}
    assert (found["total"], found["more"], found["health"]) == (4, 0, "Missing")


def test_of_very_many_objects_the_rest_is_counted(desk, monkeypatch):
    monkeypatch.setattr("gitops.views.resources._MOST", 2)
    inventory = desk.inventory()
    standing = desk.run(lambda context: standing_of(context.cluster, inventory))
    found = resource_tree(standing, {})
    assert (found["total"], found["more"]) == (3, 1)


def test_what_an_inventory_remembers_is_told(desk):
    found = inventory_facts(desk.inventory())
    assert (found["objects"], found["partial"], found["quarantine"]) == (3, False, None)
    assert found["lastSync"]["outcome"] == "synced"
    assert found["applied"] == found["lastHealthy"]["digest"]
    assert found["source"] == "https://git.example.com/shop.git"
    sha = broken(desk)
    left = inventory_facts(desk.inventory())["quarantine"]
    assert (left["revision"], set(left)) == (sha, {"revision", "reason", "at"})


# ── one object ───────────────────────────────────────────────────────────────────────────────────────────────────────


def looked_up(desk, key):
    inventory = desk.inventory()
    return desk.run(lambda context: live_object(context.cluster, inventory, key))


def test_an_object_of_the_inventory_and_what_it_made_are_found(desk):
    made = desk.cluster.put(pod("a", replica_set(desk), RUNNING))
    assert looked_up(desk, key_of(A)) == (desk.live(A), None)
    live, maker = looked_up(desk, key_of(made))
    assert (live["metadata"]["name"], key_of(maker)) == ("a", key_of(WEB))


def test_what_the_application_did_not_make_is_not_shown(desk):
    stranger = desk.cluster.put(config_map("stranger"))
    other = desk.cluster.put(deployment("other"))
    by_other = desk.cluster.put(pod("b", other, RUNNING))
    alone = desk.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "c", "namespace": "shop"}})
    before = {**desk.live(WEB), "metadata": {**desk.live(WEB)["metadata"], "uid": "of-one-before"}}
    forged = desk.cluster.put(pod("d", before, RUNNING))
    for body in (stranger, by_other, alone, forged):
        with pytest.raises(ConfigError, match=f"gitops/app has no object {key_of(body)}"):
            looked_up(desk, key_of(body))
    with pytest.raises(ConfigError, match="gitops/app has no object Pod shop/none"):
        looked_up(desk, ResourceKey("", "Pod", "shop", "none"))


def facts(desk, body, live):
    inventory, diagnostics = desk.inventory(), Diagnostics(desk.cluster, [SECRET])
    return desk.run(lambda context: object_facts(context.cluster, inventory, key_of(body), live, diagnostics))


def event(name, uid, at, **more):
    metadata = {"name": name, "namespace": "shop"}
    about = {"involvedObject": {"uid": uid}, "lastTimestamp": at}
    return {"apiVersion": "v1", "kind": "Event", "metadata": metadata, **about, **more}


def test_an_object_is_told_with_its_events_the_newest_first(desk):
    live = desk.live(WEB)
    uid = live["metadata"]["uid"]
    desk.cluster.put(event("1", uid, "2026-01-01T00:00:01Z", reason="Old", reportingComponent="kubelet", count=0))
    said = {"type": "Warning", "reason": "New", "message": "sesame-open", "source": {"component": "x"}, "count": 4}
    desk.cluster.put(event("2", uid, "2026-01-01T00:00:02Z", **said))
    desk.cluster.put(event("3", "another", "2026-01-01T00:00:03Z"))
    found = facts(desk, WEB, live)
    assert found["events"] == [
        {
            "type": "Warning",
            "reason": "New",
            "message": "(hidden)",
            "from": "x",
            "count": 4,
            "at": "2026-01-01T00:00:02Z",
        },
        {
            "type": "",
            "reason": "Old",
            "message": "",
            "from": "kubelet",
            "count": 1,
            "at": "2026-01-01T00:00:01Z",
        },
    ]
    assert (found["health"], found["why"], found["containers"], found["eventsError"]) == ("Healthy", "", [], "")
    assert (found["object"], found["group"], found["kind"]) == ("apps/Deployment shop/web", "apps", "Deployment")
    desk.cluster.refuse("list", ResourceKey("", "Event", "shop", ""), 403, "Forbidden", "no right to it")
    assert facts(desk, WEB, live)["eventsError"] == "its events cannot be listed: no right to it"


def test_the_events_of_what_is_in_no_namespace_are_those_of_the_default_one(desk):
    live = desk.cluster.body(key_of(SPACE))
    for space in ("default", "shop"):
        one = event("1", live["metadata"]["uid"], "2026-01-01T00:00:01Z", reason=f"In {space}")
        desk.cluster.put({**one, "metadata": {"name": "1", "namespace": space}})
    assert [one["reason"] for one in facts(desk, SPACE, live)["events"]] == ["In default"]


def test_an_object_that_is_not_there_is_missing(desk):
    found = facts(desk, A, None)
    assert (found["health"], found["why"], found["events"], found["managers"]) == (
        "Missing",
        "Missing: not in the cluster",
        [],
        [],
    )


def test_a_pod_is_told_with_its_containers(desk):
    live = desk.cluster.put(pod("a", replica_set(desk), CRASHED))
    found = facts(desk, live, live)
    assert [one["name"] for one in found["containers"]] == ["web"]
    assert found["health"] == "Degraded"
    assert found["why"].startswith("Degraded: ")


def test_who_set_which_fields_is_told_by_their_places():
    sets = {"f:name": {}, 'k:{"name":"web"}': {".": {}, "f:image": {}}, "f:a.b/c": {}, "v:1": {}}
    entry = {"manager": "ada", "operation": "Apply", "time": AT, "fieldsV1": {"f:spec": sets}}
    (found,) = managers_of({"metadata": {"managedFields": [entry]}})
    assert found == {
        "manager": "ada",
        "operation": "Apply",
        "time": AT,
        "subresource": "",
        "fields": ["spec.name", "spec[1]", "spec[a.b/c]", 'spec[{"name":"web"}].image'],
        "more": 0,
    }
    many = {f"f:x{number:03}": {} for number in range(203)}
    (found,) = managers_of({"metadata": {"managedFields": [{"fieldsV1": many}, {}][:1]}})
    assert (len(found["fields"]), found["fields"][0], found["more"]) == (200, "x000", 3)
    assert managers_of({"metadata": {}}) == []


def test_the_live_and_the_desired_manifest_are_told_with_what_a_sync_would_change(desk):
    desk.commit(WEB, config_map("a", x="2"), SECRET)
    planned = desk.plan()
    found = manifests_of(key_of(A), desk.live(A), None, planned)
    assert (found["change"], found["reason"], found["madeBy"], found["moreFields"]) == ("update", "", "", 0)
    assert [(field["path"], field["live"], field["desired"]) for field in found["fields"]] == [("data.x", "1", "2")]
    assert (found["live"]["data"], found["desired"]["data"]) == ({"x": "1"}, {"x": "2"})
    assert "managedFields" not in found["live"]["metadata"]
    assert found["origin"].startswith("all.yaml:")
    same = manifests_of(key_of(WEB), desk.live(WEB), None, planned)
    assert (same["change"], same["fields"]) == ("", [])


def test_no_value_of_a_secret_is_in_a_manifest(desk):
    planned = desk.plan()
    found = manifests_of(key_of(SECRET), desk.live(SECRET), None, planned)
    assert "sesame-open" not in str(found)
    assert found["live"]["metadata"]["name"] == "key"


def test_without_a_plan_only_what_is_live_is_told(desk):
    made = replica_set(desk)
    found = manifests_of(key_of(made), made, desk.live(WEB), None)
    assert (found["madeBy"], found["desired"], found["origin"]) == ("apps/Deployment shop/web", None, "")
    assert found["live"]["metadata"]["name"] == "web-1"
    assert manifests_of(key_of(made), None, None, None)["live"] is None
