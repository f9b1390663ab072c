"""Projects as the controller holds them: what is not permitted is neither read nor changed, and everybody is told."""

from dataclasses import replace

import pytest

from gitops.manifests.yaml_write import write_manifests
from gitops.model.project import ClusterNames, Project, ProjectLimits
from gitops.model.result import Go, Hold
from gitops.server.auth.tokens import Scope, new_token
from gitops.sync.context import About, Request
from gitops.sync.planning import plan_sync
from gitops.sync.uninstall import planned_deletion
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application, custom_resource
from tests.scenarios.test_objects_page import words
from tests.scenarios.world import config_map, deployment

LIMITS = {
    "sourceRepos": ["*"],
    "sourceNamespaces": ["gitops"],
    "destinations": [{"server": "*", "namespace": "*"}],
    "clusterResourceWhitelist": [{"group": "", "kind": "Namespace"}],
}


def write_projects(folder, **projects):
    """A file of AppProjects, each with these fields beside what lets the world's Application run."""
    path = folder / "projects.yaml"
    bodies = [
        {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "AppProject",
            "metadata": {"name": name.replace("_", "-")},
            "spec": {**LIMITS, **spec},
        }
        for name, spec in projects.items()
    ]
    path.write_text(write_manifests(bodies))
    return path


def role(**annotations):
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "all", "annotations": annotations},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}],
    }


NO_ROLES = {"namespaceResourceBlacklist": [{"group": "rbac.authorization.k8s.io", "kind": "*"}]}


@pytest.fixture
def shop(world):
    world.commit(settings=config_map("settings"))
    return replace(application(world, "app"), project="shop")


def problem(running):
    return running.call(lambda: running.tracked().last.error)


def test_a_repository_that_the_project_does_not_permit_is_not_even_read(world, shop, tmp_path):
    path = write_projects(tmp_path, shop={"sourceRepos": ["https://git.example.com/shop/**"]})
    with Running(world, shop, projects=path) as running, Web(running, tmp_path) as web:
        running.until(lambda: "does not permit the source" in problem(running))
        row = web.get("/applications/gitops/app")
        assert row["problem"]
        assert "sourceRepos" in row["note"]
        assert running.controller.poller.looks == 0
        assert web.ask("/api/v1/applications/gitops/app/diff", token=web.tokens["ada"]).status == 409
        write_projects(tmp_path, shop={})
        running.until(lambda: running.tracked().sync == "Synced")
        write_projects(tmp_path, shop={"destinations": []})
        running.until(lambda: "does not permit namespace" in problem(running))


def test_a_kind_that_the_project_does_not_permit_holds_the_whole_sync(world, shop, tmp_path):
    path = write_projects(tmp_path, shop=NO_ROLES)
    with Running(world, shop, projects=path) as running, Web(running, tmp_path) as web:
        running.until(lambda: running.tracked().sync == "Synced")
        world.commit(role=role(), settings=config_map("settings", colour="red"))
        running.until(lambda: web.get("/applications/gitops/app")["held"])
        (held,) = web.get("/applications/gitops/app")["held"]
        assert "project shop does not permit Role.rbac.authorization.k8s.io" in held
        number = web.post("/applications/gitops/app/sync", confirm=True).json["request"]
        running.until(lambda: web.get(f"/requests/{number}")["outcome"])
        assert web.get(f"/requests/{number}")["outcome"] == "held", "nobody overrides what a project does not permit"
        assert "colour" not in (world.get("ConfigMap", "settings").get("data") or {})


def test_a_window_of_the_project_holds_what_is_synced_by_itself_and_lets_a_person(world, shop, tmp_path):
    closed = {"kind": "deny", "schedule": "* * * * *", "duration": "5m", "applications": ["*"]}
    path = write_projects(tmp_path, shop={"syncWindows": [{**closed, "manualSync": True}]})
    with Running(world, shop, projects=path) as running, Web(running, tmp_path) as web:
        running.until(lambda: web.get("/waiting")["counts"]["project-window"])
        (one,) = web.get("/waiting")["items"]
        assert "project shop: a window (* * * * * UTC) denies syncs" in one["why"]
        assert one["act"] == ""
        assert "For a window of its project" in words(web, "/waiting")
        assert web.get("/projects/shop")["syncWindows"][0]["open"]
        assert "* * * * * UTC, for 5 minutes" in words(web, "/projects/shop")
        web.post("/applications/gitops/app/sync", reason="now")
        running.until(lambda: running.tracked().sync == "Synced")


