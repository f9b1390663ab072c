"""Hooks in whole passes: when each runs, what waits for it, and what a kill leaves."""

import pytest

from gitops.controller.requested_rollback import plan_back
from gitops.engine.annotations import annotations_of
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import key_of
from gitops.model.errors import ConfigError, HeldError, UnreachableError
from gitops.model.result import Outcome
from gitops.sync.context import Request
from gitops.sync.run_tests import run_tests
from gitops.sync.uninstall import uninstall
from tests.unit.desk import Desk, config_map
from tests.unit.test_passes import deployment, facts, rolling_out, written

A = config_map("a", x="1")


def job(name, phase, image="run:1", policy="", **annotations):
    words = {"gitops.dev/hook": phase, **annotations}
    if policy:
        words["gitops.dev/hook-delete-policy"] = policy
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "shop", "annotations": words},
        "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "run", "image": image}]}},
        },
    }


@pytest.fixture
def desk(tmp_path):
    """Where Jobs end a while after they were made: those of a bad image by failing."""
    made = Desk(tmp_path, timeout=60.0)
    made.ran = []

    def passing():
        for key, body in list(made.cluster._bodies.items()):
            if key.kind == "Job" and not body.get("status"):
                how = "Failed" if "bad" in str(body["spec"]) else "Complete"
                made.ran.append((key.name, made.live(A) is not None))
                conditions = [{"type": how, "status": "True"}]
                made.cluster.put({**body, "status": {"conditions": conditions}}, "controllers")

    made.passing = passing
    return made


def test_hooks_run_before_and_after_what_is_synced_and_are_waited_for(desk):
    desk.commit(job("before", "pre-sync"), A, job("after", "post-sync"))
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.ran == [("before", False), ("after", True)]


def test_hooks_are_waited_for_even_by_a_sync_that_does_not_wait(desk):
    desk.commit(job("before", "pre-sync"), A)
    assert desk.sync(wait=False).outcome is Outcome.SYNCED
    assert desk.ran == [("before", False)]


def test_the_way_back_that_is_shown_has_no_hooks_of_a_sync_in_it(desk):
    for number in "12":
        desk.commit(job("before", "pre-sync"), config_map("a", x=number))
        desk.sync()
    request = Request(desk.app, "ada")
    _, planned, release = desk.run(lambda context: plan_back(request, context, None, prune=True, confirm=False))
    assert (release, [change.key for change in planned.plan.changes]) == (1, [key_of(A)])


def test_a_failed_hook_ends_the_sync_before_what_comes_after(desk):
    desk.commit(job("before", "pre-sync", image="bad"), A, job("after", "post-sync"), job("alarm", "sync-fail"))
    result = desk.sync()
    assert result.outcome is Outcome.FAILED
    assert "batch/Job shop/before" in result.message
    assert desk.live(A) is None
    assert [name for name, _ in desk.ran] == ["before", "alarm"]


def test_the_hooks_of_a_failure_run_after_nothing_else(desk):
    desk.commit(A, job("alarm", "sync-fail"))
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.ran == []


def test_the_hooks_of_a_failure_have_time_of_their_own_when_the_syncs_was_used_up(desk):
    desk.commit(deployment(), job("alarm", "sync-fail"))
    result = desk.sync(desk.with_sync(timeout=5.0))
    assert result.outcome is Outcome.FAILED
    assert [name for name, _ in desk.ran] == ["alarm"]
    assert "alarm" not in result.message


def test_a_hook_runs_once_for_a_commit_and_again_for_the_next(desk):
    desk.commit(A, job("after", "post-sync"))
    desk.sync()
    assert desk.sync().outcome is Outcome.IN_SYNC
    assert len(desk.ran) == 1
    desk.commit(config_map("a", x="2"), job("after", "post-sync"))
    desk.sync()
    assert len(desk.ran) == 2


@pytest.mark.parametrize("hooks", [True, False])
def test_hooks_can_be_asked_for_and_left_out(desk, hooks):
    desk.commit(A, job("after", "post-sync"))
    desk.sync(hooks=hooks)
    assert [name for name, _ in desk.ran] == (["after"] if hooks else [])


