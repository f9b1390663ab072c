"""Hooks: when they run, how often, in which order, and what becomes of their objects; in three tools' words."""

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from gitops.model.errors import ApiError, ConfigError
from gitops.model.health import HEALTHY, HealthWord
from gitops.model.result import Outcome
from gitops.sync import events
from gitops.sync.context import Request
from gitops.sync.health_wait import health_when_gone
from gitops.sync.reconcile import sync
from gitops.sync.standing import standing_of
from tests.scenarios.world import Killed, config_map, deployment, job, refused
from tests.soak import spread

OURS = {
    "phase": "gitops.dev/hook",
    "order": "gitops.dev/wave",
    "policy": "gitops.dev/hook-delete-policy",
    "pre": "pre-sync",
    "sync": "sync",
    "post": "post-sync",
    "skip": "skip",
    "before": "before-hook-creation",
    "succeeded": "hook-succeeded",
    "failed": "hook-failed",
}
ARGO = {
    "phase": "argocd.argoproj.io/hook",
    "order": "argocd.argoproj.io/sync-wave",
    "policy": "argocd.argoproj.io/hook-delete-policy",
    "pre": "PreSync",
    "sync": "Sync",
    "post": "PostSync",
    "skip": "Skip",
    "before": "BeforeHookCreation",
    "succeeded": "HookSucceeded",
    "failed": "HookFailed",
}
HELM = {
    "phase": "helm.sh/hook",
    "order": "helm.sh/hook-weight",
    "policy": "helm.sh/hook-delete-policy",
    "pre": "pre-install,pre-upgrade",
    "post": "post-install,post-upgrade",
    "skip": "test",
    "before": "before-hook-creation",
    "succeeded": "hook-succeeded",
    "failed": "hook-failed",
}
DIALECTS = pytest.mark.parametrize("words", [OURS, ARGO, HELM], ids=["ours", "Argo CD's", "Helm's"])
FAILING = "busybox:fail"
TTL = {"ttlSecondsAfterFinished": 0}


def hook(words, phase, name="migrate", image="busybox", order="", policy="", **spec):
    notes = {words["phase"]: words[phase]}
    if order:
        notes[words["order"]] = order
    if policy:
        notes[words["policy"]] = ",".join(words[word] for word in policy.split())
    body = job(name, image, **notes)
    return {**body, "spec": {**body["spec"], **spec}}


def changed(result):
    return [(item.verb, item.key.name) for item in result.changed if item.key.kind != "Namespace"]


def live(world, name="migrate"):
    found = world.get("Job", name, "batch")
    return None if found is None or found["metadata"].get("deletionTimestamp") else found


