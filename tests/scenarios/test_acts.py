"""Acts over HTTP: who may not do them does not, whoever asks in whose name, and what was done is recorded first."""

import pytest

from gitops.server.api import acts, object_acts
from gitops.server.auth.tokens import Scope, new_token
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_charts import chart
from tests.scenarios.test_tests import TEST
from tests.scenarios.test_unfinished_rollback import image
from tests.scenarios.world import config_map, deployment

ONE, OTHER = "/applications/gitops/app", "/applications/gitops/nothing"
BODIES = {"approve": {"plan": "0" * 12}, "delete": {"plan": "0" * 64}, "rollback": {"plan": "0" * 64, "release": 1}}
ACTS = [one.path.rpartition("/")[2] for one in acts.OPERATIONS if one.body is not None]
OBJECT_ACTS = [one.id for one in object_acts.OPERATIONS]


def outcome(web, running, number):
    running.until(lambda: web.get(f"/requests/{number}")["outcome"])
    return web.get(f"/requests/{number}")


def test_a_sync_is_recorded_without_a_reason_too_and_a_look_with_one_only(web):
    for act in ("sync", "refresh"):
        assert web.post(f"{ONE}/{act}").status == 202
    assert [one["fact"] for one in web.get("/audit?limit=50")["items"] if one["fact"].endswith(".requested")] == [
        "sync.requested"
    ]
    assert web.post(f"{ONE}/refresh", reason="it is late").status == 202
    assert web.get("/audit?fact=refresh.requested")["items"][0]["detail"]["reason"] == "it is late"


def test_nobody_does_an_act_who_may_not(web, world, tmp_path):
    """One controller for all of them: a viewer, nobody, a forged token, another site, and who is let to another one."""
    made, line = new_token("lin", Scope.OPERATOR, None, ("gitops/other",))
    with (tmp_path / "tokens").open("a") as file:
        file.write(line + "\n")
        root, line = new_token("root", Scope.ADMIN, None)  # who may do all of them
        file.write(line + "\n")
    before = web.get("/audit?limit=200")["items"]
    of_web = {"kind": "Deployment", "group": "apps", "namespace": world.namespace, "object": "web"}
    ways = [(act, f"acts/{act}", BODIES.get(act, {})) for act in ACTS]
    more = {"scale": {"replicas": 5}}
    ways += [(f"object/{act}", f"object/acts/{act}", of_web | more.get(act, {})) for act in OBJECT_ACTS]
    for act, form, body in ways:
        path, form = f"/api/v1{ONE}/{act}", f"{ONE}/{form}"
        assert web.post(f"{ONE}/{act}", token=web.tokens["grace"], **body).status == 403
        assert web.ask(path, "POST", body).status == 401
        assert web.ask(path, "POST", body, token="gitops_" + "x" * 43).status == 401
        hidden = web.post(f"{ONE}/{act}", token=made, **body)
        nothing = web.post(f"{OTHER}/{act}", token=made, **body)
        assert (hidden.status, hidden.text) == (404, nothing.text.replace("nothing", "app"))
        assert web.ask(path, "POST", {"colour": "red"}, token=root).status == 400
        assert web.form(form, root, fields=body, Origin="https://evil.example.com").status == 403
        assert web.form(form, root, fields=body, Sec_Fetch_Site="cross-site").status == 403
        assert web.ask(form, "POST", b"reason=x", Cookie=f"gitops_token={root}").status == 403
        assert web.form(form, web.tokens["grace"], fields=body).status == 403
        assert web.form(form, made, fields=body).status == 404
    assert web.get("/audit?limit=200")["items"] == before


@pytest.fixture
def slow(world, tmp_path):
    """A controller that waits for a rollout which never comes to its end."""
    good = world.commit(web=deployment(), settings=config_map("settings"))
    with Running(world, timeout=60.0) as running, Web(running, tmp_path) as web:
        running.until_synced(good)
        world.commit(web=deployment(image="nginx:broken"), settings=config_map("settings"))
        running.until(lambda: image(world) == "nginx:broken")
        web.running = running
        yield web


