"""Hand edits while a sync waits for health: what it has there already is put back at once, and nothing else."""

import pytest

from gitops.engine.states import Response
from gitops.manifests.key import key_of
from gitops.model.operator_command import SYNC
from tests.unit.controlled import Controlled
from tests.unit.desk import config_map
from tests.unit.test_passes import deployment, rolling_out

A, WEB = config_map("a", x="1"), deployment()
LATE = config_map("late", annotations={"argocd.argoproj.io/sync-wave": "1"}, x="2")


@pytest.fixture
def make(tmp_path):
    """`make(body, …, option=…)`: a controller whose first sync waits for a Deployment."""
    made = []

    def begun(*bodies, **options):
        controlled = Controlled(tmp_path, **{"drift": "correct", "automated": True, "timeout": 300.0, **options})
        made.append(controlled)
        controlled.commit(*(bodies or (A, WEB)))
        controlled.begin()
        if not controlled.app.sync.automated:
            controlled.ask(SYNC)
        controlled.until(lambda: controlled.live(WEB) is not None and controlled.live(A) is not None)
        controlled.let_pass(5)
        assert "sync.finished" not in controlled.facts()
        return controlled

    yield begun
    for controlled in made:
        controlled.end()


def edited(controlled, body=A, manager="kubectl-edit", **data):
    stored = controlled.cluster.put({**controlled.live(body), "data": data}, manager)
    controlled.tell(body, stored)


def is_waiting(controlled):
    return "sync.finished" not in controlled.facts()


def comes_to_its_end(controlled):
    rolling_out(controlled)
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    return controlled


def test_a_hand_edit_is_put_back_while_the_sync_waits(make):
    controlled = make()
    edited(controlled, x="by hand")
    controlled.until(lambda: controlled.live(A)["data"] == {"x": "1"}, 10.0)
    assert is_waiting(controlled)
    assert [fact for fact in controlled.facts() if fact.startswith("drift")] == ["drift.detected"]
    controlled.let_pass(1)
    assert (controlled.state.last.drift, is_waiting(controlled)) == ((), True)
    comes_to_its_end(controlled)
    assert controlled.facts().count("sync.finished") == 1
    assert controlled.state.last.drift == ()


def test_an_object_that_is_deleted_is_made_again_while_the_sync_waits(make):
    controlled = make()
    controlled.wait(controlled.cluster.delete(key_of(A)))
    controlled.tell(A, None)
    controlled.until(lambda: controlled.live(A) is not None, 10.0)
    assert is_waiting(controlled)


def test_where_drift_is_only_told_nothing_is_put_back(make):
    controlled = make(drift="report")
    edited(controlled, x="by hand")
    controlled.let_pass(20)
    assert controlled.live(A)["data"] == {"x": "by hand"}


def test_beside_a_sync_that_a_person_asked_for_nothing_is_put_back(make):
    controlled = make(automated=False)
    edited(controlled, x="by hand")
    controlled.let_pass(20)
    assert (controlled.live(A)["data"], is_waiting(controlled)) == ({"x": "by hand"}, True)
    rolling_out(controlled)
    controlled.until(lambda: "sync.overtaken" in controlled.facts())
    assert controlled.live(A)["data"] == {"x": "by hand"}


def test_an_edit_that_changes_nothing_that_is_wanted_costs_no_write(make):
    controlled = make()
    before = len(controlled.cluster.calls)
    live = controlled.live(WEB)
    controlled.tell(WEB, controlled.cluster.put({**live, "status": {"replicas": 1}}, "controllers"))
    controlled.let_pass(10)
    assert controlled.cluster.calls[before:] == []


def test_what_a_later_wave_is_to_change_is_not_changed_before(make):
    controlled = make(A, WEB, LATE)
    early = {**LATE, "data": {"x": "1"}}
    stored = controlled.cluster.put(early)
    controlled.tell(LATE, stored)
    controlled.let_pass(10)
    assert controlled.live(LATE)["data"] == {"x": "1"}
    assert is_waiting(controlled)


def test_several_edits_are_put_back_one_after_another(make):
    controlled = make()
    for number in range(3):
        edited(controlled, x=f"by hand {number}")
        controlled.until(lambda: controlled.live(A)["data"] == {"x": "1"}, 15.0)
    assert is_waiting(controlled)


def test_where_the_cluster_refuses_the_sync_goes_on(make):
    controlled = make()
    controlled.cluster.refuse("apply", key_of(A), 403, "Forbidden", "no right to it")
    edited(controlled, x="by hand")
    controlled.let_pass(10)
    assert is_waiting(controlled)
    controlled.cluster.refuse("apply", key_of(A), 0)
    edited(controlled, x="once more")
    controlled.until(lambda: controlled.live(A)["data"] == {"x": "1"}, 30.0)
