"""What a chart asks of the cluster, or draws by chance: found out, given to it, and the same each time."""

import base64
from dataclasses import replace

import pytest

from gitops.manifests.key import ResourceKey, key_of
from gitops.model.application import SourceSpec
from gitops.model.errors import RenderError
from gitops.model.helm_options import HelmOptions, ValuesFrom
from gitops.model.result import Outcome
from tests.unit.desk import Desk, config_map

SEED = ResourceKey("", "Secret", "shop", "gitops-app-seed")
MADE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: made, namespace: shop}
data:
"""


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def chart(desk, data, values=""):
    return desk.source.commit(
        {
            "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.0.0\n",
            "values.yaml": values,
            "templates/made.yaml": MADE + "".join(f"  {line}\n" for line in data.splitlines()),
        }
    )


def made(desk):
    return desk.live(config_map("made"))["data"]


def secret(desk):
    data = desk.cluster.body(SEED)["data"]
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


# ── lookups ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_lookup_sees_the_object_in_the_cluster_and_nothing_where_there_is_none(desk):
    desk.cluster.put(config_map("other", x="live"))
    chart(
        desk,
        'a: {{ (lookup "v1" "ConfigMap" "shop" "other").data.x | quote }}\n'
        'b: {{ empty (lookup "v1" "ConfigMap" "shop" "none") | quote }}',
    )
    assert desk.sync().outcome is Outcome.SYNCED
    assert made(desk) == {"a": "live", "b": "true"}


def test_a_lookup_of_all_lists_them_and_of_a_kind_without_namespaces_finds_it_all_the_same(desk):
    desk.cluster.put(config_map("one"))
    desk.cluster.put(config_map("two", namespace="other"))
    chart(
        desk,
        'here: {{ len (lookup "v1" "ConfigMap" "shop" "").items | quote }}\n'
        'kind: {{ (lookup "v1" "ConfigMap" "shop" "").kind | quote }}\n'
        'space: {{ (lookup "v1" "Namespace" "shop" "shop").metadata.name | quote }}\n'
        'none: {{ empty (lookup "example.dev/v1" "Widget" "shop" "x") | quote }}',
    )
    assert desk.sync().outcome is Outcome.SYNCED
    assert made(desk) == {"here": "1", "kind": "ConfigMapList", "space": "shop", "none": "true"}


def test_what_was_looked_up_and_changed_is_rendered_anew(desk):
    desk.cluster.put(config_map("other", x="1"))
    chart(desk, 'a: {{ (lookup "v1" "ConfigMap" "shop" "other").data.x | quote }}')
    desk.sync()
    desk.cluster.put(config_map("other", x="2"))
    assert desk.sync().outcome is Outcome.SYNCED
    assert made(desk) == {"a": "2"}


def test_values_come_from_a_config_map_of_the_cluster(desk):
    settings = {**config_map("settings", namespace="gitops"), "data": {"values.yaml": "x: from the cluster"}}
    desk.cluster.put(settings)
    chart(desk, "a: {{ .Values.x | quote }}", "x: plain")
    helm = HelmOptions(valuesFrom=(ValuesFrom("ConfigMap", "settings"),))
    app = desk.app.with_sources((SourceSpec(repoURL=desk.app.source.repoURL, helm=helm),))
    assert desk.sync(app).outcome is Outcome.SYNCED
    assert made(desk) == {"a": "from the cluster"}


def test_a_render_that_asks_for_more_and_more_ends(desk):
    for number in range(40):
        desk.cluster.put(config_map(f"c{number}", next=f"c{number + 1}"))
    chart(
        desk,
        '{{ $name := "c0" }}{{ range until 40 }}{{ $found := lookup "v1" "ConfigMap" "shop" $name }}'
        "{{ if $found }}{{ $name = $found.data.next }}{{ end }}{{ end }}a: {{ $name | quote }}",
    )
    with pytest.raises(RenderError, match="gitops/app: each render of it looks up other objects"):
        desk.sync()


# ── chance ───────────────────────────────────────────────────────────────────────────────────────────────────────────

DRAWN = "password: {{ randAlphaNum 20 | quote }}\nid: {{ uuidv4 | quote }}"


def test_what_is_drawn_by_chance_stays_the_same_and_its_seed_is_one_of_the_objects(desk):
    chart(desk, DRAWN)
    desk.sync()
    first = made(desk)
    assert len(first["password"]) == 20
    assert desk.sync().outcome is Outcome.IN_SYNC
    assert made(desk) == first
    assert SEED in desk.inventory().keys
    assert len(bytes.fromhex(secret(desk)["seed"])) == 32


def test_it_survives_another_store_and_another_commit(desk, tmp_path):
    chart(desk, DRAWN)
    desk.sync()
    first = made(desk)
    desk.folder = tmp_path / "another"
    desk.folder.mkdir()
    chart(desk, f"{DRAWN}\nmore: new")
    desk.sync()
    assert made(desk) == {**first, "more": "new"}


def test_two_applications_draw_otherwise(desk):
    chart(desk, DRAWN)
    desk.sync()
    first = made(desk)
    other = replace(desk.app, name="other", destination=replace(desk.app.destination, namespace="else"))
    desk.cluster.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "else"}})
    planned = desk.plan(other)
    assert first["password"] not in str(planned.at.rendered.manifests)


@pytest.mark.parametrize("seed", ["", "00ff", "no hexadecimal", "zz" * 32])
def test_a_seed_that_somebody_broke_is_made_anew(desk, seed):
    chart(desk, DRAWN)
    desk.sync()
    first = made(desk)
    live = desk.cluster.body(SEED)
    desk.cluster.put({**live, "data": {"seed": base64.b64encode(seed.encode()).decode(), "odd": "%%%"}})
    assert desk.sync().outcome is Outcome.SYNCED
    assert made(desk) == first
    assert len(bytes.fromhex(secret(desk)["seed"])) == 32


def test_a_chart_that_draws_nothing_has_no_seed(desk):
    chart(desk, "a: plain")
    desk.sync()
    assert desk.cluster.body(SEED) is None


# ── the time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

TIME = 'at: {{ now | date "2006-01-02T15:04:05" | quote }}\nx: {{ .Values.x | quote }}'


def test_the_time_stands_still_until_the_chart_or_its_values_change(desk):
    chart(desk, TIME, "x: 1")
    desk.sync()
    first = made(desk)
    _pass(desk, 3600)
    assert desk.sync().outcome is Outcome.IN_SYNC
    assert made(desk) == first
    chart(desk, TIME, "x: 2")
    desk.sync()
    assert (made(desk)["x"], made(desk)["at"] > first["at"]) == ("2", True)


def test_the_time_is_remembered_by_the_cluster_where_the_store_is_another(desk, tmp_path):
    chart(desk, TIME, "x: 1")
    desk.sync()
    first = made(desk)
    _pass(desk, 3600)
    desk.folder = tmp_path / "another"
    desk.folder.mkdir()
    assert desk.sync().outcome is Outcome.IN_SYNC
    assert made(desk) == first


def test_what_a_plan_shows_is_what_a_sync_does_later(desk):
    chart(desk, TIME, "x: 1")
    shown = desk.plan().at.rendered.digest
    _pass(desk, 60)
    desk.sync()
    assert desk.inventory().synced == shown


@pytest.mark.parametrize(
    "at", ["soon", "1999-01-01T00:00:00+00:00", "2999-01-01T00:00:00+00:00", "2025-01-01T00:00:00+02:00", "9" * 30]
)
def test_a_time_that_somebody_wrote_and_cannot_be_is_not_believed(desk, tmp_path, at):
    chart(desk, TIME, "x: 1")
    desk.sync()
    first = made(desk)
    live = desk.cluster.body(SEED)
    desk.cluster.put({**live, "data": {**live["data"], "at": base64.b64encode(at.encode()).decode()}})
    desk.sync()
    assert made(desk) == first


def _pass(desk, seconds):
    import asyncio

    asyncio.run(desk.clock.step(seconds))


def test_the_secret_is_of_the_namespace_that_the_application_goes_to(desk):
    chart(desk, DRAWN)
    (found,) = [item for item in desk.plan().at.rendered.manifests if item.key == SEED]
    assert found.body["type"] == "Opaque"
    assert key_of(found.body) == SEED
