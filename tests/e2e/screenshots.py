"""Pictures of every page, light and dark: `python -m tests.e2e.screenshots FOLDER`; a few are in docs/images."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from gitops.sandbox.server import SandboxThread
from tests.e2e.busy import busy, pages
from tests.e2e.test_browser import CHROMIUM, Browser
from tests.scenarios.world import World

_SETTLES_MS = 400
# The repository lies in a folder that goes with it: pictures show an address as people have it.
_ADDRESS = "https://git.example.com/acme/shop"
_RENAMED = """([from, to]) => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(from, to);
}"""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with SandboxThread(nodes=3, speed=4.0) as sandbox, tempfile.TemporaryDirectory() as place:
        world = World(Path(place), sandbox.kubeconfig(), "shop")
        with sync_playwright() as started, busy(world) as (web, token):
            chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for scheme in ("light", "dark"):
                browser = Browser(chromium, web, color_scheme=scheme, viewport={"width": 1200, "height": 760})
                browser.sign_in(token)
                for name, path in pages(world.namespace).items():
                    browser.page.goto(path)
                    browser.page.wait_for_timeout(_SETTLES_MS)
                    browser.page.evaluate(_RENAMED, [world.repository.as_uri(), _ADDRESS])
                    browser.page.screenshot(path=folder / f"{name}-{scheme}.png", full_page=True)
            chromium.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
