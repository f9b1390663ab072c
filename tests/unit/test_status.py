"""How an Application stands, and what a person types next: after real passes, and after what others left behind."""

from dataclasses import replace

import pytest

from gitops.engine.inventory import BEGUN, Inventory, LastHealthy, LastSync, PastRelease, parent_key
from gitops.engine.inventory_parent import parent_body
from gitops.manifests.key import key_of
from gitops.model.application import Destination
from gitops.model.errors import ApiError, ConfigError
from gitops.model.health import Health, HealthWord
from gitops.model.record import CONTROLLER, RECORD, SEEN, Record
from gitops.model.release import Quarantine
from gitops.sync.standing import Member, Standing
from gitops.views.advice import headline, next_step
from gitops.views.status import ApplicationStatus, all_statuses, status_of
from tests.unit.desk import SPACE, Desk, config_map
from tests.unit.test_passes import deployment, rolling_out

A, B, WEB = config_map("a", x="1"), config_map("b", x="1"), deployment()
APP = "gitops/app"
SHA, OLD = "c" * 40, "a" * 40
NAMED, WAS = SHA[:12], OLD[:12]
AT = "2026-01-01T00:00:00Z"
SYNC_AGAIN = "gitops sync gitops/app -n shop"
EXPLAIN = "gitops explain gitops/app -n shop"


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path, timeout=60.0)


def running(folder):
    """A Desk with a Deployment that runs, and a ConfigMap."""
    made = Desk(folder, timeout=60.0)
    rolling_out(made)
    made.good = made.commit(WEB, A)
    made.sync()
    return made


@pytest.fixture
def rolling(tmp_path):
    return running(tmp_path)


def asked(desk, name="app", namespace=""):
    return desk.run(lambda context: status_of(context, name, namespace))


def listed(desk, name="", namespace=""):
    return desk.run(lambda context: all_statuses(context, name, namespace))


def tell(desk, identity=APP, **words):
    """What a controller wrote into the store of an Application."""
    words = {"namespace": "shop", "cluster": "in-cluster", **words}
    setting(desk, identity, RECORD, Record(**words).text())


def setting(desk, application, name, value):
    desk.run(lambda context: context.store.set_setting(application, name, value))


def resource(desk, status=None, **spec):
    """The Application as a custom resource of the cluster."""
    metadata = {"name": "app", "namespace": "gitops"}
    body = {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec}
    desk.cluster.put({**body, **({"status": status} if status is not None else {})})


def broken(desk, app=None, **options):
    sha = desk.commit(deployment(image="web:broken"), A)
    desk.sync(app, **options)
    return sha


# ── after a pass ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_synced_and_is_healthy_needs_nothing(rolling):
    told = asked(rolling)
    assert (told.application, told.namespace, told.health.word) == (APP, "shop", HealthWord.HEALTHY)
    assert told.applied == told.healthy == told.last.revision == rolling.good
    assert (told.is_there, told.is_well, told.note, next_step(told)) == (True, True, "", "")
    assert (told.sync, told.project, told.wanted, told.elsewhere) == ("Unknown", "", "", "")
    assert headline(told) == "gitops/app is Healthy"


def test_what_nobody_waited_for_is_not_well(desk):
    sha = desk.commit(A)
    desk.sync(wait=False)
    told = asked(desk)
    said = f"{sha[:12]} was synced, and has not been seen healthy"
    assert (told.applied, told.healthy, told.is_there, told.is_well) == (sha, "", False, False)
    assert (told.unproven, told.note) == (said, said)
    assert headline(told) == f"gitops/app is not in sync as far as is known and Healthy: {said}"
    assert next_step(told) == SYNC_AGAIN


def test_a_part_that_was_synced_is_told_as_a_part(rolling):
    sha = rolling.commit(WEB, config_map("a", x="2"), B)
    rolling.sync(resources=("ConfigMap/b",))
    told = asked(rolling)
    assert told.unproven == told.note == f"only a part of {sha[:12]} was synced"
    assert (told.healthy, told.is_there, next_step(told)) == (rolling.good, False, SYNC_AGAIN)


