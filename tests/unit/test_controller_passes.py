"""What a controller does as time goes by, on a cluster and a repository in memory."""

import re
from dataclasses import replace

import pytest

from gitops.controller.drift_correction import _is_left_alone
from gitops.controller.followed_file import FollowedFile
from gitops.controller.preview import context_of
from gitops.controller.projects import Projects
from gitops.controller.requested_rollback import plan_back
from gitops.engine.inventory import Inventory, parent_key
from gitops.engine.states import Response
from gitops.manifests.key import key_of
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application, SyncOptions
from gitops.model.errors import SourceError, UnreachableError
from gitops.model.operator_command import (
    APPROVED,
    PING,
    REFRESH,
    ROLLBACK,
    SUSPENDED,
    SYNC,
    TERMINATE,
    TEST,
    answer_in,
)
from gitops.model.release import Quarantine
from gitops.model.result import Outcome
from gitops.project_file import read_projects
from gitops.sync.context import Request
from tests.unit.controlled import Controlled
from tests.unit.desk import config_map
from tests.unit.test_hook_passes import job
from tests.unit.test_passes import deployment, image, rolling_out

A = config_map("a", x="1")
NEVER = "{kind: deny, schedule: '* * * * *', duration: 24h, applications: ['*'], manualSync: true}"
PROJECT = f"""\
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {{name: default}}
spec: {{sourceRepos: ['*'], destinations: [{{server: '*', namespace: '*'}}], syncWindows: [{NEVER}]}}
"""


@pytest.fixture
def make(tmp_path):
    """`make(body, …, option=…)`: a controller that runs, with a first commit."""
    made = []

    def begun(*bodies, before=lambda controlled: None, kind=Controlled, **options):
        controlled = kind(tmp_path, **{"drift": "correct", "automated": True, **options})
        made.append(controlled)
        controlled.commit(*(bodies or (A,)))
        before(controlled)
        controlled.begin()
        return controlled

    yield begun
    for controlled in made:
        controlled.end()


@pytest.fixture
def controlled(make):
    """One that has synced `A`."""
    found = make()
    found.until(lambda: found.state.last.response is Response.SETTLED)
    return found


def data(controlled, body=A):
    return (controlled.live(body) or {}).get("data")


def answer(controlled, number):
    """How a request ended, once that is told."""
    told = []

    def is_answered():
        found = controlled.wait(controlled.store.outcome(number))
        told[:] = [found] if found else []
        return bool(told)

    controlled.until(is_answered)
    return answer_in(told[0])


# ── commits ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_commit_is_synced_when_it_is_seen(controlled):
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: data(controlled) == {"x": "2"})
    assert controlled.facts().count("sync.finished") == 2
    assert controlled.state.last.outcome is Outcome.SYNCED


def test_what_is_as_it_was_synced_costs_no_write_however_long_it_stays_so(controlled):
    before = len(controlled.cluster.calls)
    controlled.let_pass(120.0)
    assert controlled.cluster.calls[before:] == []
    assert controlled.repositories.looks > 1


def test_a_commit_that_cannot_be_rendered_is_told_and_the_next_one_heals_it(controlled):
    controlled.source.commit({"all.yaml": "kind: [broken"})
    controlled.until(lambda: controlled.state.problem)
    assert "all.yaml" in controlled.state.problem
    assert data(controlled) == {"x": "1"}
    controlled.commit(config_map("a", x="3"))
    controlled.until(lambda: data(controlled) == {"x": "3"})
    controlled.until(lambda: controlled.state.problem == "")


def test_a_repository_that_cannot_be_read_is_told_and_found_again(controlled):
    controlled.source.is_away = True
    controlled.until(lambda: "the source is away" in controlled.state.problem)
    assert controlled.live(A) is not None
    controlled.source.is_away = False
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: data(controlled) == {"x": "2"}, seconds=600.0)
    assert controlled.state.problem == ""


def test_the_images_that_an_application_runs_are_those_of_its_newest_commit(make):
    controlled = make(deployment(), before=rolling_out)
    controlled.until(lambda: controlled.state.contents.images == ("web:1",))
    controlled.commit(deployment(image="web:2"))
    controlled.until(lambda: controlled.state.contents.images == ("web:2",))


