"""What a controller says of its Applications, in its log and to whoever asks: once, in words, and when it is over."""

import logging
import time
from dataclasses import replace

from gitops import logs
from gitops.controller.registry import Registration
from gitops.controller.replica import Alone
from gitops.model.result import Outcome
from gitops.sync import events
from tests.scenarios.running import Running, of
from tests.scenarios.test_clusters import to
from tests.scenarios.test_controller import application, custom_resource, make_kind, resources
from tests.scenarios.test_outage import way as way
from tests.scenarios.world import config_map, deployment


def test_a_branch_that_is_gone_is_told_once_with_what_may_be_meant_and_once_when_it_is_back(world, lines):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        world._git("branch", "-m", "main", "trunk")
        running.until(lambda: "did you mean trunk?" in running.tracked().problem)
        looks = running.controller.poller.looks
        running.until(lambda: running.controller.poller.looks > looks + 3)
        (line,) = of(lines, "revision.missing")
        assert (line["application"], line["log_level"]) == ("gitops/app", "warning")
        assert "no branch or tag is called main (did you mean trunk?)" in line["error"]
        world._git("branch", "main")  # which a look sees or does not; while one is renamed it may see neither
        running.until(lambda: not running.tracked().problem)
        assert len(of(lines, "revision.found")) == 1


def test_a_branch_that_is_gone_is_not_told_again_when_other_branches_change(world, lines):
    world.commit(settings=config_map("settings"))
    with Running(world, application(world, "app", targetRevision="mian")) as running:
        running.until(lambda: "did you mean main?" in running.tracked().problem)
        world._git("branch", "miau")
        running.until(lambda: "miau" in running.tracked().problem)
        assert len(of(lines, "revision.missing")) == 1
        other = application(world, "app", targetRevision="mia")
        running.call(lambda: running.controller.registry.put("test", Registration(other, trusted=True)))
        running.until(lambda: "is called mia (" in running.tracked().problem)
        assert len(of(lines, "revision.missing")) == 2


def test_a_commit_is_seen_by_each_name_that_leads_to_it(world, lines):
    sha = world.commit(settings=config_map("settings"))
    world._git("tag", "v1.0.0")
    apps = (application(world, "one", targetRevision="main"), application(world, "two", targetRevision="^1.0"))
    with Running(world, *apps) as running:
        running.until(lambda: len(of(lines, "commit.seen")) == 2)
    assert {(line["ref"], line["revision"]) for line in of(lines, "commit.seen")} == {("main", sha), ("^1.0", sha)}


def test_a_short_commit_is_told_to_be_given_whole(world, lines):
    sha = world.commit(settings=config_map("settings"))
    with Running(world, application(world, "app", targetRevision=sha[:7])) as running:
        running.until(lambda: running.tracked().problem)
        assert running.tracked().problem.endswith(
            f"no branch or tag is called {sha[:7]} (did you mean main? A commit has to be given whole, by 40 digits)"
        )


def test_a_repository_that_cannot_be_read_is_told_once_and_once_when_it_can_be_again(world, lines, monkeypatch):
    monkeypatch.setattr("gitops.controller.git_hosts._FIRST_SECONDS", 0.1)
    sha = world.commit(settings=config_map("settings"))
    with Running(world, *(application(world, name) for name in ("one", "two"))) as running:
        running.until(lambda: running.tracked("gitops/one").source.observed_revision)
        away = world.repository.rename(world.folder / "elsewhere")
        running.until(lambda: running.tracked("gitops/one").problem)
        looks = running.controller.poller.looks
        running.until(lambda: running.controller.poller.looks > looks + 2)
        assert len(of(lines, "poll.failed")) == 1
        away.rename(world.repository)
        running.until(lambda: not running.tracked("gitops/one").problem)
        running.until(lambda: of(lines, "poll.works-again"))
        assert not of(lines, "revision.missing") + of(lines, "revision.found")
    assert sha


def test_a_cluster_that_is_not_known_is_told_once(world, lines):
    world.commit(settings=config_map("settings"))
    with Running(world, to(application(world, "app"), "nowhere")) as running:
        running.until(lambda: running.tracked().problem)
        sha = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: running.tracked().source.observed_revision.sha == sha)
        (line,) = of(lines, "application.not-run")
        assert "nowhere" in line["error"]
        assert running.tracked().health.word == "Unknown"


def test_an_application_that_was_never_synced_is_missing_not_healthy(world):
    world.commit(settings=config_map("settings"))
    sync = replace(world.app.sync, automated=False)
    with Running(world, replace(world.app, sync=sync, interval=0.3)) as running:
        assert running.tracked().health.word == "Unknown"
        running.until(lambda: running.tracked().last.response)
        assert running.tracked().health.word == "Missing"


