"""Where Applications come from: two sources of one, and what each may do with the operator's credentials."""

import itertools
from dataclasses import replace

import pytest

from gitops.controller import reconciler
from gitops.controller.registry import Registration
from gitops.engine.states import Response
from gitops.model.application import Retry, Window
from gitops.model.source_access import Credentials
from tests.scenarios.running import Running, of
from tests.scenarios.test_controller import application, custom_resource, make_kind, resources, standing
from tests.scenarios.world import World, config_map, deployment


def test_an_application_that_moves_from_a_file_to_a_custom_resource_is_run_on(world, lines):
    make_kind(world)
    world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True) as running:
        here = application(world, "app", namespace=world.namespace)
        running.call(lambda: running.controller.registry.put("apps.yaml", Registration(here, trusted=True)))
        running.until(lambda: world.get("ConfigMap", "settings"))
        world.request("POST", resources(world), custom_resource(world))
        running.until(lambda: "comes from apps.yaml; take it out there" in str(standing(world)))
        assert len(of(lines, "application.twice")) == 1
        running.call(lambda: running.controller.registry.keep_only("apps.yaml", set()))
        sha = world.commit(settings=config_map("settings", a="2"))
        running.until_synced(sha, identity)
        running.until(lambda: standing(world).get("sync", {}).get("status") == "Synced")
        assert not of(lines, "application.gone")


def test_a_source_that_came_second_may_let_go_and_nothing_changes(world, lines):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        other = application(world, "app", path="elsewhere")
        for _ in range(2):
            running.call(lambda: running.controller.registry.put("other", Registration(other)))
        running.call(lambda: running.controller.registry.drop("other", "gitops/app"))
        assert running.tracked().app.source.path == world.app.source.path
        running.until_synced(world.commit(settings=config_map("settings", a="2")))
    assert len(of(lines, "application.twice")) == 1


def test_the_password_in_an_address_is_told_nobody(world, lines):
    address = world.app.source.repoURL.replace("file:///", "file://bob:hunter2@localhost/")
    sha = world.commit(settings=config_map("settings"))
    with Running(world, application(world, "app", repoURL=address, targetRevision="nosuch")) as running:
        running.until(lambda: "did you mean main?" in running.tracked().problem)
        assert "hunter2" not in running.tracked().problem
        running.call(
            lambda: running.controller.registry.put("test", Registration(application(world, "app", repoURL=address)))
        )
        running.until_synced(sha)
        away = world.repository.rename(world.folder / "elsewhere")
        running.until(lambda: of(lines, "poll.failed"))
        away.rename(world.repository)
    assert of(lines, "commit.seen")
    assert "hunter2" not in str(lines)


def test_the_operators_credentials_go_to_no_address_that_a_repository_names(fresh_sandbox, tmp_path):
    """Whoever may write to the repository of an app-of-apps would have them sent to a host of their own."""
    world = World(tmp_path, fresh_sandbox().kubeconfig(), "story")
    names = itertools.count()

    def child(**source):
        body = custom_resource(world, f"child-{next(names)}", source=source)
        del body["metadata"]["namespace"]
        return body

    own = {"secretRef": "git"}
    (world.repository / "apps").mkdir()
    (world.repository / "child").mkdir()
    elsewhere = world.folder / "elsewhere"
    elsewhere.symlink_to(world.repository)
    bodies = [
        child(path="child", credentials=own),
        child(path="child", credentials=own, repoURL=elsewhere.as_uri()),
        child(path="child", credentials={**own, "proxy": "http://127.0.0.1:9"}),
    ]
    world.commit(**{"apps/all": bodies, "child/settings": config_map("settings")})
    parent = application(world, "app", path="apps", credentials=Credentials(secretRef="git"))
    with Running(world, parent, environment={"git": "t0ken"}) as running:
        running.until(lambda: all(running.tracked(f"gitops/child-{number}") for number in range(3)))
        running.until(lambda: running.tracked("gitops/child-0").source.observed_revision)
        for number in (1, 2):
            running.until(lambda number=number: "secretRef: git" in running.tracked(f"gitops/child-{number}").problem)