def test_a_sync_that_failed_is_there_in_part_and_the_way_back_is_named(rolling):
    sha = broken(rolling, rolling.with_sync(rollback="never"))
    told = asked(rolling)
    assert (told.applied, told.healthy, told.last.outcome) == (sha, rolling.good, "failed")
    assert (told.is_there, told.is_well, told.failed) == (False, False, f"the sync to {sha[:12]} failed")
    assert told.note == "0 of 1 new replicas have been updated"
    assert headline(told) == (
        f"gitops/app is not in sync as far as is known and Progressing: the sync to {sha[:12]} failed"
    )
    assert next_step(told) == f"{EXPLAIN}; the way back: gitops rollback gitops/app -n shop"


def test_one_that_was_rolled_back_runs_its_last_healthy_revision(rolling):
    sha = broken(rolling)
    told = asked(rolling)
    assert (told.applied, told.healthy) == (rolling.good, rolling.good)
    assert (told.health.word, told.failed, told.unproven, told.is_there) == (HealthWord.HEALTHY, "", "", False)
    assert told.note.startswith(f"revision {sha[:12]} is quarantined: ")
    assert "not healthy in time" in told.note
    assert next_step(told) == f"push a commit that mends it, or try it again: {SYNC_AGAIN} --confirm"
    assert headline(told) == "gitops/app is not in sync as far as is known and Healthy"


def test_an_object_that_somebody_deleted_is_missing_and_is_to_be_explained(rolling):
    rolling.cluster.take(key_of(A))
    told = asked(rolling)
    assert (told.health.word, told.note) == (HealthWord.MISSING, "not in the cluster")
    assert (told.is_there, told.is_well) == (True, False)
    assert next_step(told) == EXPLAIN
    assert next_step(told, explained=True) == "mend it at its source, and sync again"


def test_a_name_that_nobody_has_is_an_error_that_says_what_was_meant(rolling):
    with pytest.raises(ConfigError, match=r"no Application ap on this cluster \(did you mean gitops/app\?"):
        asked(rolling, "ap")
    assert asked(rolling, APP).application == APP
    with pytest.raises(ConfigError, match="no Application app on this cluster"):
        asked(rolling, "app", "elsewhere")
    assert [one.application for one in listed(rolling, namespace="shop")] == [APP]
    assert listed(rolling, namespace="elsewhere") == []


# ── what a controller told ───────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_controller_tells_is_told(rolling):
    tell(rolling, sync="OutOfSync", health="Healthy", head=SHA, reason="3 changes wait", project="blue")
    told = asked(rolling)
    assert (told.sync, told.wanted, told.project) == ("OutOfSync", SHA, "blue")
    assert (told.is_there, told.is_well) == (False, False)
    assert told.why == told.note == f"{NAMED}: 3 changes wait"
    assert headline(told) == (
        f"gitops/app is OutOfSync and Healthy: {NAMED} is wanted, and {rolling.good[:12]} is there"
    )
    assert (
        next_step(told) == "gitops diff gitops/app; to go on all the same: gitops refresh gitops/app --sync --confirm"
    )


def test_a_reason_about_the_revision_that_runs_does_not_name_it(rolling):
    tell(rolling, sync="Synced", health="Healthy", head=rolling.good, reason="it is tested")
    told = asked(rolling)
    assert (told.why, told.is_there, told.is_well, next_step(told)) == ("it is tested", True, True, "")
    tell(rolling, sync="Synced", health="Healthy", problem="the host is away", reason="it is tested")
    assert asked(rolling).why == "the host is away"
    assert next_step(asked(rolling)) == "mend what it says, or look again now: gitops refresh gitops/app"


def test_one_that_runs_as_told_needs_nothing(rolling):
    tell(rolling, sync="Synced", health="Healthy", head=rolling.good)
    told = asked(rolling)
    assert (told.is_well, told.note, next_step(told), headline(told)) == (True, "", "", "gitops/app is Healthy")


def test_a_controller_that_is_gone_is_told_and_what_it_said_does_not_count(rolling):
    tell(rolling, sync="OutOfSync", health="Healthy", head=SHA)
    setting(rolling, CONTROLLER, SEEN, "2025-12-31T23:00:00Z")
    told = asked(rolling)
    assert (told.unseen, told.sync, told.is_there, told.is_well) == ("2025-12-31T23:00:00Z", "Unknown", True, False)
    assert told.note == "no controller has been seen since 2025-12-31T23:00:00Z"
    assert next_step(told) == "gitops run (no controller is there)"


def test_a_controller_that_was_seen_a_moment_ago_is_there(rolling):
    tell(rolling, sync="Synced", health="Healthy", head=rolling.good)
    setting(rolling, CONTROLLER, SEEN, rolling.clock.now().isoformat())
    assert (asked(rolling).unseen, asked(rolling).is_well) == ("", True)
    setting(rolling, CONTROLLER, SEEN, "yesterday")
    assert asked(rolling).unseen == "a time that cannot be read"


