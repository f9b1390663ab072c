"""All that waits, over HTTP: for whom or what, why, and what goes on."""

from dataclasses import replace

from gitops.model.application import PruneLimit, Window
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_controller import application
from tests.scenarios.test_objects_page import words
from tests.scenarios.test_page import EVIL, ONE
from tests.scenarios.world import config_map


def waiting(web, query=""):
    """What waits: Application → item."""
    return {one["application"]: one for one in web.get(f"/waiting{query}")["items"]}


def test_nothing_waits_where_all_is_synced(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        assert web.get("/waiting")["total"] == 0
        assert "Nothing waits." in words(web, "/waiting")


def test_a_plan_that_waits_for_approval_is_approved_from_the_page(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    with Running(world, automated=False) as running, Web(running, tmp_path) as web:
        running.until(lambda: waiting(web))
        one = waiting(web)["gitops/app"]
        assert (one["waitsFor"], one["act"], one["pending"]) == ("approval", "approve", 1)
        running.until(lambda: waiting(web)["gitops/app"]["since"])
        assert one["command"] == f"gitops approve gitops/app --plan {one['plan'][:12]}"
        page = web.ask("/waiting", token=web.tokens["ada"]).text
        assert f'action="{ONE}/acts/approve"' in page
        assert "<form" not in web.ask("/waiting", token=web.tokens["grace"]).text
        assert web.form(f"{ONE}/acts/approve", web.tokens["ada"], fields={"plan": one["plan"]}).status == 303
        running.until_synced(sha)
        assert waiting(web) == {}


def test_what_a_guard_holds_waits_for_a_confirmation(world, tmp_path):
    files = {f"c{number}": config_map(f"c{number}") for number in range(4)}
    sha = world.commit(**files)
    with Running(world, pruneLimit=PruneLimit(count=1, percent=1)) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        second = world.commit(**{**dict.fromkeys(files), "c0": files["c0"]})
        running.until(lambda: waiting(web))
        one = waiting(web, "?waitsFor=confirmation")["gitops/app"]
        assert (one["act"], one["command"]) == ("sync", "gitops refresh gitops/app --sync --confirm")
        assert one["why"]
        assert web.form(f"{ONE}/acts/sync", web.tokens["ada"], fields={"confirm": "true"}).status == 303
        running.until_synced(second)
        assert waiting(web) == {}


def test_each_waits_under_what_it_waits_for(world, tmp_path):
    for folder in ("base", "other", "late"):
        (world.repository / folder).mkdir()
    files = {"base/settings": config_map("settings", a="1"), "other/o": config_map("o"), "late/l": config_map("l")}
    sha = world.commit(**files)
    app = replace(application(world, "app", path="base"), interval=0.3)
    closed = Window(kind="allow", schedule="0 0 29 2 *", duration=60.0)
    first = replace(application(world, "a-first", path="other"), windows=(closed,), interval=0.3)
    after = replace(application(world, "b-after", path="late"), dependsOn=("a-first",), interval=0.3)
    thief = application(world, "thief", path="base")
    with Running(world, app) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        for app in (first, after, thief):
            running.call(lambda app=app: running.put_trusted(app))
        running.until(lambda: len(waiting(web)) == 3)
        assert {name: one["waitsFor"] for name, one in waiting(web).items()} == {
            "gitops/thief": "held",
            "gitops/b-after": "dependency",
            "gitops/a-first": "window",
        }
        assert "the next opens at" in waiting(web)["gitops/a-first"]["why"]
        web.post(f"{ONE}/suspend", reason=EVIL)
        world.commit(**{"base/settings": config_map("settings", a="2")})
        running.until(lambda: waiting(web).get("gitops/app", {}).get("waitsFor") == "suspended")
        text = words(web, "/waiting")
        for part in ("Until it is fixed 1", "Until it is resumed 1", "For another Application 1", "For a window 1"):
            assert part in text
        counts = web.get("/waiting?waitsFor=window,held&limit=1")
        assert (counts["total"], len(counts["items"]), counts["counts"]["suspended"]) == (2, 1, 1)


def test_why_something_waits_is_text_whoever_wrote_it(world, tmp_path):
    world.commit(settings=config_map("settings", a="1"))
    with Running(world, automated=False) as running, Web(running, tmp_path) as web:
        running.until(lambda: waiting(web))

        def told():
            state = running.tracked()
            state.report.said(EVIL)
            running.controller.records.changed(state.identity)

        running.call(told)
        assert "<script>alert(1)</script>" in words(web, "/waiting", "ada")
        assert web.ask("/waiting").status == 401
        assert web.ask("/api/v1/waiting?waitsFor=godot", token=web.tokens["ada"]).status == 400
