"""An Application deleted through a server: what was shown goes or stays, and nobody brings it back unsaid."""

import json

import pytest

from gitops.server.auth.tokens import Scope, new_token
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_controller import custom_resource, make_kind, resources
from tests.scenarios.test_flux_controller import flux  # noqa: F401 - a fixture
from tests.scenarios.test_page import check_accessible
from tests.scenarios.world import config_map, deployment

ONE = "/applications/gitops/app"


def with_root(web, tmp_path):
    """A token `root` that is an admin's: operators do not delete."""
    web.tokens["root"], line = new_token("root", Scope.ADMIN, None)
    with (tmp_path / "tokens").open("a") as file:
        file.write(line + "\n")
    return web


@pytest.fixture
def web(running, tmp_path):
    """The page of a controller whose Application comes from a file."""
    with Web(running, tmp_path) as found:
        yield with_root(found, tmp_path)


@pytest.fixture
def made(world, tmp_path):
    """The same for one that is a custom resource, without the finalizer; `identity` names it."""
    make_kind(world)
    sha = world.commit(settings=config_map("settings", a="1"), web=deployment("web"))
    with Running(world, resources=True) as running, Web(running, tmp_path) as web:
        world.request("POST", resources(world), custom_resource(world))
        identity = f"{world.namespace}/app"
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        web.identity, web.running = identity, running
        yield with_root(web, tmp_path)


def delete(web, path, token="root", plan=None, **body):
    """Ask for it by the plan that is shown, and wait for the answer."""
    keep = "?keep=true" if body.get("keep") else ""
    plan = plan or web.get(f"{path}/deletion{keep}")["id"]
    done = web.post(f"{path}/delete", token=web.tokens[token], plan=plan, **body)
    assert done.status == 202, done.text
    number = done.json["request"]
    web.running_of.until(lambda: web.get(f"/requests/{number}", token=web.tokens[token])["outcome"])
    answer = web.get(f"/requests/{number}", token=web.tokens[token])
    return answer["outcome"], answer["message"]


@pytest.fixture(autouse=True)
def _running_of(request):
    for name in ("web", "made"):
        if name in request.fixturenames:
            found = request.getfixturevalue(name)
            found.running_of = found.running


def there(world):
    return {
        name
        for kind, name, group in (
            ("ConfigMap", "settings", ""),
            ("Deployment", "web", "apps"),
            ("ConfigMap", "gitops-app", ""),
        )
        if world.get(kind, name, group)
    }


def test_a_custom_resource_goes_with_what_it_owns_by_the_plan_that_was_shown(made, world):
    path = f"/applications/{made.identity}"
    shown = made.get(f"{path}/deletion")
    pruned = {one["object"] for step in shown["steps"] for one in step["changes"]}
    assert {name.rpartition("/")[2] for name in pruned} == {"settings", "web"}
    assert (shown["place"], shown["broughtBack"]) == (f"the Application {made.identity}", "")
    assert there(world) == {"settings", "web", "gitops-app"}
    assert delete(made, path, reason="no longer") == ("synced", "")
    assert there(world) == set()
    assert not world.request("GET", resources(world))["items"]
    made.running.until(lambda: made.running.tracked(made.identity) is None)
    entries = {one["fact"]: one for one in made.get("/audit?limit=50")["items"]}
    assert entries["delete.requested"]["detail"]["reason"] == "no longer"
    assert {entries[fact]["actor"] for fact in ("delete.requested", "application.deleted")} == {"root"}


def test_what_is_kept_is_nobodys_and_the_custom_resource_goes(made, world):
    world.request(
        "PATCH",
        resources(world, "app"),
        {"metadata": {"finalizers": ["gitops.dev/prune"]}},
        "kubectl",
        "application/merge-patch+json",
    )
    assert delete(made, f"/applications/{made.identity}", keep=True) == ("synced", "")
    made.running.until(lambda: made.running.tracked(made.identity) is None)
    assert there(world) == {"settings", "web"}
    assert "gitops.dev" not in json.dumps(world.get("ConfigMap", "settings")["metadata"].get("annotations", {}))


def test_a_deletion_does_nothing_else_than_was_shown(made, world):
    path = f"/applications/{made.identity}"
    plan = made.get(f"{path}/deletion")["id"]
    sha = world.commit(more=config_map("more"))
    made.running.until_synced(sha, made.identity)
    outcome, message = delete(made, path, plan=plan)
    assert (outcome, "something else now" in message) == ("held", True)
    assert there(world) == {"settings", "web", "gitops-app"}
    assert not world.request("GET", resources(world, "app"))["metadata"].get("deletionTimestamp")