def test_one_without_a_record_of_the_store_is_not_unseen(rolling):
    setting(rolling, CONTROLLER, SEEN, "2025-12-31T23:00:00Z")
    assert (asked(rolling).unseen, asked(rolling).is_well) == ("", True)


def test_a_suspended_one_is_resumed_first(rolling):
    setting(rolling, APP, "suspended", "by ada because of the fair")
    told = asked(rolling)
    assert (told.suspended, told.note) == ("by ada because of the fair", "suspended by ada because of the fair")
    assert (told.is_well, told.is_there, next_step(told)) == (False, True, "gitops resume gitops/app")


def test_a_plan_that_waits_is_shown_and_approved(rolling):
    tell(rolling, sync="OutOfSync", health="Healthy", head=SHA, plan="f" * 64)
    approve = f"gitops approve gitops/app --plan {'f' * 12}"
    assert next_step(asked(rolling)) == f"gitops diff gitops/app, then {approve}"
    tell(rolling, "gitops/new", sync="OutOfSync", health="Missing", plan="f" * 64)
    shown = "gitops diff -f FILE, the file of the Application"
    assert next_step(asked(rolling, "new")).startswith(f"{shown}, then gitops approve gitops/new --plan ")


def test_a_quarantined_one_that_a_controller_runs_is_tried_again_by_it(rolling):
    sha = broken(rolling)
    tell(rolling, sync="OutOfSync", health="Healthy", head=sha)
    told = asked(rolling)
    assert next_step(told) == (
        "push a commit that mends it, or try it again: gitops refresh gitops/app --sync --confirm"
    )
    tell(rolling, sync="OutOfSync", health="Healthy", head=sha, reason="it waits")
    assert asked(rolling).note == f"{sha[:12]}: it waits"


def test_one_that_only_a_controller_knows_is_missing_here(desk):
    tell(desk, sync="OutOfSync", health="Healthy", head=SHA)
    told = asked(desk)
    assert (told.standing, told.health.word, told.applied, told.healthy) == (None, HealthWord.MISSING, "", "")
    assert (told.last, told.failed, told.unproven, told.interrupted) == (None, "", "", "")
    assert headline(told) == f"gitops/app is OutOfSync and Missing: {NAMED} is wanted, and nothing is there"
    tell(desk, sync="OutOfSync", health="Degraded")
    assert asked(desk).health == Health(HealthWord.DEGRADED)
    assert headline(asked(desk)) == "gitops/app is OutOfSync and Degraded"


def test_one_of_another_cluster_is_told_as_the_controller_saw_it(desk):
    tell(desk, sync="Synced", health="Healthy", head=SHA, cluster="eu-1", reason="2 runs")
    told = asked(desk)
    assert (told.elsewhere, told.health.word, told.applied) == ("eu-1", HealthWord.HEALTHY, SHA)
    assert told.note == "2 runs; on cluster eu-1, as the controller saw it"
    tell(desk, sync="OutOfSync", health="Healthy", head=SHA, cluster="eu-1")
    assert asked(desk).applied == ""


def test_of_one_that_is_here_the_cluster_is_not_told(rolling):
    tell(rolling, sync="Synced", health="Degraded", head=SHA, cluster="eu-1")
    assert (asked(rolling).elsewhere, asked(rolling).health.word) == ("", HealthWord.HEALTHY)


# ── syncs that have not ended ────────────────────────────────────────────────────────────────────────────────────────


def begun(desk, at=AT, digest="d" * 64, **fields):
    """An inventory whose last sync has begun and not ended."""
    sync = LastSync(SHA, "main", at, "ada", BEGUN)
    found = replace(desk.inventory(), last=sync, partially_applied=frozenset({digest}), **fields)
    desk.cluster.put(parent_body(found, "test"))
    return found


def test_a_sync_that_began_a_moment_ago_is_under_way(rolling):
    begun(rolling)
    told = asked(rolling)
    assert (told.under_way, told.interrupted, told.is_due) == (f"the sync to {NAMED} is under way", "", False)
    assert (told.note, next_step(told)) == (told.under_way, "")
    assert headline(told).endswith(f": {told.under_way}")