@pytest.mark.parametrize("renderer", ["helm", "auto"])
def test_what_a_chart_holds_is_known_by_its_kind_and_version_without_its_hooks(make, renderer):
    chart = {
        "Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
        "templates/a.yaml": write_manifests([A]),
        "templates/hook.yaml": write_manifests([config_map("hook", annotations={"helm.sh/hook": "pre-install"})]),
    }

    def as_chart(controlled):
        controlled.source.commit(chart if renderer == "helm" else {"a.yaml": write_manifests([A])})
        controlled.app = controlled.app.with_sources((replace(controlled.app.source, renderer=renderer),))

    controlled = make(before=as_chart)
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    assert data(controlled) == {"x": "1"}
    assert controlled.state.source.objects == (((key_of(A), "v1"),) if renderer == "helm" else ())


def test_without_automated_a_commit_waits_until_its_plan_is_approved(make):
    controlled = make(automated=False)
    controlled.until(lambda: controlled.state.last.response is Response.APPROVAL)
    assert controlled.live(A) is None
    assert controlled.state.last.pending == 1
    plan = controlled.state.last.plan_id
    controlled.wait(controlled.store.set_setting(controlled.app.identity, APPROVED, "0" * 12))
    controlled.let_pass(10.0)
    assert controlled.live(A) is None
    controlled.wait(controlled.store.set_setting(controlled.app.identity, APPROVED, plan[:12]))
    controlled.until(lambda: controlled.live(A) is not None)
    controlled.until(lambda: not controlled.wait(controlled.store.setting(controlled.app.identity, APPROVED)))


def test_a_suspended_application_is_not_synced_until_it_is_resumed(controlled):
    controlled.wait(controlled.store.set_setting(controlled.app.identity, SUSPENDED, "by ada because of a fair"))
    controlled.let_pass(5.0)
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: controlled.state.last.response is Response.SUSPENDED)
    assert (data(controlled), controlled.state.last.message) == ({"x": "1"}, "suspended")
    controlled.wait(controlled.store.set_setting(controlled.app.identity, SUSPENDED, None))
    controlled.until(lambda: data(controlled) == {"x": "2"})


# ── drift ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def edited(controlled, value, manager="kubectl-edit"):
    """Somebody changes the object, and a watch tells of it."""
    stored = controlled.cluster.put({**controlled.live(A), "data": {"x": value}}, manager)
    controlled.tell(A, stored)


def test_drift_is_corrected_where_that_was_asked_for(controlled):
    edited(controlled, "by hand")
    controlled.until(lambda: data(controlled) == {"x": "1"})
    assert controlled.facts().count("sync.finished") == 2


def test_drift_is_told_and_left_where_that_was_asked_for(make):
    controlled = make(drift="report")
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    edited(controlled, "by hand")
    controlled.until(lambda: controlled.state.last.response is Response.REPORT)
    assert data(controlled) == {"x": "by hand"}
    assert controlled.state.last.drift == ("ConfigMap shop/a data.x (set by kubectl-edit)",)
    assert controlled.state.drift.seen == 1
    controlled.cluster.put({**controlled.live(A), "data": {"x": "1"}}, "kubectl-edit")
    controlled.tell(A, controlled.live(A))
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    assert controlled.state.last.drift == ()


def test_drift_that_is_ignored_is_not_told_of_while_the_newest_commit_cannot_be_rendered_either(make):
    controlled = make(drift="ignore")
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    controlled.source.commit({"all.yaml": "kind: [broken"})
    controlled.until(lambda: controlled.state.problem)
    edited(controlled, "by hand")
    controlled.let_pass(30.0)
    assert (data(controlled), controlled.state.drift.seen) == ({"x": "by hand"}, 0)
    assert "drift.detected" not in controlled.facts()


@pytest.mark.parametrize(
    ("options", "fields", "is_left_alone"),
    [
        ({}, {"synced": "a"}, False),
        ({}, {}, True),
        ({"drift": "report"}, {"synced": "a"}, False),
        ({"drift": "ignore"}, {"synced": "a"}, True),
        ({}, {"synced": "a", "quarantine": Quarantine("b", "c", "it failed", "")}, False),
        ({}, {"synced": "a", "quarantine": Quarantine("b", "c", "it failed", "", stuck="no way")}, True),
        ({}, {"synced": "a", "partially_applied": frozenset({"b"})}, False),
        ({"rollback": "never"}, {"synced": "a", "partially_applied": frozenset({"b"})}, True),
        ({"rollback": "never"}, {"synced": "a"}, False),
    ],
)
def test_what_is_synced_is_gone_back_to_only_where_that_is_known_and_wanted(options, fields, is_left_alone):
    app = Application("app", sync=SyncOptions(**{"drift": "correct", **options}))
    inventory = Inventory(app.identity, parent_key("app", "shop"), **fields)
    assert _is_left_alone(app, inventory) is is_left_alone