def edited(world, **spec):
    world.request("PATCH", resources(world, "app"), {"spec": spec}, kind="application/merge-patch+json")


BAD_WINDOW = {"windows": [{"kind": "deny", "schedule": "0 9-5 * * *", "duration": "8h"}]}


def test_a_custom_resource_whose_spec_became_unreadable_is_held_until_it_can_be_read(world, lines):
    """It may be the freeze of a release that has the slip in it."""
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world))
        running.until_synced(sha, identity)
        edited(world, **BAD_WINDOW)
        running.until(lambda: "bad hour" in running.tracked(identity).problem)
        assert running.tracked(identity).sync == "Unknown"
        running.until(lambda: "bad hour" in str(standing(world)))
        sha = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: running.tracked(identity).source.observed_revision.sha == sha)
        running.until(lambda: running.tracked(identity).schedule.task is None)
        assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
        edited(world, windows=[])
        running.until_synced(sha, identity)
        running.until(lambda: standing(world).get("sync", {}).get("status") == "Synced")
    (line,) = of(lines, "application.wrong")
    assert "bad hour" in line["error"]


def test_a_custom_resource_that_cannot_be_read_can_be_deleted_with_what_it_owns(world):
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
        running.until_synced(sha, identity)
    edited(world, **BAD_WINDOW)
    with Running(world, resources=True) as running:
        running.until(lambda: "bad hour" in str(standing(world)))
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: world.get("Application", "app", "gitops.dev") is None)
        assert world.get("ConfigMap", "settings") is None


def test_a_deletion_that_needs_something_of_the_spec_says_what(world):
    make_kind(world)
    with Running(world, resources=True, require_account=True) as running:
        world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
        world.request("DELETE", resources(world, "app"))
        running.until(lambda: "its deletion waits: spec.sync.serviceAccount" in str(standing(world)))


def in_one(world, **child):
    """`gitops/app`, whose repository holds `gitops/child`."""
    body = custom_resource(world, "child", source={"path": "child", **child})
    del body["metadata"]["namespace"]
    return body


def path_of(running):
    child = running.tracked("gitops/child")
    return child and child.app.source.path


def is_at(running, sha):
    return running.tracked().source.rendered == sha and running.tracked().schedule.task is None


@pytest.fixture
def nest(fresh_sandbox, tmp_path):
    """`gitops/app` holds `gitops/child`: of the folder `one`, and by a later commit (of nothing else) of `two`."""
    world = World(tmp_path, fresh_sandbox().kubeconfig(), "story")
    for folder in ("apps", "one", "two", "three"):
        (world.repository / folder).mkdir()
    files = {f"{name}/a": config_map("a", a=name) for name in ("one", "two", "three")}
    world.commit(**{"apps/child": in_one(world, path="one"), "apps/own": config_map("own"), **files})
    parent = application(world, "app", path="apps")
    with Running(world, parent) as running:
        running.until(lambda: path_of(running) == "one")
        world.commit(**{"apps/child": in_one(world, path="two")})
        running.until(lambda: path_of(running) == "two")
        running.until(lambda: (world.get("ConfigMap", "a") or {}).get("data") == {"a": "two"})
    return world, parent


def test_a_suspended_application_keeps_those_that_it_holds_as_they_were(nest):
    world, parent = nest
    with Running(world, parent) as running:
        running.until(lambda: path_of(running) == "two")
        running.ask(running.controller.store.set_setting("gitops/app", "suspended", "ada"))
        running.until(lambda: running.controller.commands.is_suspended("gitops/app"))
        sha = world.commit(**{"apps/child": in_one(world, path="three")})
        running.until(lambda: is_at(running, sha))
        assert path_of(running) == "two"
    with Running(world, parent) as running:  # a restart is no reason either
        running.until(lambda: path_of(running))
        running.until(lambda: is_at(running, sha))
        assert (path_of(running), running.tracked().sync) == ("two", "OutOfSync")
        running.ask(running.controller.store.set_setting("gitops/app", "suspended", None))
        running.until(lambda: path_of(running) == "three")
        running.until(lambda: world.get("ConfigMap", "a")["data"] == {"a": "three"})