def test_a_rollout_that_fails_is_a_warning_with_its_objects_and_what_came_of_it(world, lines):
    good = world.commit(web=deployment())
    with Running(world, timeout=3.0) as running:
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: of(lines, "application.not-synced"), 40)
    (line,) = of(lines, "application.not-synced")
    assert (line["log_level"], line["outcome"]) == ("warning", "rolled-back")
    assert {of(lines, fact)[0]["log_level"] for fact in ("sync.failed", "rollback.started")} == {"warning"}
    assert f"create apps/Deployment {world.namespace}/web" in of(lines, "step.started")[0]["objects"]
    assert f"created apps/Deployment {world.namespace}/web" in of(lines, "step.finished")[0]["objects"]
    assert of(lines, "sync.finished")[0]["health"] == "Healthy"
    assert not [line for line in of(lines, "application.synced") if "outcome" in line]


def test_what_a_first_sync_has_applied_is_not_missing_though_it_failed(world):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, timeout=2.0) as running:
        running.until(lambda: running.tracked().schedule.failures)
        assert running.tracked().health.word == "Progressing"
        assert "ImagePullBackOff" in running.tracked().last.message


def test_what_holds_very_many_objects_is_told_in_a_short_line(world, lines):
    many = [config_map(f"c-{number}") for number in range(120)]
    sha = world.commit(many=many)
    with Running(world) as running:
        running.until_synced(sha)
        running.call(lambda: running.controller.registry.put("test", Registration(application(world, "other"))))
        running.until(lambda: running.tracked("gitops/other").last.response)
        assert running.tracked("gitops/other").last.message.count("belongs to") > 100
    (line,) = of(lines, "application.waits")
    assert line["log_level"] == "warning"
    assert "more" in line["reason"]
    assert max(len(str(line)) for line in lines) < 2500


def test_a_cluster_that_is_away_is_told_once_and_once_that_it_is_back(world, way, lines, monkeypatch):
    for module in (
        "gitops.controller.resource_follower._FIRST_SECONDS",
        "gitops.adapters.kubernetes.registry._AGAIN_SECONDS",
    ):
        monkeypatch.setattr(module, 0.3)
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world))
        identity = f"{world.namespace}/app"
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        way.cut()
        running.until(lambda: of(lines, "applications.unreachable") and of(lines, "clusters.unreachable"))
        time.sleep(3)
        way.mend()
        running.until(lambda: of(lines, "applications.reachable") and of(lines, "clusters.reachable"))
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until_synced(newer, identity, 60)
    for source in ("applications", "clusters"):
        assert len(of(lines, f"{source}.unreachable")) == len(of(lines, f"{source}.reachable")) == 1


def test_what_a_library_logs_is_a_line_of_ours(lines):
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        logs.take_in_others()
        logging.getLogger("apscheduler.scheduler").warning("Execution of job %s skipped", "look")
    finally:
        logging.basicConfig(handlers=before, force=True)
    (line,) = of(lines, "library.said")
    assert (line["log_level"], line["text"]) == ("warning", "Execution of job look skipped")


def test_who_subscribes_hears_what_passes_do_and_of_which_application(world):
    sha = world.commit(settings=config_map("settings"))
    heard = []
    with Running(world) as running:
        running.call(lambda: running.controller.bus.subscribe(lambda *event: heard.append(event)))
        running.until_synced(sha)
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until_synced(newer)
    kinds = [type(event) for application, event in heard if application == "gitops/app"]
    assert len(kinds) == len(heard)
    last = max(index for index, kind in enumerate(kinds) if kind is events.PlanMade)
    assert kinds[last:] == [
        events.PlanMade,
        events.StepStarted,
        events.Wrote,
        events.HealthChanged,
        events.Finished,
    ]
    assert heard[-1][1].result.outcome is Outcome.SYNCED


def test_a_pass_that_is_cancelled_says_why(world, lines):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, timeout=60.0) as running:
        running.until(lambda: running.tracked().schedule.task and world.get("Deployment", "web", "apps"))
        sha = world.commit(web=deployment())
        running.until_synced(sha)
        (line,) = of(lines, "pass.cancelled")
        assert (line["application"], line["cause"]) == ("gitops/app", "there is a newer commit")
        running.call(lambda: running.controller.registry.drop("test", "gitops/app"))


def test_a_lost_lease_is_not_told_as_a_cluster_that_is_away(world, lines, monkeypatch):
    lost = []
    monkeypatch.setattr(Alone, "may_write", lambda self: not lost)
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        lost.append(True)
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: "no longer holds its Lease" in running.tracked().last.error)
        assert not running.tracked().last.is_away
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
        assert of(lines, "cluster.unreachable") == []
        lost.clear()
        running.until_synced(newer)
