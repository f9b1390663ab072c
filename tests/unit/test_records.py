"""What a controller keeps in its store for the command line, and the operator's files that it follows."""

import asyncio
import os
from dataclasses import replace

import pytest

from gitops.adapters.store import SqliteStore
from gitops.controller.followed_file import FollowedFile
from gitops.controller.record_writer import RecordWriter, record_of
from gitops.engine.drift import DriftLoop
from gitops.engine.states import Response
from gitops.manifests.key import key_of
from gitops.model.application import SourceSpec
from gitops.model.errors import ConfigError, StoreError
from gitops.model.record import CONTROLLER, RECORD, SEEN, WRONG_FILE, Record, record_in
from gitops.model.result import Outcome
from gitops.model.revision import Revision
from gitops.testing.clock import SteppedClock
from gitops.testing.store import UnreliableStore
from tests.unit.desk import config_map
from tests.unit.test_flux_status import snapshot

APP, OTHER = "gitops/app", "gitops/other"
HELD = Record("shop", sync="OutOfSync", reason="it waits")


class Desk:
    """A writer over a store that can be away; `records` is what there is to tell."""

    def __init__(self, store):
        self.store = UnreliableStore(store)
        self.clock = SteppedClock()
        self.records = {}
        self.ours = {APP, OTHER}
        self.is_able = True
        self.changed = []
        self.begin()

    def begin(self):
        self.writer = RecordWriter(
            self.store.as_store(),
            self.clock,
            self.records.get,
            self.ours.__contains__,
            lambda: self.is_able,
        )
        self.writer.on_change = self.changed.append

    async def tell(self, **records):
        """These stand so from now on, and it is written."""
        for name, record in records.items():
            self.records[f"gitops/{name}"] = record
            self.writer.changed(f"gitops/{name}")
        await self.writer.write()

    async def stored(self, name=RECORD):
        found = await self.store.as_store().settings(name)
        return {key: record_in(text) for key, text in found.items()} if name == RECORD else found


def told(folder, story):
    async def whole():
        store = await SqliteStore.open(folder)
        try:
            return await story(Desk(store))
        finally:
            await store.close()

    return asyncio.run(whole())


def test_a_record_is_written_with_when_it_became_so_and_not_again_while_it_stays(tmp_path):
    async def story(desk):
        assert desk.writer.since(APP) == ""
        await desk.tell(app=HELD)
        at = "2026-01-01T00:00:00Z"
        assert await desk.stored() == {APP: replace(HELD, at=at)}
        await desk.clock.step(60)
        await desk.tell(app=HELD)
        assert (desk.writer.since(APP), (await desk.stored())[APP].at) == (at, at)
        await desk.tell(app=replace(HELD, reason="it waits no more"))
        assert desk.writer.since(APP) == "2026-01-01T00:01:00Z"
        assert desk.changed == [APP] * 3

    told(tmp_path, story)


def test_one_that_is_gone_is_taken_out(tmp_path):
    async def story(desk):
        await desk.tell(app=HELD, other=HELD)
        await desk.tell(app=None)
        assert set(await desk.stored()) == {OTHER}
        assert desk.writer.since(APP) == ""

    told(tmp_path, story)


def test_what_is_another_replicas_is_not_told(tmp_path):
    async def story(desk):
        desk.ours.discard(OTHER)
        await desk.tell(app=HELD, other=HELD)
        assert set(await desk.stored()) == {APP}

    told(tmp_path, story)


def test_what_another_replica_may_have_written_is_written_again(tmp_path):
    async def story(desk):
        await desk.tell(app=HELD)
        await desk.store.as_store().set_setting(APP, RECORD, Record("shop", sync="Synced").text())
        await desk.writer.write()
        assert (await desk.stored())[APP].sync == "Synced"
        desk.writer.forget(APP)
        await desk.writer.write()
        assert (await desk.stored())[APP].sync == "OutOfSync"

    told(tmp_path, story)


def test_a_store_that_was_away_has_it_afterwards(tmp_path):
    async def story(desk):
        desk.is_able = False
        desk.store.is_away = True
        with pytest.raises(StoreError):
            await desk.tell(app=HELD)
        desk.store.is_away = False
        await desk.writer.write()
        assert set(await desk.stored()) == {APP}

    told(tmp_path, story)


def test_a_sign_of_life_is_given_every_ten_seconds_by_who_is_able_to_act(tmp_path):
    async def story(desk):
        async def seen():
            return await desk.store.as_store().setting(CONTROLLER, SEEN)

        desk.is_able = False
        await desk.writer.write()
        assert await seen() is None
        desk.is_able = True
        await desk.writer.write()
        assert await seen() == "2026-01-01T00:00:00Z"
        await desk.clock.step(9)
        await desk.writer.write()
        assert await seen() == "2026-01-01T00:00:00Z"
        await desk.clock.step(1)
        await desk.writer.write()
        assert await seen() == "2026-01-01T00:00:10Z"

    told(tmp_path, story)


def test_a_restart_goes_on_with_what_is_stored_and_drops_what_no_file_has_any_more(tmp_path):
    async def story(desk):
        desk.ours.add("gitops/made")
        await desk.tell(app=HELD, other=HELD, made=replace(HELD, is_resource=True))
        await desk.clock.step(60)
        desk.records.clear()
        desk.records[APP] = HELD
        desk.begin()
        await desk.writer.load()
        assert desk.writer.since(APP) == "2026-01-01T00:00:00Z"
        await desk.writer.write()
        assert set(await desk.stored()) == {APP, "gitops/made"}

    told(tmp_path, story)


