"""How one object is written while others change it, and what becomes of a step in which something is refused."""

import inspect

import pytest

from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.application import HealthCheck, Wait
from gitops.model.errors import ApiError
from gitops.model.kinds import KindInfo
from gitops.model.plan import Update
from gitops.model.result import Outcome
from gitops.sync.context import Request
from gitops.sync.object_writer import Deadline, ObjectWriter
from gitops.sync.planning import plan_sync
from gitops.testing.clock import SteppedClock
from gitops.testing.cluster import MemoryCluster
from tests.unit.desk import Desk, config_map
from tests.unit.test_custom_resources import VERBS
from tests.unit.test_passes import deployment
from tests.unit.test_status import A, B

UNDECLARED = ".spec.x: field not declared in schema"
OPTIONS = "argocd.argoproj.io/sync-options"


@pytest.fixture
def desk(tmp_path):
    """A ConfigMap that was synced."""
    made = Desk(tmp_path, timeout=20.0)
    made.commit(A)
    made.sync()
    return made


def writing(desk, between, work, **options):
    """Plan, let somebody do something `between`, then have `work` (writer, its one update) done."""

    async def story(context):
        request = Request(desk.app, "ada", PlanOptions(**options))
        planned = await plan_sync(request, context)
        done = between()
        if inspect.isawaitable(done):
            await done
        deadline = Deadline(context.clock, 20.0)
        writer = ObjectWriter(request, context, planned, planned.at.inventory, deadline)
        (change,) = planned.plan.changes
        assert isinstance(change, Update)
        return await work(writer, change)

    return desk.run(story)


def updated(desk, between=lambda: None, **options):
    return writing(desk, between, lambda writer, change: writer.update(change), **options)


def edited(desk, manager, **data):
    live = desk.live(A)
    return lambda: desk.cluster.put({**live, "data": {**live["data"], **data}}, manager)


def times(desk, verb, body):
    return desk.cluster.calls.count((verb, key_of(body)))


def test_an_update_is_written_as_it_was_planned(desk):
    desk.commit(config_map("a", x="2"))
    assert updated(desk)["data"] == {"x": "2"}


def test_a_hand_edit_that_came_in_between_is_taken_back(desk):
    desk.commit(config_map("a", x="2"))
    assert updated(desk, edited(desk, "kubectl-edit", x="9"))["data"] == {"x": "2"}


def test_what_other_automation_has_set_in_between_is_left_and_told(desk):
    desk.commit(config_map("a", x="2"))
    with pytest.raises(ApiError, match=r'conflict with "vpa"') as caught:
        updated(desk, edited(desk, "vpa", x="9"))
    assert caught.value.code == 409
    assert desk.live(A)["data"] == {"x": "9"}


def test_an_apply_forces_nothing_by_itself(desk):
    desk.commit(config_map("a", x="2"))
    with pytest.raises(ApiError, match=r'conflict with "vpa"'):
        writing(desk, edited(desk, "vpa", x="9"), lambda writer, change: writer.apply(change.key, change.body))


def test_who_forces_has_its_way_with_other_automation(desk):
    desk.commit(config_map("a", x="2"))
    assert updated(desk, edited(desk, "vpa", x="9"), force_conflicts=True)["data"] == {"x": "2"}


def test_an_object_that_somebody_brought_to_what_is_wanted_is_left_alone(desk):
    desk.commit(config_map("a", x="2"))
    writes = []

    def between():
        edited(desk, "kubectl-edit", x="2")()
        writes.append(times(desk, "apply", A))

    assert updated(desk, between)["data"] == {"x": "2"}
    assert times(desk, "apply", A) > writes[0]


def test_an_object_that_is_gone_in_between_is_made(desk):
    desk.commit(config_map("a", x="2"))
    assert updated(desk, lambda: desk.cluster.take(key_of(A)))["data"] == {"x": "2"}


def by_kubectl(desk, body):
    """As `kubectl apply` of old made it, before we came."""
    desk.cluster.put(body, "kubectl-client-side-apply")


def test_fields_of_kubectl_are_taken_over_though_the_status_moves_on(tmp_path):
    desk = Desk(tmp_path)
    by_kubectl(desk, config_map("a", x="1", y="1"))
    desk.commit(config_map("a", x="1"))
    found = updated(desk, lambda: desk.cluster.apply_status(key_of(A), {"seen": "yes"}), adopt=True)
    assert (found["data"], found["status"]) == ({"x": "1"}, {"seen": "yes"})
    assert times(desk, "replace_owners", A) == 2


