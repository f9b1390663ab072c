"""Whoever may edit ConfigMaps in one namespace may write anything into an inventory: what that gets them."""

import shutil
from dataclasses import replace

import pytest

from gitops.cli.recorded import recorded_application
from gitops.engine.inventory import LastHealthy, PastRelease
from gitops.engine.inventory_parent import parent_body
from gitops.manifests.key import ResourceKey
from gitops.model.result import Outcome
from gitops.model.source_access import Credentials
from gitops.model.spec import spec_text
from gitops.sync.context import Request
from gitops.sync.inventory_store import is_sealed
from gitops.sync.releases import stored_set
from tests.scenarios.test_empty_runner import elsewhere
from tests.scenarios.world import config_map, deployment

DONE, WRONG_INPUT, HELD = 0, 2, 3


@pytest.fixture
def victim(world):
    """Another Application, in a namespace of its own, synced from the same repository."""
    (world.repository / "victim").mkdir()
    world.commit(**{"victim/precious": config_map("precious", owner="victim")})
    destination = replace(world.app.destination, namespace=f"{world.namespace}-victim")
    source = replace(world.app.source, path="victim")
    app = replace(world.app, name="victim", source=source, destination=destination)
    assert world.sync(app).outcome is Outcome.SYNCED
    return app


@pytest.fixture
def tenant(world, victim):
    (world.repository / "tenant").mkdir(exist_ok=True)
    app = replace(world.app, source=replace(world.app.source, path="tenant"))
    world.commit(**{"tenant/own": config_map("own")})
    assert world.sync(app).outcome is Outcome.SYNCED
    return app


def forge(world, **changes):
    """Write the tenant's inventory as somebody does who has no key of ours."""
    found = replace(world.inventory(), **changes)
    body = parent_body(found, "1")
    patch = {"data": {"formerly": None, "seal": None, **body["data"]}, "binaryData": body["binaryData"]}
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/gitops-app"
    return world.request("PATCH", path, patch, "kubectl-edit", "application/merge-patch+json")


def precious(world, victim):
    return world.get("ConfigMap", "precious", namespace=victim.destination.namespace)


def key_of_precious(victim):
    return ResourceKey("", "ConfigMap", victim.destination.namespace, "precious")


def test_a_forged_hand_over_prunes_no_object_of_another_application(world, victim, tenant):
    keys = world.inventory().keys | {key_of_precious(victim)}
    forge(world, keys=keys, previous_application=victim.identity)
    world.commit(**{"tenant/own": config_map("own", a="2")})
    assert world.sync(tenant, confirm=True).outcome is Outcome.SYNCED
    assert precious(world, victim)


def test_deleting_an_application_whose_inventory_was_forged_deletes_nothing_of_another_one(world, victim, tenant):
    forge(world, keys=frozenset({key_of_precious(victim)}), application=victim.identity)
    elsewhere(world, "delete", "app", "-n", world.namespace, "--confirm")
    assert precious(world, victim)


def test_an_object_that_lost_its_marks_is_pruned_by_no_inventory_of_another_namespace(world, victim, tenant):
    path = f"/api/v1/namespaces/{victim.destination.namespace}/configmaps/precious"
    bare = {"metadata": {"labels": None, "annotations": None}}
    world.request("PATCH", path, bare, "kubectl-edit", "application/merge-patch+json")
    forge(world, keys=world.inventory().keys | {key_of_precious(victim)})
    world.commit(**{"tenant/own": config_map("own", a="2")})
    world.sync(tenant, confirm=True)
    assert precious(world, victim)


def test_a_rollback_applies_no_set_that_another_application_stored(world, victim, tenant):
    other = world.inventory("app")
    stolen = world_inventory(world, victim).healthy
    forge(world, healthy=stolen, synced=stolen.digest)
    world.commit(**{"tenant/own": None, "tenant/bad": deployment(image="nginx:broken")})
    result = world.sync(replace(tenant, sync=replace(tenant.sync, timeout=2.0)), confirm=True)
    assert result.outcome is Outcome.FAILED
    assert "rolling back failed" in result.message
    assert world.get("ConfigMap", "precious") is None
    assert other.healthy != stolen


def test_the_store_gives_an_application_the_sets_that_it_was_synced_to_and_no_other(world, victim, tenant):
    def stored(digest):
        request = Request(tenant, "tester")
        return world._context(lambda context: stored_set(request, context, digest))

    released = world.inventory().healthy.digest
    world.commit(**{"tenant/own": config_map("own", a="2")})
    tried = world.plan(tenant).plan.digest
    assert stored(tried) is None
    held = world.sync(tenant, confirm=True).plan.digest
    assert [stored(digest).digest for digest in (released, held)] == [released, tried]
    assert stored(world_inventory(world, victim).healthy.digest) is None


def world_inventory(world, app):
    keep, world.namespace = world.namespace, app.destination.namespace
    try:
        return world.inventory(app.name)
    finally:
        world.namespace = keep


