"""Why an object is not healthy: its Pods, their events and logs, or why none can be made; without any secret."""

import pytest

from gitops.engine.pod_failure import generation_of, stuck_pods
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.health import Health, HealthWord
from gitops.sync.diagnostics import Diagnostics
from tests.unit.desk import Desk
from tests.unit.test_explain import SECRET
from tests.unit.test_status import AT, WEB, A
from tests.unit.test_workloads import owned

PROGRESSING = Health(HealthWord.PROGRESSING, "0 of 1 run")
POD = ResourceKey("", "Pod", "shop", "web-1")


@pytest.fixture
def desk(tmp_path):
    """A Deployment that does not run."""
    made = Desk(tmp_path)
    made.cluster.put(WEB)
    return made


def reason(desk, body=WEB, health=PROGRESSING, hide=()):
    return desk.run(lambda context: Diagnostics(context.cluster, hide).reason_for(key_of(body), health))


def pod(desk, *, waiting="CrashLoopBackOff", restarts=0, name="web-1", **labels):
    state = {"waiting": {"reason": waiting, "message": "it says sesame-open"}}
    status = {"containerStatuses": [{"name": "web", "state": state, "restartCount": restarts}]}
    metadata = {"name": name, "namespace": "shop", "labels": {"app": "web", **labels}}
    desk.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def event(desk, name, at, about, reason="Failed", message="no such image", word="Warning"):
    said = {"reason": reason, "message": message, "type": word, "lastTimestamp": at, "involvedObject": about}
    metadata = {"name": name, "namespace": "shop"}
    desk.cluster.put({"apiVersion": "v1", "kind": "Event", "metadata": metadata, **said})


def logging(desk, text):
    asked = []

    async def logs(key, container, *, lines):
        asked.append((key, container, lines))
        return text

    desk.cluster.logs = logs
    return asked


def replica_set(desk, **parts):
    owner = desk.live(WEB)
    made = owned("ReplicaSet", "web-1", owner, "apps", **parts)
    made["metadata"]["labels"] = {"app": "web", "pod-template-hash": "new"}
    made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    return desk.cluster.put(made)


def test_a_kind_without_pods_is_told_by_its_health_alone(desk):
    assert reason(desk, A) == "Progressing: 0 of 1 run"
    assert reason(desk, A, Health(HealthWord.MISSING)) == "Missing"
    kinds = [("apps", "StatefulSet"), ("batch", "Job"), ("batch", "CronJob"), ("", "ConfigMap")]
    assert [Diagnostics.can_look(ResourceKey(*kind, "shop", "x")) for kind in kinds] == [True, True, False, False]


def test_a_workload_without_pods_or_selector_is_told_by_its_health_alone(desk):
    assert reason(desk) == "Progressing: 0 of 1 run"
    desk.cluster.take(key_of(WEB))
    assert reason(desk) == "Progressing: 0 of 1 run"


def test_the_container_its_last_event_and_its_last_lines_are_told(desk):
    pod(desk, restarts=2)
    event(desk, "1", "2026-01-01T00:00:01Z", {"name": "web-1"}, message="too early")
    event(desk, "2", "2026-01-01T00:00:02Z", {"name": "web-1"})
    event(desk, "3", "2026-01-01T00:00:03Z", {"name": "web-1"}, word="Normal")
    event(desk, "4", "2026-01-01T00:00:03Z", {"name": "another"})
    asked = logging(desk, "one\ntwo\nthree\nfour\n")
    assert reason(desk).split("; ") == [
        "Progressing: 0 of 1 run",
        "pod web-1: container web: CrashLoopBackOff: it says sesame-open (restarted 2 times)",
        "event Failed: no such image",
        "its last log lines: two | three | four",
    ]
    assert asked == [(POD, "web", 3)]


def test_a_container_that_never_ran_has_no_log(desk):
    pod(desk)
    asked = logging(desk, "one\n")
    assert "log" not in reason(desk)
    assert asked == []


def test_an_empty_log_is_not_told(desk):
    pod(desk, restarts=1)
    logging(desk, "\n")
    assert "log" not in reason(desk)


def test_no_value_of_a_secret_is_told(desk):
    pod(desk, restarts=1)
    longer = {**SECRET, "stringData": {"word": "sesame-open", "more": "sesame-open-for-me"}}
    logging(desk, "sesame-open-for-me\n")
    said = reason(desk, hide=[longer])
    assert "sesame" not in said
    assert "for-me" not in said


def test_what_cannot_be_read_is_said_and_takes_nothing_of_the_rest_along(desk):
    pod(desk, restarts=1)
    logging(desk, "one\n")
    desk.cluster.refuse("list", ResourceKey("", "Event", "shop", ""), 403, "Forbidden", "no right to events")
    said = reason(desk)
    assert "its events could not be read: no right to events; its last log lines: one" in said

    async def logs(key, container, *, lines):
        return (await desk.cluster.list("", "Event", "shop")) and ""

    desk.cluster.logs = logs
    assert reason(desk).endswith("its log could not be read: no right to events")


def test_pods_that_cannot_be_read_are_said_to_be_so(desk):
    desk.cluster.refuse("list", ResourceKey("", "Pod", "shop", ""), 403, "Forbidden", "no right to pods")
    assert reason(desk) == "Progressing: 0 of 1 run; its pods could not be read: no right to pods"