def test_an_object_that_was_deleted_is_made_again(controlled):
    controlled.wait(controlled.cluster.delete(key_of(A)))
    controlled.tell(A, None)
    controlled.until(lambda: controlled.live(A) is not None)


def test_a_manager_that_keeps_writing_is_left_its_field_in_the_end(controlled):
    for number in range(12):
        edited(controlled, f"theirs {number}", "a-script")
        controlled.let_pass(15.0)
    assert data(controlled) == {"x": "theirs 11"}
    corrected = controlled.facts().count("sync.finished") - 1
    assert corrected == 5


# ── what fails ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rollout_that_fails_is_gone_back_from_and_its_commit_is_not_tried_again(make):
    controlled = make(deployment(), before=rolling_out, timeout=60.0)
    controlled.until(lambda: controlled.state.last.outcome is Outcome.SYNCED)
    controlled.commit(deployment(image="web:broken"))
    controlled.until(lambda: controlled.state.last.outcome is Outcome.ROLLED_BACK, seconds=300.0)
    assert image(controlled) == "web:1"
    controlled.let_pass(120.0)
    assert controlled.facts().count("rollback.started") == 1
    assert controlled.state.last.response is Response.HELD
    controlled.commit(deployment(image="web:2"))
    controlled.until(lambda: image(controlled) == "web:2")
    controlled.until(lambda: controlled.state.last.outcome is Outcome.SYNCED)
    assert controlled.state.last.quarantine is None


def test_a_sync_that_fails_is_tried_again_with_growing_pauses(make):
    controlled = make(
        A, before=lambda made: made.cluster.refuse("create", PARENT, 500, "InternalError", "it is broken")
    )
    controlled.let_pass(60.0)
    first = controlled.facts().count("sync.started")
    assert first >= 2
    controlled.let_pass(60.0)
    assert controlled.facts().count("sync.started") - first < first
    controlled.cluster.refuse("create", PARENT, 0)
    controlled.until(lambda: controlled.live(A) is not None, seconds=600.0)


PARENT = parent_key("app", "shop")


def test_a_cluster_that_is_away_changes_no_word_about_the_application_and_is_come_back_to(controlled):
    controlled.cluster.refuse_with("get", PARENT, UnreachableError("it is away"))
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: controlled.state.last.is_away)
    assert controlled.state.last.outcome is Outcome.SYNCED
    controlled.cluster.refuse("get", PARENT, 0)
    controlled.until(lambda: data(controlled) == {"x": "2"}, seconds=300.0)
    controlled.until(lambda: not controlled.state.last.is_away)


def test_what_is_held_is_told_and_goes_on_when_nothing_holds_it_any_more(make):
    controlled = make(before=lambda made: made.cluster.put(config_map("a", x="0"), "operator"))
    controlled.until(lambda: controlled.state.last.response is Response.HELD)
    assert "another manager owns" in controlled.state.last.message
    assert data(controlled) == {"x": "0"}
    controlled.commit(config_map("b"))
    controlled.until(lambda: controlled.live(config_map("b")) is not None)
    assert controlled.state.last.response is not Response.HELD


# ── what people ask ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_ping_and_a_refresh_are_answered(controlled):
    assert answer(controlled, controlled.ask(PING))[0] is Outcome.IN_SYNC
    looks = controlled.repositories.looks
    assert answer(controlled, controlled.ask(REFRESH))[0] is Outcome.IN_SYNC
    assert controlled.repositories.looks > looks


def test_what_is_asked_for_while_a_repository_cannot_be_read_fails_with_why_it_cannot_be(controlled):
    async def away(app):
        raise SourceError("the host is away")

    controlled.repositories.look = away
    controlled.until(lambda: controlled.state.source.look_error)
    assert answer(controlled, controlled.ask(REFRESH)) == (Outcome.FAILED, "the host is away")
    controlled.wait(controlled.cluster.delete(key_of(A)))
    assert answer(controlled, controlled.ask(SYNC)) == (Outcome.FAILED, "the host is away")
    assert controlled.live(A) is not None, "what was seen last is synced all the same"