def test_a_sync_is_interrupted_only_after_twice_its_time(rolling):
    begun(rolling, "2025-12-31T23:58:20Z")
    assert (asked(rolling).is_due, asked(rolling).under_way) == (False, f"the sync to {NAMED} is under way")
    begun(rolling, "2025-12-31T23:57:59Z")
    told = asked(rolling)
    assert (told.is_due, told.interrupted) == (True, f"the sync to {NAMED} was interrupted")
    assert (told.under_way, next_step(told)) == ("", SYNC_AGAIN)
    assert told.note == told.interrupted


def test_a_time_that_nobody_can_read_is_over(rolling):
    begun(rolling, "soon")
    assert asked(rolling).interrupted == f"the sync to {NAMED} was interrupted"


def test_a_controller_that_is_there_is_at_what_it_began(rolling):
    begun(rolling, "2025-12-31T20:00:00Z")
    tell(rolling, sync="OutOfSync", health="Healthy", head=SHA)
    told = asked(rolling)
    assert (told.interrupted, told.under_way) == ("", "")
    setting(rolling, CONTROLLER, SEEN, "2025-12-31T23:00:00Z")
    told = asked(rolling)
    assert told.interrupted == f"the sync to {NAMED} was interrupted"
    assert told.note == f"no controller has been seen since 2025-12-31T23:00:00Z; {told.interrupted}"


def test_a_sync_is_under_way_where_a_controller_that_is_gone_does_not_tell_of_it(rolling):
    begun(rolling)
    tell(rolling, sync="OutOfSync", health="Healthy", head=SHA)
    assert asked(rolling).under_way == ""
    setting(rolling, CONTROLLER, SEEN, "2025-12-31T23:00:00Z")
    assert asked(rolling).under_way == f"the sync to {NAMED} is under way"


def test_a_sync_whose_way_back_ended_is_not_open(rolling):
    left = Quarantine(SHA, "d" * 64, "it broke", AT)
    begun(rolling, "2025-12-31T20:00:00Z", quarantine=left)
    assert (asked(rolling).interrupted, asked(rolling).under_way) == ("", "")
    begun(rolling, "2025-12-31T20:00:00Z", quarantine=replace(left, revision=OLD))
    assert asked(rolling).interrupted
    target = rolling.inventory().healthy
    begun(rolling, "2025-12-31T20:00:00Z", quarantine=left, rollback_target=target)
    assert asked(rolling).interrupted


# ── what others left ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_inventory_that_nobody_can_read_is_told_and_hides_no_other(rolling):
    other = replace(rolling.app, name="other")
    rolling.commit(B)
    rolling.sync(other)
    parent = rolling.cluster.body(parent_key("other", "shop"))
    rolling.cluster.put({**parent, "binaryData": {"inventory": "!"}})
    ours, damaged = listed(rolling)
    assert (ours.application, ours.is_well) == (APP, True)
    assert (damaged.application, damaged.namespace, damaged.standing) == ("other", "shop", None)
    assert damaged.damage.startswith("ConfigMap shop/gitops-other: its inventory cannot be read (")
    assert (damaged.health.word, damaged.health.message, damaged.is_well) == (
        HealthWord.UNKNOWN,
        damaged.damage,
        False,
    )
    assert damaged.note == damaged.damage
    tell(rolling, "gitops/other", namespace="", sync="Synced", health="Healthy")
    tell(rolling, "gitops/another", namespace="shop", sync="Synced", health="Healthy")
    assert {one.application: bool(one.damage) for one in listed(rolling)}["gitops/another"] is False


def test_a_damaged_inventory_is_that_of_the_record_of_its_name(rolling):
    parent = rolling.cluster.body(parent_key("app", "shop"))
    rolling.cluster.put({**parent, "binaryData": {"inventory": "!"}})
    tell(rolling, sync="Synced", health="Healthy")
    (told,) = listed(rolling)
    assert (told.application, bool(told.damage), told.record.sync) == (APP, True, "Synced")
    tell(rolling, "gitops/another", sync="Synced", health="Healthy")
    tell(rolling, "blue/app", namespace="blue", sync="Synced", health="Healthy")
    assert [one.application for one in listed(rolling) if one.damage] == [APP]
    tell(rolling, "blue/app", sync="Synced", health="Healthy")
    assert [one.application for one in listed(rolling) if one.damage] == ["app"]


