"""Charts that draw passwords, ask the time and read the cluster: nothing rolls for nothing, and no password changes."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from gitops.controller.render_cache import RenderCache
from gitops.model.application import Application
from gitops.model.errors import RenderError
from gitops.model.helm_options import ValuesFrom
from gitops.model.result import Outcome
from gitops.model.revision import Tree
from renderers.result import Live, Look, Rendered
from tests.scenarios.running import Running
from tests.scenarios.test_charts import chart, with_helm
from tests.scenarios.world import World, config_map

DRAWN = """\
apiVersion: v1
kind: Secret
metadata: {name: drawn, labels: {at: {{ now | date "2006-01-02T15.04.05" }}}}
stringData:
  password: {{ randAlphaNum 24 }}
  key: {{ genPrivateKey "ecdsa" | b64enc }}
  token: {{ uuidv4 }}
"""
COPY = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: copy}
data:
  seen: {{ (lookup "v1" "ConfigMap" .Release.Namespace "other").data | default dict | toJson | quote }}
  all: {{ (lookup "v1" "ConfigMap" "nowhere" "").items | default list | len | quote }}
"""


def drawn(world: World) -> dict[str, Any]:
    found = world.get("Secret", "drawn")
    return {"data": found["data"], "labels": found["metadata"]["labels"]["at"]} if found else {}


def seed(world: World) -> dict[str, str]:
    data = world.get("Secret", "gitops-app-seed")["data"]
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


def test_what_a_chart_draws_stays_however_often_it_is_synced(world: World) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    assert world.sync().outcome is Outcome.SYNCED
    first = drawn(world)
    for _ in range(3):
        assert world.sync().outcome is Outcome.IN_SYNC
    assert drawn(world) == first


def test_what_a_chart_draws_outlives_an_empty_store_and_a_new_version(world: World, tmp_path: Any) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    world.sync()
    first = drawn(world)
    world.state = tmp_path / "another"
    assert world.sync().outcome is Outcome.IN_SYNC
    world.commit(values="colour: blue\n")
    assert world.sync().outcome is Outcome.SYNCED
    assert drawn(world)["data"]["password"] == first["data"]["password"]


def test_a_plan_before_the_first_sync_is_what_that_does(world: World) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    plan = world.plan().plan
    assert world.plan().plan.id == plan.id
    assert world.sync().outcome is Outcome.SYNCED
    assert len(seed(world)["seed"]) == 64


def test_whoever_syncs_first_draws_for_all(world: World, tmp_path: Any) -> None:
    """Two runners with keys of their own: what the one planned before the other's sync is not what it does after it."""
    chart(world, **{"templates/drawn": DRAWN})
    mine = world.state
    world.plan()
    world.state = tmp_path / "another"
    assert world.sync().outcome is Outcome.SYNCED
    first = drawn(world)["data"]["password"]
    world.state = mine
    world.sync()
    assert drawn(world)["data"]["password"] == first


def test_a_way_back_from_the_first_draw_and_forth_again_draws_the_same(world: World) -> None:
    chart(world)
    world.sync()
    chart(world, **{"templates/drawn": DRAWN})
    world.sync()
    first = drawn(world)["data"]["password"]
    assert world.gitops("rollback", "app", "-n", world.namespace, "--prune", "--yes").returncode == 0
    assert (drawn(world), world.get("Secret", "gitops-app-seed")) == ({}, None)
    world.sync(confirm=True)
    assert drawn(world)["data"]["password"] == first


def test_a_chart_that_draws_nothing_has_no_seed(world: World) -> None:
    chart(world)
    world.sync()
    assert world.get("Secret", "gitops-app-seed") is None


def test_the_seed_goes_with_the_application(world: World) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    world.sync()
    assert world.gitops("delete", "app", "-n", world.namespace, "--yes").returncode == 0
    assert world.get("Secret", "gitops-app-seed") is None


def test_another_seed_draws_anew(world: World) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    world.sync()
    first = drawn(world)["data"]
    world.edit("core/secrets/gitops-app-seed", {"stringData": {"seed": "ab" * 32}}, manager="kubectl-edit")
    assert world.sync().outcome is Outcome.SYNCED
    assert (seed(world)["seed"], drawn(world)["data"] == first) == ("ab" * 32, False)
    assert world.sync().outcome is Outcome.IN_SYNC


def test_the_seed_is_in_no_output(world: World) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    world.sync()
    value = seed(world)["seed"]
    said = [
        world.gitops(*words).stdout
        for words in (
            ("history", "app", "-n", world.namespace, "-o", "json"),
            ("status", "app", "-n", world.namespace, "-o", "json"),
            ("audit", "list", "app", "-o", "json"),
            ("render", str(world.repository), "--release", "1", "-n", world.namespace, "--release-name", "app"),
        )
    ]
    assert all(value not in text and base64.b64encode(value.encode()).decode() not in text for text in said[:3])


