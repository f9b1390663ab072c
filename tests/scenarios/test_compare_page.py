"""Two releases beside each other, over HTTP."""

import pytest

from tests.scenarios.http import Web, check
from tests.scenarios.running import Running
from tests.scenarios.test_objects_page import words
from tests.scenarios.test_page import EVIL, ONE
from tests.scenarios.world import config_map, deployment


@pytest.fixture
def running(world):
    world.shas = [world.commit(settings=config_map("settings", a="1"), old=config_map("old"))]
    with Running(world) as found:
        found.until_synced(world.shas[0])
        for files in (
            {"settings": config_map("settings", a="2")},
            {"settings": config_map("settings", a="3", b=EVIL), "old": None, "web": deployment("web")},
        ):
            world.shas.append(world.commit(**files))
            found.until_synced(world.shas[-1])
        yield found


@pytest.fixture
def web(running, tmp_path):
    with Web(running, tmp_path) as found:
        yield found


def test_any_two_releases_are_compared_object_by_object(web, world):
    found = web.get(f"{ONE}/compare?from=1&to=3")
    space = world.namespace
    assert [(one["change"], one["object"]) for one in found["changes"]] == [
        ("prune", f"ConfigMap {space}/old"),
        ("update", f"ConfigMap {space}/settings"),
        ("create", f"apps/Deployment {space}/web"),
    ]
    changed = found["changes"][1]["fields"]
    assert changed == [{"path": "data.a", "live": "1", "desired": "3"}, {"path": "data.b", "desired": EVIL}]
    assert (found["from"]["revision"], found["to"]["revision"]) == (world.shas[0], world.shas[2])
    back = web.get(f"{ONE}/compare?from=3&to=1")
    assert [one["change"] for one in back["changes"]] == ["create", "update", "prune"]
    assert web.get(f"{ONE}/compare?from=2&to=2")["changes"] == []


def test_a_comparison_is_a_page_that_each_row_of_the_history_links_to(web):
    text = words(web, f"{ONE}/compare/1/3")
    for part in ("From release 1 to release 3", "Release 1Release 3", "data.a 1 3", "It is not in release 1."):
        assert part in text
    assert "<script>alert(1)</script>" in text
    page = web.ask(ONE, token=web.tokens["grace"]).text
    assert f'href="{ONE}/compare/2/3"' in page
    assert f'href="{ONE}/compare/1/2"' in page
    assert "both have the same" in words(web, f"{ONE}/compare/2/2")
    assert "From release 1 to release 2" in words(web, f"{ONE}/compare?from=1&to=2")


def test_a_release_that_is_not_known_is_said_with_those_that_are(web):
    answer = web.ask(f"/api/v1{ONE}/compare?from=1&to=9", token=web.tokens["ada"])
    check(answer, "GET", f"{ONE}/compare")
    assert (answer.status, "has no release 9 (known: 3, 2, 1)" in answer.json["detail"]) == (409, True)
    assert "has no release 9" in words(web, f"{ONE}/compare/1/9")
    assert web.ask(f"/api/v1{ONE}/compare?from=1", token=web.tokens["ada"]).status == 400
    assert web.ask(f"{ONE}/compare/1/9%2F", token=web.tokens["ada"]).status == 404
    assert web.ask(f"{ONE}/compare/1/3").status == 401


def test_a_secret_that_changed_is_told_and_not_its_values(world, tmp_path):
    def secret(value):
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": value}}

    first = world.commit(secret=secret("hunter2-canary"))
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until_synced(first)
        running.until_synced(world.commit(secret=secret("other-canary")))
        answer = web.ask(f"/api/v1{ONE}/compare?from=1&to=2", token=web.tokens["ada"])
        page = web.ask(f"{ONE}/compare/1/2", token=web.tokens["ada"])
        (field,) = answer.json["changes"][0]["fields"]
        assert (field["live"], field["desired"]) == ("(hidden)", "(hidden)")
        assert "canary" not in answer.text + page.text