@pytest.fixture
def strangers_commit(world, tenant):
    """A commit of the same repository that main does not lead to (a pull request, say), and what it renders to."""
    good = world.inventory()
    world._git("checkout", "-q", "-b", "stranger")
    sha = world.commit(**{"tenant/own": config_map("own", a="evil")})
    evil = world.plan(replace(tenant, source=replace(tenant.source, targetRevision="stranger"))).plan.digest
    world._git("checkout", "-q", "main")
    shutil.rmtree(world.state)
    return LastHealthy(sha, "main", evil, good.healthy.at)


def test_no_rollback_goes_to_a_commit_that_only_a_forged_inventory_calls_a_release(world, tenant, strangers_commit):
    forge(world, healthy=strangers_commit)
    world.commit(**{"tenant/bad": deployment(image="nginx:broken")})
    result = world.sync(replace(tenant, sync=replace(tenant.sync, timeout=2.0)))
    assert result.outcome is Outcome.FAILED
    assert "main does not descend from it" in result.message
    assert world.get("ConfigMap", "own")["data"] == {"a": "1"}


def test_a_person_has_to_confirm_a_rollback_to_what_only_the_inventory_calls_a_release(world, tenant, strangers_commit):
    past = PastRelease(9, strangers_commit.revision, "main", strangers_commit.digest, strangers_commit.at, "ada")
    forge(world, releases=(past,))
    words = ["rollback", "app", "9", "-n", world.namespace]
    code, _, err = elsewhere(world, *words, folder=world.repository)
    assert (code, "the default branch does not descend from it" in err) == (WRONG_INPUT, True), err
    assert world.get("ConfigMap", "own")["data"] == {"a": "1"}
    code, _, err = elsewhere(world, *words, "--confirm")
    assert code == DONE, err
    assert world.get("ConfigMap", "own")["data"] == {"a": "evil"}


def test_a_source_that_only_the_inventory_names_is_asked_about_and_gets_no_credentials(world, tenant):
    shutil.rmtree(world.state)
    spec = replace(tenant, source=replace(tenant.source, credentials=Credentials("git", proxy="http://proxy:1")))
    forge(world, source="https://git.example.org/evil//x", spec=spec_text(spec))

    async def recorded(context):
        return await recorded_application(context, await find(context))

    async def find(context):
        from gitops.sync.inventories import find_applications

        (found,) = await find_applications(context.cluster, "app", world.namespace)
        return found

    app, doubt = world._context(recorded)
    assert app.source.credentials == Credentials()
    assert "only its inventory names the source https://git.example.org/evil//x" in doubt


def test_a_rollback_on_a_new_machine_asks_for_the_file_or_a_word(world, tenant, tmp_path):
    first = world.inventory().healthy.revision
    world.commit(**{"tenant/own": config_map("own", a="2")})
    world.sync(tenant)
    words = ["rollback", "app", "-n", world.namespace]
    code, _, err = elsewhere(world, *words)
    assert (code, "-f FILE" in err, "--confirm" in err) == (HELD, True, True), err
    file = tmp_path / "app.yaml"
    file.write_text(
        "apiVersion: gitops.dev/v1alpha1\nkind: Application\nmetadata: {name: app}\nspec:\n"
        f"  source: {{repoURL: {world.repository.as_uri()}, targetRevision: main, path: tenant}}\n"
        f"  destination: {{namespace: {world.namespace}}}\n"
    )
    code, _, err = elsewhere(world, *words, "-f", str(file))
    assert code == DONE, err
    assert world.inventory().healthy.revision == first


def test_an_inventory_is_sealed_until_somebody_else_edits_it(world, tenant):
    def sealed():
        found = world.inventory()

        async def ask(context):
            return is_sealed(context.store, found)

        return world._context(ask)

    assert sealed()
    patch = {"data": {"source": "https://git.example.org/evil"}}
    path = f"/api/v1/namespaces/{world.namespace}/configmaps/gitops-app"
    world.request("PATCH", path, patch, "kubectl-edit", "application/merge-patch+json")
    assert not sealed()


def test_a_namesake_in_another_namespace_keeps_no_dependent_waiting(world, victim, tenant):
    path = f"/api/v1/namespaces/{world.namespace}/configmaps"
    body = parent_body(replace(world.inventory(), application=victim.identity), "1")
    name = {**body["metadata"], "name": "gitops-victim"}
    from gitops.engine.inventory import SET_ID, set_id

    key = ResourceKey("", "ConfigMap", world.namespace, "gitops-victim")
    name["labels"] = {**name["labels"], SET_ID: set_id(key)}
    del name["resourceVersion"]
    world.request("POST", path, {**body, "metadata": name}, "kubectl-create")
    world.commit(**{"tenant/own": config_map("own", a="2")})
    assert world.sync(replace(tenant, dependsOn=(victim.identity,))).outcome is Outcome.SYNCED
    done = world.gitops("drift", victim.identity)
    assert done.returncode == DONE, done.stderr
