"""A page that many look at is made once for those who see the same, and never shows anybody what is another's."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from gitops.server.auth.tokens import Scope, new_token
from gitops.server.pages.render import Renderer
from tests.scenarios.world import config_map, deployment

ONE = "/applications/gitops/app"


@pytest.fixture
def made(web, monkeypatch):
    """How often each template was rendered."""
    counts = {}
    page = Renderer.page

    def counted(self, name, *given, **values):
        counts[name] = counts.get(name, 0) + 1
        return page(self, name, *given, **values)

    monkeypatch.setattr(Renderer, "page", counted)
    return counts


def token_for(web, folder, name, *only):
    made, line = new_token(name, Scope.VIEWER, None, only)
    with (folder / "tokens").open("a") as file:
        file.write(line + "\n")
    return made


def test_many_who_look_at_once_cost_one_page_and_each_sees_their_own_name(web, made, tmp_path):
    people = {name: token_for(web, tmp_path, name) for name in (f"reader-{number}" for number in range(12))}
    with ThreadPoolExecutor(12) as pool:
        texts = pool.map(lambda token: web.ask("/applications", token=token).text, people.values())
        found = dict(zip(people, texts, strict=True))
    assert made["applications.html"] < 6, "each made it for the others, too"
    for name, text in found.items():
        assert f"<strong>{name}</strong>" in text
        assert text.count("<strong>reader-") == 1


def test_who_sees_less_gets_no_page_of_who_sees_more(web, tmp_path):
    less = token_for(web, tmp_path, "lin", "gitops/other")
    for path in ("/applications", "/audit"):
        assert "gitops/app" in web.ask(path, token=web.tokens["grace"]).text.replace("</span>", "")
        assert "gitops/app" not in web.ask(path, token=less).text.replace("</span>", "")
    assert web.ask(ONE, token=web.tokens["grace"]).status == 200
    assert web.ask(ONE, token=less).status == 404
    assert web.ask(ONE).status == 401


def test_who_may_act_has_the_buttons_and_who_may_not_does_not(web):
    for name, may in (("grace", False), ("ada", True), ("grace", False)):
        assert ("/acts/suspend" in web.ask(ONE, token=web.tokens[name]).text) is may


def test_a_change_is_on_the_next_page_however_new_the_last_one_is(web, world, running):
    web.ask("/applications", token=web.tokens["ada"])
    web.post(f"{ONE}/suspend", reason="the night")
    assert "application.suspended" in web.ask("/audit", token=web.tokens["ada"]).text
    running.until(lambda: web.get(ONE)["suspended"])
    assert ">suspended</span>" in web.ask("/applications", token=web.tokens["ada"]).text
    sha = world.commit(settings=config_map("settings", a="2"), web=deployment("web"))
    running.until(lambda: web.get(ONE)["revision"] == sha)
    assert sha[:12] in web.ask("/applications", token=web.tokens["ada"]).text
    web.post(f"{ONE}/resume")
    assert "application.resumed" in web.ask("/audit", token=web.tokens["ada"]).text


def test_a_page_that_could_not_be_made_is_made_again(web, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("gitops.server.pages.audit.groupby", None)
        assert web.ask("/audit", token=web.tokens["ada"]).status == 500
    assert web.ask("/audit", token=web.tokens["ada"]).status == 200