def test_a_fault_of_ours_in_a_look_is_told_and_the_next_look_is_another(controlled):
    look = controlled.repositories.look

    async def crashes(app):
        raise KeyError("odd")

    controlled.repositories.look = crashes
    controlled.until(lambda: controlled.state.problem == "a fault in the controller; see its log")
    controlled.repositories.look = look
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: data(controlled) == {"x": "2"}, 600.0)
    assert controlled.state.problem == ""


def test_a_commit_that_could_not_be_had_is_tried_at_once_when_somebody_tells_of_it(controlled):
    tree = controlled.repositories.tree

    async def broken(app, revision):
        raise SourceError("the commit cannot be had")

    controlled.repositories.tree = broken
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: controlled.state.source.look_error == "the commit cannot be had")
    controlled.let_pass(120.0)
    controlled.repositories.tree = tree
    controlled.wait(controlled._looked_at())
    controlled.until(lambda: data(controlled) == {"x": "2"}, 5.0)


def test_a_sync_of_what_was_never_seen_fails_with_why_it_cannot_be(make):
    def away(controlled):
        controlled.source.is_away = True

    controlled = make(before=away)
    controlled.until(lambda: controlled.state.source.look_error)
    outcome, message = answer(controlled, controlled.ask(SYNC))
    assert (outcome, "the source is away" in message) == (Outcome.FAILED, True)


def test_a_sync_that_is_asked_for_is_done_although_it_is_not_automated(make):
    controlled = make(automated=False)
    controlled.until(lambda: controlled.state.last.response is Response.APPROVAL)
    outcome, _ = answer(controlled, controlled.ask(SYNC))
    assert (outcome, data(controlled)) == (Outcome.SYNCED, {"x": "1"})
    assert controlled.wait(controlled.store.events(controlled.app.identity, "memory"))[0].actor == "ada"


def test_a_sync_that_is_asked_for_of_what_is_in_sync_says_so(controlled):
    assert answer(controlled, controlled.ask(SYNC))[0] is Outcome.IN_SYNC


def test_what_would_be_held_goes_on_when_the_person_confirms_it(make):
    many = [config_map(f"m{number}") for number in range(20)]
    controlled = make(*many)
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    controlled.commit(*many[:2])
    controlled.until(lambda: controlled.state.last.response is Response.HELD)
    assert controlled.live(many[9]) is not None
    outcome, message = answer(controlled, controlled.ask(SYNC))
    assert (outcome, bool(message)) == (Outcome.HELD, True)
    assert answer(controlled, controlled.ask(SYNC, confirm=True))[0] is Outcome.SYNCED
    assert controlled.live(many[9]) is None


def test_a_rollback_that_is_asked_for_goes_by_the_plan_that_was_shown(controlled):
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: data(controlled) == {"x": "2"})
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    outcome, message = answer(controlled, controlled.ask(ROLLBACK, plan="0" * 64))
    assert (outcome, "look at it again" in message) == (Outcome.HELD, True)
    assert data(controlled) == {"x": "2"}


def test_a_rollback_by_the_plan_that_was_shown_is_done_and_timed(controlled):
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: data(controlled) == {"x": "2"})
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    controlled.let_pass(5.0)
    before = controlled.state.times.synced_at
    context = context_of(controlled.state, controlled.controller.workers.get("").deps)
    request = Request(controlled.state.app, "ada")
    _, planned, _ = controlled.wait(plan_back(request, context, None, prune=False, confirm=False))
    assert answer(controlled, controlled.ask(ROLLBACK, plan=planned.plan.id))[0] is Outcome.SYNCED
    assert data(controlled) == {"x": "1"}
    assert controlled.state.times.synced_at > before


def test_a_window_of_the_project_that_is_open_to_people_holds_back_the_controller_alone(make, tmp_path):
    path = tmp_path / "projects.yaml"
    path.write_text(PROJECT)
    projects = Projects(FollowedFile(path, read_projects, lambda *_: None), home="gitops", entry=lambda _: None)

    class Limited(Controlled):
        def parts(self):
            self.controller.projects = projects
            return []

    controlled = make(kind=Limited, automated=True)
    controlled.until(lambda: controlled.state.last.response is Response.HELD)
    assert "project default" in controlled.state.last.message
    controlled.let_pass(10.0)
    assert controlled.live(A) is None
    assert answer(controlled, controlled.ask(SYNC))[0] is Outcome.SYNCED
    assert data(controlled) == {"x": "1"}
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: controlled.state.last.response is Response.HELD and controlled.state.last.pending)
    plan = controlled.state.last.plan_id
    controlled.wait(controlled.store.set_setting(controlled.app.identity, APPROVED, plan))
    controlled.until(lambda: data(controlled) == {"x": "2"})


