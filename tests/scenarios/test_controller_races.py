"""What happens at the same time as something else: each of these was lost, or done by mistake, before."""

import asyncio
import os
import threading
import time
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest

from gitops.adapters.repositories import GitRepositories
from gitops.controller import cluster_worker, reconciler
from gitops.controller.registry import Registration, account_required, local_refused
from gitops.engine.states import Response
from gitops.model.application import Application, Backoff, Retry, SourceSpec, SyncOptions
from gitops.model.errors import ConfigError
from gitops.model.result import Outcome
from gitops.model.source_access import Credentials
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import cluster_secret, make_namespace, secrets, to
from tests.scenarios.test_controller import application, custom_resource, make_kind, resources, standing
from tests.scenarios.world import World, config_map, deployment
from tests.soak import only_at_leisure


def data(world, name="settings"):
    return (world.get("ConfigMap", name) or {}).get("data")


def slow_renders(running, seconds):
    """Every render takes that long, from now on."""
    real = running.controller.renders._render

    def slow(tree, app, *, live):
        answer = real(tree, app, live=live)
        time.sleep(seconds)
        return answer

    running.controller.renders._render = slow


def test_a_commit_to_what_the_commit_before_it_reads_first_is_not_lost(world):
    (world.repository / "k").mkdir()
    (world.repository / "k/kustomization.yaml").write_text("resources: [a.yaml]\n")
    first = world.commit(**{"k/a": config_map("a"), "k/b": config_map("b", v="0")})
    with Running(world, application(world, "app", path="k")) as running:
        running.until_synced(first)
        slow_renders(running, 1.5)
        (world.repository / "k/kustomization.yaml").write_text("resources: [a.yaml, b.yaml]\n")
        second = world.commit(**{"k/b": config_map("b", v="1")})
        running.until(
            lambda: running.tracked().source.observed_revision.sha == second and running.tracked().schedule.task
        )
        third = world.commit(**{"k/b": config_map("b", v="2")})
        running.until_synced(third)
        assert data(world, "b") == {"v": "2"}


def test_a_sync_asked_for_during_a_pass_is_done(world):
    world.commit(settings=config_map("settings"))
    with Running(world, automated=False) as running:
        running.until(
            lambda: running.tracked().last.response is Response.APPROVAL and running.tracked().schedule.task is None
        )
        slow_renders(running, 2.0)
        world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: running.tracked().schedule.task)
        number = running.ask(running.controller.store.request("gitops/app", "sync", {}, "ada", "2026-01-01T00:00:00Z"))
        running.until(lambda: running.ask(running.controller.store.outcome(number)) is not None)
        assert data(world) == {"a": "2"}


def test_a_hand_edit_during_the_first_plan_is_not_missed(world, monkeypatch):
    sha = world.commit(settings=config_map("settings", color="blue"))
    with Running(world) as running:
        running.until_synced(sha)
    real = reconciler.plan_sync

    async def slow(request, context):
        planned = await real(request, context)
        await context.clock.sleep(1.5)
        return planned

    monkeypatch.setattr(reconciler, "plan_sync", slow)
    with Running(world) as running:
        running.until(lambda: running.tracked().schedule.task)
        time.sleep(0.7)
        world.edit("core/configmaps/settings", {"data": {"color": "red"}})
        running.until(lambda: data(world) == {"color": "blue"})


def test_an_application_that_moves_to_another_cluster_is_left_alone_on_the_first(
    world, fresh_sandbox, tmp_path, monkeypatch
):
    (tmp_path / "other").mkdir()
    other = World(tmp_path / "other", fresh_sandbox(speed=4.0).kubeconfig(), world.namespace)
    monkeypatch.setattr(cluster_worker, "_RESYNC_SECONDS", 1.0)
    make_namespace(world)
    world.request("POST", secrets(world), cluster_secret(other.kubeconfig.read_text(), "far"))
    sha = world.commit(settings=config_map("settings"))
    app = application(world, "app")
    with Running(world, app) as running:
        running.until_synced(sha)
        running.call(lambda: running.controller.registry.put("test", Registration(to(app, "far"))))
        running.until(lambda: "was on the controller's own cluster" in running.tracked().last.message)
        requested_sync = {"confirm": True}
        running.ask(
            running.controller.store.request("gitops/app", "sync", requested_sync, "ada", "2026-01-01T00:00:00Z")
        )
        running.until(lambda: data(other))
        world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: data(other) == {"a": "2"})
        time.sleep(2.5)
        assert data(world) == {"a": "1"}


