"""Whole passes, on a cluster and a repository in memory: what is written, in which order, and what is remembered."""

import logging

import pytest
from structlog.testing import capture_logs

from gitops import logs
from gitops.engine.inventory import INSTANCE, MANAGED_BY, SET_ID
from gitops.manifests.key import key_of
from gitops.model.errors import ConfigError, RenderError, SourceError
from gitops.model.result import Outcome
from gitops.sync import events
from tests.unit.desk import SPACE, Desk, config_map

A, B = config_map("a", x="1"), config_map("b", x="1")


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def deployment(name="web", image="web:1"):
    labels = {"app": name}
    container = {"name": "web", "image": image}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def rolling_out(desk, *names):
    """Have Deployments run as long as their image is not broken."""

    def passing():
        for name in names or ("web",):
            live = desk.live(deployment(name))
            if live is not None:
                ready = 0 if "broken" in str(live["spec"]) else 1
                counts = dict.fromkeys(("updatedReplicas", "readyReplicas", "availableReplicas"), ready)
                conditions = [{"type": "Available", "status": "True" if ready else "False"}]
                status = {
                    "observedGeneration": live["metadata"]["generation"],
                    "replicas": 1,
                    **counts,
                    "conditions": conditions,
                }
                if live.get("status") != status:
                    desk.cluster.put({**live, "status": status}, "controllers")

    desk.passing = passing


def image(desk):
    return desk.live(deployment())["spec"]["template"]["spec"]["containers"][0]["image"]


def written(desk, since=0):
    """The names of what was written but for the inventory, in order."""
    return [(verb, key.name) for verb, key in desk.cluster.calls[since:] if not key.name.startswith("gitops-")]


def facts(desk):
    return [event.fact for event in desk.audit()]


# ── what a pass writes ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_commit_is_applied_and_a_second_pass_writes_nothing(desk):
    desk.commit(A)
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.live(A)["data"] == {"x": "1"}
    before = len(desk.cluster.calls)
    assert desk.sync().outcome is Outcome.IN_SYNC
    assert desk.cluster.calls[before:] == []


def test_only_what_changed_is_sent(desk):
    desk.commit(A, B)
    desk.sync()
    before = len(desk.cluster.calls)
    desk.commit(A, config_map("b", x="2"))
    assert desk.sync().outcome is Outcome.SYNCED
    assert {name for _, name in written(desk, before)} == {"b"}
    assert desk.live(B)["data"] == {"x": "2"}


def test_what_left_git_goes_after_all_the_rest_is_written(desk):
    desk.commit(A, B)
    desk.sync()
    before = len(desk.cluster.calls)
    desk.commit(A, config_map("c"))
    result = desk.sync()
    assert [(change.verb, change.key.name) for change in result.changed] == [("created", "c"), ("pruned", "b")]
    assert [call for call in written(desk, before) if call[0] == "delete"] == [("delete", "b")]
    assert written(desk, before)[-1] == ("delete", "b")
    assert desk.inventory().keys == {key_of(A), key_of(config_map("c"))}


def test_nothing_is_pruned_when_what_the_commit_does_not_touch_breaks_while_the_rest_comes_up(desk):
    app, api = desk.with_sync(timeout=60.0), deployment("api")
    rolling_out(desk, "web", "api")
    desk.commit(api, deployment(), B)
    assert desk.sync(app).outcome is Outcome.SYNCED
    desk.commit(api, deployment(image="web:2"))
    rolling_out(desk)
    rolls_out, began = desk.passing, desk.clock.monotonic()

    def passing():
        live = desk.live(api)
        if image(desk) == "web:2" and live["status"]["readyReplicas"]:
            none = dict.fromkeys(("readyReplicas", "availableReplicas"), 0)
            desk.cluster.put({**live, "status": {**live["status"], **none}}, "controllers")
        if desk.clock.monotonic() > began + 5:
            rolls_out()

    desk.passing = passing
    result = desk.sync(app)
    assert "Deployment shop/api" in result.message
    assert desk.live(B) is not None


