"""The page in a real browser: Debian's chromium, driven by Playwright. Skipped where either is not there."""

import itertools
import shutil
import threading
import time

import pytest

from gitops.server.auth.tokens import Scope, new_token
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map, deployment, forget

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: apt-get install chromium"),
]
ONE = "/applications/gitops/app"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture
def world(sandbox, tmp_path):
    made = World(tmp_path, sandbox.kubeconfig(), f"browser-{next(_numbers)}")
    yield made
    forget(sandbox, made.namespace)


class Browser:
    """A page that fails the test when the browser complains: a script that fails, something that the policy forbids."""

    def __init__(self, chromium, web, **options):
        self.context = chromium.new_context(base_url=f"http://127.0.0.1:{web.port}", **options)
        self.context.set_default_timeout(15_000)
        self.page = self.context.new_page()
        self.complaints, self.elsewhere = [], []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)
        self._here = f"http://127.0.0.1:{web.port}/"

    def _heard(self, message):
        if message.type in ("error", "warning") and "401" not in message.text:
            self.complaints.append(message.text)

    def _asked(self, request):
        if not request.url.startswith(self._here):
            self.elsewhere.append(request.url)

    def sign_in(self, token):
        self.page.goto("/signin")
        self.page.get_by_label("Token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url("**/applications")

    def see(self, text):
        playwright.expect(self.page.locator("main")).to_contain_text(text, timeout=15_000)

    def close(self):
        self.page.goto("about:blank")  # its requests have ended before the context does
        self.context.close()
        assert (self.complaints, self.elsewhere) == ([], [])


@pytest.fixture
def browsing(chromium, world, tmp_path):
    opened = []
    world.sha = world.commit(settings=config_map("settings", a="1"), web=deployment("web"))
    with Running(world) as running, Web(running, tmp_path, anyone_reads=True) as web:
        running.until_synced(world.sha)

        def browse(**options):
            opened.append(Browser(chromium, web, **options))
            return opened[-1]

        browse.web, browse.running = web, running
        yield browse
        for one in opened:
            one.close()


def test_a_push_appears_without_a_reload(browsing, world):
    browser = browsing()
    browser.page.goto(ONE)
    browser.see(world.sha[:12])
    browser.page.evaluate("window.untouched = true")
    second = world.commit(settings=config_map("settings", a="2"))
    browser.see(second[:12])
    browser.see("release 2")
    assert browser.page.evaluate("window.untouched") is True


def test_changes_without_end_do_not_keep_the_page_from_being_current(browsing, world):
    browser, running = browsing(), browsing.running
    browser.page.goto("/applications")
    browser.see(world.sha[:12])
    ended = threading.Event()

    def change():
        running.controller._tell(running.controller.index.get("gitops/app"))
        if not ended.is_set():
            running._loop.call_later(0.03, change)

    running._loop.call_soon_threadsafe(change)
    try:
        browser.see(world.commit(settings=config_map("settings", a="2"))[:12])
    finally:
        ended.set()


def test_a_change_is_on_the_page_soon_after_the_fact(browsing, world):
    """What the benchmark of the page measures, with room for a machine that is busy."""
    browser, running = browsing(), browsing.running
    browser.page.goto("/applications")
    browser.page.get_by_text("live", exact=True).wait_for()
    taken = []
    for text in ("something is otherwise", "something else is", "and something more"):

        def change(text=text):
            running.tracked().report.stopped(text)
            running.controller._tell(running.tracked())

        began = time.monotonic()
        running.call(change)
        browser.see(text)
        taken.append(time.monotonic() - began)
    assert min(taken) < 1.0, taken


def test_a_deletion_is_clicked_through_with_what_goes_first(browsing, world, tmp_path):
    token, line = new_token("root", Scope.ADMIN, None)
    with (tmp_path / "tokens").open("a") as file:
        file.write(line + "\n")
    browser = browsing()
    browser.sign_in(token)
    browser.page.goto(ONE)
    browser.page.get_by_role("link", name="Delete…").click()
    browser.see(f"ConfigMap {world.namespace}/settings")
    browser.see("It comes from the controller's files (test), which this does not change")
    browser.page.get_by_label("Reason").fill("moved")
    browser.page.get_by_label("Delete it all the same").check()
    browser.page.get_by_role("button", name="Delete by this plan").click()
    browser.see("It is done.")
    assert world.get("ConfigMap", "settings") is None


def test_a_rollback_is_clicked_through_with_its_plan_first(browsing, world):
    browsing.running.until_synced(world.commit(settings=config_map("settings", a="2")))
    browser = browsing()
    browser.sign_in(browsing.web.tokens["ada"])
    browser.page.goto(ONE)
    browser.page.get_by_role("link", name="Roll back to it…").click()
    browser.see("Roll back to release 1")
    browser.see("data.a")
    browser.page.get_by_label("Reason").fill("2 is wrong")
    browser.page.get_by_role("button", name="Roll back by this plan").click()
    browser.see("The rollback was asked for.")
    browsing.running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "1"})
    browser.see("rolled back by ada")


