"""What the cluster and the store remember, edited by a stranger: told by name, and nobody else's trouble."""

import asyncio
import json
import logging
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitops import logs
from gitops.adapters.sealing import Sealer
from gitops.adapters.store import SqliteStore
from gitops.adapters.store_sql import _packed, _unpacked
from gitops.bounds import MIB, parsed
from gitops.manifests.errors import GitopsError, ManifestError
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.application import Application
from gitops.model.errors import ConfigError, StoreError
from gitops.model.health import HealthWord
from gitops.model.record import record_in
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.model.spec import with_spec
from gitops.sync.plan_file import moved_since
from gitops.views.status import all_statuses, status_of
from tests.scenarios.running import Running
from tests.scenarios.world import config_map
from tests.soak import at_leisure

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_a_damaged_inventory_does_not_hide_the_others(world):
    world.commit(c=config_map("c"))
    world.sync()
    bad = replace(world.app, name="bad", source=replace(world.app.source, path="."))
    world.commit(c=config_map("c", a="2"))
    world.edit("core/configmaps/c", {"metadata": {"annotations": {"gitops.dev/tracking": None}}})
    parent = world.get("ConfigMap", "gitops-app")
    labels = {**parent["metadata"]["labels"], "applyset.kubernetes.io/id": "applyset-wrong-v1"}
    metadata = {"name": "gitops-bad", "namespace": world.namespace, "labels": labels}
    damaged = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"healthy": "x"}}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", damaged)
    told = world._context(lambda context: all_statuses(context, "", world.namespace))
    found = {one.application: one for one in told}
    assert found["gitops/app"].health.word is HealthWord.HEALTHY
    assert found["bad"].health.word is HealthWord.UNKNOWN
    assert f"ConfigMap {world.namespace}/gitops-bad" in found["bad"].note
    assert world._context(lambda context: status_of(context, "app", world.namespace)).damage == ""
    with pytest.raises(ManifestError, match="gitops-bad"):
        world.sync(bad)


def test_a_damaged_spec_in_an_inventory_does_not_hide_the_others(world, tmp_path):
    world.commit(c=config_map("c"))
    world.sync()
    other = replace(
        world.app, name="other", destination=replace(world.app.destination, namespace=f"{world.namespace}-o")
    )
    world.sync(other)
    world.edit("core/configmaps/gitops-app", {"data": {"spec": '{"sync": 5}'}})
    told = {one.application: one for one in world._context(all_statuses) if world.namespace in one.namespace}
    assert told["gitops/other"].health.word is HealthWord.HEALTHY
    damaged = next(one for one in told.values() if one.damage)
    assert "the spec in its inventory cannot be read" in damaged.note
    # Nor does what a stranger calls like it, somewhere else.
    world.edit("core/configmaps/gitops-app", {"data": {"spec": "{}"}})
    labels = {**world.get("ConfigMap", "gitops-app")["metadata"]["labels"], "applyset.kubernetes.io/id": "wrong"}
    space = f"{world.namespace}-o"
    metadata = {"name": "gitops-app", "namespace": space, "labels": labels}
    fake = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    world.request("POST", f"/api/v1/namespaces/{space}/configmaps", fake)
    found = [one for one in world._context(all_statuses) if world.namespace in one.namespace]
    assert [one.namespace for one in found if one.damage] == [space]


def test_a_damaged_inventory_of_a_running_application_is_held_and_mended_by_hand(world, lines):
    sha = world.commit(c=config_map("c"))
    with Running(world) as running:
        running.until_synced(sha)
        before = world.get("ConfigMap", "gitops-app")["data"]["healthy"]
        world.edit("core/configmaps/gitops-app", {"data": {"healthy": "[" * 5000}})
        sha = world.commit(c=config_map("c", a="2"))
        running.until(lambda: "cannot be read" in running.tracked().problem)
        world.edit("core/configmaps/gitops-app", {"data": {"healthy": before}})
        running.until_synced(sha, seconds=40)
    assert not [line for line in lines if line.get("exc_info")]


def damage(world, sql, *values):
    with sqlite3.connect(world.state / "gitops.db") as database:
        assert database.execute(sql, values).rowcount
    database.close()


def ours(world):
    """What is told of the Applications of this test, which shares its cluster with others."""
    return [one for one in world._context(all_statuses) if one.namespace in (world.namespace, f"{world.namespace}-2")]