def test_what_left_git_goes_wave_by_wave_each_when_the_one_before_is_gone(desk):
    late = config_map("late", annotations={"gitops.dev/wave": "1"})
    desk.commit(A, B, late)
    desk.sync()
    live = desk.live(late)
    desk.cluster.put({**live, "metadata": {**live["metadata"], "finalizers": ["example.com/slow"]}})
    seen = []

    def passing():
        now = desk.live(late)
        if now is not None and now["metadata"].get("deletionTimestamp"):
            seen.append(desk.live(B) is not None)
            if len(seen) == 3:
                desk.cluster.put({**now, "metadata": {**now["metadata"], "finalizers": []}})

    desk.passing = passing
    desk.commit(A)
    assert desk.sync().outcome is Outcome.SYNCED
    assert (seen, desk.live(B), desk.live(late)) == ([True] * 3, None, None)


@pytest.mark.parametrize(
    "word", [{"gitops.dev/apply": "if-absent"}, {"kustomize.toolkit.fluxcd.io/ssa": "IfNotPresent"}]
)
def test_what_is_only_to_be_made_if_absent_is_made_and_never_changed(desk, word):
    desk.commit(config_map("c", annotations=word, x="1"))
    desk.sync()
    desk.commit(config_map("c", annotations=word, x="2"))
    desk.sync()
    assert desk.live(config_map("c"))["data"] == {"x": "1"}


def test_without_prune_what_left_git_stays_and_stays_ours(desk):
    desk.commit(A, B)
    app = desk.with_sync(prune=False)
    desk.sync(app)
    desk.commit(A)
    result = desk.sync(app)
    assert (result.outcome, desk.live(B) is not None) == (Outcome.SYNCED, True)
    assert key_of(B) in desk.inventory().keys
    assert desk.sync(app, prune=True).changed[0].verb == "pruned"


def test_what_says_that_it_is_not_to_be_pruned_stays(desk):
    kept = config_map("b", annotations={"argocd.argoproj.io/sync-options": "Prune=false"})
    desk.commit(A, kept)
    desk.sync()
    desk.commit(A)
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.live(B) is not None


def test_a_plan_writes_nothing(desk):
    desk.commit(A)
    planned = desk.plan()
    assert [type(change).__name__ for change in planned.plan.changes] == ["Create"]
    assert all(verb == "apply" for verb, _ in desk.cluster.calls)  # dry-runs
    assert desk.live(A) is None


def test_the_namespace_is_made_before_the_inventory_and_only_if_asked(desk):
    desk.cluster = type(desk.cluster)()
    desk.commit(A)
    with pytest.raises(
        ConfigError, match=r"namespace shop does not exist; add its manifest, set sync\.createNamespace"
    ):
        desk.sync()
    assert desk.cluster.calls == []
    assert desk.sync(desk.with_sync(createNamespace=True)).outcome is Outcome.SYNCED
    assert [key.name for _, key in desk.cluster.calls] == ["shop", "gitops-app", "a", "gitops-app"]
    assert facts(desk)[:2] == ["sync.started", "namespace.made"]


# ── what holds a pass ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_commit_in_which_nothing_is_left_takes_nothing_away(desk):
    desk.commit(A, B)
    desk.sync()
    desk.source.commit({"empty.yaml": "# nothing\n"})
    with pytest.raises(RenderError, match="nothing to render there"):
        desk.sync()
    assert desk.live(A) is not None


def test_too_many_at_once_are_not_pruned_until_somebody_confirms(desk):
    many = [config_map(f"m{number}") for number in range(20)]
    desk.commit(*many)
    desk.sync()
    desk.commit(*many[:2])
    held = desk.sync()
    assert held.outcome is Outcome.HELD
    assert desk.live(many[5]) is not None
    assert facts(desk)[-1] == "sync.held"
    assert desk.sync(confirm=True).outcome is Outcome.SYNCED
    assert desk.live(many[5]) is None