def test_pods_of_an_older_revision_prove_nothing(desk):
    replica_set(desk, spec={"replicas": 1}, status={"replicas": 1})
    pod(desk, **{"pod-template-hash": "old"})
    assert reason(desk) == "Progressing: 0 of 1 run"
    pod(desk, name="web-2", **{"pod-template-hash": "new"})
    assert "pod web-2: container web: CrashLoopBackOff" in reason(desk)


def test_pods_that_may_not_be_made_are_told_with_why(desk):
    made = replica_set(desk, spec={"replicas": 1}, status={"replicas": 0})
    uid = made["metadata"]["uid"]
    event(desk, "1", AT, {"uid": uid}, "FailedCreate", "the quota is used up")
    event(desk, "2", AT, {"uid": "another"}, "FailedCreate", "not about it")
    assert reason(desk).endswith("; ReplicaSet web-1 cannot make its pods: the quota is used up")
    desk.cluster.refuse("list", ResourceKey("", "Event", "shop", ""), 403, "Forbidden")
    assert reason(desk) == "Progressing: 0 of 1 run"


def test_a_maker_that_has_all_its_pods_is_not_asked_for_events(desk):
    made = replica_set(desk, spec={"replicas": 1}, status={"replicas": 1})
    event(desk, "1", AT, {"uid": made["metadata"]["uid"]}, "FailedCreate", "it was so once")
    assert reason(desk) == "Progressing: 0 of 1 run"


@pytest.mark.parametrize(
    ("kind", "status", "is_told"),
    [
        ("DaemonSet", {"currentNumberScheduled": 1, "desiredNumberScheduled": 2}, True),
        ("DaemonSet", {"currentNumberScheduled": 2, "desiredNumberScheduled": 2}, False),
        ("DaemonSet", {}, True),
        ("Job", {}, True),
        ("Job", {"active": 1}, False),
        ("Job", {"succeeded": 1}, False),
        ("Job", {"failed": 1}, False),
        ("StatefulSet", {"replicas": 0}, True),
        ("StatefulSet", {"replicas": 1}, False),
    ],
)
def test_a_maker_that_lacks_pods_is_told_with_its_event(desk, kind, status, is_told):
    version = "batch/v1" if kind == "Job" else "apps/v1"
    made = desk.cluster.put({**WEB, "apiVersion": version, "kind": kind, "status": status})
    event(desk, "1", AT, {"uid": made["metadata"]["uid"]}, "FailedCreate", "the quota is used up")
    assert reason(desk, made).endswith(f"{kind} web cannot make its pods: the quota is used up") == is_told


def test_a_workload_of_another_form_is_said_to_be_of_one(desk):
    desk.cluster.put({**WEB, "spec": {**WEB["spec"], "selector": {"matchLabels": ["app"]}}})
    assert reason(desk).endswith("; it, or its pods, do not have the form that is known of their kind")


# ── a rollout that waits for a Pod which cannot run ──────────────────────────────────────────────────────────────────


SET = {
    "kind": "StatefulSet",
    "metadata": {"name": "db", "uid": "u-1", "generation": 2},
    "spec": {"updateStrategy": {"type": "RollingUpdate"}},
    "status": {"observedGeneration": 2, "updateRevision": "new"},
}


def of_set(revision="old", owner="u-1", reason="ImagePullBackOff", **metadata):
    status = {"containerStatuses": [{"name": "db", "state": {"waiting": {"reason": reason}}}]}
    labels = {"controller-revision-hash": revision}
    return {
        "metadata": {"name": "db-0", "labels": labels, "ownerReferences": [{"uid": owner}], **metadata},
        "status": status,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "DaemonSet"},
        {"spec": {"updateStrategy": {"type": "OnDelete"}}},
        {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 1}}}},
        {"status": {"observedGeneration": 1, "updateRevision": "new"}},
        {"status": {"observedGeneration": 2}},
        {"status": None},
    ],
)
def test_a_set_that_replaces_no_pods_by_itself_or_is_not_known_to_waits_for_none(change):
    assert stuck_pods(SET, [of_set()]) == [of_set()]
    assert stuck_pods({**SET, "spec": None}, [of_set()]) == [of_set()]
    assert stuck_pods({**SET, **change}, [of_set()]) == []


@pytest.mark.parametrize(
    "pod",
    [
        of_set("new"),
        of_set(""),
        of_set(owner="u-2"),
        of_set(ownerReferences=None),
        of_set(reason="ContainerCreating"),
        of_set(deletionTimestamp="2026-01-01T00:00:00Z"),
    ],
)
def test_only_a_pod_of_an_older_revision_that_cannot_run_is_in_its_sets_way(pod):
    assert stuck_pods(SET, [pod]) == []


def test_the_newest_pods_of_a_deployment_are_those_of_its_highest_revision():
    def made(name, **annotations):
        labels = {"pod-template-hash": name}
        return {"metadata": {"name": name, "labels": labels, **({"annotations": annotations} if annotations else {})}}

    revision = "deployment.kubernetes.io/revision"
    sets = [
        made("by-hand"),
        made("nine", **{revision: "9"}),
        made("ten", **{revision: "10"}),
        made("odd", **{revision: "x"}),
    ]
    assert generation_of({"kind": "Deployment"}, sets) == "ten"
    assert generation_of({"kind": "Deployment"}, sets[:2]) == "nine"
    assert generation_of({"kind": "Deployment"}, []) == ""
    assert generation_of(SET, sets) == "new"