def until(holds, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@DIALECTS
def test_hooks_run_before_and_after_what_is_synced(world, words):
    world.commit(a=hook(words, "post", "check"), b=hook(words, "pre"), web=config_map("web"))
    assert changed(world.sync()) == [("hook", "migrate"), ("created", "web"), ("hook", "check")]


@pytest.mark.parametrize("words", [OURS, ARGO], ids=["ours", "Argo CD's"])
def test_a_sync_hook_runs_with_its_wave(world, words):
    first = config_map("first")
    last = config_map("last")
    first["metadata"]["annotations"] = {words["order"]: "-1"}
    last["metadata"]["annotations"] = {words["order"]: "1"}
    world.commit(first=first, last=last, hook=hook(words, "sync", order="0"))
    assert changed(world.sync()) == [("created", "first"), ("hook", "migrate"), ("created", "last")]


@DIALECTS
def test_hooks_of_one_phase_run_by_their_weight(world, words):
    hooks = [hook(words, "pre", f"h{weight}", order=str(weight)) for weight in (5, 1, 3)]
    world.commit(hooks=hooks)
    assert changed(world.sync()) == [("hook", "h1"), ("hook", "h3"), ("hook", "h5")]


@DIALECTS
def test_a_failed_hook_ends_the_sync_before_what_comes_after_it(world, words):
    world.commit(
        a=hook(words, "pre", "bad", FAILING, order="1"), b=hook(words, "pre", "later", order="2"), web=config_map("web")
    )
    result = world.sync()
    assert result.outcome is Outcome.FAILED
    assert result.failures[0].key.name == "bad"
    assert live(world, "later") is None
    assert world.get("ConfigMap", "web") is None


@DIALECTS
def test_without_a_policy_the_last_run_stays_until_the_next_one(world, words):
    world.commit(hook=hook(words, "pre"), web=config_map("web"))
    world.sync()
    first = live(world)["metadata"]["uid"]
    assert world.sync().outcome is Outcome.IN_SYNC
    assert live(world)["metadata"]["uid"] == first, "a sync of what is synced runs no hook"
    world.commit(web=config_map("web", a="2"))
    assert ("hook", "migrate") in changed(world.sync())
    assert live(world)["metadata"]["uid"] != first


POLICIES = [
    # policy, the hook's image, whether its object is there afterwards
    ("before", "busybox", True),
    ("before", FAILING, True),
    ("succeeded", "busybox", False),
    ("succeeded", FAILING, True),
    ("failed", "busybox", True),
    ("failed", FAILING, False),
    ("succeeded failed", "busybox", False),
    ("succeeded failed", FAILING, False),
    ("before succeeded", FAILING, True),
]


@DIALECTS
@pytest.mark.parametrize(("policy", "image", "stays"), POLICIES)
def test_a_delete_policy_says_what_becomes_of_the_hook(world, words, policy, image, stays):
    world.commit(hook=hook(words, "pre", image=image, policy=policy), web=config_map("web"))
    assert world.sync().outcome is (Outcome.FAILED if image == FAILING else Outcome.SYNCED)
    assert (live(world) is not None) is stays


GONE = [{"policy": "succeeded"}, TTL, {"phase": "sync-fail"}]


@pytest.mark.parametrize("kind", GONE, ids=["deleted", "ttl", "not run"])
def test_a_hook_that_has_left_no_object_is_not_missing(world, kind):
    """Else the Application would never look healthy; nor is it missing after drift was put right."""
    phase = kind.get("phase", "pre-sync")
    body = hook(OURS, "pre", policy=kind.get("policy", ""), **(TTL if kind is TTL else {}))
    body["metadata"]["annotations"]["gitops.dev/hook"] = phase
    world.commit(hook=body, web=config_map("web"))
    for _ in range(2):
        world.sync()
        assert {key.name for key in world.inventory().keys} == {"web"}
        owned = world.inventory()
        assert world._context(lambda context: standing_of(context.cluster, owned)).health == HEALTHY  # noqa: B023
        world.edit("core/configmaps/web", {"data": {"a": "by hand"}})
    world.commit(hook=None)
    world.sync()
    until(lambda: live(world) is None)


@DIALECTS
def test_a_hook_that_failed_and_stayed_runs_anew_in_the_next_sync(world, words):
    """A Job that has ended cannot run again: left there, it would fail every later sync."""
    world.commit(hook=hook(words, "pre", image=FAILING, policy="succeeded"), web=config_map("web"))
    world.sync()
    world.commit(hook=hook(words, "pre", policy="succeeded"))
    assert world.sync().outcome is Outcome.SYNCED


def test_sync_fail_hooks_run_after_a_failure_only(world):
    for words in (OURS, ARGO):
        name = words["phase"].partition(".")[0]
        notify = job(name, **{words["phase"]: "sync-fail" if words is OURS else "SyncFail"})
        world.commit(**{f"notify_{name}": notify})
    world.commit(web=config_map("web"))
    assert changed(world.sync()) == [("created", "web")]
    world.commit(bad=hook(OURS, "post", "bad", FAILING))
    result = world.sync()
    assert {name for verb, name in changed(result) if verb == "hook"} >= {"gitops", "argocd"}
    assert all(live(world, name)["status"]["succeeded"] == 1 for name in ("gitops", "argocd"))


@DIALECTS
def test_a_hook_to_be_skipped_is_not_made(world, words):
    world.commit(skipped=hook(words, "skip"), web=config_map("web"))
    assert changed(world.sync()) == [("created", "web")]


@pytest.mark.parametrize("image", ["busybox", FAILING])
def test_a_hook_that_its_ttl_removes_is_waited_for_to_its_true_end(world, image):
    world.commit(hook=hook(OURS, "pre", image=image, ttlSecondsAfterFinished=0), web=config_map("web"))
    assert world.sync().outcome is (Outcome.FAILED if image == FAILING else Outcome.SYNCED)


def test_a_job_whose_end_nobody_saw_is_no_success():
    running = {**hook(OURS, "pre", ttlSecondsAfterFinished=0), "status": {"active": 1}}
    health = health_when_gone(running)
    assert health.word is HealthWord.DEGRADED
    assert health.final
    assert "not seen to end" in health.message


def test_a_hook_of_another_kind_counts_as_done_when_it_is_healthy(world):
    seed = config_map("seed")
    seed["metadata"]["annotations"] = {"gitops.dev/hook": "pre-sync"}
    world.commit(seed=seed, web=config_map("web"))
    assert changed(world.sync()) == [("hook", "seed"), ("created", "web")]


def test_a_rollback_runs_no_hook(world):
    world.commit(hook=hook(OURS, "pre"), web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:broken"))
    result = world.sync(world.with_sync(timeout=3.0))
    assert result.outcome is Outcome.ROLLED_BACK
    assert [verb for verb, _ in changed(result.rollback)] == ["updated"]


# ── generated names ──────────────────────────────────────────────────────────────────────────────────────────────────


def generated(image="busybox", policy=""):
    body = hook(OURS, "sync", image=image, policy=policy)
    return {**body, "metadata": {"generateName": "migrate-", "annotations": body["metadata"]["annotations"]}}


def jobs(world):
    items = world.request("GET", f"/apis/batch/v1/namespaces/{world.namespace}/jobs")["items"]
    return [item for item in items if not item["metadata"].get("deletionTimestamp")]


def test_a_generated_name_is_known_in_the_plan_and_in_the_inventory(world):
    world.commit(migrate=generated())
    (change,) = world.plan().plan.changes
    world.sync()
    assert change.key.name.startswith("migrate-")
    assert world.inventory().keys == {change.key}
    assert jobs(world)[0]["metadata"]["name"] == change.key.name


def test_a_repeated_sync_neither_prunes_nor_repeats_a_hook_with_a_generated_name(world):
    world.commit(migrate=generated(), web=config_map("web"))
    world.sync()
    (first,) = jobs(world)
    world.edit("core/configmaps/web", {"data": {"a": "by hand"}})
    assert changed(world.sync()) == [("updated", "web")]
    assert [item["metadata"]["uid"] for item in jobs(world)] == [first["metadata"]["uid"]]


@pytest.mark.parametrize("writes", range(1, 5))
def test_a_kill_while_a_hook_with_a_generated_name_runs_orphans_it_not(world, writes):
    world.commit(migrate=generated(), web=config_map("web"))
    world.sync_killed_after(writes)
    begun = world.get("ConfigMap", "gitops-app") is not None
    owned = {key.name for key in world.inventory().keys} if begun else set()
    assert {item["metadata"]["name"] for item in jobs(world)} <= owned
    world.commit(migrate=None)
    world.sync()
    assert jobs(world) == []


def test_a_changed_hook_with_a_generated_name_replaces_the_old_one(world):
    world.commit(migrate=generated())
    world.sync()
    (first,) = jobs(world)
    world.commit(migrate=generated("busybox:2"))
    world.sync()
    (second,) = jobs(world)
    assert second["metadata"]["name"] != first["metadata"]["name"]


@pytest.mark.parametrize(("image", "outcome"), [("busybox", Outcome.SYNCED), (FAILING, Outcome.FAILED)])
def test_the_end_of_a_job_that_was_gone_before_anybody_looked_is_told_by_its_events(world, image, outcome):
    """The watch breaks just then: when it is back there is no Job any more."""
    body = job("once", image)
    world.commit(job={**body, "spec": {**body["spec"], **TTL}})

    async def late(context):
        async def broken(*_, **__):
            await asyncio.sleep(1.5)
            raise ApiError(500, "InternalError", "not now")
            yield

        context.cluster.http.stream = contextlib.asynccontextmanager(broken)
        return await sync(Request(world.app, "ada"), context)

    result = world._context(late)
    assert result.outcome is outcome, result.message
    assert "not seen to end" not in result.message


def test_a_hook_that_is_suspended_has_not_run(world):
    """Kueue suspends every Job until there is room for it."""
    migrate = job("migrate", **{"gitops.dev/hook": "pre-sync"})
    migrate["spec"]["suspend"] = True
    world.commit(migrate=migrate, web=config_map("web"))
    result = world.sync(world.with_sync(timeout=2.0))
    assert result.outcome is Outcome.FAILED
    assert "suspended, so it has not run" in result.message
    assert world.get("ConfigMap", "web") is None


def test_a_hook_cannot_be_asked_for_by_name(world):
    world.commit(migrate=job("migrate", **{"gitops.dev/hook": "pre-sync"}), web=config_map("web"))
    with pytest.raises(ConfigError, match="it is a hook"):
        world.sync(resources=("Job/migrate",))


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
def test_a_hook_of_two_phases_runs_in_both(world, fails):
    """PreSync and SyncFail: what announces a deployment announces its end; each time it is another run."""
    bad = {"bad": refused()} if fails else {}
    world.commit(
        say=job("say", **{"argocd.argoproj.io/hook": "PreSync,PostSync,SyncFail"}), web=config_map("web"), **bad
    )
    result = world.sync()
    assert result.outcome is (Outcome.FAILED if fails else Outcome.SYNCED), result.message
    runs = [event.detail for event in world.check_audit() if event.fact == "step.finished"]
    ran = [detail["phase"] for detail in runs if "hook batch/Job " + world.namespace + "/say" in detail["changed"]]
    assert ran == ["pre_sync", "sync_fail" if fails else "post_sync"]


# ── killed and gone on with ──────────────────────────────────────────────────────────────────────────────────────────


def runs(world):
    """How often each Job was made: name → the uids that events tell."""
    found = {}
    for event in world.request("GET", f"/api/v1/namespaces/{world.namespace}/events")["items"]:
        subject = event["involvedObject"]
        if event["reason"] == "SuccessfulCreate" and subject["kind"] == "Job":
            found.setdefault(subject["name"], set()).add(subject["uid"])
    return {name: len(uids) for name, uids in found.items()}


POLICIES_AFTERWARDS = {
    "stays": ("", {}, True),
    "deleted": ("succeeded", {}, False),
    "deleted before and after": ("before succeeded", {}, False),
    "ttl": ("", TTL, False),
}


@pytest.mark.parametrize("writes", range(1, 7))
def test_a_hook_of_two_phases_runs_once_in_each_though_the_sync_is_killed(world, writes):
    world.commit(say=job("say", **{"gitops.dev/hook": "pre-sync,post-sync"}), web=config_map("web"))
    world.sync_killed_after(writes)
    assert world.sync().outcome is Outcome.SYNCED
    # Between the end of one run's object and the making of the next there is nothing that tells of the first.
    most = 3 if writes in (5, 6) else 2
    assert 2 <= runs(world)["say"] <= most


@pytest.mark.parametrize(("writes", "policy", "spec", "stay"), spread(range(10), POLICIES_AFTERWARDS))
def test_hooks_run_once_though_the_sync_is_killed_after_any_write(world, writes, policy, spec, stay):
    world.commit(
        a=hook(OURS, "pre", "before", policy=policy, **spec),
        b=hook(OURS, "post", "after", policy=policy, **spec),
        web=config_map("web"),
    )
    world.sync_killed_after(writes)
    world.sync_killed_after(writes // 2)
    assert world.sync().outcome in (Outcome.SYNCED, Outcome.IN_SYNC)
    assert runs(world) == {"before": 1, "after": 1}
    assert world.inventory().hooks is None
    until(lambda: (live(world, "before") is not None, live(world, "after") is not None) == (stay, stay))
    assert world.sync().outcome is Outcome.IN_SYNC


@pytest.mark.parametrize(("policy", "spec", "stay"), POLICIES_AFTERWARDS.values(), ids=POLICIES_AFTERWARDS)
def test_a_hook_is_waited_for_though_the_sync_was_killed_while_it_ran(world, policy, spec, stay):
    world.commit(a=hook(OURS, "pre", policy=policy, **spec), web=config_map("web"))

    async def killed(context):
        def tell(item):
            if isinstance(item, events.Wrote) and item.changed.key.kind != "Namespace":
                raise Killed

        with contextlib.suppress(Killed):
            await sync(Request(world.app, "ada"), replace(context, emit=tell))

    world._context(killed)
    assert world.get("ConfigMap", "web") is None
    until(lambda: live(world)["status"].get("succeeded"))
    assert changed(world.sync()) == [("hook", "migrate"), ("created", "web")]
    assert runs(world) == {"migrate": 1}


@pytest.mark.parametrize("policy", ["", "failed"])
def test_a_hook_that_failed_is_run_again_by_the_next_sync_but_not_by_the_one_that_was_killed(world, policy):
    world.commit(a=hook(OURS, "pre", image=FAILING, policy=policy), web=config_map("web"))
    world.sync_killed_after(2)  # namespace, the inventory with what is claimed, and no more
    world.sync_killed_after(1)  # the hook
    assert world.sync().outcome is Outcome.FAILED
    assert runs(world) == {"migrate": 1}
    assert world.sync().outcome is Outcome.FAILED
    assert runs(world) == {"migrate": 2}


def test_another_commit_runs_the_hooks_of_a_sync_that_was_killed_anew(world):
    world.commit(a=hook(OURS, "pre"), web=config_map("web"))
    world.sync_killed_after(3)
    assert runs(world) == {"migrate": 1}
    world.commit(web=config_map("web", a="2"))
    world.sync()
    assert runs(world) == {"migrate": 2}