@pytest.mark.parametrize(
    ("policy", "image", "stays"),
    [
        ("hook-succeeded", "run:1", False),
        ("hook-succeeded", "bad", True),
        ("hook-failed", "run:1", True),
        ("hook-failed", "bad", False),
        ("before-hook-creation", "run:1", True),
    ],
)
def test_a_policy_says_what_is_left_of_a_hook(desk, policy, image, stays):
    hook = job("after", "post-sync", image=image, policy=policy)
    desk.commit(A, hook)
    result = desk.sync()
    assert result.outcome is (Outcome.SYNCED if image != "bad" else Outcome.FAILED)
    assert (desk.live(hook) is not None) is stays
    assert (key_of(hook) in desk.inventory().keys) is stays


def test_a_sync_that_was_killed_goes_on_without_running_a_hook_twice(desk):
    desk.commit(job("before", "pre-sync"), A)
    desk.cluster.refuse_with("apply", key_of(A), UnreachableError("it is away"))
    with pytest.raises(UnreachableError):
        desk.sync()
    desk.cluster.refuse("apply", key_of(A), 0)
    desk.events = Away(desk, key_of(A))
    with pytest.raises(UnreachableError):
        desk.sync()
    assert desk.ran == [("before", False)]
    uid = desk.live(job("before", "pre-sync"))["metadata"]["uid"]
    desk.events = []
    desk.cluster.refuse("apply", key_of(A), 0)
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.ran == [("before", False)]
    assert desk.live(job("before", "pre-sync"))["metadata"]["uid"] == uid


def test_what_a_kill_left_of_another_commit_runs_its_hooks_anew(desk):
    desk.commit(job("before", "pre-sync"), A, job("after", "post-sync"))
    desk.events = Away(desk, key_of(job("after", "post-sync")))
    with pytest.raises(UnreachableError):
        desk.sync()
    desk.events = []
    desk.cluster.refuse("apply", key_of(job("after", "post-sync")), 0)
    run = desk.inventory().hooks
    assert run is not None
    desk.commit(job("before", "pre-sync"), config_map("a", x="2"), job("after", "post-sync"))
    assert desk.sync().outcome is Outcome.SYNCED
    assert [name for name, _ in desk.ran] == ["before", "before", "after"]
    assert desk.inventory().hooks is None


class Away(list):
    """Events; an object cannot be written any more once anything was."""

    def __init__(self, desk, key):
        super().__init__()
        self._cluster, self._key = desk.cluster, key

    def append(self, event):
        super().append(event)
        if type(event).__name__ == "Wrote":
            self._cluster.refuse_with("apply", self._key, UnreachableError("it is away"))


def test_the_hooks_of_a_deletion_run_around_it(desk):
    before, after = job("before", "pre-delete"), job("after", "post-delete")
    desk.commit(before, A, after)
    desk.sync()
    assert desk.ran == []
    request = Request(desk.app, "ada", PlanOptions(confirm=True))
    result = desk.run(lambda context: uninstall(request, context, keep=False))
    assert result.outcome is Outcome.SYNCED
    assert desk.ran == [("before", True), ("after", False)]
    assert [desk.live(before), desk.live(after), desk.live(A)] == [None] * 3


def test_a_deletion_whose_first_hook_fails_deletes_nothing(desk):
    desk.commit(job("before", "pre-delete", image="bad"), A)
    desk.sync()
    request = Request(desk.app, "ada", PlanOptions(confirm=True))
    result = desk.run(lambda context: uninstall(request, context, keep=False))
    assert result.outcome is Outcome.FAILED
    assert desk.live(A) is not None
    assert facts(desk)[-1] == "delete.failed"


