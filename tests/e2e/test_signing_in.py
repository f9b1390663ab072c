"""Signing in with an OpenID provider, in a real browser: who may act, who may not, and that signing out ends it."""

import pytest

from gitops.adapters.oidc_provider import OidcProvider
from gitops.server.listening import OidcSettings
from tests.e2e.test_browser import ONE, Browser, chromium, playwright, pytestmark, world
from tests.identity_provider import ADA, CLIENT, SECRET, identity_provider
from tests.scenarios.http import Web, free_port
from tests.scenarios.running import Running
from tests.scenarios.world import config_map

__all__ = ["chromium", "pytestmark", "world"]
GRACE = {"sub": "2", "email": "grace@example.com", "email_verified": True, "groups": []}
LINES = """\
p, role:shop, applications, get, gitops/*, allow
p, role:shop, applications, update, gitops/app, allow
g, shop-team, role:shop
"""


@pytest.fixture
def signing(chromium, world, tmp_path):
    opened = []
    (tmp_path / "policy.csv").write_text(LINES)
    sha = world.commit(settings=config_map("settings", a="1"))
    with identity_provider() as provider, Running(world) as running:
        port = free_port()
        oidc = OidcSettings(provider.issuer, CLIENT, f"http://127.0.0.1:{port}/signin/callback")
        options = {"policy": tmp_path / "policy.csv", "oidc": oidc, "default_role": "role:viewer"}
        adapter = OidcProvider(provider.issuer, CLIENT, SECRET)
        with Web(running, tmp_path, port=port, provider=adapter, options=options) as web:
            running.until_synced(sha)

            def browse(claims):
                provider.claims = dict(claims)
                browser = Browser(chromium, web)
                opened.append(browser)
                browser.page.goto("/applications")
                browser.page.get_by_role("link", name="Sign in", exact=True).first.click()
                browser.page.get_by_role("link", name="Sign in with your account").click()
                browser.page.wait_for_url(f"{provider.issuer}/authorize?**")
                browser.page.get_by_role("link", name=f"Continue as {claims['email']}").click()
                browser.page.wait_for_url("**/applications")
                playwright.expect(browser.page.locator("header")).to_contain_text(claims["email"])
                return browser

            browse.web = web
            yield browse
            for one in opened:
                one.elsewhere = [url for url in one.elsewhere if not url.startswith(provider.issuer)]
                one.complaints = [text for text in one.complaints if "403" not in text]  # what was refused on purpose
                one.close()


def test_who_signs_in_with_the_provider_acts_by_their_groups_and_signs_out(signing):
    browser = signing(ADA)
    page = browser.page
    page.get_by_role("link", name="gitops/app").click()
    page.locator("summary", has_text="Suspend").click()
    page.get_by_label("Reason").locator("visible=true").fill("the night")
    page.get_by_role("button", name="Suspend app").click()
    browser.see("It is suspended")
    (entry,) = signing.web.get("/audit?fact=application.suspended")["items"]
    assert (entry["actor"], entry["detail"]["reason"]) == ("ada@example.com", "the night")
    assert page.locator("form[action$='/acts/sync']").count() == 0, "her group may not sync"

    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/signin")
    assert [one["name"] for one in browser.context.cookies() if one["value"]] == []
    page.go_back()
    playwright.expect(page.locator("body")).not_to_contain_text("ada@example.com")
    page.goto(ONE)
    browser.see("sign in on the page")


def test_who_has_no_group_there_reads_and_cannot_act(signing):
    browser = signing(GRACE)
    page = browser.page
    page.goto(ONE)
    browser.see("grace@example.com may look")
    assert page.locator("form[action*='/acts/']").count() == 0
    answers = page.evaluate(
        """async (one) => Promise.all([
          fetch(`${one}/acts/suspend`, {method: "POST", body: new URLSearchParams({reason: "x"})}),
          fetch(`/api/v1${one}/suspend`, {method: "POST", body: "{}", headers: {"Content-Type": "application/json"}}),
        ]).then((all) => all.map((answer) => answer.status))""",
        ONE,
    )
    assert answers == [403, 403]
    assert page.evaluate("document.cookie") == "", "no script reads the session"
    assert not signing.web.get("/audit?fact=application.*")["items"]
    assert not signing.web.get(ONE)["suspended"]