def test_a_suspended_application_is_not_changed_though_its_head_is_quarantined(world):
    good = world.commit(web=deployment())
    with Running(world, timeout=4.0) as running:
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: running.tracked().last.outcome is Outcome.ROLLED_BACK, 40)
        running.until(lambda: running.tracked().last.quarantine and running.tracked().schedule.task is None)
        running.ask(running.controller.store.set_setting("gitops/app", "suspended", "ada"))
        running.until(lambda: running.controller.commands.is_suspended("gitops/app"))
        running.until(lambda: running.tracked().schedule.task is None)
        world.edit("apps/deployments/web", {"spec": {"replicas": 5}})
        time.sleep(2)
        assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 5


def test_deleting_an_application_deletes_nothing_of_another_of_its_name(world):
    make_kind(world)
    sha = world.commit(web=config_map("web"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True) as running:
        running.call(lambda: running.controller.registry.put("test", Registration(application(world, "app"))))
        running.until_synced(sha)
        other = custom_resource(world, finalizers=["gitops.dev/prune"], source={"targetRevision": "nothing"})
        world.request("POST", resources(world), other)
        running.until(lambda: running.tracked(identity))
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: "is the inventory of Application gitops/app" in running.tracked(identity).last.message)
        assert data(world, "web")


def test_two_applications_of_one_name_and_place_are_two_and_the_second_is_held(world):
    sha = world.commit(web=config_map("web"))
    first, second = application(world, "app"), replace(application(world, "app"), namespace="other")
    with Running(world, first) as running:
        running.until_synced(sha)
        running.call(lambda: running.controller.registry.put("test", Registration(second)))
        running.until(lambda: running.tracked("other/app").last.response is Response.HELD)
        assert "gitops/app" in running.tracked("other/app").last.message
        for number in range(2):  # what becomes of the first's objects is still the first's, also when the other leaves
            world.edit("core/configmaps/web", {"data": {"a": f"by hand {number}"}})
            running.until(lambda: data(world, "web") == {"a": "1"}, 5)
            running.call(lambda: running.controller.registry.drop("test", "other/app"))


def test_wrong_repositories_do_not_keep_others_of_their_host_from_being_read(world):
    sha = world.commit(settings=config_map("settings"))
    wrong = [
        replace(
            application(world, f"wrong-{number}"), source=SourceSpec(repoURL=(world.folder / f"no{number}").as_uri())
        )
        for number in range(2)
    ]
    with Running(world, application(world, "app"), *wrong) as running:
        running.until_synced(sha)
        running.until(lambda: all(running.tracked(app.identity).problem for app in wrong))
        newer = world.commit(settings=config_map("settings", a="2"))
        assert running.until_synced(newer) < 5