@pytest.mark.parametrize("value", at_leisure(["", "[" * 5000, '{"health": "Fine"}', b"\xff\x00"]))
def test_a_damaged_record_is_that_applications_trouble(world, value):
    sha = world.commit(c=config_map("c"))
    other = replace(
        world.app, name="other", destination=replace(world.app.destination, namespace=f"{world.namespace}-2")
    )
    automatic = replace(world.app.sync, automated=True)
    apps = [replace(app, sync=automatic, interval=0.3) for app in (world.app, other)]
    with Running(world, *apps) as running:
        running.until_synced(sha)
        running.until_synced(sha, "gitops/other")
        running.until(lambda: [one.sync for one in ours(world) if one.record] == ["Synced"] * 2)
    damage(world, "UPDATE settings SET value = ? WHERE name = 'record' AND application = 'gitops/app'", value)
    told = {one.application: one for one in ours(world)}
    assert told["gitops/other"].sync == "Synced"
    assert "is damaged" in told["gitops/app"].note
    with Running(world, *apps) as running:
        running.until_synced(sha)
        running.until(
            lambda: "is damaged" not in world._context(lambda context: status_of(context, "app", world.namespace)).note
        )


@pytest.mark.parametrize("column", ["revision", "digest", "at", "number"])
def test_a_damaged_release_is_told_by_name_and_the_others_are_there(world, lines, column):
    for number in range(3):
        world.commit(c=config_map("c", a=str(number)))
        world.sync()
    logs._now.level = logging.INFO
    damage(world, f"UPDATE releases SET {column} = ? WHERE number = 2", b"\xff")

    releases = world._context(lambda context: context.store.releases("gitops/app"))
    assert [release.number for release in releases] == [3, 1]
    (line,) = [line for line in lines if line["event"] == "store.row-damaged"]
    assert line["table"] == "releases"
    assert "gitops/app" in line["row"]


def test_a_damaged_request_is_left_out_and_told_once(tmp_path, lines):
    async def work():
        store = await SqliteStore.open(tmp_path, "")
        for _ in range(2):
            await store.request("gitops/app", "refresh", {"sync": True}, "ada", "now")
        await store._rows("UPDATE requests SET detail = '[1' WHERE number = 1")
        found = [await store.requests() for _ in range(3)]
        await store.close()
        return found

    assert [[one.number for one in some] for some in asyncio.run(work())] == [[2]] * 3
    assert len([line for line in lines if line["event"] == "store.row-damaged"]) == 1


@given(st.binary(max_size=60) | anything.map(lambda value: json.dumps(value).encode()))
@example(b'[{"":null," ":null},[],[]]')
@example(b'[["a","main"],{},[]]')
def test_no_stored_set_is_a_fault(data):
    import gzip

    for stored in (data, gzip.compress(data), None, 5, "text"):
        with pytest.raises((ValueError, TypeError, StoreError)):
            _unpacked(stored, "digest", Sealer("", None))


def test_a_bomb_in_the_store_is_one_error(tmp_path):
    import gzip

    with pytest.raises(ValueError, match="unpacks to more than 128 MiB"):
        _unpacked(gzip.compress(bytes(200 * MIB), 1), "digest", Sealer("", None))
    manifest = Manifest(key_of(config_map("c")), config_map("c"), Origin("c.yaml", 1))
    good = RenderedSet(Revision("a", ""), (manifest,), "d")
    assert _unpacked(_packed(good, Sealer("", None)), "d", Sealer("", None)).manifests == good.manifests


@given(st.text(max_size=60) | anything.map(json.dumps))
def test_no_record_is_a_fault(text):
    assert HealthWord(record_in(text).health)


@given(
    anything.map(json.dumps) | st.dictionaries(st.sampled_from(["sync", "health", "windows"]), anything).map(json.dumps)
)
def test_no_remembered_spec_is_a_fault(text):
    try:
        found = with_spec(Application("a"), text)
    except ConfigError:
        return
    assert isinstance(found.sync.prune, bool)
    assert isinstance(found.health, tuple)


@given(
    anything
    | st.fixed_dictionaries(
        {"version": st.just(1)}, optional={"objects": anything, "salt": anything, "application": anything}
    )
)
def test_no_plan_file_is_a_fault(saved):
    class Nothing:
        changes = ()
        application = "gitops/app"
        revision = Revision("a", "")

    class Planned:
        plan = Nothing

    try:
        moved = moved_since(saved, Planned)
    except GitopsError:
        return
    assert isinstance(moved, list)


def test_nesting_in_a_plan_file_is_one_error(tmp_path):
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed("[" * 100_000)
