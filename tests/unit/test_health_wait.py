"""Objects are waited for: what ends the wait, how soon, and what is said of those that do not come."""

from dataclasses import replace

import pytest

from gitops.manifests.key import ResourceKey, key_of
from gitops.model.application import HealthRule
from gitops.model.errors import ApiError, UnreachableError
from gitops.model.health import HealthWord
from gitops.model.kinds import KindInfo
from gitops.model.result import Outcome
from gitops.sync import events
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.health_checks import come
from gitops.sync.health_wait import HealthWait
from tests.unit.desk import Desk, config_map
from tests.unit.test_hook_passes import job
from tests.unit.test_passes import deployment
from tests.unit.test_status import WEB, A, B

RUN = job("run", "Sync")
SHORT_LIVED = {**RUN, "spec": {**RUN["spec"], "ttlSecondsAfterFinished": 1}}
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}], "succeeded": 1}
FAILED = {"conditions": [{"type": "Failed", "status": "True", "message": "it ended badly"}], "failed": 1}
PODS = ResourceKey("", "Pod", "shop", "")
JOBS = ResourceKey("batch", "Job", "shop", "")
DEPLOYMENTS = ResourceKey("apps", "Deployment", "shop", "")


def ready(body):
    """A Deployment as it is when its Pods run."""
    counts = dict.fromkeys(("updatedReplicas", "readyReplicas", "availableReplicas", "replicas"), 1)
    return {**body, "status": {"observedGeneration": 1, **counts}}


class Waited(Desk):
    """`after` has things done when so many seconds are over; `wait` gives the healths, and `took` how long it was."""

    def __init__(self, folder):
        super().__init__(folder)
        self.due = []
        self.freed = []
        self.passing = self.do_what_is_due

    def after(self, seconds, what):
        self.due.append((seconds, what))

    def do_what_is_due(self):
        now = self.clock.monotonic()
        for one in [one for one in self.due if one[0] <= now]:
            self.due.remove(one)
            one[1]()

    def wait(self, *bodies, seconds=60.0, look=False, own=(), **options):
        """Put the bodies, and wait for them as they were then."""
        self.bodies = {key_of(body): self.cluster.put(body) for body in bodies}

        async def free(key):
            self.freed.append(key)

        async def story(context):
            diagnostics = Diagnostics(context.cluster, ())
            app = replace(self.app, health=own)
            self.waiting = HealthWait(context, app, "", diagnostics, free, **options)
            began = self.clock.monotonic()
            try:
                return await self.waiting.until_settled(self.bodies, seconds, look=look)
            finally:
                self.took = self.clock.monotonic() - began

        return self.run(story)

    def health(self, body, **options):
        return self.wait(body, **options)[key_of(body)]

    def told(self):
        """What became known of the objects, in order."""
        return [event.health.message for event in self.events if isinstance(event, events.HealthChanged)]


@pytest.fixture
def desk(tmp_path):
    return Waited(tmp_path)


# ── what ends it ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_healthy_already_is_not_waited_for(desk):
    assert {health.word for health in desk.wait(A, B).values()} == {HealthWord.HEALTHY}
    assert (desk.waiting.has_waited, desk.took, desk.freed) == (False, 0.0, [])


def test_it_ends_as_soon_as_all_are_healthy(desk):
    other = deployment("other")
    desk.after(3, lambda: desk.cluster.put(ready(WEB)))
    desk.after(6, lambda: desk.cluster.put(ready(other)))
    found = desk.wait(WEB, other, A)
    assert {health.word for health in found.values()} == {HealthWord.HEALTHY}
    assert 6 <= desk.took < 9
    assert desk.waiting.has_waited


def test_when_time_is_up_what_was_seen_last_is_told(desk):
    assert desk.health(WEB, seconds=20.0).word is HealthWord.PROGRESSING
    assert 20 <= desk.took < 22


def test_one_that_failed_for_good_ends_it(desk):
    desk.after(3, lambda: desk.cluster.put({**RUN, "status": FAILED}))
    found = desk.wait(RUN, WEB)
    assert found[key_of(RUN)].has_failed
    assert desk.took < 6