def test_a_sync_under_way_is_terminated_over_the_api(slow, world):
    asked = slow.post(f"{ONE}/terminate", reason="the wrong day")
    assert (asked.status, asked.json["by"]) == (202, "ada")
    found = outcome(slow, slow.running, asked.json["request"])
    assert (found["outcome"], found["message"].startswith("what was applied stays")) == ("done", True)
    slow.running.until(lambda: "terminated by ada: the wrong day" in slow.get(ONE)["note"])
    assert slow.get(ONE)["sync"] == "OutOfSync"
    attempt = slow.get(f"{ONE}/history")["attempts"][0]
    assert (attempt["outcome"], attempt["reason"]) == ("terminated", "terminated by ada: the wrong day")
    assert image(world) == "nginx:broken"
    facts = [one["fact"] for one in slow.get(f"{ONE}/events")["items"]]
    assert facts.index("sync.terminated") < facts.index("terminate.requested")  # newest first: it was asked for before
    again = outcome(slow, slow.running, slow.post(f"{ONE}/terminate").json["request"])
    assert (again["outcome"], again["message"]) == ("failed", "no sync of it is under way")


def test_the_page_offers_it_while_a_sync_is_under_way_and_asks_once_more(slow):
    page = slow.ask(ONE, token=slow.tokens["ada"]).text
    assert f'action="{ONE}/acts/terminate"' in page
    assert "<summary" in page.partition(f'action="{ONE}/acts/terminate"')[0].rpartition("<details")[2]
    done = slow.form(f"{ONE}/acts/terminate", slow.tokens["ada"], fields={"reason": "from the page"})
    assert (done.status, done.headers["Location"]) == (303, f"{ONE}?said=terminate")
    slow.running.until(lambda: "terminated by ada: from the page" in slow.get(ONE)["note"])
    after = slow.ask(f"{ONE}?said=terminate", token=slow.tokens["ada"]).text
    assert f'action="{ONE}/acts/terminate"' not in after


def test_tests_run_when_asked_and_are_answered_with_what_failed(world, tmp_path):
    sha = chart(world, **{"templates/one": TEST % ("one", 0, "fails")})
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        page = web.ask(ONE, token=web.tokens["ada"]).text
        assert (f'action="{ONE}/acts/test"' in page, "Its 1 test runs" in page) == (True, True)
        assert web.get(f"{ONE}/tree")["tests"][0].endswith("/one")
        found = outcome(web, running, web.post(f"{ONE}/test", reason="before the feast").json["request"])
        assert (found["outcome"], found["message"].startswith("1 test: batch/Job")) == ("failed", True)
        running.until(lambda: running.tracked().schedule.task is None)
        assert (web.get(ONE)["sync"], web.get(ONE)["health"]) == ("Synced", "Healthy")
        facts = [(one["fact"], one["actor"]) for one in web.get(f"{ONE}/events?fact=test*")["items"]]
        assert facts == [("test.failed", "ada"), ("test.started", "ada"), ("test.requested", "ada")]
        sha = chart(world, **{"templates/one": TEST % ("one", 0, "ok")})
        running.until_synced(sha)
        found = outcome(web, running, web.post(f"{ONE}/test").json["request"])
        assert (found["outcome"], found["message"]) == ("done", "1 test passed")
    world.check_audit()


def test_where_there_are_no_tests_that_is_said(web, running):
    found = outcome(web, running, web.post(f"{ONE}/test").json["request"])
    assert (found["outcome"], "has no tests" in found["message"]) == ("failed", True)
    assert f'action="{ONE}/acts/test"' not in web.ask(ONE, token=web.tokens["ada"]).text


def test_a_sync_that_is_asked_for_ends_tests_that_hang(world, tmp_path):
    sha = chart(world, **{"templates/one": TEST % ("one", 0, "broken")})
    with Running(world, timeout=60.0) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        tests = web.post(f"{ONE}/test").json["request"]
        running.until(lambda: world.get("Job", "one", "batch"))
        sync = web.post(f"{ONE}/sync").json["request"]
        found = outcome(web, running, tests)
        assert (found["outcome"], "ada asked for a sync meanwhile" in found["message"]) == ("failed", True)
        assert outcome(web, running, sync)["outcome"] in ("synced", "in-sync")
        tests = web.post(f"{ONE}/test").json["request"]
        running.until(lambda: running.tracked().schedule.task is not None)
        ended = outcome(web, running, web.post(f"{ONE}/terminate", reason="it hangs").json["request"])
        assert (ended["outcome"], ended["message"]) == ("done", "its tests were ended")
        assert outcome(web, running, tests)["message"] == "terminated by ada: it hangs"
        running.until(lambda: web.get(ONE)["sync"] == "Synced")