def test_a_failed_look_is_forgotten_after_a_good_one(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        os.rename(world.repository, world.folder / "moved")
        running.until(lambda: running.tracked().problem)
        os.rename(world.folder / "moved", world.repository)
        running.call(lambda: running.controller.poller.wake(running.tracked()))
        running.until(lambda: running.tracked().sync == "Synced")


def test_applications_that_depend_on_each_other_do_not_wake_each_other_for_ever(world):
    for name in ("one", "two"):
        (world.repository / name).mkdir()
    world.commit(**{"one/a": config_map("one"), "two/a": config_map("two")})
    one = replace(application(world, "one", path="one"), dependsOn=("two",))
    two = replace(application(world, "two", path="two"), dependsOn=("one",))
    with Running(world, one, two) as running:
        running.until(lambda: all(item.last.response for item in running.controller.index))
        time.sleep(1)
        before = passes(running)
        time.sleep(3)
        assert passes(running) - before < 6


def passes(running):
    return list(running.controller.tally.passes.cumulated())[-1][1]


@only_at_leisure
def test_a_sync_that_failed_is_tried_again_after_its_backoff_whatever_its_objects_do_meanwhile(world):
    world.commit(web=deployment(image="nginx:broken"), settings=config_map("settings"))
    retry = Retry(limit=5, backoff=Backoff(duration=4.0, factor=1.0))
    with Running(world, timeout=2.0, retry=retry) as running:
        for number in range(1, 4):
            running.until(lambda: running.tracked().schedule.task and world.get("ConfigMap", "settings"))
            world.edit("core/configmaps/settings", {"data": {"a": f"by hand {number}"}})
            running.until(lambda number=number: running.tracked().schedule.failures == number)
    starts = [event.at for event in world.audit() if event.fact == "sync.started"]
    seconds = [datetime.fromisoformat(at).timestamp() for at in starts]
    assert min(later - earlier for earlier, later in pairwise(seconds)) > 5.5


def test_an_object_that_is_deleted_again_and_again_is_not_made_at_full_speed(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        until = time.monotonic() + 6

        def deletes():
            path = f"/api/v1/namespaces/{world.namespace}/configmaps/settings"
            while time.monotonic() < until:
                if world.get("ConfigMap", "settings"):
                    world.request("DELETE", path)

        thread = threading.Thread(target=deletes)
        thread.start()
        thread.join()
        running.until(lambda: running.tracked().drift.loops)
        assert "somebody keeps deleting" in str(running.tracked().drift.loops[0])
    assert len([event for event in world.check_audit() if event.fact == "sync.started"]) < 12


def test_who_shares_a_repository_may_leave_and_take_nothing_along(world):
    for name in ("one", "two"):
        (world.repository / name).mkdir()
    world.commit(**{"one/a": config_map("one"), "two/a": config_map("two")})
    apps = [application(world, name, path=name, credentials=Credentials(secretRef="git")) for name in ("one", "two")]
    with Running(world, *apps, environment={"git": "t0ken"}) as running:
        running.until(lambda: all(item.sync == "Synced" for item in running.controller.index))
        running.call(lambda: running.controller.registry.drop("test", "gitops/one"))
        newer = world.commit(**{"two/a": config_map("two", a="2")})
        running.until_synced(newer, "gitops/two")


def test_a_commit_that_waits_for_a_word_does_not_end_the_sync_under_way(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    with Running(world, automated=False, timeout=5.0) as running:
        approve(running)
        running.until(lambda: running.tracked().sync == "Synced", 30)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: running.tracked().last.response is Response.APPROVAL)
        approve(running)
        running.until(lambda: "broken" in str(world.get("Deployment", "web", "apps")["spec"]))
        world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: "broken" not in str(world.get("Deployment", "web", "apps")["spec"]), 30)


def test_an_approval_is_not_for_a_plan_that_has_grown_since(world):
    sha = world.commit(one=config_map("one"), two=config_map("two"))
    with Running(world, automated=False, drift="report") as running:
        approve(running)
        running.until(lambda: running.tracked().sync == "Synced")
        world.commit(one=config_map("one", a="2"))
        running.until(lambda: running.tracked().last.response is Response.APPROVAL)
        small = running.tracked().last.plan_id
        world.edit("core/configmaps/two", {"data": {"a": "by hand"}})
        running.until(lambda: running.tracked().last.plan_id != small)
        running.ask(running.controller.store.set_setting("gitops/app", "approved", small))
        running.until(lambda: not running.ask(running.controller.store.setting("gitops/app", "approved")))
        assert world.get("ConfigMap", "one")["data"] == {"a": "1"}
        approve(running)
        running.until(lambda: world.get("ConfigMap", "one")["data"] == {"a": "2"})
        running.until(lambda: world.get("ConfigMap", "two")["data"] == {"a": "1"})
    assert world.inventory().releases[-1].revision == sha


def test_an_approval_is_for_one_sync_and_not_for_the_same_content_later(world):
    contents = [config_map("settings", a=text) for text in ("1", "2", "1", "2")]
    with Running(world, automated=False) as running:
        for content in contents[:3]:
            sha = world.commit(settings=content)
            running.until(lambda sha=sha: running.tracked() and running.tracked().source.rendered == sha)
            approve(running)
            running.until(lambda content=content: data(world) == content["data"])
            running.until(lambda: not running.ask(running.controller.store.setting("gitops/app", "approved")))
        sha = world.commit(settings=contents[3])
        running.until(
            lambda: running.tracked().source.rendered == sha and running.tracked().last.response is Response.APPROVAL
        )
        time.sleep(1.5)
        assert data(world) == {"a": "1"}


def test_a_sync_that_was_given_up_is_begun_by_a_commit_or_a_person_alone(world):
    sha = world.commit(web=deployment())
    with Running(world, rollback="never", timeout=1.0, retry=Retry(limit=0)) as running:
        running.until_synced(sha)
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: "given up after 1 tries" in running.tracked().last.message, 30)
        for replicas in (3, 4):
            world.edit("apps/deployments/web", {"spec": {"replicas": replicas}})
            time.sleep(1.0)
        assert "given up after 1 tries" in running.tracked().last.message
        started = [event for event in world.check_audit() if event.fact == "sync.started"]
        good = world.commit(web=deployment())
        running.until_synced(good, seconds=30)
    assert len(started) == 2


@pytest.mark.parametrize("seconds", [0, 2.5], ids=["", "the repository takes its time"])
def test_a_sync_that_was_given_up_stays_so_over_a_restart_but_not_with_another_spec(world, monkeypatch, seconds):
    real = GitRepositories.look

    async def slow(self, app):
        await asyncio.sleep(seconds)
        return await real(self, app)

    monkeypatch.setattr(GitRepositories, "look", slow)
    sync = {"rollback": "never", "retry": Retry(limit=0)}
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, timeout=1.0, **sync) as running:
        running.until(lambda: "given up after 1 tries" in running.tracked().last.message, 30)
    with Running(world, timeout=1.0, **sync) as running:
        running.until(lambda: running.tracked().last.response is Response.HELD)
        assert "given up after 1 tries" in running.tracked().last.message
        time.sleep(1.0)
    assert started(world) == 1
    with Running(world, timeout=1.5, **sync) as running:
        running.until(lambda: started(world) == 2)