def test_an_act_on_an_object_is_asked_once_more_before_it_is_done(browsing, world):
    browser = browsing()
    browser.sign_in(browsing.web.tokens["ada"])
    browser.page.goto(ONE)
    browser.page.get_by_role("link", name="web", exact=True).first.click()
    browser.see("Git sets spec.replicas")
    browser.page.locator("summary", has_text="Restart").click()
    browser.see("This is no drift.")
    assert "annotations" not in world.get("Deployment", "web", "apps")["spec"]["template"]["metadata"]
    browser.page.get_by_label("Reason").fill("it leaks")
    browser.page.get_by_role("button", name="Restart web").click()
    browser.see("It is restarted")
    assert browsing.web.get("/audit?fact=object.*")["items"][-1]["detail"]["reason"] == "it leaks"


def test_a_sync_under_way_is_terminated_by_a_button_that_comes_with_it(browsing, world):
    browser = browsing()
    browser.sign_in(browsing.web.tokens["ada"])
    browser.page.goto(ONE)
    world.commit(settings=config_map("settings", a="1"), web=deployment("web", image="nginx:broken"))
    browser.page.locator("summary", has_text="Terminate").click(timeout=15_000)
    form = browser.page.locator("form[action$='/acts/terminate']")
    form.get_by_label("Reason").fill("the wrong day")
    form.get_by_role("button", name="Terminate app").click()
    browser.see("terminated by ada: the wrong day")
    playwright.expect(browser.page.locator("summary", has_text="Terminate")).to_have_count(0, timeout=15_000)


def test_a_log_is_followed_by_a_button_and_stopped(browsing, world):
    browser = browsing()
    browser.sign_in(browsing.web.tokens["grace"])
    browser.page.goto(f"{ONE}/logs?kind=Deployment&group=apps&namespace={world.namespace}&object=web&tail=50")
    browser.see("nginx:1.26: started")
    browser.page.get_by_role("button", name="Follow").click()
    stop = browser.page.get_by_role("button", name="Stop")
    playwright.expect(browser.page.locator("#log li")).to_have_count(2, timeout=15_000)
    playwright.expect(stop).to_have_attribute("aria-pressed", "true")
    stop.click()
    playwright.expect(browser.page.get_by_role("button", name="Follow")).to_be_visible()


