"""What the page and the API read of a controller: rows that are as the Applications are, also of other replicas."""

from dataclasses import replace

import pytest

from gitops.controller.replica import Alone
from gitops.engine.states import Response
from gitops.model.operator_command import SUSPENDED
from gitops.model.record import RECORD, Record
from gitops.server import overview as module
from gitops.server.auth.decisions import Decisions
from gitops.server.auth.person import NOBODY, Person, Way
from gitops.server.auth.policy_file import PolicyFile
from gitops.server.problems import Problem
from gitops.views.listing import Query
from tests.unit.desk import config_map
from tests.unit.served import Overseen
from tests.unit.test_passes import deployment, rolling_out

A, WEB = config_map("a", x="1"), deployment()


class Elsewhere(Alone):
    """Another replica runs every Application."""

    def runs(self, identity):
        return False


@pytest.fixture
def make(tmp_path):
    made = []

    def begun(*bodies, **options):
        controlled = Overseen(tmp_path, **{"automated": True, "timeout": 600.0, **options})
        made.append(controlled)
        controlled.sha = controlled.commit(*bodies)
        controlled.begin()
        return controlled

    yield begun
    for controlled in made:
        controlled.end()


def row(controlled):
    (found,) = controlled.wait(controlled.overview.rows())
    return found


def test_a_row_tells_how_its_application_stands_as_often_as_that_changes(make):
    controlled = make(A)
    controlled.until(lambda: row(controlled).record.sync == "Synced")
    found = row(controlled)
    assert (found.application, found.record.head, found.pending, found.wait) == ("gitops/app", controlled.sha, 0, "")
    assert (found.source, found.automated, bool(found.synced_at)) == ("https://git.example.com/shop.git", True, True)
    assert row(controlled) is found, "nothing was told of it since"
    sha = controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: row(controlled).record.head == sha)
    assert controlled.overview.row("gitops/app").record.head == sha
    sha = controlled.commit(config_map("a", x="3"))  # and also for who asks for this one alone
    controlled.until(lambda: controlled.overview.row("gitops/app").record.head == sha)


def test_what_a_sync_is_at_is_told_while_it_is_at_it(make):
    controlled = make(WEB)
    controlled.until(lambda: controlled.live(WEB) is not None)
    controlled.until(lambda: row(controlled).progress == "sync, wave 0")
    rolling_out(controlled)
    controlled.until(lambda: row(controlled).record.health == "Healthy")
    assert row(controlled).progress == ""


def test_an_application_is_found_by_what_it_runs_where_it_goes_and_what_is_not_well(make):
    controlled = make(WEB)
    controlled.until(lambda: controlled.live(WEB) is not None)
    controlled.tell(WEB, controlled.live(WEB))
    controlled.until(lambda: "apps/deployment shop/web" in row(controlled).text)
    for word in ("gitops/app", "git.example.com/shop", "web:1", controlled.sha, "default", "progressing"):
        assert (word in row(controlled).text) is (word != "progressing"), word


@pytest.mark.parametrize(
    ("options", "suspended", "wait", "pending"),
    [
        ({"automated": False}, False, "approval", 1),
        ({"automated": True}, True, "suspended", 1),
    ],
)
def test_what_an_application_waits_for_is_told(make, options, suspended, wait, pending):
    controlled = make(**options)
    controlled.wait(controlled.store.set_setting("gitops/app", SUSPENDED, "by ada" if suspended else None))
    controlled.let_pass(5)
    controlled.commit(A)
    controlled.until(lambda: row(controlled).wait == wait)
    assert (row(controlled).pending, row(controlled).record.suspended) == (pending, suspended)
    assert bool(row(controlled).record.plan) is (wait == "approval")


def test_one_that_is_gone_has_no_row(make):
    controlled = make(A)
    controlled.until(lambda: row(controlled).record.sync == "Synced")

    async def dropped():
        controlled.controller.registry.drop("test", "gitops/app")

    controlled.wait(dropped())
    assert controlled.wait(controlled.overview.rows()) == []
    assert controlled.overview.row("gitops/app") is None
    with pytest.raises(Problem) as refused:
        controlled.overview.state("gitops/app")
    assert (refused.value.status, refused.value.detail) == (404, "this controller knows no Application gitops/app")


# ── what another replica runs ────────────────────────────────────────────────────────────────────────────────────────


def test_of_one_that_another_replica_runs_what_that_one_told_counts(make, monkeypatch):
    monkeypatch.setattr(module, "_OTHERS_SECONDS", -1.0)
    controlled = make(A)
    controlled.until(lambda: row(controlled).record.sync == "Synced")
    controlled.controller.replica = Elsewhere()
    told = Record("shop", sync="OutOfSync", health="Degraded", head="b" * 40, reason="it waits", project="other")
    controlled.wait(controlled.store.set_setting("gitops/app", RECORD, told.text()))
    assert row(controlled).record == replace(told, project="default"), "the project is that of its spec"
    assert (row(controlled).message, row(controlled).wait) == ("", "")
    number = controlled.overview.feed.number
    row(controlled)
    assert controlled.overview.feed.number == number, "what is told again is no change"
    controlled.wait(controlled.store.set_setting("gitops/app", RECORD, None))
    assert row(controlled).record.reason == "another replica runs it"


def test_a_cluster_that_is_not_reached_yet_is_told_as_a_problem_of_now(make):
    controlled = make(A)
    state = controlled.state
    assert controlled.overview.deps(state) is controlled.controller.workers.get("").deps
    controlled.controller.workers._open.clear()
    with pytest.raises(Problem) as refused:
        controlled.overview.deps(state)
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (503, "5")
    controlled.controller.refused = lambda app: "its cluster is not for it"
    with pytest.raises(Problem) as refused:
        controlled.overview.deps(state)
    assert (refused.value.status, refused.value.detail) == (409, "its cluster is not for it")


# ── who sees what ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_of_what_somebody_sees_as_if_there_was_nothing_else(make):
    controlled = make(A)
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    decisions = Decisions(PolicyFile(None))
    everything = decisions.sight(NOBODY)
    nothing = decisions.sight(Person("eve", Way.TOKEN, ("role:viewer",), only=("other/*",)))
    listed = lambda sees: controlled.wait(controlled.overview.listed(Query(), sees))  # noqa: E731
    assert (listed(everything).total, listed(everything).known) == (1, 1)
    assert (listed(nothing).total, listed(nothing).known, listed(nothing).clusters) == (0, 0, ())
    assert listed(everything) is listed(everything), "many who look at the same cost no more than one"
    before = listed(everything)
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: listed(everything) is not before)