def test_a_deletion_whose_hooks_nobody_has_waits_for_a_word(desk, tmp_path):
    desk.commit(job("before", "pre-delete"), A)
    desk.sync()
    desk.folder = tmp_path / "another"
    desk.folder.mkdir()
    desk.source._commits.clear()
    result = desk.run(lambda context: uninstall(Request(desk.app, "ada"), context, keep=False))
    assert result.outcome is Outcome.HELD
    assert "--confirm deletes it without them" in result.message
    assert desk.live(A) is not None
    request = Request(desk.app, "ada", PlanOptions(confirm=True))
    assert desk.run(lambda context: uninstall(request, context, keep=False)).outcome is Outcome.SYNCED
    assert desk.ran == []


# ── tests, when somebody asks ────────────────────────────────────────────────────────────────────────────────────────


def test_tests_run_when_asked_and_say_what_failed(desk):
    desk.commit(A, job("light", "test"), job("heavy", "test", image="bad", **{"gitops.dev/wave": "1"}))
    desk.sync()
    assert desk.ran == []
    run = desk.run(lambda context: run_tests(Request(desk.app, "ada"), context))
    assert [key.name for key in run.tests] == ["heavy", "light"]
    assert [failure.key.name for failure in run.failures] == ["heavy"]
    assert facts(desk)[-1] == "test.failed"
    assert [name for name, _ in desk.ran] == ["light", "heavy"]


def test_a_test_that_passes_is_told_and_can_be_run_again(desk):
    desk.commit(A, job("light", "test"))
    desk.sync()
    for _ in range(2):
        run = desk.run(lambda context: run_tests(Request(desk.app, "ada"), context))
        assert run.failures == ()
    assert facts(desk)[-1] == "test.passed"
    assert len(desk.ran) == 2


def test_where_there_is_nothing_to_test_that_is_said(desk):
    with pytest.raises(ConfigError, match="was never synced in full here"):
        desk.run(lambda context: run_tests(Request(desk.app, "ada"), context))
    desk.commit(A)
    desk.sync()
    with pytest.raises(ConfigError, match="has no tests"):
        desk.run(lambda context: run_tests(Request(desk.app, "ada"), context))


def test_a_sync_that_is_half_done_is_not_tested(desk):
    desk.commit(A, job("light", "test"), job("after", "post-sync"))
    desk.sync()
    desk.commit(config_map("a", x="2"), job("light", "test"), job("after", "post-sync"))
    desk.events = Away(desk, key_of(job("after", "post-sync")))
    with pytest.raises(UnreachableError):
        desk.sync()
    desk.events = []
    desk.cluster.refuse("apply", key_of(job("after", "post-sync")), 0)
    with pytest.raises(HeldError, match="has not come to its end"):
        desk.run(lambda context: run_tests(Request(desk.app, "ada"), context))


# ── waves ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def waved(body, wave):
    metadata = body["metadata"]
    return {
        **body,
        "metadata": {**metadata, "annotations": {**annotations_of(body), "argocd.argoproj.io/sync-wave": wave}},
    }


def test_a_wave_is_healthy_before_the_next_is_written(desk):
    rolling_out(desk)
    desk.commit(waved(deployment(), "1"), waved(config_map("late"), "2"), waved(config_map("early"), "-1"))
    assert desk.sync().outcome is Outcome.SYNCED
    names = [name for verb, name in written(desk) if verb == "apply"]
    real = names[-3:]
    assert real == ["early", "web", "late"]
    assert desk.clock.monotonic() > 0


def test_a_wave_that_never_gets_healthy_keeps_the_next_from_being_written(desk):
    desk.commit(waved(deployment(), "1"), waved(config_map("late"), "2"))
    assert desk.sync(desk.with_sync(timeout=10.0)).outcome is Outcome.FAILED
    assert desk.live(config_map("late")) is None


def test_what_is_pruned_goes_in_the_order_opposite_to_its_making(desk):
    desk.commit(A, waved(config_map("first"), "-1"), waved(config_map("last"), "5"))
    desk.sync()
    desk.commit(A)
    before = len(desk.cluster.calls)
    desk.sync()
    assert [name for verb, name in written(desk, before) if verb == "delete"] == ["last", "first"]