def test_with_a_look_first_what_has_become_healthy_meanwhile_is_not_waited_for(desk):
    stale = desk.cluster.put(WEB)
    desk.cluster.put(ready(WEB))
    desk.cluster.put = lambda body: stale
    assert desk.health(WEB, look=True).word is HealthWord.HEALTHY
    assert (desk.waiting.has_waited, desk.took) == (False, 0.0)


def test_a_health_rule_of_its_own_counts(desk):
    rule = HealthRule("batch", "Job", healthy="object.spec.template.spec.restartPolicy == 'Never'")
    assert desk.health(RUN, own=(rule,)).word is HealthWord.HEALTHY
    assert desk.health(RUN, seconds=3.0).word is HealthWord.PROGRESSING


# ── what goes away ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_deleted_and_not_put_back_is_given_up(desk):
    desk.after(2, lambda: desk.cluster.take(key_of(WEB)))
    health = desk.health(WEB)
    assert health.has_failed
    assert (health.word, health.message) == (HealthWord.MISSING, "it was deleted while it was waited for")
    assert 7 <= desk.took < 11


def test_what_is_deleted_and_put_back_is_waited_for(desk):
    desk.after(2, lambda: desk.cluster.take(key_of(WEB)))
    desk.after(4, lambda: desk.cluster.put(WEB))
    desk.after(15, lambda: desk.cluster.put(ready(WEB)))
    assert desk.health(WEB).word is HealthWord.HEALTHY
    assert desk.took >= 15


def test_a_job_that_its_time_to_live_removed_has_ended_as_it_was_seen_last(desk):
    desk.after(2, lambda: desk.cluster.put({**SHORT_LIVED, "status": COMPLETE}))
    desk.after(2, lambda: desk.cluster.take(key_of(SHORT_LIVED)))
    assert desk.health(SHORT_LIVED).word is HealthWord.HEALTHY


def one_after_another(desk, *deeds, later=()):
    """Have them done while a sync waits for WEB, which becomes ready at last, and some `later`, each half a second."""
    left = [*deeds, lambda: desk.cluster.put(ready(desk.live(WEB)), "controllers"), *later]

    def passing():
        is_waiting = any(isinstance(event, events.HealthChanged) and event.key == key_of(WEB) for event in desk.events)
        if left and is_waiting:
            left.pop(0)()

    desk.passing = passing


def test_a_job_that_its_time_to_live_removed_does_not_make_the_sync_overtaken(desk):
    run = {**SHORT_LIVED, "metadata": {"name": "run", "namespace": "shop"}}
    desk.commit(run, WEB)
    one_after_another(
        desk,
        lambda: desk.cluster.put({**desk.live(run), "status": COMPLETE}, "controllers"),
        lambda: desk.cluster.take(key_of(run)),
    )
    result = desk.sync()
    assert (result.outcome, result.failures, desk.live(run)) == (Outcome.SYNCED, (), None)


def test_what_somebody_deleted_after_it_was_healthy_makes_the_sync_overtaken(desk):
    desk.commit(A, WEB)
    one_after_another(desk, lambda: desk.cluster.take(key_of(A)))
    result = desk.sync()
    assert "ConfigMap shop/a is not what was applied any more: it was deleted" in result.message


def test_what_is_put_back_a_little_later_overtakes_no_sync(desk):
    desk.commit(A, WEB)
    kept = []

    def take():
        kept.append(desk.live(A))
        desk.cluster.take(key_of(A))

    nothing = [lambda: None] * 5
    one_after_another(desk, take, later=[*nothing, lambda: desk.cluster.put(kept[0])])
    assert desk.sync().outcome is Outcome.SYNCED
    assert desk.live(A)["data"] == A["data"]


def ended(desk, reason, message="", name="run"):
    """What the Job's Event says of its end."""
    uid = desk.bodies[key_of(RUN)]["metadata"]["uid"]
    about = {"involvedObject": {"name": name, "uid": uid}, "reason": reason, "message": message}
    metadata = {"name": f"{name}-{reason.lower()}", "namespace": "shop"}
    desk.cluster.put({"apiVersion": "v1", "kind": "Event", "metadata": metadata, **about})