def test_a_deletion_goes_on_after_the_controller_was_ended_in_its_middle(world, tmp_path):
    make_kind(world)
    sha = world.commit(settings=config_map("settings", a="1"), other=config_map("other"))
    identity, path = f"{world.namespace}/app", f"/applications/{world.namespace}/app"
    with Running(world, resources=True) as running, Web(running, tmp_path) as web:
        with_root(web, tmp_path)
        world.request("POST", resources(world), custom_resource(world))
        running.until(lambda: running.tracked(identity))
        running.until_synced(sha, identity)
        world.edit("core/configmaps/settings", {"metadata": {"finalizers": ["example.com/hold"]}})
        plan = web.get(f"{path}/deletion")["id"]
        number = web.post(f"{path}/delete", token=web.tokens["root"], plan=plan).json["request"]
        running.until(lambda: world.get("ConfigMap", "other") is None)
        assert web.get(f"/requests/{number}")["outcome"] is None
    with Running(world, resources=True) as running, Web(running, tmp_path) as web:
        running.until(lambda: running.tracked(identity))
        world.edit("core/configmaps/settings", {"metadata": {"finalizers": None}})
        running.until(lambda: running.tracked(identity) is None)
        running.until(lambda: web.get(f"/requests/{number}")["outcome"])
        answer = web.get(f"/requests/{number}")
        assert (answer["outcome"], answer["message"]) == ("synced", "")
        actors = {one["actor"] for one in web.get("/audit?fact=application.deleted")["items"]}
        assert actors == {"root"}
    assert there(world) == set()


def test_one_that_another_application_makes_is_not_deleted_unsaid(made, world):
    marks = {"gitops.dev/tracking": f"gitops/root:gitops.dev/Application:{made.identity}"}
    world.request(
        "PATCH",
        resources(world, "app"),
        {"metadata": {"annotations": marks}},
        "kubectl",
        "application/merge-patch+json",
    )
    path = f"/applications/{made.identity}"
    assert "is made by Application gitops/root" in made.get(f"{path}/deletion")["broughtBack"]
    outcome, message = delete(made, path)
    assert (outcome, "take it out there" in message) == ("held", True)
    assert there(world) == {"settings", "web", "gitops-app"}
    assert delete(made, path, confirm=True) == ("synced", "")


def test_one_from_a_file_is_not_brought_back_by_it(far, world, running, web):
    held = far("delete", "app", "--yes", token="root")
    assert (held.returncode, "it comes from the controller's files (test)" in held.stderr) == (3, True)
    assert there(world) == {"settings", "web", "gitops-app"}
    shown = far("delete", "app", "--dry-run", token="root")
    assert (
        shown.returncode,
        "- prune" in shown.stdout,
        "note: it comes from the controller's files (test)" in shown.stderr,
    ) == (0, True, True)
    done = far("delete", "app", "--yes", "--confirm", "--reason", "moved", token="root")
    assert (done.returncode, "gitops/app: deleted: it comes from the controller's files (test)" in done.stderr) == (
        0,
        True,
    )
    running.until(lambda: web.get(ONE)["suspended"])
    world.commit(settings=config_map("settings", a="2"))
    running.until(lambda: web.get(ONE)["sync"] == "OutOfSync")
    assert there(world) == set()
    assert far("resume", "app").returncode == 0  # a person's word brings it back
    running.until(lambda: "settings" in there(world))


def test_who_may_not_delete_is_told_so(far, world, web):
    for token in ("ada", "grace"):
        refused = far("delete", "app", "--yes", "--confirm", token=token)
        assert (refused.returncode, "needs delete on gitops/app" in refused.stderr) == (2, True), refused.stderr
    assert there(world) == {"settings", "web", "gitops-app"}
    assert web.ask(ONE, token=web.tokens["ada"]).text.count("Delete…") == 0


def test_a_kustomization_that_orphans_is_deleted_only_if_its_objects_are_kept(world, flux, tmp_path):  # noqa: F811
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("apps", deletionPolicy="Orphan"))
    with Running(world, flux="all") as running, Web(running, tmp_path) as web:
        with_root(web, tmp_path).running_of = running
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        path = f"/applications/{world.namespace}/apps"
        outcome, message = delete(web, path)
        assert (outcome, "its spec says that what it owns stays" in message) == ("held", True)
        assert delete(web, path, keep=True) == ("synced", "")
        running.until(lambda: flux.get("Kustomization", "apps") is None)
        assert world.get("ConfigMap", "settings")


def test_a_kustomization_goes_with_what_it_owns(world, flux, tmp_path):  # noqa: F811
    flux.write(**{"apps/settings": config_map("settings")})
    flux.make(flux.source(), flux.kustomization("apps"))
    with Running(world, flux="all") as running, Web(running, tmp_path) as web:
        with_root(web, tmp_path).running_of = running
        running.until(lambda: flux.ready("Kustomization", "apps")[0] == "True")
        assert delete(web, f"/applications/{world.namespace}/apps") == ("synced", "")
        running.until(lambda: flux.get("Kustomization", "apps") is None)
        assert world.get("ConfigMap", "settings") is None


def test_the_page_shows_what_goes_before_the_click_and_how_it_ended(made, world):
    cookie, path = made.tokens["root"], f"/applications/{made.identity}"
    seen = made.ask(path, Cookie=f"gitops_token={cookie}")
    assert f'href="{path}/deletion"' in seen.text
    for address in (f"{path}/deletion", f"{path}/deletion?keep=true"):
        page = made.ask(address, Cookie=f"gitops_token={cookie}")
        check_accessible(page)
        assert page.status == 200
    plan = made.get(f"{path}/deletion")["id"]
    done = made.form(f"{path}/acts/delete", cookie, fields={"plan": plan, "reason": "no longer"})
    assert (done.status, done.headers["Location"].startswith("/requests/")) == (303, True), done.text
    after = done.headers["Location"]
    made.running.until(lambda: "It is done" in made.ask(after, Cookie=f"gitops_token={cookie}").text)
    check_accessible(made.ask(after, Cookie=f"gitops_token={cookie}"))
    assert there(world) == set()
