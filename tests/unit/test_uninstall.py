"""An Application goes: with what it owns, or leaving that to nobody."""

from dataclasses import replace

import pytest

from gitops.engine.annotations import annotations_of, labels_of
from gitops.engine.inventory import LABELS, parent_key
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import key_of
from gitops.model.application import Destination
from gitops.model.errors import ApiError, LostClusterError, UnreachableError
from gitops.model.result import Outcome
from gitops.sync.context import Request
from gitops.sync.uninstall import planned_deletion, uninstall, uninstall_everywhere
from tests.unit.desk import Desk, config_map

A, B = config_map("a", x="1"), config_map("b", x="1")
PARENT = parent_key("app", "shop")


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    made.commit(A, B)
    made.sync()
    return made


def delete(desk, app=None, *, keep=False, **options):
    request = Request(app or desk.app, "ada", PlanOptions(**options))
    return desk.run(lambda context: uninstall(request, context, keep=keep))


def last(desk):
    return desk.audit()[-1]


def held(body):
    return {**body, "metadata": {**body["metadata"], "finalizers": ["example.dev/hold"]}}


def test_all_that_it_owns_goes_and_its_inventory_last(desk):
    result = delete(desk, confirm=True)
    assert result.outcome is Outcome.SYNCED
    assert [desk.live(A), desk.live(B), desk.cluster.body(PARENT)] == [None] * 3
    assert [key.name for verb, key in desk.cluster.calls if verb == "delete"][-1] == "gitops-app"
    assert (last(desk).fact, last(desk).detail["kept"]) == ("application.deleted", False)


def test_a_plan_of_a_deletion_changes_nothing(desk):
    before = len(desk.cluster.calls)
    planned = desk.run(lambda context: planned_deletion(Request(desk.app, "ada"), context))
    assert {prune.key.name for prune in planned.plan.prunes} == {"a", "b"}
    assert desk.cluster.calls[before:] == []


def test_data_does_not_go_with_it_until_somebody_confirms(tmp_path):
    desk = Desk(tmp_path)
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    desk.commit(A, claim)
    desk.sync(wait=False)
    result = delete(desk)
    assert result.outcome is Outcome.HELD
    assert "PersistentVolumeClaim shop/data" in result.message
    assert desk.live(A) is not None
    assert delete(desk, confirm=True).outcome is Outcome.SYNCED
    assert desk.live(claim) is None


def test_what_is_kept_is_nobodys_and_only_the_inventory_goes(desk):
    live = desk.live(A)
    run_by_a_sync = {**annotations_of(live), "gitops.dev/sync": "1", "team": "web"}
    desk.cluster.put({**live, "metadata": {**live["metadata"], "annotations": run_by_a_sync}})
    assert delete(desk, keep=True).outcome is Outcome.SYNCED
    live = desk.live(A)
    assert live["data"] == {"x": "1"}
    assert not set(labels_of(live)) & set(LABELS)
    assert annotations_of(live) == {"team": "web"}
    assert desk.cluster.body(PARENT) is None
    assert last(desk).detail["kept"] is True


def test_what_another_took_over_keeps_its_marks(desk):
    other = replace(desk.app, name="other")
    desk.sync(other, adopt=True)
    taken = labels_of(desk.live(A))
    delete(desk, keep=True)
    assert labels_of(desk.live(A)) == taken


@pytest.mark.parametrize(("code", "outcome"), [(404, Outcome.SYNCED), (403, Outcome.FAILED)])
def test_marks_that_cannot_be_taken_off_are_told_but_for_what_is_gone(desk, code, outcome):
    desk.cluster.refuse("remove_marks", key_of(A), code, message="no right to patch")
    result = delete(desk, keep=True)
    assert result.outcome is outcome
    if outcome is Outcome.FAILED:
        assert "a: its marks could not be taken off: no right to patch" in result.message
        assert desk.cluster.body(PARENT) is not None
        assert last(desk).fact == "delete.failed"