def test_a_spec_that_nobody_can_read_is_damage_too(rolling):
    parent = rolling.cluster.body(parent_key("app", "shop"))
    rolling.cluster.put({**parent, "data": {**parent["data"], "spec": '{"sync": 3}'}})
    (told,) = listed(rolling)
    assert told.standing is None
    wrong = "3 is of the wrong type"
    assert told.damage == f"gitops/app: the spec in its inventory cannot be read ({wrong}); sync it again"


def test_a_record_that_was_damaged_is_of_where_the_application_is(rolling):
    setting(rolling, APP, RECORD, "{")
    told = asked(rolling)
    assert told.record.problem.startswith("what the store holds of it is damaged (")
    assert [one.namespace for one in listed(rolling)] == ["shop"]


def test_a_stranger_of_the_same_name_without_our_seal_is_doubted(rolling):
    spaces = {**SPACE, "metadata": {"name": "other"}}
    rolling.cluster.put(spaces)
    stranger = Inventory(APP, parent_key("app", "other"), source=rolling.inventory().source)
    rolling.cluster.put(parent_body(replace(stranger, spec=rolling.inventory().spec), "test"))
    ours = rolling.run(all_statuses)
    assert [one.namespace for one in ours] == ["other", "shop"]
    assert [one.doubt for one in ours] == ["it says that it is gitops/app, and bears no seal of ours", ""]
    assert [one.is_well for one in ours] == [False, True]
    assert ours[0].note == ours[0].doubt
    assert asked(rolling).namespace == "shop"


def test_two_of_one_name_are_told_apart_by_their_namespace(rolling):
    rolling.cluster.put({**SPACE, "metadata": {"name": "other"}})
    second = replace(rolling.app, namespace="blue", destination=Destination(namespace="other"))
    rolling.commit(config_map("a", namespace="other"))
    rolling.sync(second)
    with pytest.raises(ConfigError, match="there are several Applications called app"):
        asked(rolling)
    assert asked(rolling, "blue/app").namespace == "other"
    assert asked(rolling, "app", "shop").application == APP


# ── custom resources ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_resource_tells_what_a_controller_told(rolling):
    ready = {"type": "Ready", "status": "False", "reason": "Held", "message": "it waits", "lastTransitionTime": AT}
    sync = {"status": "OutOfSync", "revision": SHA, "ref": "main"}
    status = {"sync": sync, "health": {"status": "Degraded"}, "conditions": [{"type": "Stalled"}, ready]}
    resource(rolling, {**status, "plan": "p" * 64}, destination={"namespace": "shop", "cluster": "eu"}, project="blue")
    told = asked(rolling)
    assert told.record == Record(
        namespace="shop",
        cluster="eu",
        is_resource=True,
        sync="OutOfSync",
        health="Degraded",
        head=SHA,
        ref="main",
        reason="it waits",
        plan="p" * 64,
        at=AT,
        project="blue",
    )
    assert (told.suspended, told.unseen) == ("", "")


@pytest.mark.parametrize("reason", ["Failed", "Invalid"])
def test_what_a_resource_calls_failed_is_a_problem(rolling, reason):
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": "no such path"}
    resource(rolling, {"conditions": [ready]}, destination={"namespace": "shop"})
    assert (asked(rolling).record.problem, asked(rolling).record.reason) == ("no such path", "")


def test_a_resource_that_is_ready_has_no_reason(rolling):
    resource(rolling, {"conditions": [{"type": "Ready", "status": "True", "message": "all is well"}]})
    found = asked(rolling).record
    assert (found.problem, found.reason, found.sync, found.health) == ("", "", "Unknown", "Unknown")
    assert (found.project, found.namespace) == ("default", "")


def test_a_resource_that_nobody_has_taken_in_says_so(desk):
    resource(desk, destination={"namespace": "shop"})
    (told,) = listed(desk)
    assert (told.note, told.namespace) == ("no controller has taken it in yet", "shop")


def test_a_resource_of_any_shape_can_be_read(desk):
    resource(desk, {"sync": [], "health": {"status": "Fine"}, "conditions": "none", "suspended": True})
    (told,) = listed(desk)
    assert (told.record.health, told.suspended, told.note) == ("Unknown", "by somebody", "suspended by somebody")


def test_the_store_goes_before_the_resource_and_not_where_that_is_gone(rolling):
    tell(rolling, sync="Synced", health="Healthy", is_resource=True, project="blue")
    assert asked(rolling).record is None
    resource(rolling, {}, destination={"namespace": "shop"})
    assert asked(rolling).project == "blue"