def test_what_is_there_already_is_not_taken_without_a_word(desk):
    desk.cluster.put(config_map("a", x="0"), "operator")
    desk.commit(A)
    held = desk.sync()
    assert held.outcome is Outcome.HELD
    assert desk.live(A)["data"] == {"x": "0"}
    assert desk.sync(adopt=True, force_conflicts=True).outcome is Outcome.SYNCED
    assert desk.live(A)["data"] == {"x": "1"}


@pytest.mark.parametrize(
    ("code", "outcome", "data"),
    [
        (0, Outcome.SYNCED, {"x": "1"}),
        (403, Outcome.SYNCED, {"x": "1"}),  # who may not ask goes by what is expected
        (422, Outcome.HELD, {"x": "0", "y": "1"}),
    ],
)
def test_what_another_tool_left_is_taken_over_where_the_server_takes_the_outcome(desk, code, outcome, data):
    desk.cluster.put(config_map("a", x="0", y="1"), "helm")
    desk.commit(A)
    desk.cluster.refuse("dry_run_replace", key_of(A), code)
    result = desk.sync(adopt=True, force_conflicts=True)
    assert (result.outcome, desk.live(A)["data"]) == (outcome, data)
    assert ("all.yaml:1: ConfigMap shop/a: it is refused" in result.message) == (code == 422)
    assert ("predicted here" in result.plan.predicted) == (code == 403)


def test_what_another_application_owns_is_held_whatever_is_asked(desk):
    desk.commit(A)
    desk.sync()
    other = desk.app.__class__("other", source=desk.app.source, destination=desk.app.destination, sync=desk.app.sync)
    held = desk.sync(other, confirm=True, force_conflicts=True)
    assert held.outcome is Outcome.HELD
    assert "gitops/app" in held.message


def test_a_field_of_an_operator_is_held_and_forced_when_asked(desk):
    desk.commit(config_map("a", x="1"))
    desk.sync()
    desk.cluster.put({**desk.live(A), "data": {"x": "1", "y": "theirs"}}, "operator")
    desk.commit(config_map("a", x="1", y="ours"))
    held = desk.sync()
    assert held.outcome is Outcome.HELD
    assert "operator" in held.message
    assert desk.sync(force_conflicts=True).outcome is Outcome.SYNCED
    assert desk.live(A)["data"]["y"] == "ours"


def test_conflicts_are_forced_where_the_application_says_so(desk):
    desk.commit(config_map("a", x="1"))
    desk.sync()
    desk.cluster.put({**desk.live(A), "data": {"x": "1", "y": "theirs"}}, "operator")
    desk.commit(config_map("a", x="1", y="ours"))
    assert desk.sync(desk.with_sync(conflicts="force")).outcome is Outcome.SYNCED


@pytest.mark.parametrize("drift", ["report", "correct"])
def test_what_a_person_changed_by_hand_is_taken_back_by_a_sync(desk, drift):
    desk.commit(A)
    desk.sync()
    desk.cluster.put({**desk.live(A), "data": {"x": "by hand"}}, "kubectl-edit")
    assert desk.sync(desk.with_sync(drift=drift)).outcome is Outcome.SYNCED
    assert desk.live(A)["data"] == {"x": "1"}


def test_what_a_script_changed_is_held_and_corrected_where_drift_is(desk):
    desk.commit(A)
    desk.sync()
    desk.cluster.put({**desk.live(A), "data": {"x": "scripted"}}, "some-script")
    assert desk.sync().outcome is Outcome.HELD
    assert desk.live(A)["data"] == {"x": "scripted"}
    assert desk.sync(desk.with_sync(drift="correct")).outcome is Outcome.SYNCED
    assert desk.live(A)["data"] == {"x": "1"}


