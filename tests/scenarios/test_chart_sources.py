"""Charts of repositories and registries, delivered by a command and by a controller, also with values of Git."""

from dataclasses import replace
from typing import Any

import pytest

from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.helm_options import HelmOptions
from gitops.model.result import Outcome
from gitops.model.source_access import Bucket, Verify
from tests.chart_servers import ChartRepository, OciRegistry, basic, packed, served
from tests.s3_server import S3Server
from tests.scenarios.running import Running, of
from tests.scenarios.test_rollback import DONE, by_hand
from tests.scenarios.world import World, config_map
from tests.unit.test_cosign import KEY, SIGN, SIGN_OTHER

charts = served(ChartRepository)
registry = served(OciRegistry)
store = served(S3Server)


def of_chart(world: World, url: str, target: str = "", **options: Any) -> Application:
    source = SourceSpec(url, target, chart="redis", helm=HelmOptions(**options))
    return replace(world.app, source=source, sync=replace(world.app.sync, automated=True), interval=0.3)


def data(world: World, name: str = "app-redis") -> dict[str, str]:
    found = world.get("ConfigMap", name)
    return found["data"] if found else {}


def test_a_chart_of_a_repository_is_synced_upgraded_and_rolled_back(world: World, charts: ChartRepository) -> None:
    charts.add("redis", "1.0.0")
    app = of_chart(world, charts.url, "^1", values={"greeting": "hi"})
    assert world.sync(app).outcome is Outcome.SYNCED
    assert data(world) == {"text": "hi", "version": "1.0.0"}
    charts.add("redis", "1.1.0")
    done = world.sync(app)
    assert (done.outcome, data(world)["version"]) == (Outcome.SYNCED, "1.1.0")
    assert world.inventory().source == f"{charts.url}//redis"
    assert world.inventory().healthy.ref == "1.1.0"
    assert by_hand(world)[0] == DONE
    assert data(world)["version"] == "1.0.0"


def test_a_controller_applies_nothing_that_is_not_signed_by_a_key_of_the_secret(
    world: World, registry: OciRegistry
) -> None:
    registry.sign("charts/redis", registry.add_chart("charts/redis", "1.0.0"), SIGN)
    app = of_chart(world, f"{registry.address}/charts", "^1")
    app = replace(app, source=replace(app.source, verify=Verify("cosign", "keys")))
    with Running(world, app, environment={"keys": KEY}) as controller:
        controller.until(lambda: data(world).get("version") == "1.0.0")
        registry.sign("charts/redis", registry.add_chart("charts/redis", "1.1.0"), SIGN_OTHER)
        controller.until(lambda: "none is by a key of" in controller.tracked().problem)
        assert data(world)["version"] == "1.0.0"


def test_a_bucket_is_followed_and_what_leaves_it_is_pruned(world: World, store: S3Server) -> None:
    store.files = {f"apps/{name}.yaml": write_manifests([config_map(name)]).encode() for name in ("one", "two")}
    source = SourceSpec(store.address, path="apps", bucket=Bucket(insecure=True))
    app = replace(world.app, source=source, sync=replace(world.app.sync, automated=True, prune=True), interval=0.3)
    with Running(world, app) as controller:
        controller.until(lambda: world.get("ConfigMap", "two") is not None)
        del store.files["apps/two.yaml"]
        controller.until(lambda: world.get("ConfigMap", "two") is None)
        assert world.get("ConfigMap", "one") is not None
    world.sync(app)
    assert world.sync(app).outcome is Outcome.IN_SYNC


def test_a_runner_without_a_store_goes_back_to_a_version_that_the_repository_offers(
    world: World, charts: ChartRepository, tmp_path: Any
) -> None:
    charts.add("redis", "1.0.0")
    app = of_chart(world, charts.url)
    world.sync(app)
    charts.add("redis", "1.1.0")
    world.sync(app)
    world.state = tmp_path / "another"
    assert "only its inventory names the source" in by_hand(world)[1]
    assert by_hand(world, "--confirm")[0] == DONE
    assert data(world)["version"] == "1.0.0"


def test_a_chart_of_a_registry_is_synced_with_the_credentials_of_its_secret(
    world: World, registry: OciRegistry
) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    registry.token, registry.login = "pull-token", basic("u", "hunter2")
    app = of_chart(world, f"{registry.address}/charts", "1.0.0")
    with pytest.raises(SourceError, match="the registry wants credentials"):
        world.sync(app)
    world.secrets["pull"] = "username: u\npassword: hunter2\n"
    app = replace(app, source=replace(app.source, credentials=replace(app.source.credentials, secretRef="pull")))
    assert world.sync(app).outcome is Outcome.SYNCED
    assert data(world)["version"] == "1.0.0"


