"""What every store does; SQLite for now."""

import asyncio
import sqlite3
from dataclasses import replace

import pytest

from gitops.adapters.store import SqliteStore
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.audit import Anchor, check_chain
from gitops.model.errors import AuditError, StoreError
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.ports import Asked, Fact

FACT = Fact("gitops/shop", "cluster", "ada", "2026-01-01T00:00:00Z", "step.started", "abc", {"changes": ["ü"]})
RELEASE = Release(
    0, "gitops/shop", "cluster", "abc", "main", "d", "Healthy", "2026-01-01T00:00:00Z", "ada", "shop", "s"
)


def with_store(folder, work):
    async def run():
        store = await SqliteStore.open(folder)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(run())


def secret_set():
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "shop"},
        "data": {"p": "aHVudGVyMg=="},
        "stringData": {"q": "correct-horse"},
    }
    return RenderedSet(Revision("abc", "main"), (Manifest(key_of(body), body, Origin("s.yaml", 3)),), "d" * 64)


def test_entries_form_a_chain_that_verifies(tmp_path):
    async def work(store):
        for _ in range(3):
            await store.append(FACT, None)
        return store.id, await store.events("gitops/shop", "cluster")

    store_id, events = with_store(tmp_path, work)
    assert [event.seq for event in events] == [1, 2, 3]
    check_chain(events, Anchor(store_id, 3, events[-1].hash), store_id)


def test_a_new_store_goes_on_where_the_cluster_remembers_the_chain(tmp_path):
    async def work(store):
        return await store.append(FACT, Anchor("other", 41, "f" * 64))

    event = with_store(tmp_path, work)
    assert (event.seq, event.previous_hash) == (42, "f" * 64)


def test_two_processes_never_fork_a_chain(tmp_path):
    async def work(_):
        stores = [await SqliteStore.open(tmp_path) for _ in range(4)]
        await asyncio.gather(*(store.append(FACT, None) for store in stores for _ in range(10)))
        events = await stores[0].events("gitops/shop", "cluster")
        for store in stores:
            await store.close()
        return events

    events = with_store(tmp_path, work)
    assert len(events) == 40
    check_chain(events, None, "")


def test_any_changed_byte_of_an_entry_shows(tmp_path):
    async def fill(store):
        for _ in range(3):
            await store.append(FACT, None)

    async def check(store):
        check_chain(await store.events("gitops/shop", "cluster"), None, "")

    with_store(tmp_path, fill)
    for column in ("at", "actor", "fact", "revision", "detail", "previous_hash", "hash"):
        database = sqlite3.connect(tmp_path / "gitops.db")
        before = database.execute(f"SELECT {column} FROM audit WHERE seq = 2").fetchone()[0]
        database.execute(f"UPDATE audit SET {column} = ? WHERE seq = 2", (before[:-1] + " ",))
        database.commit()
        with pytest.raises(AuditError, match=r"entry [23] "):
            with_store(tmp_path, check)
        database.execute(f"UPDATE audit SET {column} = ? WHERE seq = 2", (before,))
        database.commit()
        database.close()
    with_store(tmp_path, check)


def test_a_rendered_set_comes_back_as_it_was(tmp_path):
    async def work(store):
        await store.save_rendered(secret_set())
        return await store.rendered("d" * 64), await store.rendered("e" * 64)

    assert with_store(tmp_path, work) == (secret_set(), None)


def test_secret_values_are_not_on_the_disk(tmp_path):
    async def work(store):
        await store.save_rendered(secret_set())

    with_store(tmp_path, work)
    kept = sqlite3.connect(tmp_path / "gitops.db").execute("SELECT data FROM rendered").fetchone()[0]
    import gzip

    text = gzip.decompress(kept)
    assert b"sealed" in text
    assert b"aHVudGVyMg" not in text
    assert b"correct-horse" not in text
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "gitops.db").stat().st_mode & 0o077 == 0


def test_a_wrong_key_is_an_error_that_names_it(tmp_path):
    async def save(store):
        await store.save_rendered(secret_set())

    async def load(store):
        await store.rendered("d" * 64)

    with_store(tmp_path, save)
    (tmp_path / "key").write_text("A" * 43 + "=")
    with pytest.raises(StoreError, match="is not the key it was sealed with"):
        with_store(tmp_path, load)


def test_releases_are_numbered_per_application_and_cluster_and_listed_newest_first(tmp_path):
    async def work(store):
        for at, cluster in (("1", "cluster"), ("2", "cluster"), ("3", "other")):
            await store.add_release(replace(RELEASE, at=at, cluster=cluster))
        return await store.releases("gitops/shop"), await store.releases("gitops/shop", "cluster")

    everywhere, here = with_store(tmp_path, work)
    assert [(one.at, one.number) for one in everywhere] == [("3", 1), ("2", 2), ("1", 1)]
    assert [one.number for one in here] == [2, 1]


def test_a_request_is_open_until_its_first_answer(tmp_path):
    async def work(store):
        first = await store.request("gitops/shop", "sync", {"revision": "ü"}, "ada", "2026-01-01T00:00:00Z")
        second = await store.request("gitops/web", "refresh", {}, "ada", "2026-01-01T00:00:01Z")
        both, later = await store.requests(), await store.requests(after=first)
        assert both[0] == Asked(first, "gitops/shop", "sync", {"revision": "ü"}, "ada", "2026-01-01T00:00:00Z")
        assert [one.number for one in both] == [first, second]
        assert [one.number for one in later] == [second]
        await store.answer(first, "done")
        await store.answer(first, "too late")
        assert [one.number for one in await store.requests()] == [second]
        assert [await store.outcome(number) for number in (first, second, 99)] == ["done", None, None]

    with_store(tmp_path, work)


def test_settings_outlive_a_restart_until_they_are_removed(tmp_path):
    async def fill(store):
        await store.set_setting("gitops/shop", "suspended", "ada")
        await store.set_setting("gitops/shop", "suspended", "bob")
        await store.set_setting("gitops/web", "suspended", "ada")
        await store.set_setting("gitops/web", "suspended", None)
        await store.set_setting("gitops/web", "approved", "sha256:1")

    async def check(store):
        assert await store.setting("gitops/shop", "suspended") == "bob"
        assert await store.setting("gitops/web", "suspended") is None
        assert await store.settings("suspended") == {"gitops/shop": "bob"}

    with_store(tmp_path, fill)
    with_store(tmp_path, check)


def test_only_one_may_run_the_applications_of_a_state_folder(tmp_path):
    async def work(store):
        other = await SqliteStore.open(tmp_path)
        assert [await store.claim_single(), await store.claim_single(), await other.claim_single()] == [
            True,
            True,
            False,
        ]
        await other.close()
        third = await SqliteStore.open(tmp_path)
        assert not await third.claim_single()
        await store.append(FACT, None)
        await store.close()
        assert await third.claim_single()
        return third

    async def run():
        await (await work(await SqliteStore.open(tmp_path))).close()

    asyncio.run(run())


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path):
    (tmp_path / "gitops.db").write_text("not a database at all, but long enough to look at" * 20)

    async def work(store):
        return None

    with pytest.raises(StoreError, match=r"gitops\.db"):
        with_store(tmp_path, work)