def test_what_a_script_set_and_git_never_did_is_held_though_drift_is_corrected(desk):
    desk.commit(A)
    desk.sync()
    desk.cluster.put({**desk.live(A), "data": {"x": "1", "y": "scripted"}}, "some-script")
    desk.commit(config_map("a", x="1", y="2"))
    assert desk.sync(desk.with_sync(drift="correct")).outcome is Outcome.HELD


# ── what fails ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_object_that_a_trial_refuses_is_named_with_its_line_and_nothing_is_written(desk):
    desk.commit(A, B)
    desk.cluster.refuse("apply", key_of(B), 422, "Invalid", "it has two heads")
    result = desk.sync()
    assert (result.outcome, result.message) == (Outcome.HELD, "all.yaml:9: ConfigMap shop/b: it has two heads")
    assert (desk.live(A), facts(desk)) == (None, ["sync.held"])


def test_a_workload_that_never_runs_is_given_up_in_time_and_gone_back_from(desk):
    rolling_out(desk)
    app = desk.with_sync(timeout=60.0)
    good = desk.commit(deployment())
    assert desk.sync(app).outcome is Outcome.SYNCED
    bad = desk.commit(deployment(image="web:broken"))
    began = desk.clock.monotonic()
    result = desk.sync(app)
    assert 60.0 <= desk.clock.monotonic() - began < 150.0
    assert (result.outcome, result.rollback.outcome) == (Outcome.ROLLED_BACK, Outcome.SYNCED)
    assert image(desk) == "web:1"
    found = desk.inventory()
    assert (found.quarantine.revision, found.healthy.revision) == (bad, good)
    assert found.rollback_target is None
    assert facts(desk)[-5:-3] == ["rollback.started", "sync.started"]
    assert facts(desk)[-1] == "sync.finished"


def test_a_way_back_that_fails_as_well_is_told_and_remembered(desk):
    rolling_out(desk)
    app = desk.with_sync(timeout=60.0)
    desk.commit(deployment())
    desk.sync(app)
    desk.commit(deployment(image="web:broken"))
    desk.passing = lambda: desk.cluster.put({**desk.live(deployment()), "status": {}}, "controllers")
    result = desk.sync(app)
    assert result.outcome is Outcome.FAILED
    assert "; rolling back failed: apps/Deployment shop/web: not healthy in time" in result.message
    assert facts(desk)[-1] == "rollback.failed"
    assert desk.inventory().quarantine is not None


def test_nothing_is_gone_back_to_where_nobody_wants_it(desk):
    rolling_out(desk)
    app = desk.with_sync(timeout=60.0, rollback="never")
    desk.commit(deployment())
    desk.sync(app)
    desk.commit(deployment(image="web:broken"))
    assert desk.sync(app).outcome is Outcome.FAILED
    assert image(desk) == "web:broken"


def test_a_first_commit_that_fails_has_nothing_to_go_back_to(desk):
    desk.commit(deployment())
    result = desk.sync(desk.with_sync(timeout=30.0))
    assert result.outcome is Outcome.FAILED
    assert result.message.endswith("(not rolled back: no release has been healthy yet)")
    assert desk.inventory().healthy is None
    assert facts(desk)[-1] == "sync.failed"


def test_a_sync_that_does_not_wait_makes_no_release(desk):
    desk.commit(deployment())
    assert desk.sync(wait=False).outcome is Outcome.SYNCED
    assert desk.inventory().healthy is None


def test_a_source_that_is_away_changes_nothing(desk):
    desk.commit(A)
    desk.sync()
    before = len(desk.cluster.calls)
    desk.source.is_away = True
    with pytest.raises(SourceError, match="the source is away"):
        desk.sync()
    assert len(desk.cluster.calls) == before


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────


def test_who_listens_is_told_the_plan_first_and_the_result_last(desk):
    desk.commit(A)
    result = desk.sync()
    first, *between, last = desk.events
    assert (type(first), [str(change.key) for change in first.plan.changes]) == (events.PlanMade, ["ConfigMap shop/a"])
    assert last == events.Finished(result)
    assert [type(one) for one in between] == [events.StepStarted, events.Wrote, events.HealthChanged]