def test_a_controller_follows_a_range_and_outlives_a_repository_that_is_away(
    world: World, charts: ChartRepository, lines: list[dict[str, Any]]
) -> None:
    charts.add("redis", "1.0.0")
    with Running(world, of_chart(world, charts.url, "1.x")) as controller:
        controller.until(lambda: data(world).get("version") == "1.0.0")
        charts.add("redis", "1.1.0")
        controller.until(lambda: data(world)["version"] == "1.1.0")
        index = charts.files.pop("/index.yaml")
        controller.until(lambda: "the server answered 404" in controller.tracked().problem)
        assert data(world)["version"] == "1.1.0"
        charts.files["/index.yaml"] = index
        charts.add("redis", "1.2.0")
        controller.until(lambda: data(world)["version"] == "1.2.0")
        charts.add("redis", "1.3.0", digest="0" * 64)
        controller.until(lambda: "is not what the index says" in controller.tracked().problem)
        assert data(world)["version"] == "1.2.0"
        charts.entries["redis"].pop()
        charts.add("redis", "1.3.0")
        controller.until(lambda: data(world)["version"] == "1.3.0")
    assert of(lines, "poll.works-again")


def test_a_controller_takes_no_second_look_for_those_who_share_a_chart(world: World, registry: OciRegistry) -> None:
    registry.add_chart("charts/redis", "1.0.0")
    app = of_chart(world, f"{registry.address}/charts", "1.0.0")
    app = replace(app, interval=60.0)
    others = [replace(app, name=f"app{number}") for number in range(4)]
    with Running(world, app, *others) as controller:
        controller.until(lambda: all(data(world, f"{one.name}-redis") for one in (app, *others)))
    manifests = [path for path, _ in registry.asked if path.endswith("/manifests/1.0.0")]
    assert len(manifests) == 1
    assert len([path for path, _ in registry.asked if "/blobs/" in path]) == 1


# ── several sources ──────────────────────────────────────────────────────────────────────────────────────────────────


def with_values(world: World, url: str, *others: SourceSpec) -> Application:
    """A chart of a repository with values that lie in Git."""
    values = SourceSpec(world.app.source.repoURL, "main", ref="values")
    app = of_chart(world, url, "1.x", valueFiles=("$values/envs/prod.yaml",))
    return app.with_sources((app.source, values, *others))


def test_values_of_another_source_are_followed_as_the_chart_is(
    world: World, charts: ChartRepository, lines: list[dict[str, Any]]
) -> None:
    charts.add("redis", "1.0.0")
    (world.repository / "envs").mkdir()
    first = world.commit(**{"envs/prod": "greeting: one\n"})
    app = with_values(world, charts.url)
    with Running(world, app) as controller:
        controller.until(lambda: data(world) == {"text": "one", "version": "1.0.0"})
        world.commit(**{"envs/prod": "greeting: two\n"})
        controller.until(lambda: data(world)["text"] == "two")
        charts.add("redis", "1.1.0")
        controller.until(lambda: data(world) == {"text": "two", "version": "1.1.0"})
        misses = controller.controller.renders.misses
        sha = world.commit(**{"envs/other": "greeting: nobody reads this\n"})
        controller.until(lambda: controller.tracked().source.observed_revision.sha.endswith(sha))
        assert controller.controller.renders.misses == misses
    assert of(lines, "commit.seen")[0]["repository"] == f"{charts.url} + {world.app.source.repoURL}"
    inventory = world.inventory()
    assert inventory.source == f"{charts.url}//redis + {world.app.source.repoURL}"
    assert first not in inventory.healthy.revision
    assert by_hand(world)[0] == DONE
    assert data(world)["version"] == "1.0.0"


def test_sources_that_are_rendered_are_one_set(world: World, charts: ChartRepository) -> None:
    charts.add("redis", "1.0.0")
    (world.repository / "envs").mkdir()
    (world.repository / "more").mkdir()
    world.commit(**{"envs/prod": "greeting: one\n", "more/settings": config_map("settings", a="1")})
    app = with_values(world, charts.url, replace(world.app.source, path="more"))
    assert world.sync(app).outcome is Outcome.SYNCED
    assert (data(world)["text"], data(world, "settings")) == ("one", {"a": "1"})
    world.commit(**{"more/settings": None, "more/other": config_map("other", a="1")})
    world.sync(app)
    assert (data(world)["text"], data(world, "settings"), data(world, "other")) == ("one", {}, {"a": "1"})


def test_the_inventory_alone_leads_back_to_all_sources(world: World, charts: ChartRepository) -> None:
    charts.add("redis", "1.0.0")
    (world.repository / "envs").mkdir()
    world.commit(**{"envs/prod": "greeting: one\n"})
    app = with_values(world, charts.url)
    world.sync(app)
    world.commit(**{"envs/prod": "greeting: two\n"})
    world.sync(app)
    assert by_hand(world)[0] == DONE
    assert data(world)["text"] == "one"