def test_a_controller_that_starts_anew_changes_no_password(world: World, tmp_path: Any) -> None:
    sha = chart(world, **{"templates/drawn": DRAWN})
    with Running(world) as running:
        running.until_synced(sha)
        first = drawn(world)
    with Running(world, state=tmp_path / "another") as running:
        running.until_synced(sha)
        sha = world.commit(**{"not-of-the-chart": "a: 1\n"})
        running.until_synced(sha)
    assert drawn(world)["data"]["password"] == first["data"]["password"]


def test_what_a_chart_looks_up_is_followed(world: World) -> None:
    chart(world, **{"templates/copy": COPY})
    world.sync()
    assert world.get("ConfigMap", "copy")["data"] == {"seen": "{}", "all": "0"}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", config_map("other", a="1"))
    assert [change.key.name for change in world.plan().plan.changes] == ["copy"]
    with Running(world) as running:
        running.until(lambda: world.get("ConfigMap", "copy")["data"]["seen"] == '{"a":"1"}')
        world.edit("core/configmaps/other", {"data": {"a": "2"}}, manager="kubectl-edit")
        running.until(lambda: world.get("ConfigMap", "copy")["data"]["seen"] == '{"a":"2"}')
        misses = running.controller.renders.misses
        passes = running.controller.renders.hits
        running.until(lambda: running.controller.renders.hits > passes + 2)
        assert running.controller.renders.misses == misses


def test_values_of_the_cluster_are_followed_and_not_told(world: World) -> None:
    chart(world)
    app = with_helm(world.app, valuesFrom=(ValuesFrom("Secret", "values", "colour", "colour"),))
    app = replace(app, namespace=world.namespace)
    world.request(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    )
    with pytest.raises(RenderError, match=rf"Secret {world.namespace}/values: is not there"):
        world.sync(app)
    path = f"/api/v1/namespaces/{world.namespace}/secrets"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values"}, "stringData": {"colour": "hunter2"}}
    world.request("POST", path, secret)
    automatic = replace(app, sync=replace(app.sync, automated=True), interval=0.3)
    with Running(world, automatic) as running:
        running.until(lambda: (world.get("ConfigMap", "app-settings") or {}).get("data") == {"colour": "hunter2"})
        world.request("PUT", f"{path}/values", {**secret, "stringData": {"colour": "green"}})
        running.until(lambda: world.get("ConfigMap", "app-settings")["data"] == {"colour": "green"})
    assert "hunter2" not in str(world.get("ConfigMap", "gitops-app"))


def test_a_render_without_a_cluster_says_what_is_not_reproducible(world: World) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    done = world.gitops("render", ".", "--set", "colour=blue")
    done = world.gitops("render", str(world.repository)) if done.returncode else done
    assert done.returncode == 0
    assert "Warning: now, randAlphaNum, genPrivateKey, uuidv4 made this another output" in done.stderr


def test_a_lookup_that_leads_to_ever_more_lookups_ends(world: World) -> None:
    endless = (
        "{{ define `next` }}{{ $o := lookup `v1` `ConfigMap` `default` . }}{{ if lt (len .) 100 }}"
        "{{ include `next` (printf `%sx` .) }}{{ end }}{{ end }}# {{ include `next` `x` }}"
    )
    chart(world, **{"templates/endless": endless})
    assert world.sync().outcome is Outcome.SYNCED  # all are asked for at once


def test_what_a_render_read_of_the_cluster_counts_as_memory_too() -> None:
    """A hundred renders that each read all Secrets of a cluster are a hundred copies of them."""
    look = Look("v1", "Secret", "", "")
    live = Live({look: {"items": [{"data": {"a": "x" * 1000}} for _ in range(100)]}})
    answers = [Rendered("helm", (), ())] * 20
    cache = RenderCache(lambda tree, app, live: answers.pop(), most=250_000)
    apps = [Application(f"app{number}") for number in range(4)]
    tree = Tree.of_files({})
    for app in apps:
        cache(tree, app, live=live)
    assert [cache.reads_cluster(app.identity) for app in apps] == [False, False, True, True]


@pytest.mark.parametrize("at", ["nonsense", "2020", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:00", "9999-12-31"])
def test_a_time_that_somebody_wrote_over_is_found_anew(world: World, at: str) -> None:
    chart(world, **{"templates/drawn": DRAWN})
    world.sync()
    first = drawn(world)
    told = base64.b64encode(at.encode()).decode()
    world.edit("core/secrets/gitops-app-seed", {"data": {"at": told}}, manager="kubectl-edit")
    assert world.sync().outcome is Outcome.SYNCED
    assert (drawn(world), seed(world)["at"] == at) == (first, False)


def test_a_namespace_counts_for_nothing_where_a_kind_has_none(world: World) -> None:
    look = 'lookup "v1" "Namespace" "default" "default"'
    chart(world, **{"templates/copy": config_map("copy", seen=f"{{{{ ({look}).metadata.name }}}}")})
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "copy")["data"] == {"seen": "default"}