def test_the_audit_log_tells_a_sync_from_its_start_to_its_end(desk):
    sha = desk.commit(A)
    desk.sync()
    events = desk.audit()
    assert facts(desk) == ["sync.started", "step.started", "step.finished", "sync.finished"]
    assert {event.actor for event in events} == {"ada"}
    assert (events[0].detail["ref"], events[0].revision) == ("main", sha)
    anchor = desk.inventory().anchor
    assert anchor.seq == events[-1].seq


def test_the_log_says_of_each_entry_what_and_why(desk, monkeypatch):
    monkeypatch.setattr(logs._now, "level", logging.INFO)
    desk.commit(A)
    desk.cluster.put(config_map("a", x="0"), "operator")
    with capture_logs() as lines:
        assert desk.sync().outcome is Outcome.HELD
        assert desk.sync(adopt=True, force_conflicts=True).outcome is Outcome.SYNCED
    told = {line["event"]: line for line in lines}
    assert told["sync.held"]["reason"].startswith("ConfigMap shop/a: another manager owns")
    assert told["step.started"]["objects"] == "update ConfigMap shop/a"
    assert told["sync.finished"]["objects"] == "updated ConfigMap shop/a"
    assert {line["application"] for line in told.values()} == {desk.app.identity}


def test_the_inventory_is_claimed_before_the_first_write_and_settled_after_the_last(desk):
    desk.commit(A)
    desk.sync()
    writes = [(verb, key.name) for verb, key in desk.cluster.calls]
    assert writes[-3:] == [("create", "gitops-app"), ("apply", "a"), ("merge_strategic", "gitops-app")]


def test_a_lost_store_takes_nothing_from_what_the_cluster_knows(desk, tmp_path):
    desk.commit(A, B)
    desk.sync()
    desk.folder = tmp_path / "another"
    desk.folder.mkdir()
    desk.commit(A)
    assert [change.verb for change in desk.sync().changed] == ["pruned"]


def test_a_new_repository_with_the_same_files_is_noted_and_changes_nothing_else(desk):
    desk.commit(A)
    desk.sync()
    before = len(desk.cluster.calls)
    moved = desk.app.with_sources((desk.app.source.__class__(repoURL="https://git.example.com/moved.git"),))
    assert desk.sync(moved).outcome is Outcome.IN_SYNC
    assert written(desk, before) == []
    assert facts(desk)[-1] == "source.changed"
    assert desk.inventory().source == "https://git.example.com/moved.git"


def test_single_objects_are_synced_alone_and_prune_nothing(desk):
    desk.commit(A, B)
    desk.sync()
    desk.commit(config_map("a", x="2"), config_map("c"))
    result = desk.sync(resources=("ConfigMap/a",))
    assert [change.key.name for change in result.changed] == ["a"]
    assert desk.live(B) is not None
    assert desk.live(config_map("c")) is None


def test_the_namespace_of_the_application_is_not_pruned_with_it_in_it(desk):
    desk.commit(A, SPACE)
    desk.sync(adopt=True)
    desk.commit(A)
    desk.sync()
    assert desk.cluster.body(key_of(SPACE)) is not None


def test_what_is_no_inventory_in_a_namespace_that_leaves_holds_nothing_up(desk):
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}}
    desk.commit(A, other)
    desk.sync()
    labels = {SET_ID: "applyset-x", MANAGED_BY: INSTANCE}
    damaged = config_map("gitops-tenant", "other")
    desk.cluster.put({**damaged, "metadata": {**damaged["metadata"], "labels": labels}})
    desk.commit(A)
    held = desk.sync()
    assert held.outcome is Outcome.HELD
    assert "would be deleted with all that is in it" in held.message
    assert desk.sync(confirm=True).outcome is Outcome.SYNCED
    assert desk.live(other) is None
