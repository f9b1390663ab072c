"""What every store does, on SQLite and on PostgreSQL; then what only one of them can do."""

import asyncio
import gzip
import itertools
import multiprocessing
import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from gitops.adapters.store import SqliteStore
from gitops.adapters.store_postgresql import PostgresqlStore
from gitops.bootstrap import open_store
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.audit import Anchor, EntryFilter, check_chain
from gitops.model.errors import AuditError, ConfigError, StoreError
from gitops.model.operator_command import OperatorRequest
from gitops.model.release import Release
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision
from gitops.ports import Fact
from tests.postgresql import PASSWORD, QUOTED

FACT = Fact("gitops/shop", "cluster", "ada", "2026-01-01T00:00:00Z", "step.started", "abc", {"changes": ["ü"]})
RELEASE = Release(
    0, "gitops/shop", "cluster", "abc", "main", "d", "Healthy", "2026-01-01T00:00:00Z", "ada", "shop", "s"
)
KEY = "A" * 43 + "="
OTHER_KEY = "B" * 42 + "A="


@dataclass(frozen=True)
class Place:
    """Where a store is: a state folder, and for PostgreSQL a database."""

    folder: Path
    url: str

    def open(self, key=""):
        return open_store(self.folder, key or (KEY if self.url else ""), self.url)

    def change(self, sql, *values):
        """What somebody with access to the database does behind our back; the rows."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                cursor = connection.execute(sql.replace("?", "%s"), values)
                return cursor.fetchall() if cursor.description else []
        with sqlite3.connect(self.folder / "gitops.db") as connection:
            return connection.execute(sql, values).fetchall()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    if request.param == "sqlite":
        return Place(tmp_path, "")
    server = request.getfixturevalue("postgresql")
    return Place(tmp_path, server.url(server.new_database()))


@pytest.fixture
def state_folder(tmp_path):
    return Place(tmp_path, "")


@pytest.fixture
def database(postgresql, tmp_path):
    return Place(tmp_path, postgresql.url(postgresql.new_database()))


def with_store(place, work, **options):
    async def run():
        async with place.open(**options) as store:
            return await work(store)

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


def test_entries_form_a_chain_that_verifies(place):
    async def work(store):
        for _ in range(3):
            await store.append(FACT, None)
        return store.id, await store.events("gitops/shop", "cluster")

    store_id, events = with_store(place, work)
    assert [event.seq for event in events] == [1, 2, 3]
    check_chain(events, Anchor(store_id, 3, events[-1].hash), store_id)


def test_a_new_store_goes_on_where_the_cluster_remembers_the_chain(place):
    async def work(store):
        return await store.append(FACT, Anchor("other", 41, "f" * 64))

    event = with_store(place, work)
    assert (event.seq, event.previous_hash) == (42, "f" * 64)


def test_the_chains_of_one_application_are_those_of_every_cluster_it_was_on(place):
    async def chains(store):
        for fact in (FACT, replace(FACT, cluster="other"), replace(FACT, application="gitops/other")):
            await store.append(fact, None)
        return await store.chains("gitops/shop"), await store.chains()

    own, every = with_store(place, chains)
    assert own == [("gitops/shop", "cluster"), ("gitops/shop", "other")]
    assert every == [("gitops/other", "cluster"), *own]


def test_entries_of_all_chains_are_given_newest_first_page_by_page(place):
    async def work(store):
        for number in range(6):
            at, application = f"2026-01-01T00:00:0{number // 2}Z", f"gitops/app-{number % 2}"
            await store.append(replace(FACT, application=application, at=at), None)
        first = await store.entries(EntryFilter(limit=4))
        last = first[-1]
        before = (last.at, last.application, last.cluster, last.seq)
        return first, await store.entries(EntryFilter(limit=4, before=before))

    first, second = with_store(place, work)
    names = [(event.at[-2:-1], event.application[-1]) for event in (*first, *second)]
    assert names == [("2", "1"), ("2", "0"), ("1", "1"), ("1", "0"), ("0", "1"), ("0", "0")]


def test_entries_are_chosen_by_application_actor_fact_and_time(place):
    others = [
        replace(FACT, application="gitops/other"),
        replace(FACT, actor="Grace_%!"),
        replace(FACT, name="sync.failed"),
        replace(FACT, at="2025-01-01T00:00:00Z"),
    ]

    async def work(store):
        for fact in others:
            await store.append(fact, None)
        wanted = [
            EntryFilter(application="gitops/other"),
            EntryFilter(actor="grace_%!"),
            EntryFilter(actor="%"),
            EntryFilter(fact="sync.*"),
            EntryFilter(fact="sync.%"),
            EntryFilter(since="2026-01-01T00:00:00Z", limit=2),
            EntryFilter(applications=frozenset({"gitops/other", "gitops/none"})),
            EntryFilter(applications=frozenset()),
        ]
        return [await store.entries(one) for one in wanted]

    found = with_store(place, work)
    assert [len(events) for events in found] == [1, 1, 1, 1, 0, 2, 1, 0]


def test_a_chain_is_read_part_by_part(place):
    async def work(store):
        for _ in range(5):
            await store.append(FACT, None)
            await store.append(replace(FACT, cluster="other"), None)
        parts = [await store.events_after("gitops/shop", "cluster", seq, 2) for seq in (0, 2, 4, 5)]
        return parts, await store.events("gitops/shop", "cluster")

    parts, whole = with_store(place, work)
    assert [[event.seq for event in part] for part in parts] == [[1, 2], [3, 4], [5], []]
    assert [event for part in parts for event in part] == whole


def append_ten(place, number, start):
    async def work(store):
        await asyncio.to_thread(start.wait, 60)
        await asyncio.gather(
            *(store.append(replace(FACT, actor=f"{number}.{count}"), None) for count in range(10)),
        )

    with_store(place, work)


def test_several_processes_never_fork_a_chain(place):
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    processes = [context.Process(target=append_ten, args=(place, number, start)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    events = with_store(place, lambda store: store.events("gitops/shop", "cluster"))
    assert {event.actor for event in events} == {f"{number}.{count}" for number in range(3) for count in range(10)}
    assert len(events) == 30
    check_chain(events, None, "")


def test_stores_that_are_opened_at_once_agree_on_the_id(place):
    async def run():
        async def look():
            async with place.open() as store:
                return store.id

        return await asyncio.gather(*(look() for _ in range(4)))

    assert len(set(asyncio.run(run()))) == 1


def test_any_changed_byte_of_an_entry_shows(place):
    async def fill(store):
        for _ in range(3):
            await store.append(FACT, None)

    async def check(store):
        check_chain(await store.events("gitops/shop", "cluster"), None, "")

    with_store(place, fill)
    for column in ("at", "actor", "fact", "revision", "detail", "previous_hash", "hash"):
        before = place.change(f"SELECT {column} FROM audit WHERE seq = 2")[0][0]
        place.change(f"UPDATE audit SET {column} = ? WHERE seq = 2", before[:-1] + " ")
        with pytest.raises(AuditError, match=r"entry [23] "):
            with_store(place, check)
        place.change(f"UPDATE audit SET {column} = ? WHERE seq = 2", before)
    with_store(place, check)


def test_a_rendered_set_comes_back_as_it_was(place):
    async def work(store):
        await store.save_rendered(secret_set())
        return await store.rendered("d" * 64), await store.rendered("e" * 64)

    assert with_store(place, work) == (secret_set(), None)


def test_secret_values_are_not_in_the_database(place):
    with_store(place, lambda store: store.save_rendered(secret_set()))
    text = gzip.decompress(place.change("SELECT data FROM rendered")[0][0])
    assert b"sealed" in text
    assert b"aHVudGVyMg" not in text
    assert b"correct-horse" not in text


def test_a_damaged_rendered_set_is_one_clear_error(place):
    with_store(place, lambda store: store.save_rendered(secret_set()))
    place.change("UPDATE rendered SET data = ?", b"no gzip")
    with pytest.raises(StoreError, match="the stored rendered set dddddddddddd is damaged"):
        with_store(place, lambda store: store.rendered("d" * 64))


def test_what_a_server_said_to_be_equal_is_remembered(place):
    many = frozenset(f"{number:064}" for number in range(1200))

    async def work(store):
        await store.remember_equal(many, 10)
        await store.remember_equal(frozenset(), 10)
        await store.remember_equal(frozenset([max(many), "new"]), 20)
        everything = many | {"new", "unknown"}
        return await store.known_equal(everything, 10), await store.known_equal(everything, 11)

    assert with_store(place, work) == (many | {"new"}, {max(many), "new"})


def test_releases_are_numbered_per_application_and_cluster_and_listed_newest_first(place):
    async def work(store):
        for at, cluster in (("1", "cluster"), ("2", "cluster"), ("3", "other")):
            await store.add_release(replace(RELEASE, at=at, cluster=cluster))
        return await store.releases("gitops/shop"), await store.releases("gitops/shop", "cluster")

    everywhere, here = with_store(place, work)
    assert [(one.at, one.number) for one in everywhere] == [("3", 1), ("2", 2), ("1", 1)]
    assert [one.number for one in here] == [2, 1]


def test_a_request_is_open_until_its_first_answer(place):
    async def work(store):
        first = await store.request("gitops/shop", "sync", {"revision": "ü"}, "ada", "2026-01-01T00:00:00Z")
        second = await store.request("gitops/web", "refresh", {}, "ada", "2026-01-01T00:00:01Z")
        both, later = await store.requests(), await store.requests(after=first)
        assert both[0] == OperatorRequest(
            first, "gitops/shop", "sync", {"revision": "ü"}, "ada", "2026-01-01T00:00:00Z"
        )
        assert [one.number for one in both] == [first, second]
        assert [one.number for one in later] == [second]
        await store.answer(first, "done")
        await store.answer(first, "too late")
        assert [one.number for one in await store.requests()] == [second]
        assert [await store.outcome(number) for number in (first, second, 99)] == ["done", None, None]

    with_store(place, work)


def test_settings_outlive_a_restart_until_they_are_removed(place):
    async def fill(store):
        await store.set_setting("gitops/shop", "suspended", "ada")
        await store.set_setting("gitops/shop", "suspended", "bob")
        await store.set_setting("gitops/web", "suspended", "ada")
        await store.set_setting("gitops/web", "suspended", None)
        await store.set_setting("gitops/web", "approved", "sha256:1")
        await store.set_settings("record", {f"gitops/{number}": str(number) for number in range(1200)})
        await store.set_settings("record", {"gitops/7": "seven", "gitops/8": None})

    async def check(store):
        assert await store.setting("gitops/shop", "suspended") == "bob"
        assert await store.setting("gitops/web", "suspended") is None
        assert await store.settings("suspended") == {"gitops/shop": "bob"}
        records = await store.settings("record")
        assert len(records) == 1199
        assert (records["gitops/7"], records["gitops/9"]) == ("seven", "9")

    with_store(place, fill)
    with_store(place, check)


def test_the_files_are_for_their_owner_alone(state_folder):
    with_store(state_folder, lambda store: store.save_rendered(secret_set()))
    for name in ("key", "gitops.db"):
        assert (state_folder.folder / name).stat().st_mode & 0o077 == 0


def test_stores_that_make_the_key_at_once_agree_on_it(state_folder):
    async def save(number):
        async with state_folder.open() as store:
            await store.save_rendered(replace(secret_set(), digest=str(number)))

    async def load():
        async with state_folder.open() as store:
            return [await store.rendered(str(number)) for number in range(8)]

    async def run():
        await asyncio.gather(*(save(number) for number in range(8)))
        return await load()

    assert [found.manifests for found in asyncio.run(run())] == [secret_set().manifests] * 8
    assert sorted(path.name for path in state_folder.folder.glob("key*")) == ["key"]


def test_a_store_that_another_process_is_making_is_waited_for(state_folder):
    other = sqlite3.connect(state_folder.folder / "gitops.db", isolation_level=None)
    other.execute("CREATE TABLE made_first (name TEXT)")
    other.execute("BEGIN IMMEDIATE")

    async def run():
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
        async with state_folder.open() as store:
            return await store.applications()

    assert asyncio.run(run()) == []


def test_a_wrong_key_is_an_error_that_names_it(state_folder):
    with_store(state_folder, lambda store: store.save_rendered(secret_set()))
    (state_folder.folder / "key").write_text(OTHER_KEY)
    with pytest.raises(StoreError, match="key is not the key it was sealed with"):
        with_store(state_folder, lambda store: store.rendered("d" * 64))


def test_only_one_may_run_the_applications_of_a_state_folder(state_folder):
    async def run():
        async with state_folder.open() as second:
            async with state_folder.open() as first:
                claims = [await first.claim_single(), await first.claim_single(), await second.claim_single()]
            return [*claims, await second.claim_single()]

    assert asyncio.run(run()) == [True, True, False, True]


def test_a_file_that_is_no_database_is_one_clear_error(state_folder):
    (state_folder.folder / "gitops.db").write_text("not a database at all, but long enough to look at" * 20)
    with pytest.raises(StoreError, match=r"gitops\.db"):
        with_store(state_folder, lambda store: store.check())


def test_what_is_asked_while_the_store_closes_fails_as_one_that_is_away(tmp_path):
    async def story():
        store = await SqliteStore.open(tmp_path)
        asked = store.append(FACT, None), store.setting("gitops/shop", "suspended")
        return await asyncio.gather(store.close(), *asked, return_exceptions=True)

    closed, *refused = asyncio.run(story())
    assert (closed, [type(exc) for exc in refused]) == (None, [StoreError, StoreError])


def test_replicas_share_a_database(database):
    async def run():
        async with database.open() as one, database.open() as other:
            return await one.claim_single(), await other.claim_single()

    assert asyncio.run(run()) == (True, True)


def test_without_the_shared_key_the_store_does_not_open(database):
    async def opened(key):
        await (await PostgresqlStore.open(database.url, key)).close()

    with pytest.raises(ConfigError, match="GITOPS_KEY is not set, and replicas that share a store"):
        asyncio.run(opened(""))
    with pytest.raises(ConfigError, match="GITOPS_KEY: expected 32 bytes in base64"):
        asyncio.run(opened("short"))
    asyncio.run(opened(KEY))
    with pytest.raises(ConfigError, match="GITOPS_KEY is not the key that this store's Secrets are sealed with"):
        asyncio.run(opened(OTHER_KEY))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://gitops:{QUOTED}@/no-such-database?host=FOLDER",
        f"postgresql://gitops:wrong-{QUOTED}@/postgres?host=FOLDER",
        f"postgresql://gitops:{QUOTED}@/postgres?host=/nowhere",
        f"postgresql://gitops:{PASSWORD}@/postgres?host=FOLDER",
        "postgresql://gitops:w%rd/p@ss@localhost/postgres",
        "postgresql://gitops:p@ss@localhost/postgres",
        "postgresql://gitops:p@ss@localhost:x/postgres",
        "postgresql://gitops:p/w%25rd@localhost/postgres",
        f"postgresql://gitops@localhost/postgres?passwort={QUOTED}",
    ],
)
def test_no_error_tells_the_password(postgresql, tmp_path, url):
    place = Place(tmp_path, url.replace("FOLDER", str(postgresql.folder)))
    with pytest.raises((StoreError, ConfigError), match="postgresql://") as caught:
        with_store(place, lambda store: store.check())
    error = caught.value
    while error is not None:
        for part in ("p@ss", "ss/w", "w%rd", "w%25rd", "p%40", "ss@"):
            assert part not in str(error)
        error = error.__cause__


def test_a_url_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="--store: expected postgresql://"):
        with_store(Place(tmp_path, "mysql://root@localhost/gitops"), lambda store: store.check())


def test_connections_that_are_cut_lose_and_repeat_nothing(database):
    async def work(store):
        writers = [asyncio.create_task(write(store, number)) for number in range(4)]
        for _ in range(15):
            await asyncio.sleep(0.03)
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid"
            await asyncio.to_thread(database.change, f"{others} <> pg_backend_pid()")
        await asyncio.gather(*writers)
        return await store.events("gitops/shop", "cluster")

    async def write(store, number):
        for count in range(40):
            await store.append(replace(FACT, actor=f"{number}.{count}"), None)
            await asyncio.sleep(0.005)

    events = with_store(database, work)
    check_chain(events, None, "")
    assert sorted(event.actor for event in events) == sorted(f"{n}.{c}" for n in range(4) for c in range(40))


def test_a_server_that_stops_and_crashes_loses_and_repeats_nothing(tmp_path):
    from tests.postgresql import running

    with running() as server:
        place = Place(tmp_path, server.url(server.new_database()))

        async def work(store):
            told, is_over = [], asyncio.Event()
            writers = [asyncio.create_task(write(store, number, told, is_over)) for number in range(6)]
            for mode in ("fast", "immediate", "immediate"):
                await asyncio.sleep(0.3)
                await asyncio.to_thread(server.stop, mode)
                await asyncio.to_thread(server.start)
            await asyncio.sleep(0.3)
            is_over.set()
            await asyncio.gather(*writers)
            return told, await store.events("gitops/shop", "cluster")

        async def write(store, number, told, is_over):
            for count in itertools.count():
                if is_over.is_set():
                    return
                told.append(await store.append(replace(FACT, actor=f"{number}.{count}"), None))

        told, events = with_store(place, work)
    check_chain(events, None, "")
    assert sorted(told, key=lambda event: event.seq) == events


class Cutting:
    """A server in front of the server that swallows answers: it cuts the connection when COMMIT was carried out."""

    def __init__(self, folder, server):
        self._listens = str(folder / ".s.PGSQL.5432")
        self._server = str(server.folder / ".s.PGSQL.5432")
        self.cuts = 0

    async def __aenter__(self):
        self._running = await asyncio.start_unix_server(self._serve, self._listens)
        return self

    async def __aexit__(self, *_):
        self._running.close()

    async def _serve(self, reader, writer):
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        answers = asyncio.create_task(self._pass_on(from_server, writer))
        while data := await reader.read(65536):
            if self.cuts and b"COMMIT" in data:
                self.cuts -= 1
                answers.cancel()
                to_server.write(data)
                await from_server.read(65536)
                break
            to_server.write(data)
        to_server.close()
        writer.close()

    async def _pass_on(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)


def test_an_entry_whose_answer_was_lost_is_written_once(postgresql, tmp_path):
    name = postgresql.new_database()
    place = Place(tmp_path, postgresql.url(name, folder=tmp_path))

    async def run():
        async with Cutting(tmp_path, postgresql) as between, place.open() as store:
            between.cuts = 2
            written = [await store.append(FACT, None), await store.append(FACT, None)]
            numbers = [await store.request("gitops/shop", "sync", {}, "ada", "2026-01-01T00:00:00Z")]
            assert between.cuts == 0
            between.cuts = 1
            numbers.append(await store.request("gitops/shop", "sync", {}, "ada", "2026-01-01T00:00:01Z"))
            assert [one.number for one in await store.requests()] == numbers
            return written, await store.events("gitops/shop", "cluster")

    written, stored = asyncio.run(run())
    assert written == stored


def test_a_damaged_database_says_what_to_do(tmp_path):
    (tmp_path / "gitops.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"is damaged .* move it away"):
        with_store(Place(tmp_path, ""), lambda store: store.chains())


def test_the_application_of_a_request_is_known_by_its_number(place):
    async def work(store):
        number = await store.request("gitops/shop", "sync", {}, "ada", "2026-01-01T00:00:00Z")
        return await store.requested_for(number), await store.requested_for(number + 1)

    assert with_store(place, work) == (("gitops/shop", "ada"), None)