def test_projects_are_told_with_their_applications_limits_roles_and_windows(world, shop, tmp_path):
    role = {"name": "ci", "groups": ["shop-ci"], "policies": ["p, proj:shop:ci, applications, sync, shop/*, allow"]}
    path = write_projects(tmp_path, shop={"description": "The <b>shop</b>", "roles": [role]}, bank={"sourceRepos": []})
    with Running(world, shop, projects=path) as running, Web(running, tmp_path) as web:
        running.until(lambda: running.tracked().sync == "Synced")
        found = {one["project"]: one for one in web.get("/projects")["items"]}
        assert {name: one["applications"] for name, one in found.items()} == {"bank": 0, "default": 0, "shop": 1}
        assert found["shop"]["limited"]
        assert not found["default"]["limited"]
        one = web.get("/projects/shop")
        assert one["roles"] == [{"description": "", **role}]
        assert one["limits"]["clusterResourceWhitelist"] == [{"group": "", "kind": "Namespace", "name": ""}]
        page = web.ask("/projects/shop", token=web.tokens["ada"]).text
        assert "&lt;b&gt;shop&lt;/b&gt;" in page
        assert "proj:shop:ci" in page
        assert 'href="/applications/gitops/app"' in page
        assert 'href="/projects/shop"' in web.ask("/projects", token=web.tokens["ada"]).text
        assert web.get("/applications?project=shop")["total"] == 1
        assert web.get("/applications?project=bank")["total"] == 0
        assert web.get("/applications/gitops/app")["project"] == "shop"


def test_who_may_see_no_application_of_a_project_does_not_see_it(world, shop, tmp_path):
    path = write_projects(tmp_path, shop={}, bank={})
    with Running(world, shop, projects=path) as running, Web(running, tmp_path) as web:
        made, line = new_token("lin", Scope.VIEWER, None, ("other/*",))
        with (tmp_path / "tokens").open("a") as file:
            file.write(line + "\n")
        running.until(lambda: web.get("/projects")["total"] == 3)
        assert web.get("/projects", token=made)["items"] == []
        assert web.ask("/api/v1/projects/shop", token=made).status == 404
        assert web.ask("/projects/shop", token=made).status == 404
        assert web.ask("/api/v1/projects/nowhere", token=web.tokens["ada"]).status == 404


def test_what_is_deleted_goes_whatever_its_project_says_by_now(world):
    world.commit(settings=config_map("settings"))
    world.sync()
    limits = ProjectLimits(Project("shop"), ClusterNames(("in-cluster",)))

    async def plans(context):
        request, context = Request(world.app, "ada"), replace(context, about=About(project=lambda _: limits))
        return await planned_deletion(request, context), await plan_sync(request, context)

    going, staying = world._context(plans)
    assert isinstance(going.decision, Go)
    assert [change.key.name for change in going.plan.changes] == ["settings"]
    world.commit(settings=config_map("settings", a="2"))
    _, staying = world._context(plans)
    assert isinstance(staying.decision, Hold)


def test_a_project_that_nobody_defined_runs_nothing_and_says_so(world, shop, tmp_path):
    with Running(world, shop) as running, Web(running, tmp_path) as web:
        running.until(lambda: "this controller has no projects" in problem(running))
        assert not web.get("/projects/shop")["defined"]
        assert "Nobody has defined this project" in words(web, "/projects/shop")


def test_what_a_project_forbids_in_the_middle_of_a_sync_is_not_written_by_its_rest(world, shop, tmp_path):
    path = write_projects(tmp_path, shop={})
    shop = replace(shop, sync=replace(shop.sync, timeout=60.0))
    with Running(world, shop, projects=path) as running:
        running.until(lambda: running.tracked().sync == "Synced")
        size = {"requests": {"storage": "1Gi"}}
        spec = {"accessModes": ["ReadWriteOnce"], "resources": size, "storageClassName": "missing"}
        slow = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "slow"}, "spec": spec}
        world.commit(slow=slow, role=role(**{"gitops.dev/wave": "1"}))
        running.until(lambda: world.get("PersistentVolumeClaim", "slow"))
        write_projects(tmp_path, shop=NO_ROLES)
        running.until(lambda: running.controller.projects.number == 1)
        world.edit("core/persistentvolumeclaims/slow/status", {"status": {"phase": "Bound"}})
        running.until(lambda: any("does not permit Role" in why for why in running.tracked().last.held))
        assert world.get("Role", "all", "rbac.authorization.k8s.io") is None