@pytest.mark.parametrize(
    ("reason", "said", "word", "message"),
    [
        ("Completed", "", HealthWord.HEALTHY, ""),
        ("BackoffLimitExceeded", "it failed 6 times", HealthWord.DEGRADED, "it failed 6 times"),
        ("DeadlineExceeded", "", HealthWord.DEGRADED, "DeadlineExceeded"),
    ],
)
def test_a_job_that_went_unseen_is_told_by_its_events(desk, reason, said, word, message):
    desk.after(2, lambda: ended(desk, "SuccessfulCreate"))
    desk.after(2, lambda: ended(desk, "Completed", name="another"))
    desk.after(2, lambda: ended(desk, reason, said))
    desk.after(3, lambda: desk.cluster.take(key_of(SHORT_LIVED)))
    health = desk.health(SHORT_LIVED)
    assert (health.word, health.message) == (word, message)
    assert health.has_failed == (word is HealthWord.DEGRADED)
    assert desk.took < 6


@pytest.mark.parametrize("code", [0, 403])
def test_a_job_that_nobody_saw_end_has_failed(desk, code):
    desk.cluster.refuse("list", ResourceKey("", "Event", "shop", ""), code, "Forbidden")
    desk.after(3, lambda: desk.cluster.take(key_of(SHORT_LIVED)))
    health = desk.health(SHORT_LIVED)
    assert health.has_failed
    assert health.message.startswith("it is gone and was not seen to end")


# ── what others do to it ─────────────────────────────────────────────────────────────────────────────────────────────


def by_eve(key, body):
    return "eve has set spec.paused" if body["spec"].get("paused") else ""


def test_what_somebody_made_into_something_else_is_given_up(desk):
    desk.after(2, lambda: desk.cluster.put({**WEB, "spec": {**WEB["spec"], "paused": True}}))
    health = desk.health(WEB, changed=by_eve)
    assert (health.word, health.has_failed) == (HealthWord.DEGRADED, True)
    assert health.message == "it is not what was applied any more: eve has set spec.paused"
    assert desk.waiting.overtaken == {key_of(WEB)}
    assert 7 <= desk.took < 11


def test_what_somebody_took_back_in_time_is_waited_for(desk):
    desk.after(2, lambda: desk.cluster.put({**WEB, "spec": {**WEB["spec"], "paused": True}}))
    desk.after(4, lambda: desk.cluster.put({**WEB, "spec": {**WEB["spec"], "paused": False}}))
    desk.after(
        15, lambda: desk.cluster.put({**ready(WEB), "status": {**ready(WEB)["status"], "observedGeneration": 9}})
    )
    assert desk.health(WEB, changed=by_eve).word is HealthWord.HEALTHY
    assert desk.waiting.overtaken == frozenset()


def test_a_suspended_job_is_settled_unless_it_has_to_come_to_its_end(desk):
    suspended = {**RUN, "spec": {**RUN["spec"], "suspend": True}}
    suspended["status"] = {"conditions": [{"type": "Suspended", "status": "True"}]}
    assert desk.health(suspended).word is HealthWord.SUSPENDED
    desk.after(desk.clock.monotonic() + 3, lambda: desk.cluster.put({**RUN, "status": COMPLETE}))
    assert desk.health(suspended, to_end=True).word is HealthWord.HEALTHY
    assert "suspended, so it has not run" in desk.told()


# ── what the API server does not give ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", [403, 404, 410, 429, 500, 502, 503, 504])
def test_without_a_watch_objects_are_asked_for_again_and_again(desk, code):
    desk.cluster.refuse("watch", DEPLOYMENTS, code, "Refused")
    desk.after(5, lambda: desk.cluster.put(ready(WEB)))
    assert desk.health(WEB).word is HealthWord.HEALTHY
    assert 5 <= desk.took < 8


def test_without_a_list_each_is_asked_for(desk):
    desk.cluster.refuse("list", JOBS, 403, "Forbidden")
    desk.after(5, lambda: desk.cluster.put({**RUN, "status": COMPLETE}))
    assert desk.health(RUN).word is HealthWord.HEALTHY


def test_an_answer_that_no_time_mends_ends_it(desk):
    desk.cluster.refuse("watch", DEPLOYMENTS, 400, "BadRequest", "it is not understood")
    with pytest.raises(ApiError, match="it is not understood"):
        desk.health(WEB)
    assert desk.took < 3


def test_a_watch_that_ends_is_begun_again(desk):
    desk.after(3, desk.cluster.end_watches)
    desk.after(6, lambda: desk.cluster.put(ready(WEB)))
    assert desk.health(WEB).word is HealthWord.HEALTHY
    assert desk.took < 9