def test_a_difference_is_shown_side_by_side_or_one_below_the_other_as_it_was_chosen_last(browsing, world):
    browser = browsing()
    browsing.running.until_synced(world.commit(settings=config_map("settings", a="2"), web=deployment("web")))
    browser.page.goto(f"{ONE}/compare/1/2")
    before, after = browser.page.locator("td.live del"), browser.page.locator("td.desired ins")
    assert before.bounding_box()["y"] == after.bounding_box()["y"]
    browser.page.get_by_label("Unified").check()
    assert before.bounding_box()["y"] < after.bounding_box()["y"]
    assert before.bounding_box()["x"] == after.bounding_box()["x"]
    browser.page.reload()
    assert before.bounding_box()["y"] < after.bounding_box()["y"]
    browser.page.get_by_label("Unified").uncheck()
    assert before.bounding_box()["y"] == after.bounding_box()["y"]


def test_a_page_that_follows_nothing_is_not_asked_for_again(browsing, world):
    browser = browsing()
    asked = []
    browser.page.on("request", lambda request: asked.append(request.url) if "/diff" in request.url else None)
    browser.page.goto(f"{ONE}/diff")
    playwright.expect(browser.page.locator("#pulse-text")).to_have_text("live", timeout=15_000)
    browsing.running.until_synced(world.commit(settings=config_map("settings", a="2")))
    browser.page.wait_for_timeout(1500)
    assert len(asked) == 1


def test_by_keyboard_alone_one_suspends_with_a_reason(browsing):
    browser = browsing()
    browser.sign_in(browsing.web.tokens["ada"])
    browser.page.keyboard.press("/")
    browser.page.keyboard.type("app")
    browser.page.keyboard.press("Enter")
    browser.page.wait_for_url("**/applications?q=app**")
    browser.page.goto(ONE)
    for _ in range(40):
        browser.page.keyboard.press("Tab")
        if browser.page.evaluate("document.activeElement.textContent.trim()") == "Suspend":
            break
    browser.page.keyboard.press("Enter")
    browser.page.keyboard.press("Tab")
    browser.page.keyboard.type("the night")
    browser.page.keyboard.press("Enter")
    browser.see("It is suspended")
    browser.see("application.suspended")
    assert browsing.web.get("/audit?fact=application.*")["items"][0]["detail"]["reason"] == "the night"


def test_the_way_the_list_is_shown_is_chosen_by_keyboard_and_kept_in_the_address(browsing, world):
    browser = browsing()
    browser.page.goto("/applications?q=app")
    browser.page.get_by_label("Groups").focus()
    browser.page.keyboard.press("ArrowDown")
    browser.page.wait_for_url("**/applications?q=app&sort=urgency&group=project")
    browser.see("default 1")
    browser.page.get_by_role("link", name="Tiles").focus()
    browser.page.keyboard.press("Enter")
    browser.page.wait_for_url("**view=tiles**")
    assert browser.page.locator("ul.tiles > li").count() == 1
    browser.page.reload()
    assert "group=project" in browser.page.url
    browser.page.get_by_role("link", name="gitops/app").click()
    browser.see(world.sha[:12])


def test_who_may_not_act_sees_no_button_for_it(browsing):
    browser = browsing()
    browser.page.goto(ONE)
    browser.see("as an operator to act")
    browser.sign_in(browsing.web.tokens["grace"])
    browser.page.goto(ONE)
    browser.see("grace may look")
    assert browser.page.locator("form[action*='/acts/']").count() == 0


def test_without_javascript_all_is_readable(browsing, world):
    browser = browsing(java_script_enabled=False)
    browser.page.goto("/applications")
    browser.page.get_by_role("link", name="gitops/app").click()
    browser.see(world.sha[:12])
    browser.see("sync.finished")
    browser.page.get_by_role("link", name="Verify that nobody changed them").click()
    browser.see("Whole.")


def test_on_a_phone_nothing_is_wider_than_the_screen(browsing):
    browser = browsing(viewport={"width": 360, "height": 640})
    tiles = ("/applications?view=tiles&group=project", "/projects", "/projects/default")
    for path in ("/applications", *tiles, ONE, f"{ONE}/diff", "/audit", "/clusters", "/repositories", "/signin"):
        browser.page.goto(path)
        assert browser.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