def test_what_does_not_go_in_time_is_told_with_what_holds_it_and_stays_ours(desk):
    desk.cluster.put(held(desk.live(A)))
    began = desk.clock.monotonic()
    result = delete(desk, desk.with_sync(timeout=30.0), confirm=True)
    assert result.outcome is Outcome.FAILED
    assert "ConfigMap shop/a was deleted but does not go away (" in result.message
    assert "example.dev/hold" in result.message
    assert desk.clock.monotonic() - began >= 30.0
    assert desk.cluster.body(PARENT) is not None
    assert [failure.key.name for failure in result.failures] == ["a"]


def test_what_goes_in_the_end_is_waited_for(desk):
    desk.cluster.put(held(desk.live(A)))

    def let_go():
        live = desk.live(A)
        if live is not None and live["metadata"].get("deletionTimestamp") and desk.clock.monotonic() > 5:
            desk.cluster.put({**live, "metadata": {**live["metadata"], "finalizers": []}})

    desk.passing = let_go
    assert delete(desk, desk.with_sync(timeout=30.0), confirm=True).outcome is Outcome.SYNCED
    assert desk.clock.monotonic() > 5


def test_another_object_that_has_its_name_now_is_not_waited_for(desk):
    desk.cluster.put(held(desk.live(A)))

    def replaced():
        live = desk.live(A)
        if live is not None and live["metadata"].get("deletionTimestamp"):
            desk.cluster.put({**live, "metadata": {**live["metadata"], "finalizers": []}})
            desk.cluster.put(config_map("a", x="theirs"))

    desk.passing = replaced
    assert delete(desk, confirm=True).outcome is Outcome.SYNCED
    assert desk.live(A)["data"] == {"x": "theirs"}


def test_what_owns_nothing_is_no_failure(tmp_path):
    desk = Desk(tmp_path)
    result = delete(desk)
    assert (result.outcome, result.message) == (Outcome.IN_SYNC, "it owns nothing on this cluster")
    assert desk.cluster.calls == []


def test_the_inventory_of_another_application_is_left_alone(desk):
    result = delete(desk, replace(desk.app, namespace="other"), confirm=True)
    assert result.outcome is Outcome.HELD
    assert "is the inventory of Application gitops/app, not of other/app" in result.message
    assert desk.live(A) is not None


@pytest.mark.parametrize("keep", [True, False])
def test_a_cluster_that_goes_away_in_the_middle_is_told_with_the_way_on(desk, keep):
    desk.cluster.refuse_with("delete", PARENT, UnreachableError("it is away"))
    with pytest.raises(LostClusterError, match="delete it again when the cluster answers"):
        delete(desk, keep=keep, confirm=True)
    assert last(desk).fact == "delete.failed"
    desk.cluster.refuse("delete", PARENT, 0)
    assert delete(desk, keep=keep, confirm=True).outcome is Outcome.SYNCED


def test_an_inventory_that_may_not_be_deleted_is_the_servers_word(desk):
    desk.cluster.refuse("delete", PARENT, 403, "Forbidden", "no right to delete")
    with pytest.raises(ApiError, match=r"^no right to delete$"):
        delete(desk, confirm=True)
    assert last(desk).detail["left"] == ["no right to delete"]


def test_it_goes_from_the_namespaces_where_it_was_before_as_well(desk):
    desk.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})
    moved = replace(desk.app, destination=Destination(namespace="new"))
    request = Request(moved, "ada", PlanOptions(confirm=True))
    result = desk.run(lambda context: uninstall_everywhere(request, context))
    assert result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    assert [desk.live(A), desk.cluster.body(PARENT)] == [None, None]


def test_what_does_not_go_from_where_it_was_keeps_the_rest(desk):
    desk.cluster.put(held(desk.live(A)))
    moved = replace(desk.with_sync(timeout=5.0), destination=Destination(namespace="new"))
    request = Request(moved, "ada", PlanOptions(confirm=True))
    result = desk.run(lambda context: uninstall_everywhere(request, context))
    assert result.outcome is Outcome.FAILED
    assert desk.cluster.body(PARENT) is not None