def test_an_approval_starts_a_sync_that_was_given_up_once_more(world):
    world.commit(web=deployment(image="nginx:broken"))
    with Running(world, automated=False, rollback="never", timeout=1.0, retry=Retry(limit=0)) as running:
        for count in (1, 2):
            approve(running)
            running.until(lambda count=count: started(world) == count, 30)
            running.until(lambda: not running.ask(running.controller.store.setting("gitops/app", "approved")))
            running.until(lambda: running.tracked().schedule.task is None)


def started(world):
    return [event.fact for event in world.audit()].count("sync.started")


def test_a_cluster_that_is_reached_in_another_way_again_and_again_is_reached_in_the_end(world):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        running.call(lambda: [running.controller.workers.reconnect("") for _ in range(3)])
        running.until_synced(world.commit(settings=config_map("settings", a="2")))


def approve(running):
    running.until(lambda: running.tracked().last.response is Response.APPROVAL)
    running.ask(running.controller.store.set_setting("gitops/app", "approved", running.tracked().last.plan_id))


def test_who_does_not_run_an_application_does_not_tell_how_it_is(world):
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True, leases=world.namespace) as first:
        world.request("POST", resources(world), custom_resource(world))
        first.until(lambda: first.tracked(identity))
        first.until_synced(sha, identity)
        first.until(lambda: standing(world).get("sync", {}).get("status") == "Synced")
        with Running(world, resources=True, leases=world.namespace, state=world.folder / "state-2") as second:
            second.until(lambda: second.tracked(identity) and second.controller.replica.stands_by_for)
            second.call(lambda: second.controller._on_look(second.tracked(identity), "cannot reach git from here"))
            time.sleep(1.5)
            assert standing(world)["sync"]["status"] == "Synced"


@pytest.mark.parametrize(
    "url", ["FILE:///etc", "file:///etc", "/etc", "../x", "ext::sh -c id", "http://git.example.com/x"]
)
def test_a_custom_resource_may_name_remote_repositories_only(url):
    with pytest.raises(ConfigError, match="controller's machine"):
        local_refused(lambda _: Application("a", source=SourceSpec(repoURL=url)))({})


@pytest.mark.parametrize(
    "url", ["https://git.example.com/x.git", "ssh://git@example.com/x", "git@example.com:team/x.git"]
)
def test_remote_repositories_are_taken(url):
    assert local_refused(lambda _: Application("a", source=SourceSpec(repoURL=url)))({}).source.repoURL == url


def test_endless_templates_of_one_tenant_do_not_keep_anothers_hand_edits_from_being_undone(world):
    for folder in ("good", "endless"):
        (world.repository / folder).mkdir()
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (world.repository / "endless/a.yaml.j2").write_text(loops)
    sha = world.commit(**{"good/settings": config_map("settings")})
    good = application(world, "app", path="good")
    bad = application(world, "bad", path="endless", renderer="template")
    endless = [replace(bad, name=f"endless-{number}", namespace="tenant") for number in range(20)]
    with Running(world, good, *endless) as running:
        running.until_synced(sha)
        for _ in range(3):
            world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
            assert running.until(lambda: data(world) == {"a": "1"}) < 8


def test_a_kind_that_cannot_be_listed_costs_no_look_after_look(world):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {"name": "a"},
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        world.commit(review=review)
        running.until(
            lambda: running.tracked().source.observed_revision.sha != sha and running.tracked().schedule.task is None
        )
        time.sleep(1)
        before = sum(running.controller.workers.request_counts()[""].values())
        time.sleep(3)
        assert sum(running.controller.workers.request_counts()[""].values()) - before < 10


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("windows", [{"kind": "deny", "schedule": "0 9-5 * * *", "duration": "8h"}]),
        ("source", {"repoURL": "https://[1]/x", "targetRevision": "main"}),
    ],
)
def test_a_custom_resource_that_nobody_expected_ends_nothing(world, field, value):
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/good"
    with Running(world, resources=True) as running:
        odd = custom_resource(world, "odd")
        odd["spec"][field] = value
        world.request("POST", resources(world), odd)
        world.request("POST", resources(world), custom_resource(world, "good"))
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        running.until(lambda: standing(world, "odd").get("conditions"))
        assert field in str(standing(world, "odd")["conditions"])


def test_an_account_can_be_required_of_custom_resources():
    with pytest.raises(ConfigError, match="serviceAccount"):
        account_required(lambda _: Application("a"))({})
    named = Application("a", sync=SyncOptions(serviceAccount="deployer"))
    assert account_required(lambda _: named)({}) is named