def away(desk, is_away=True):
    for verb, key in (("list", DEPLOYMENTS), ("get", key_of(WEB))):
        desk.cluster.refuse(verb, key, 0)
        if is_away:
            desk.cluster.refuse_with(verb, key, UnreachableError("nobody answers"))


def test_a_cluster_that_is_away_when_time_is_up_is_told(desk):
    away(desk)
    with pytest.raises(UnreachableError, match="nobody answers"):
        desk.health(WEB, seconds=10.0)
    assert 10 <= desk.took < 12


def test_a_short_absence_makes_the_wait_longer_by_so_much(desk):
    desk.after(5, lambda: (away(desk), desk.cluster.end_watches()))
    desk.after(15, lambda: away(desk, False))
    assert desk.health(WEB, seconds=20.0).word is HealthWord.PROGRESSING
    assert 8 <= desk.waiting.away_seconds <= 11
    assert desk.took == pytest.approx(20 + desk.waiting.away_seconds, abs=1.0)


# ── what its Pods say ────────────────────────────────────────────────────────────────────────────────────────────────


def put_pod(desk, reason, message="no such image", restarts=0):
    state = {"waiting": {"reason": reason, "message": message}}
    status = {"containerStatuses": [{"name": "web", "state": state, "restartCount": restarts}]}
    metadata = {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}}
    desk.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})


def test_one_whose_pods_cannot_recover_is_given_up_before_its_time(desk):
    put_pod(desk, "ImagePullBackOff")
    health = desk.health(WEB, seconds=300.0)
    assert (health.word, health.message, health.has_failed) == (HealthWord.DEGRADED, "cannot become healthy", True)
    assert 30 <= desk.took < 50
    assert len([text for text in desk.told() if text.endswith("; pod web-1: container web: ImagePullBackOff")]) == 1


def test_a_name_that_no_image_can_have_is_given_up_at_once(desk):
    put_pod(desk, "InvalidImageName")
    assert desk.health(WEB, seconds=300.0).has_failed
    assert desk.took < 5


def test_pods_that_recover_in_between_begin_their_time_anew(desk):
    put_pod(desk, "ImagePullBackOff")
    desk.after(20, lambda: put_pod(desk, "ContainerCreating"))
    desk.after(34, lambda: put_pod(desk, "ImagePullBackOff"))
    assert desk.health(WEB, seconds=300.0).has_failed
    assert 60 <= desk.took < 90


def test_what_a_workload_waits_for_in_vain_is_freed_now_and_then(desk):
    desk.health(WEB, seconds=15.0)
    assert desk.freed == [key_of(WEB)] * 3  # with growing pauses: after 2, 5 and 9.5 seconds, not yet after 16.25


# ── those of others ──────────────────────────────────────────────────────────────────────────────────────────────────


def came(desk, *keys, over=10.0):
    async def story(context):
        until = context.clock.monotonic() + over
        return await come(
            context.cluster,
            context.clock,
            keys,
            lambda: context.clock.monotonic() >= until,
            context.callbacks.waiting,
        )

    return desk.run(story)


def test_objects_of_others_are_waited_for_until_they_come(desk):
    late = config_map("late")
    desk.cluster.put(A)
    desk.after(4, lambda: desk.cluster.put(late))
    found, left = came(desk, key_of(A), key_of(late))
    assert (sorted(key.name for key in found), left) == (["a", "late"], [])
    assert desk.clock.monotonic() < 7


def test_one_whose_kind_comes_later_is_waited_for_too(desk):
    strange = {"apiVersion": "example.com/v1", "kind": "Strange", "metadata": {"name": "x", "namespace": "shop"}}
    kind = KindInfo("example.com", "v1", "Strange", "stranges", True, frozenset({"get"}))
    desk.after(4, lambda: (desk.cluster.serve(kind), desk.cluster.put(strange)))
    found, left = came(desk, key_of(strange))
    assert ([key.name for key in found], left) == (["x"], [])


def test_those_that_do_not_come_are_named(desk):
    none, strange = key_of(B), ResourceKey("example.com", "Strange", "shop", "x")
    desk.cluster.put(A)
    found, left = came(desk, key_of(A), none, strange)
    assert ([key.name for key in found], left) == (["a"], [none, strange])
    assert 10 <= desk.clock.monotonic() < 13
