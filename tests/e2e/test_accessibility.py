"""No page keeps anyone out, as far as axe-core can tell, in light and dark. Skipped without it or a browser."""

from pathlib import Path

import pytest

from tests.e2e.busy import busy, pages
from tests.e2e.test_browser import Browser, chromium, pytestmark, world

__all__ = ["chromium", "pytestmark", "world"]
axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")
SCRIPT = (Path(axe.__file__).parent / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def test_no_page_keeps_anyone_out(chromium, world):
    found = []
    with busy(world) as (web, token):
        for scheme in ("light", "dark"):
            browser = Browser(chromium, web, color_scheme=scheme, bypass_csp=True)
            browser.sign_in(token)
            for name, path in pages(world.namespace).items():
                browser.page.goto(path)
                browser.page.locator("main").wait_for()
                browser.page.evaluate(SCRIPT)
                told = browser.page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", RULES)
                assert told["passes"], name
                found += [
                    f"{name}, {scheme}: {one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
                    for one in told["violations"]
                ]
            browser.complaints = [one for one in browser.complaints if "404" not in one]  # the page of nowhere
            browser.close()
    assert not found, "\n".join(found)