def test_other_words_of_a_project_end_no_sync(world, shop, tmp_path):
    path = write_projects(tmp_path, shop={})
    shop = replace(shop, sync=replace(shop.sync, timeout=60.0))
    with Running(world, shop, projects=path) as running:
        running.until(lambda: running.tracked().sync == "Synced")
        world.commit(web=deployment(image="nginx:broken"))
        running.until(lambda: world.get("Deployment", "web", "apps"))
        under_way = running.call(lambda: running.tracked().schedule.task)
        assert under_way is not None
        write_projects(tmp_path, shop={"description": "Another word"}, bank={})
        running.until(lambda: running.controller.projects.number == 1)
        assert running.call(lambda: running.tracked().schedule.task) is under_way


@pytest.mark.parametrize("text", [None, "kind: [AppProject", "twice", ""])
def test_a_file_of_projects_that_is_broken_or_gone_leaves_what_it_said_and_is_told(world, shop, tmp_path, text):
    path = write_projects(tmp_path, shop=NO_ROLES)
    with Running(world, shop, projects=path) as running:
        running.until(lambda: running.tracked().sync == "Synced")
        if text is None:
            path.unlink()
        else:
            path.write_text(path.read_text() + "---\n" + path.read_text() if text == "twice" else text)
        running.until(lambda: str(path) in running.controller.records.wrong_files)
        world.commit(role=role())
        running.until(lambda: any("does not permit Role" in why for why in running.tracked().last.held))


def test_a_persons_own_sync_is_held_by_the_projects_that_it_is_given(world, tmp_path):
    world.commit(role=role(), settings=config_map("settings"))
    file = tmp_path / "app.yaml"
    file.write_text(write_manifests([custom_resource(world, sync={"createNamespace": True})]))

    def by(*words, **spec):
        path = write_projects(tmp_path, default={"sourceNamespaces": [world.namespace], **spec})
        return world.gitops(*words, "-f", str(file), GITOPS_PROJECTS=str(path))

    for command in (("diff",), ("sync", "--confirm")):
        held = by(*command, **NO_ROLES)
        assert (held.returncode, "project default does not permit Role" in held.stderr) == (3, True), held.stderr
        refused = by(*command, sourceRepos=["https://git.example.com/**"])
        assert (refused.returncode, "project default does not permit the source" in refused.stderr) == (3, True)
    assert world.get("ConfigMap", "settings") is None
    abroad = by("sync", sourceNamespaces=[])
    assert (abroad.returncode, "may not live in namespace" in abroad.stderr) == (3, True)
    assert by("sync").returncode == 0
    broken = tmp_path / "broken.yaml"
    broken.write_text("kind: Project")
    wrong = world.gitops("sync", "-f", str(file), "--projects", str(broken))
    assert (wrong.returncode, "expected argoproj.io/v1alpha1 AppProject" in wrong.stderr) == (2, True)


def test_a_rollback_is_held_by_them_too(world, tmp_path):
    world.commit(role=role(), settings=config_map("settings"))
    world.sync()
    world.commit(role=None, settings=config_map("settings", a="2"))
    world.sync(prune=True)
    path = write_projects(tmp_path, default=NO_ROLES)
    held = world.gitops("rollback", "app", "1", "--yes", "--projects", str(path))
    assert (held.returncode, "project default does not permit Role" in held.stderr) == (3, True), held.stderr
    path = write_projects(tmp_path, default={"destinations": []})
    held = world.gitops("rollback", "app", "1", "--yes", "--projects", str(path))
    assert (held.returncode, "does not permit namespace" in held.stderr) == (3, True), held.stderr
    assert world.gitops("rollback", "app", "1", "--yes").returncode == 0