def test_without_the_right_to_see_resources_the_store_is_believed(rolling):
    tell(rolling, sync="Synced", health="Healthy", is_resource=True, project="blue")
    place = parent_key("", "")._replace(group="gitops.dev", kind="Application", name="")
    rolling.cluster.refuse("list", place, 403, "Forbidden")
    assert asked(rolling).project == "blue"
    rolling.cluster.refuse("list", place, 500, "InternalError")
    with pytest.raises(ApiError):
        asked(rolling)


# ── in words alone ───────────────────────────────────────────────────────────────────────────────────────────────────


def told(health=HealthWord.HEALTHY, record=None, **fields):
    """A status whose inventory is as given."""
    inventory = Inventory(APP, parent_key("app", "shop"), **fields)
    member = Member(key_of(A), Health(health), "Current")
    return ApplicationStatus(APP, "shop", Standing(inventory, (member,)), record)


def last(outcome, revision=SHA):
    return LastSync(revision, "main", AT, "ada", outcome)


HEALTHY = LastHealthy(OLD, "main", "d1", AT)
PAST = PastRelease(1, SHA, "main", "d2", AT, "ada")


@pytest.mark.parametrize(
    ("fields", "applied"),
    [
        ({}, ""),
        ({"synced": "d1", "healthy": HEALTHY}, OLD),
        ({"synced": "d2", "healthy": HEALTHY, "releases": (PAST,)}, SHA),
        ({"synced": "d3", "healthy": HEALTHY, "last": last("synced")}, SHA),
        ({"synced": "d3", "last": last("failed")}, SHA),
        ({"synced": "d3", "last": last("overtaken")}, ""),
        ({"synced": "d1", "healthy": HEALTHY, "last": last("failed")}, OLD),
        ({"synced": "d1", "healthy": HEALTHY, "last": last("synced")}, OLD),
        ({"synced": "d1", "healthy": HEALTHY, "last": last("failed"), "partially_applied": frozenset({"d2"})}, SHA),
        ({"synced": "d1", "healthy": HEALTHY, "last": last(BEGUN), "partially_applied": frozenset({"d2"})}, OLD),
    ],
)
def test_the_revision_whose_objects_are_there(fields, applied):
    assert told(**fields).applied == applied


def test_the_version_of_a_chart_is_named_with_its_revision():
    chart = told(spec='{"chart": "x"}', releases=(replace(PAST, ref="1.2.3"),))
    assert (chart.named(SHA), chart.named(OLD), chart.named("")) == (f"1.2.3@{NAMED}", WAS, "")
    assert told(releases=(replace(PAST, ref="1.2.3"),)).named(SHA) == NAMED
    healthy = told(spec='{"chart": "x"}', healthy=replace(HEALTHY, ref="2.0.0"))
    assert healthy.named(OLD) == f"2.0.0@{WAS}"


def test_a_folder_is_synced_from_its_folder_again():
    there = {"last": last("synced", "files-1"), "source": "file:///home/ada/shop"}
    found = told(**there)
    assert next_step(found) == "gitops sync /home/ada/shop --name app -n shop"


def test_one_that_is_not_well_names_the_way_back():
    found = told(HealthWord.DEGRADED, synced="d3", healthy=HEALTHY, last=last("failed"))
    back = "the way back: gitops rollback gitops/app -n shop"
    assert (next_step(found), next_step(found, explained=True)) == (f"{EXPLAIN}; {back}", back)
    settled = told(synced="d3", healthy=HEALTHY, last=last("failed"))
    assert next_step(settled) == f"{EXPLAIN}; {back}"
    same = told(HealthWord.DEGRADED, synced="d1", healthy=HEALTHY, last=last("synced", OLD))
    assert next_step(same) == EXPLAIN


def test_what_is_held_is_not_gone_on_with_where_it_is_there():
    reason = Record("shop", sync="Synced", health="Degraded", reason="2 hooks run", cluster="in-cluster")
    found = told(HealthWord.DEGRADED, reason, synced="d1", healthy=HEALTHY)
    assert next_step(found) == EXPLAIN


def test_a_release_that_is_there_is_proven_and_another_is_not():
    assert told(synced="d1", healthy=HEALTHY, last=last("synced", OLD)).unproven == ""
    assert told(synced="d2", healthy=HEALTHY, last=last("synced")).unproven.startswith(f"{NAMED} was synced, and")
    assert told(synced="d2", healthy=HEALTHY, last=last("failed")).unproven == ""