def test_what_failed_before_stands_until_the_first_pass_has_told(tmp_path):
    async def story(desk):
        failed = replace(HELD, failures=3, tried="abc", reason="it broke")
        await desk.tell(app=failed)
        await desk.tell(app=replace(HELD, failures=-1, reason=""))
        now = (await desk.stored())[APP]
        assert (now.failures, now.tried, now.reason) == (3, "abc", "it broke")
        desk.begin()
        await desk.tell(app=replace(HELD, failures=-1, reason="it looks"))
        now = (await desk.stored())[APP]
        assert (now.failures, now.reason) == (3, "it looks")
        await desk.tell(other=replace(HELD, failures=-1, reason=""))
        assert (await desk.stored())[OTHER].failures == 0
        await desk.tell(app=replace(HELD, failures=0))
        assert (await desk.stored())[APP].failures == 0

    told(tmp_path, story)


def test_a_file_that_cannot_be_read_is_told_until_it_is_mended(tmp_path):
    async def story(desk):
        desk.writer.file_read("a.yaml", "line 3 is wrong")
        desk.writer.file_read("b.yaml", "")
        await desk.writer.write()
        assert await desk.stored(WRONG_FILE) == {"a.yaml": "line 3 is wrong"}
        desk.begin()
        await desk.writer.load()
        desk.writer.file_read("b.yaml", "line 1 is wrong")
        await desk.writer.write()
        assert await desk.stored(WRONG_FILE) == {"b.yaml": "line 1 is wrong"}
        desk.writer.file_read("b.yaml", "")
        await desk.writer.write()
        assert await desk.stored(WRONG_FILE) == {}

    told(tmp_path, story)


# ── a file that is followed ──────────────────────────────────────────────────────────────────────────────────────────


def read(path):
    text = path.read_text()
    if "wrong" in text:
        raise ConfigError("it is wrong")
    return text


def followed(path, story):
    """A story of a file that is followed: (file, what was told, how often it was another, wait a little)."""

    async def whole():
        clock, said, changes = SteppedClock(), [], []
        file = FollowedFile(path, read, lambda where, error: said.append((where, error)))
        task = asyncio.create_task(file.run(clock, lambda: changes.append(file.value)))

        async def later():
            await clock.step(2.0)
            for _ in range(100):
                await asyncio.sleep(0.001)
                if said != known:
                    break
            known[:] = said

        known = []
        try:
            await clock.step(0)
            await story(file, said, changes, later)
        finally:
            task.cancel()

    asyncio.run(whole())


def written(path, text):
    """Another file takes its place, as editors and mounted Secrets do."""
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)


def test_a_file_is_read_again_when_it_changes_and_one_that_is_wrong_changes_nothing(tmp_path):
    path = tmp_path / "routes"
    path.write_text("one")

    async def story(file, said, changes, later):
        await later()
        assert (file.value, said, changes) == ("one", [], [])
        written(path, "two")
        await later()
        assert (file.value, said, changes) == ("two", [(str(path), "")], ["two"])
        written(path, "wrong")
        await later()
        assert (file.value, said[-1], changes) == ("two", (str(path), "it is wrong"), ["two"])
        await later()
        assert len(said) == 2
        written(path, "two")
        await later()
        assert (said[-1], changes) == ((str(path), ""), ["two"])

    followed(path, story)


def test_a_file_that_cannot_be_read_at_first_is_an_error(tmp_path):
    path = tmp_path / "routes"
    path.write_text("wrong")
    with pytest.raises(ConfigError, match="it is wrong"):
        FollowedFile(path, read, lambda where, error: None)


# ── what a record says ───────────────────────────────────────────────────────────────────────────────────────────────


def recorded(*, is_resource=False, **parts):
    """The record of a snapshot whose last pass is as given."""
    seen = snapshot(SourceSpec(repoURL="https://git.example.com/shop.git"), Revision("c" * 40, "main"))
    outward = {name: parts.pop(name) for name in ("drift_loops", "problem", "is_suspended") if name in parts}
    return record_of(replace(seen, last=replace(seen.last, **parts), **outward), is_resource=is_resource)


def test_a_record_tells_what_a_pass_said_unless_all_is_settled():
    assert recorded(message="all is well").reason == ""
    assert recorded(message="it waits", response=Response.HELD).reason == "it waits"
    assert recorded(message="x" * 2000, response=Response.HELD).reason == "x" * 1024
    loop = DriftLoop(key_of(config_map("a")), "a-script", "data.x")
    assert recorded(message="it is left its field", drift_loops=(loop,)).reason == "it is left its field"
    assert recorded(message="", response=Response.SUSPENDED).reason == "waits until it is resumed"


def test_a_record_tells_of_a_plan_only_while_it_waits_for_an_approval():
    assert recorded(plan_id="abc", response=Response.APPROVAL).plan == "abc"
    assert recorded(plan_id="abc", response=Response.HELD).plan == ""


def test_a_record_names_the_commit_and_knows_of_no_failures_before_the_first_pass():
    found = recorded(is_resource=True, is_suspended=True, problem="p" * 2000)
    assert (found.head, found.ref, found.is_resource, found.suspended) == ("c" * 40, "main", True, True)
    assert (found.failures, found.problem, found.project) == (0, "p" * 1024, "default")
    assert recorded(response=None).failures == -1
    assert recorded(response=None, outcome=Outcome.FAILED).failures == 0
