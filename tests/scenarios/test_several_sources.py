"""Applications that share some of their sources, in a controller: each follows its own, and loses none of another's."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops.model.application import Application, SourceSpec
from gitops.model.helm_options import HelmOptions
from tests.chart_servers import ChartRepository, running
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map


@pytest.fixture
def charts() -> Iterator[ChartRepository]:
    server = ChartRepository()
    with running(server):
        yield server


def data(world: World, name: str) -> dict[str, str]:
    found = world.get("ConfigMap", name)
    return found["data"] if found else {}


def with_values(world: World, url: str, name: str, ref: str) -> Application:
    """A chart with values of the world's repository, which it calls `ref`."""
    chart = SourceSpec(url, "1.x", chart="redis", helm=HelmOptions(valueFiles=(f"${ref}/values.yaml",)))
    values = SourceSpec(world.app.source.repoURL, "main", ref=ref)
    app = replace(world.app, name=name, sync=replace(world.app.sync, automated=True), interval=0.3)
    return app.with_sources((chart, values))


def test_those_who_call_a_source_differently_both_follow_it(world: World, charts: ChartRepository) -> None:
    charts.add("redis", "1.0.0")
    world.commit(values="greeting: one\n")
    names = {"one": "values", "two": "config"}
    with Running(world, *(with_values(world, charts.url, *each) for each in names.items())) as controller:
        controller.until(lambda: all(data(world, f"{name}-redis").get("text") == "one" for name in names))
        world.commit(values="greeting: two\n")
        controller.until(lambda: all(data(world, f"{name}-redis").get("text") == "two" for name in names))


def test_a_source_that_another_application_has_too_stays_when_one_goes(world: World) -> None:
    world.commit(settings=config_map("settings", a="1"))
    (world.folder / "other").mkdir()
    other = World(world.folder / "other", world.kubeconfig.read_text(), f"{world.namespace}-other")
    other.commit(web=config_map("web"))
    own = replace(world.app, sync=replace(world.app.sync, automated=True), interval=0.3)
    both = replace(other.app, name="both", sync=own.sync, interval=0.3).with_sources(
        (other.app.source, SourceSpec(own.source.repoURL, "main", ref="values"))
    )
    mirrors = world.folder / "cache" / "mirrors"

    def there() -> dict[str, int]:
        return {place.name: place.stat().st_ino for place in mirrors.glob("*.git")}

    with Running(world, own) as controller:
        controller.until(lambda: len(there()) == 1)
        mine = there()
        controller.call(lambda: controller.put_trusted(both))
        controller.until(lambda: len(there()) == 2)
        controller.until(lambda: controller.tracked("gitops/both").sync == "Synced")
        controller.call(lambda: controller.controller.registry.drop("test", "gitops/both"))
        controller.until(lambda: len(there()) < 2)
        time.sleep(0.5)
        assert there().items() >= mine.items()
        controller.call(lambda: controller.put_trusted(both))
        controller.until(lambda: len(there()) == 2)
        controller.until(lambda: controller.tracked("gitops/both").sync == "Synced")
        for identity in (own.identity, both.identity):
            controller.call(lambda identity=identity: controller.controller.registry.drop("test", identity))
        controller.until(lambda: not there())


def test_an_application_goes_from_one_source_to_several_and_back(world: World, charts: ChartRepository) -> None:
    charts.add("redis", "1.0.0")
    world.commit(values="greeting: one\n")
    several: Any = with_values(world, charts.url, "app", "values")
    one = several.with_sources((replace(several.source, helm=HelmOptions()),))
    with Running(world, one) as controller:
        controller.until(lambda: data(world, "app-redis").get("text") == "hello")
        for app, text in ((several, "one"), (one, "hello"), (several, "one")):
            controller.call(lambda app=app: controller.put_trusted(app))
            controller.until(lambda text=text: data(world, "app-redis").get("text") == text)


def test_a_revision_of_several_sources_is_named_by_one_of_theirs_or_by_all(
    world: World, charts: ChartRepository
) -> None:
    charts.add("redis", "1.0.0+build.1")
    first = world.commit(values="greeting: one\n")
    app = with_values(world, charts.url, "app", "values")
    world.sync(app)
    before = world.inventory().healthy.revision
    second = world.commit(values="greeting: two\n")
    world.sync(app)
    digest = before.partition("+")[0]
    for named in (second, second[:12], f"{digest[:12]}+{second[:12]}", world.inventory().healthy.revision):
        done = world.gitops("wait", "app", "--revision", named, "--timeout", "5s")
        assert done.returncode == 0, done.stderr
    for named in (first, f"{second[:12]}+{digest[:12]}", f"{digest[:12]}+{second[:12]}+{second[:12]}"):
        assert world.gitops("wait", "app", "--revision", named, "--timeout", "0s").returncode == 4
    assert world.gitops("rollback", "app", "--revision", f"{digest[:12]}+{first[:12]}").returncode == 0
    assert data(world, "app-redis")["text"] == "one"
    assert world.gitops("rollback", "app", "--revision", second).returncode == 0
    assert data(world, "app-redis")["text"] == "two"


def test_a_release_of_other_sources_that_is_lost_says_so(world: World, charts: ChartRepository, tmp_path: Path) -> None:
    charts.add("redis", "1.0.0")
    world.commit(values="greeting: one\n")
    app = with_values(world, charts.url, "app", "values")
    world.sync(app)
    world.sync(app.with_sources((replace(app.source, helm=HelmOptions()),)))
    world.state = tmp_path / "another"
    done = world.gitops("rollback", "app", "--confirm")
    assert done.returncode == 2
    assert "is of another number of sources (2, and it has 1 now)" in done.stderr