def test_in_a_window_those_that_it_holds_stay_and_change_when_it_is_over(nest, monkeypatch):
    monkeypatch.setattr(reconciler, "_SOON", 0.5)
    world, parent = nest
    closed = replace(parent, windows=(Window(kind="deny", schedule="0 0 * * *", duration=86400.0),))
    sha = world.commit(**{"apps/child": in_one(world, path="three")})
    with Running(world, closed) as running:
        running.until(lambda: path_of(running))
        running.until(lambda: is_at(running, sha))
        assert (path_of(running), running.tracked().sync) == ("two", "OutOfSync")
        assert "denies syncs until" in running.tracked().last.message
        open_now = replace(closed, windows=(replace(closed.windows[0], kind="allow"),))
        running.call(lambda: running.controller.registry.put("test", Registration(open_now, trusted=True)))
        running.until(lambda: path_of(running) == "three")


def test_those_that_it_holds_wait_for_an_approval_with_all_the_rest(nest):
    world, parent = nest
    by_hand = replace(parent, sync=replace(parent.sync, automated=False))
    world.commit(**{"apps/child": in_one(world, path="three")})
    with Running(world, by_hand) as running:
        running.until(lambda: running.tracked().last.response is Response.APPROVAL and path_of(running))
        assert path_of(running) == "two"
        running.ask(running.controller.store.set_setting("gitops/app", "approved", running.tracked().last.plan_id))
        running.until(lambda: path_of(running) == "three")


def test_a_source_that_holds_nothing_at_all_drops_no_application_without_a_word(fresh_sandbox, tmp_path):
    world = World(tmp_path, fresh_sandbox().kubeconfig(), "story")
    for folder in ("apps", "child"):
        (world.repository / folder).mkdir()
    listed = {"apps/kustomization": "resources: [child.yaml]\n"}
    world.commit(**{"apps/child": in_one(world), "child/a": config_map("a"), **listed})
    with Running(world, application(world, "app", path="apps")) as running:
        running.until(lambda: running.tracked("gitops/child"))
        running.until(lambda: running.tracked().schedule.task is None)
        world.commit(**{"apps/kustomization": "resources: []\n"})
        running.until(lambda: "renders to nothing at all while it holds Applications" in running.tracked().last.message)
        assert running.tracked("gitops/child")


def test_an_application_whose_repository_holds_itself_is_nobodys_child(fresh_sandbox, tmp_path):
    world = World(tmp_path, fresh_sandbox().kubeconfig(), "story")
    (world.repository / "apps").mkdir()
    own = in_one(world, path="apps")
    own["metadata"]["name"] = "app"
    world.commit(**{"apps/app": own, "apps/own": config_map("own")})
    with Running(world, application(world, "app", path="apps")) as running:
        running.until(lambda: world.get("ConfigMap", "own"))
        running.call(lambda: running.controller.registry.drop("test", "gitops/app"))
        assert running.tracked() is None


def test_an_application_may_hold_applications(world):
    make_kind(world)
    (world.repository / "child").mkdir()
    (world.repository / "apps").mkdir()
    child = custom_resource(world, "child", source={"path": "child"})
    sha = world.commit(**{"apps/child": child, "child/settings": config_map("settings")})
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world, "root", source={"path": "apps"}))
        running.until(lambda: running.tracked(f"{world.namespace}/child"))
        running.until_synced(sha, f"{world.namespace}/child")
        assert world.get("ConfigMap", "settings")


