"""A rollback that somebody asked a controller for: by the plan that was shown, once, and with how it ended."""

import pytest

from gitops.controller.requested_rollback import plan_back, roll_back_as_asked
from gitops.controller.state import ApplicationState
from gitops.engine.states import Response
from gitops.model.operator_command import ROLLBACK, OperatorRequest
from gitops.model.result import Outcome
from gitops.sync.context import Request
from tests.unit.desk import Desk, config_map

A, B = config_map("a", x="1"), config_map("b", x="1")


@pytest.fixture
def desk(tmp_path):
    """Two releases, of which the second has an object more."""
    made = Desk(tmp_path)
    made.app = made.with_sync(prune=False)
    made.commit(A)
    made.sync()
    made.commit(config_map("a", x="2"), B)
    made.sync()
    made.state = ApplicationState(made.app)
    return made


def shown(desk, number=None, *, prune=False):
    """The plan of a way back."""
    request = Request(desk.app, "ada")
    _, planned, _ = desk.run(lambda context: plan_back(request, context, number, prune=prune, confirm=False))
    return planned.plan


def asked(desk, actor="ada", **detail):
    """Ask for it; how it was answered."""
    wanted = OperatorRequest(1, desk.app.identity, ROLLBACK, detail, actor, "2026-01-01T00:00:00Z")
    request = Request(desk.app, "gitops")
    again = desk.run(lambda context: roll_back_as_asked(desk.state, wanted, request, context))
    assert 0 < again < 1, "the next pass finds how things stand then"
    return desk.state.schedule.act_result


def data(desk):
    return desk.live(A)["data"]["x"], desk.live(B) is not None


def test_what_was_shown_is_done_and_what_is_not_to_be_pruned_stays(desk):
    assert asked(desk, plan=shown(desk).id)[0] is Outcome.SYNCED
    assert data(desk) == ("1", True)
    assert (desk.state.last.outcome, bool(desk.state.times.synced_at)) == (Outcome.SYNCED, True)
    left = desk.inventory().quarantine
    assert (left.by, left.reason) == ("ada", "rolled back by ada")


def test_what_the_release_did_not_have_goes_where_that_was_asked_for(desk):
    plan = shown(desk, prune=True)
    assert asked(desk, plan=shown(desk).id, prune=True)[0] is Outcome.HELD
    assert asked(desk, plan=plan.id, prune=True)[0] is Outcome.SYNCED
    assert data(desk) == ("1", False)


@pytest.mark.parametrize("plan", ["0" * 64, None])
def test_another_plan_than_was_shown_is_not_carried_out(desk, plan):
    outcome, reason = asked(desk, plan=plan)
    assert (outcome, reason) == (
        Outcome.HELD,
        f"going back would change something else now than plan {str(plan)[:12]} says: look at it again",
    )
    assert (desk.state.last.response, desk.state.last.message) == (Response.HELD, reason)
    assert data(desk) == ("2", True)


def test_a_release_that_there_is_not_is_said_to_be_none(desk):
    outcome, reason = asked(desk, plan="0" * 64, release=9)
    assert (outcome, "has no release 9 (known: 2, 1)" in reason) == (Outcome.HELD, True)
    assert desk.state.last.message == reason


def test_the_release_is_the_one_that_was_named(desk):
    desk.commit(config_map("a", x="3"), B)
    desk.sync()
    assert asked(desk, plan=shown(desk, 1).id, release=2)[0] is Outcome.HELD
    assert asked(desk, plan=shown(desk, 1).id, release=1)[0] is Outcome.SYNCED
    assert data(desk)[0] == "1"


def test_who_asks_again_for_what_is_done_is_told_that_it_is_there_and_nobody_else_is(desk):
    plan = shown(desk).id
    asked(desk, plan=plan, release=1)
    calls = len(desk.cluster.calls)
    assert asked(desk, plan=plan, release=1) == (Outcome.IN_SYNC, "that release is what is there")
    assert not {verb for verb, _ in desk.cluster.calls[calls:]} - {"get", "list"}
    assert asked(desk, "bob", plan=plan, release=1)[0] is Outcome.HELD