@pytest.mark.parametrize("suspended", [False, True])
def test_a_commit_that_is_not_synced_by_itself_ends_no_sync_that_a_person_asked_for(make, suspended):
    controlled = make(automated=suspended, timeout=600.0)
    controlled.let_pass(10.0)
    if suspended:
        controlled.wait(controlled.store.set_setting(controlled.app.identity, SUSPENDED, "by ada"))
        controlled.let_pass(5.0)
    controlled.commit(deployment())
    waits = Response.SUSPENDED if suspended else Response.APPROVAL
    controlled.until(lambda: controlled.state.last.response is waits)
    asked = controlled.ask(SYNC)
    controlled.until(lambda: controlled.live(deployment()) is not None)
    task = controlled.state.schedule.task
    controlled.commit(deployment(), A)
    controlled.let_pass(10.0)
    assert controlled.state.schedule.task is task
    rolling_out(controlled)
    assert answer(controlled, asked)[0] is Outcome.SYNCED
    assert controlled.live(A) is None


def test_the_sync_under_way_is_terminated_and_not_begun_again(make):
    controlled = make(deployment(), timeout=600.0)
    controlled.until(lambda: controlled.live(deployment()) is not None)
    outcome, message = answer(controlled, controlled.ask(TERMINATE, reason="the wrong day"))
    assert outcome is Outcome.DONE
    assert message.startswith("what was applied stays")
    controlled.until(lambda: controlled.facts()[-1] == "sync.terminated")
    controlled.let_pass(60.0)
    assert controlled.facts()[-1] == "sync.terminated"
    assert controlled.state.last.response is Response.HELD


def test_where_nothing_runs_there_is_nothing_to_terminate(controlled):
    outcome, message = answer(controlled, controlled.ask(TERMINATE))
    assert (outcome is Outcome.DONE, bool(message)) == (False, True)


def test_tests_are_run_when_asked_and_answered_by_how_they_ended(make):
    def running(made):
        def passing():
            for key, body in list(made.cluster._bodies.items()):
                if key.kind == "Job" and not body.get("status"):
                    status = {"conditions": [{"type": "Complete", "status": "True"}]}
                    made.cluster.put({**body, "status": status}, "controllers")

        made.passing = passing

    controlled = make(A, job("check", "test"), before=running)
    controlled.until(lambda: controlled.state.last.response is Response.SETTLED)
    outcome, _ = answer(controlled, controlled.ask(TEST))
    assert outcome in (Outcome.DONE, Outcome.SYNCED)
    assert controlled.facts()[-1] == "test.passed"


# ── Applications come, change and go ─────────────────────────────────────────────────────────────────────────────────


def put(controlled, app):
    from gitops.controller.registry import Registration

    async def putting():
        controlled.controller.registry.put("test", Registration(app, trusted=True))

    controlled.wait(putting())


def test_another_spec_holds_from_the_next_pass_on(controlled):
    put(controlled, replace(controlled.app, sync=replace(controlled.app.sync, drift="report")))
    controlled.let_pass(5.0)
    edited(controlled, "by hand")
    controlled.until(lambda: controlled.state.last.response is Response.REPORT)


def test_an_application_waits_for_those_that_it_depends_on(make):
    controlled = make(deployment(), timeout=3600.0)
    other = replace(
        controlled.app,
        name="other",
        dependsOn=("app",),
        source=replace(controlled.app.source, repoURL="https://git.example.com/other.git"),
    )
    put(controlled, other)
    controlled.let_pass(30.0)
    state = controlled.controller.index.get("gitops/other")
    assert state.last.response is None or state.last.response is Response.HELD
    assert re.search(r"\b(depends on|gitops/)\s*app\b", f"{state.problem}{state.last.message}")


def test_one_that_is_gone_is_no_longer_synced_and_what_it_had_stays(controlled):
    async def going():
        controlled.controller.registry.drop("test", controlled.app.identity)

    controlled.wait(going())
    controlled.commit(config_map("a", x="2"))
    controlled.let_pass(30.0)
    assert data(controlled) == {"x": "1"}
    assert controlled.state is None
