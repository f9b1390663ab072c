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
from tests.scenarios.test_controller import application
from tests.scenarios.test_objects_page import words
from tests.scenarios.world import config_map

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
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "all"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}],
    }
    path = write_projects(
        tmp_path, shop={"namespaceResourceBlacklist": [{"group": "rbac.authorization.k8s.io", "kind": "*"}]}
    )
    with Running(world, shop, projects=path) as running, Web(running, tmp_path) as web:
        running.until(lambda: running.tracked().sync == "Synced")
        world.commit(role=role, settings=config_map("settings", colour="red"))
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