def test_a_repository_may_bring_applications_though_the_cluster_does_not_know_the_kind(fresh_sandbox, tmp_path):
    world = World(tmp_path, fresh_sandbox().kubeconfig(), "story")
    for folder in ("apps", "child"):
        (world.repository / folder).mkdir()
    child = custom_resource(world, "child", source={"path": "child"})
    del child["metadata"]["namespace"]
    child["spec"]["sync"]["createNamespace"] = True
    world.commit(**{"apps/child": child, "child/settings": config_map("settings")})
    with Running(world, application(world, "root", path="apps")) as running:
        running.until(lambda: running.tracked("gitops/child") and running.tracked("gitops/child").sync == "Synced")
        assert world.get("ConfigMap", "settings")
        foreign = custom_resource(world, "child", source={"path": "child"})
        world.commit(**{"apps/child": foreign})
        running.until(lambda: "has to be in namespace gitops" in running.tracked("gitops/root").problem)
        world.commit(**{"apps/child": None, "apps/other": config_map("other")})
        running.until(lambda: running.tracked("gitops/child") is None)
        assert world.get("ConfigMap", "settings")


def test_children_of_a_parent_that_was_given_up_run_on_after_a_restart(fresh_sandbox, tmp_path):
    world = World(tmp_path, fresh_sandbox(speed=4.0).kubeconfig(), "given-up")
    for folder in ("top", "kids"):
        (world.repository / folder).mkdir()
    source = {"repoURL": world.repository.as_uri(), "targetRevision": "main", "path": "kids"}
    sync = {"automated": True, "drift": "correct"}
    kid = {
        "apiVersion": "gitops.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "kid"},
        "spec": {"source": source, "destination": {"namespace": "given-up"}, "interval": "1s", "sync": sync},
    }
    world.commit(**{"top/kid": kid, "top/web": deployment(), "kids/settings": config_map("settings")})
    app = application(world, "app", path="top")
    app = replace(app, sync=replace(app.sync, rollback="never", retry=Retry(limit=0), timeout=1.5))
    with Running(world, app) as running:
        running.until(lambda: (kid := running.tracked("gitops/kid")) and kid.sync == "Synced")
        world.commit(**{"top/web": deployment(image="nginx:broken")})
        running.until(lambda: "given up after 1 tries" in running.tracked().last.message, 30)
    with Running(world, app) as running:
        running.until(lambda: running.tracked("gitops/kid"))
        world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "1"})
        assert "given up after 1 tries" in running.tracked().last.message


def test_a_path_that_comes_while_its_repository_is_away_is_not_called_synced_and_drift_is_corrected(world):
    make_kind(world)
    sha = world.commit(settings=config_map("settings", color="blue"))
    identity = f"{world.namespace}/app"
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), custom_resource(world))
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        running.until(lambda: told_of_this_spec(world) == "Synced")
        away = world.repository.rename(world.folder / "elsewhere")
        running.until(lambda: running.tracked(identity).source.look_error)
        edited(world, source={"path": "other"})
        running.until(lambda: running.tracked(identity).app.source.path == "other")
        assert running.tracked(identity).sync == "Unknown"
        running.until(lambda: running.tracked(identity).source.look_error, 2)
        running.until(lambda: told_of_this_spec(world) == "Unknown")
        world.edit("core/configmaps/settings", {"data": {"color": "red"}})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"color": "blue"})
        away.rename(world.repository)
        (world.repository / "other").mkdir()
        running.until_synced(world.commit(**{"other/settings": config_map("settings", color="green")}), identity, 60)
    assert world.get("ConfigMap", "settings")["data"] == {"color": "green"}


def told_of_this_spec(world):
    """The sync status of the custom resource, once that is about its newest spec."""
    body = world.request("GET", resources(world, "app"))
    status = body.get("status") or {}
    is_new = status.get("observedGeneration") == body["metadata"]["generation"]
    return status["sync"]["status"] if is_new else ""