def test_no_link_leads_from_one_source_into_another(world: World) -> None:
    (world.repository / "envs").mkdir()
    (world.repository / "envs/prod.yaml").symlink_to("../../source-1/values.yaml")
    world.commit()
    values = SourceSpec(world.app.source.repoURL, "main", ref="values", path="envs")
    app = world.app.with_sources((replace(world.app.source, path="."), values))
    with pytest.raises(SourceError, match="leads out of"):
        world.sync(app)


# ── charts that charts depend on ─────────────────────────────────────────────────────────────────────────────────────


def depending(world: World, repository: str, version: str, lock: str = "") -> None:
    """The world's repository is a chart that depends on redis."""
    (world.repository / "templates").mkdir(exist_ok=True)
    chart = (
        "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
        f"dependencies: [{{name: redis, version: '{version}', repository: '{repository}'}}]\n"
    )
    if lock:
        text = f"dependencies:\n- {{name: redis, repository: '{repository}', version: {lock}}}\n"
        (world.repository / "Chart.lock").write_text(text)
    world.commit(Chart=chart, values="redis: {greeting: from-shop}\n", **{"templates/own": config_map("own", a="1")})


def test_dependencies_are_fetched_by_their_range_or_by_the_lock(
    world: World, charts: ChartRepository, registry: OciRegistry
) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        charts.add("redis", version)
        registry.add_chart("charts/redis", version)
    for repository in (charts.url, f"{registry.address}/charts"):
        (world.repository / "Chart.lock").unlink(missing_ok=True)
        depending(world, repository, "1.x")
        world.sync()
        assert data(world) == {"text": "from-shop", "version": "1.1.0"}
        depending(world, repository, "1.x", lock="1.0.0")
        world.sync()
        assert data(world)["version"] == "1.0.0"


def test_a_dependency_in_a_folder_beside_the_chart_is_read_there(world: World) -> None:
    (world.repository / "redis/templates").mkdir(parents=True)
    (world.repository / "shop/templates").mkdir(parents=True)
    world.commit(
        **{
            "redis/Chart": "apiVersion: v2\nname: redis\nversion: 1.2.3\n",
            "redis/templates/a": config_map("beside", a="1"),
            "shop/Chart": "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
            "dependencies: [{name: redis, version: 1.x, repository: 'file://../redis'}]\n",
        }
    )
    assert world.sync(replace(world.app, source=replace(world.app.source, path="shop"))).outcome is Outcome.SYNCED
    assert data(world, "beside") == {"a": "1"}


@pytest.mark.parametrize(
    ("repository", "why"),
    [
        ("file://../../etc", "leads out of the source"),
        ("@stable", "is known to a person's helm only"),
        ("alias:stable", "is known to a person's helm only"),
        ("", "missing in charts/ directory: redis"),
    ],
)
def test_a_dependency_that_cannot_be_had_is_named(world: World, repository: str, why: str) -> None:
    depending(world, repository, "1.x")
    done = world.gitops("render", str(world.repository))
    assert (done.returncode, why in done.stderr, "redis" in done.stderr) == (2, True, True), done.stderr


# ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_chart_of_a_repository_is_rendered_by_its_name(
    world: World, charts: ChartRepository, registry: OciRegistry
) -> None:
    for version in ("1.0.0", "1.1.0"):
        charts.add("redis", version)
        registry.add_chart("charts/redis", version)
    by_repository = world.gitops("render", "redis", "--repo", charts.url, "--version", "1.0.0", "--set", "greeting=hi")
    by_registry = world.gitops("render", f"{registry.address}/charts/redis", "--set", "greeting=hi")
    assert 'version: "1.0.0"' in by_repository.stdout
    assert 'version: "1.1.0"' in by_registry.stdout
    assert 'version: "1.1.0"' in world.gitops("render", f"{registry.address}/charts/redis").stdout
    assert world.gitops("render", ".", "--version", "1").returncode == 2


def test_the_version_of_a_chart_is_told_wherever_its_revision_is(world: World, charts: ChartRepository) -> None:
    charts.add("redis", "1.0.0")
    world.sync(of_chart(world, charts.url))
    for command in ("status", "history"):
        done = world.gitops(command, "app", "-n", world.namespace)
        assert "1.0.0@" in done.stdout, done.stdout
    assert "1.0.0@" in world.gitops("status").stdout


def test_packed_files_of_a_registry_are_synced_as_a_folder_is(world: World, registry: OciRegistry) -> None:
    manifest = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: packed}\ndata: {a: "1"}\n'
    layer = "application/vnd.cncf.flux.content.v1.tar+gzip"
    registry.push("manifests/shop", "latest", packed("", {"apps/a.yaml": manifest}), layer)
    app = replace(world.app, source=SourceSpec(f"{registry.address}/manifests/shop", "latest", path="apps"))
    assert world.sync(app).outcome is Outcome.SYNCED
    assert data(world, "packed") == {"a": "1"}