def test_fields_of_kubectl_are_not_taken_over_where_somebody_else_came_in_between(tmp_path):
    desk = Desk(tmp_path)
    by_kubectl(desk, config_map("a", x="1", y="1"))
    desk.commit(config_map("a", x="1"))
    with pytest.raises(ApiError, match="ConfigMap shop/a has been modified"):
        updated(desk, edited(desk, "controllers", z="1"), adopt=True)
    assert desk.live(A)["data"] == {"x": "1", "y": "1", "z": "1"}


def test_owners_that_change_with_every_look_are_given_up(tmp_path):
    desk = Desk(tmp_path)
    by_kubectl(desk, config_map("a", x="1", y="1"))
    desk.commit(config_map("a", x="1"))
    with pytest.raises(ApiError, match="it is refused"):
        updated(desk, lambda: desk.cluster.refuse("replace_owners", key_of(A), 409, "Conflict"), adopt=True)
    assert times(desk, "replace_owners", A) == 5
    desk.cluster.refuse("replace_owners", key_of(A), 0)
    with pytest.raises(ApiError, match="it is refused"):
        updated(desk, lambda: desk.cluster.refuse("replace_owners", key_of(A), 403, "Forbidden"), adopt=True)
    assert times(desk, "replace_owners", A) == 6


def applied(desk, until, text=UNDECLARED):
    """Have an apply refused until so many seconds are over."""
    place = key_of(B)
    desk.cluster.refuse("apply", place, 500, "InternalError", text)

    def passing():
        if desk.clock.monotonic() >= until:
            desk.cluster.refuse("apply", place, 0)

    desk.passing = passing

    async def story(context):
        request = Request(desk.app, "ada", PlanOptions())
        planned = await plan_sync(request, context)
        writer = ObjectWriter(request, context, planned, planned.at.inventory, Deadline(context.clock, 20.0))
        return await writer.apply(place, B)

    before = times(desk, "apply", B)
    try:
        return desk.run(story)
    finally:
        desk.tries = times(desk, "apply", B) - before


def test_a_field_that_was_only_just_declared_is_tried_five_times(desk):
    assert applied(desk, desk.clock.monotonic() + 2.5)["data"] == {"x": "1"}
    assert 3 <= desk.tries <= 5
    with pytest.raises(ApiError, match="field not declared in schema"):
        applied(desk, 1e9)
    assert desk.tries == 5
    with pytest.raises(ApiError, match="another fault"):
        applied(desk, 1e9, "another fault")
    assert desk.tries == 1


def test_a_deadline_is_one_for_all_and_can_be_moved():
    clock = SteppedClock()
    deadline = Deadline(clock, 10.0)
    assert (deadline.left, deadline.is_over, deadline.began) == (10.0, False, 0.0)
    deadline.extend(5.0)
    assert deadline.left == 15.0
    deadline.leave(3.0)
    assert deadline.left == 15.0
    deadline.leave(30.0)
    assert deadline.left == 30.0
    deadline.extend(-40.0)
    assert (deadline.left, deadline.is_over) == (-10.0, True)


# ── whole passes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_deleted_and_does_not_go_fails_when_time_is_up(desk):
    live = desk.live(A)
    desk.cluster.put({**live, "metadata": {**live["metadata"], "finalizers": ["example.com/hold"]}})
    desk.commit(B)
    result = desk.sync(desk.with_sync(rollback="never"))
    assert result.outcome is Outcome.FAILED
    (failure,) = result.failures
    assert failure.key == key_of(A)
    assert failure.reason.startswith("ConfigMap shop/a was deleted but does not go away (")
    assert "example.com/hold" in failure.reason
    assert desk.clock.monotonic() >= 20


def test_what_is_deleted_and_goes_late_is_waited_for(desk):
    live = desk.live(A)
    desk.cluster.put({**live, "metadata": {**live["metadata"], "finalizers": ["example.com/hold"]}})
    desk.commit(B)
    until = desk.clock.monotonic() + 5

    def passing():
        held = desk.live(A)
        if held is not None and held["metadata"].get("deletionTimestamp") and desk.clock.monotonic() >= until:
            desk.cluster.put({**held, "metadata": {**held["metadata"], "finalizers": []}})

    desk.passing = passing
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.live(A) is None
    assert desk.clock.monotonic() >= until


def strange(name="odd"):
    metadata = {"name": name, "namespace": "shop"}
    metadata["annotations"] = {OPTIONS: "SkipDryRunOnMissingResource=true"}
    return {"apiVersion": "example.com/v1", "kind": "Strange", "metadata": metadata, "spec": {"x": 1}}


