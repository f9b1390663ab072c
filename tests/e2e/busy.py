"""A controller with something of everything to show: what is well, broken, waiting, drifted, suspended, rolled back."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from gitops.manifests.yaml_write import write_manifests
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_projects_page import write_projects
from tests.scenarios.world import World, config_map, deployment

SHOP, SEARCH, CATALOG = "/applications/gitops/shop", "/applications/gitops/search", "/applications/gitops/catalog"
PAYMENTS = "/applications/gitops/payments"

SHOPS = {
    "description": "The shop and what belongs to it",
    "destinations": [{"name": "in-cluster", "namespace": "*"}, {"server": "*", "namespace": "!kube-*"}],
    "namespaceResourceBlacklist": [{"group": "rbac.authorization.k8s.io", "kind": "*"}],
    "syncWindows": [
        {"kind": "deny", "schedule": "0 0 24 12 *", "duration": "72h", "applications": ["*"], "manualSync": True}
    ],
    "roles": [
        {
            "name": "ci",
            "description": "Pipelines of the shop",
            "groups": ["shop-ci"],
            "policies": ["p, proj:shop:ci, applications, sync, shop/*, allow"],
        }
    ],
}


def pages(namespace: str) -> dict[str, str]:
    """A name for each page, and its address; of an object in `namespace` where it is one's."""
    web = f"kind=Deployment&group=apps&namespace={namespace}&object="
    return {
        "applications": "/applications",
        "applications-filtered": "/applications?only=problems&q=pay",
        "applications-tiles": "/applications?view=tiles&group=project",
        "applications-groups": "/applications?group=health",
        "projects": "/projects",
        "project": "/projects/shop",
        "application": SHOP,
        "application-failed": PAYMENTS,
        "application-waiting": CATALOG,
        "diff": f"{CATALOG}/diff",
        "object": f"{SHOP}/object?{web}shop",
        "logs": f"{SHOP}/logs?{web}shop",
        "compare": f"{SHOP}/compare/1/2",
        "rollback": f"{SHOP}/rollback?release=1",
        "deletion": f"{CATALOG}/deletion",
        "waiting": "/waiting",
        "audit": "/audit?verify=1",
        "clusters": "/clusters",
        "repositories": "/repositories",
        "signin": "/signin",
        "nowhere": "/nowhere",
    }


@contextlib.contextmanager
def busy(world: World) -> Iterator[tuple[Web, str]]:
    """The controller's HTTP while it runs five Applications, and the operator's token."""

    def commit(message: str, **folders: list[dict[str, Any]]) -> str:
        for name, bodies in folders.items():
            folder = world.repository / name
            folder.mkdir(exist_ok=True)
            (folder / "all.yaml").write_text(write_manifests(bodies))
        return world.commit(message)

    def application(name: str, project: str = "shop", **sync: Any) -> Any:
        app = replace(world.app, project=project)
        options = replace(app.sync, **{"automated": True, "drift": "correct", **sync})
        return replace(app, name=name, source=replace(app.source, path=name), sync=options, interval=0.3)

    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop"},
        "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]},
    }
    shop = [deployment("shop", replicas=3), service, config_map("shop-settings", currency="EUR", theme="light")]
    commit(
        "Open the shop",
        shop=shop,
        payments=[deployment("payments", image="payments:broken", replicas=1)],
        catalog=[deployment("catalog", replicas=1)],
        search=[config_map("search-settings", language="en")],
        billing=[config_map("billing-settings", cycle="monthly")],
    )
    apps = (
        application("shop"),
        application("payments", timeout=5.0),
        application("catalog"),
        application("search", drift="report"),
        application("billing", project="office"),
    )
    projects = write_projects(world.folder, shop=SHOPS, office={"description": "What the office needs"})
    with Running(world, *apps, projects=projects) as running, Web(running, world.folder) as web:
        _until_well(running, web, "shop", "catalog", "search", "billing")
        web.post("/applications/gitops/billing/suspend", reason="The month is being closed")
        web.post("/applications/gitops/catalog/suspend", reason="Wait for the translations")
        path = f"/api/v1/namespaces/{world.namespace}/configmaps/search-settings"
        edit = ("PATCH", path, {"data": {"language": "de"}}, "kubectl-edit", "application/merge-patch+json")
        with ThreadPoolExecutor(1) as apart:  # the browser's own loop runs in this thread
            apart.submit(world.request, *edit).result()
        commit(
            "Night theme, and catalog 1.27",
            shop=[*shop[:2], config_map("shop-settings", currency="EUR", theme="night")],
            catalog=[deployment("catalog", image="nginx:1.27", replicas=2), config_map("catalog-settings", page="20")],
        )
        running.until(lambda: len(web.get(f"{SHOP}/history")["releases"]) == 2)
        running.until(lambda: web.get(SEARCH)["drift"])
        running.until(lambda: web.get(CATALOG)["sync"] == "OutOfSync")
        running.until(lambda: running.tracked("gitops/payments").schedule.failures)
        yield web, web.tokens["ada"]


def _until_well(running: Running, web: Web, *names: str) -> None:
    def are_well() -> bool:
        items = {item["application"]: item for item in web.get("/applications")["items"]}
        return all(items.get(f"gitops/{name}", {}).get("health") == "Healthy" for name in names)

    running.until(are_well)
