"""Clusters and repositories: how each is, for who may see an Application of it; never with a credential."""

from dataclasses import replace

from gitops.server.auth.tokens import Scope, new_token
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_clusters import to
from tests.scenarios.test_controller import application
from tests.scenarios.test_objects_page import words
from tests.scenarios.world import config_map


def test_a_cluster_is_told_with_how_many_go_to_it(web, running):
    (one,) = web.get("/clusters")["items"]
    assert (one["cluster"], one["state"], one["applications"], one["trouble"]) == ("in-cluster", "well", 1, "")
    assert one["server"].startswith("127.0.0.1:")
    assert one["lastSync"]
    assert "in-cluster reached 1 Application" in words(web, "/clusters")


def test_a_repository_is_told_with_when_it_was_looked_at(web, world, running):
    (one,) = web.get("/repositories")["items"]
    assert (one["repository"], one["state"], one["targets"]) == (world.repository.as_uri(), "well", ["main"])
    first = one["lookedAt"]
    assert first.endswith("Z")
    running.until(lambda: web.get("/repositories")["items"][0]["lookedAt"] > first)
    assert "read 1 Application · looked at" in words(web, "/repositories")


def test_what_is_wrong_comes_first_and_no_credential_is_told(web, world, running):
    gone = application(world, "gone")
    gone = replace(gone, source=replace(gone.source, repoURL="https://ada:hunter2@127.0.0.1:1/shop.git"))
    running.call(lambda: running.put_trusted(gone))
    running.call(lambda: running.put_trusted(to(application(world, "far"), "nowhere")))
    running.until(lambda: web.get("/repositories")["items"][0]["state"] == "failing")
    running.until(lambda: web.get("/clusters")["items"][0]["state"] == "failing")
    repository, cluster = web.get("/repositories")["items"][0], web.get("/clusters")["items"][0]
    assert (repository["repository"], bool(repository["trouble"])) == ("https://127.0.0.1:1/shop.git", True)
    assert (cluster["cluster"], bool(cluster["trouble"])) == ("nowhere", True)
    for path in ("/clusters", "/repositories", "/api/v1/clusters", "/api/v1/repositories"):
        assert "hunter2" not in web.ask(path, token=web.tokens["ada"]).text


def test_who_may_see_none_of_its_applications_sees_neither(web, world, running, tmp_path):
    running.call(lambda: running.put_trusted(to(application(world, "far"), "nowhere")))
    running.until(lambda: web.get("/clusters")["total"] == 2)
    made, line = new_token("lin", Scope.VIEWER, None, ("gitops/app",))
    with (tmp_path / "tokens").open("a") as file:
        file.write(line + "\n")
    assert [one["cluster"] for one in web.get("/clusters", token=made)["items"]] == ["in-cluster"]
    assert web.get("/repositories", token=made)["items"][0]["applications"] == 1
    assert "nowhere" not in web.ask("/clusters", token=made).text
    assert web.ask("/clusters").status == 401


def test_pages_of_them_are_bounded(web):
    assert web.get("/clusters?offset=1&limit=1")["items"] == []
    assert web.ask("/api/v1/clusters?limit=501", token=web.tokens["ada"]).status == 400


def test_the_address_of_a_stranger_is_text(world, tmp_path):
    world.commit(settings=config_map("settings"))
    evil = application(world, "evil")
    evil = replace(evil, source=replace(evil.source, repoURL="https://127.0.0.1:1/<script>alert(1)</script>"))
    with Running(world, evil) as running, Web(running, tmp_path) as web:
        running.until(lambda: web.get("/repositories")["total"] == 1)
        assert "<script>alert" in words(web, "/repositories")