def test_a_kind_that_nobody_defines_in_time_is_told_with_its_file(desk):
    desk.commit(A, strange())
    result = desk.sync(desk.with_sync(rollback="never"))
    (failure,) = result.failures
    assert failure.reason.startswith("all.yaml:")
    assert failure.reason.endswith("nothing has defined kind Strange in example.com/v1 in time")
    assert desk.clock.monotonic() >= 20


def test_a_kind_that_somebody_defines_in_time_is_waited_for(desk):
    desk.commit(A, strange())
    until = desk.clock.monotonic() + 4
    defined = MemoryCluster([], [KindInfo("example.com", "v1", "Strange", "stranges", True, VERBS)])
    before = desk.cluster.kinds

    async def kinds(*, refresh=False):
        return await (defined.kinds() if desk.clock.monotonic() >= until else before())

    desk.cluster.kinds = kinds
    assert desk.sync(wait=False).outcome is Outcome.SYNCED
    assert desk.live(strange())["spec"] == {"x": 1}


def test_a_refused_object_of_a_step_fails_it_and_the_next_step_is_not_begun(desk):
    late = config_map("late", annotations={"argocd.argoproj.io/sync-wave": "1"})
    desk.commit(A, B, late)

    class Refusing(list):
        """Events; from the first step on an object is refused."""

        def append(self, event):
            super().append(event)
            if type(event).__name__ == "StepStarted":
                desk.cluster.refuse("apply", key_of(B), 422, "Invalid", "it is wrong")

    desk.events = Refusing()
    result = desk.sync(desk.with_sync(rollback="never"))
    assert result.outcome is Outcome.FAILED
    assert [(failure.key.name, failure.reason.endswith("it is wrong")) for failure in result.failures] == [("b", True)]
    assert desk.live(late) is None


def waiting_for(desk, name):
    """The Application with a health check of an object of others."""
    check = HealthCheck(apiVersion="v1", kind="ConfigMap", name=name, namespace="other")
    return desk.with_sync(rollback="never", wait=Wait(checks=(check,)))


def test_an_object_of_others_that_a_check_names_is_waited_for(desk):
    desk.commit(A, B)
    late = config_map("late", namespace="other")
    until = desk.clock.monotonic() + 5

    def passing():
        if desk.clock.monotonic() >= until and desk.live(late) is None:
            desk.cluster.put(late)

    desk.passing = passing
    assert desk.sync(waiting_for(desk, "late")).outcome is Outcome.SYNCED
    assert desk.clock.monotonic() >= until


def test_an_object_of_others_that_does_not_come_fails_the_sync(desk):
    desk.commit(A, B)
    result = desk.sync(waiting_for(desk, "none"))
    assert result.outcome is Outcome.FAILED
    (failure,) = result.failures
    assert failure.reason == "sync.wait.checks: ConfigMap other/none is not there, and did not come in time"


def test_an_object_of_others_is_not_waited_for_by_a_sync_that_does_not_wait(desk):
    desk.commit(A, B)
    assert desk.sync(waiting_for(desk, "none"), wait=False).outcome is Outcome.SYNCED


def pod_of(stateful_set, revision, reason):
    """A Pod of a StatefulSet that waits."""
    owner = {"kind": "StatefulSet", "name": "db", "uid": stateful_set["metadata"]["uid"], "controller": True}
    labels = {"app": "db", "controller-revision-hash": revision}
    metadata = {"name": "db-0", "namespace": "shop", "labels": labels, "ownerReferences": [owner]}
    status = {"containerStatuses": [{"name": "web", "state": {"waiting": {"reason": reason}}}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status}


@pytest.mark.parametrize(("revision", "is_freed"), [("old", True), ("new", False)])
def test_a_pod_of_an_older_revision_that_cannot_run_is_deleted_and_recorded(desk, revision, is_freed):
    base = deployment("db")
    wanted = {**base, "kind": "StatefulSet", "spec": {**base["spec"], "serviceName": "db"}}
    desk.commit(A, wanted)
    pod = ResourceKey("", "Pod", "shop", "db-0")
    made = []

    def passing():
        live = desk.live(wanted)
        if live is not None and not made:
            made.append(1)
            observed = {"observedGeneration": live["metadata"]["generation"], "updateRevision": "new", "replicas": 1}
            desk.cluster.put({**live, "status": observed}, "controllers")
            desk.cluster.put(pod_of(live, revision, "ImagePullBackOff"))

    desk.passing = passing
    desk.sync(desk.with_sync(rollback="never"))
    said = [event.detail for event in desk.audit() if event.fact == "pod.deleted"]
    why = "apps/StatefulSet shop/db waits for it to become ready, and it is of an older revision"
    assert said == ([{"object": "Pod shop/db-0", "reason": why}] if is_freed else [])
    assert (desk.cluster.body(pod) is None) == is_freed
