"""Operators' commands: what the store does not have yet is kept until it has it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gitops.adapters.store import SqliteStore
from gitops.controller.commands import OperatorCommands, command_result, result_when_gone
from gitops.controller.pass_report import PassReport, PassResult
from gitops.controller.state import ApplicationState, SyncTimes
from gitops.engine.states import Response
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.errors import StoreError
from gitops.model.operator_command import APPROVED, DELETE, REFRESH, SYNC, OperatorRequest, answer_in
from gitops.model.result import Outcome
from gitops.testing.store import UnreliableStore

SHOP = Application("shop", "gitops", SourceSpec(path="apps/shop"), Destination(namespace="shop"))
NOW = datetime(2026, 1, 2, tzinfo=UTC).isoformat()


def told(folder, story):
    """Run `story(store, commands, heard)` on a store of its own; `heard` is what the commands took and told."""

    async def run():
        store = await SqliteStore.open(folder)
        unreliable, heard = UnreliableStore(store), []
        commands = OperatorCommands(unreliable.as_store(), heard.append, lambda request: heard.append(request) or True)
        try:
            return await story(store, unreliable, commands, heard)
        finally:
            await store.close()

    return asyncio.run(run())


def test_an_answer_is_kept_until_the_store_is_back(tmp_path):
    async def story(store, unreliable, commands, heard):
        number = await store.request(SHOP.identity, REFRESH, {}, "ada", NOW)
        await commands.read_requests()
        unreliable.is_away = True
        commands.answer(heard[0], Outcome.SYNCED, "done")
        with pytest.raises(StoreError):
            await commands.write()
        unreliable.is_away = False
        await commands.read_requests()
        assert len(heard) == 1, "a request that was answered is not taken again"
        await commands.write()
        return await store.outcome(number)

    assert answer_in(told(tmp_path, story)) == (Outcome.SYNCED, "done")


def used(commands):
    """Have the approval of the Application used by a sync that is done."""
    state = ApplicationState(
        SHOP, report=PassReport(PassResult(outcome=Outcome.SYNCED)), times=SyncTimes(sync_seconds=1.0)
    )
    assert commands.consumes_approval(state)
    return state


@pytest.mark.parametrize(
    ("outcome", "seconds", "terminated", "is_used"),
    [
        (Outcome.SYNCED, 1.0, False, True),
        (Outcome.FAILED, 1.0, False, False),
        (Outcome.OVERTAKEN, 1.0, False, False),
        (Outcome.HELD, None, False, False),
        (Outcome.FAILED, 1.0, True, True),
        (Outcome.HELD, None, True, True),
    ],
)
def test_an_approval_is_used_by_a_sync_that_is_done_or_that_a_person_ended(
    tmp_path, outcome, seconds, terminated, is_used
):
    async def story(store, unreliable, commands, heard):
        await store.set_setting(SHOP.identity, APPROVED, "a" * 12)
        await commands.read_overrides()
        report = PassReport(PassResult(outcome=outcome))
        state = ApplicationState(SHOP, report=report, times=SyncTimes(sync_seconds=seconds))
        more = {"terminated": True} if terminated else {}
        return commands.consumes_approval(state, **more), commands.override_of(state).approved

    assert told(tmp_path, story) == (is_used, "" if is_used else "a" * 12)


def test_an_approval_that_was_used_is_not_used_again_while_the_store_is_away(tmp_path):
    async def story(store, unreliable, commands, heard):
        await store.set_setting(SHOP.identity, APPROVED, "a" * 12)
        await commands.read_overrides()
        state = used(commands)
        unreliable.is_away = True
        with pytest.raises(StoreError):
            await commands.write()
        unreliable.is_away = False
        await commands.read_overrides()
        assert not commands.override_of(state).approved
        await commands.write()
        return await store.setting(SHOP.identity, APPROVED)

    assert told(tmp_path, story) is None


def test_the_approval_of_another_plan_meanwhile_stands(tmp_path):
    async def story(store, unreliable, commands, heard):
        await store.set_setting(SHOP.identity, APPROVED, "a" * 12)
        await commands.read_overrides()
        state = used(commands)
        await store.set_setting(SHOP.identity, APPROVED, "b" * 12)
        await commands.write()
        await commands.read_overrides()
        return commands.override_of(state).approved

    assert told(tmp_path, story) == "b" * 12


def test_an_approval_that_is_used_while_an_older_one_is_written_is_forgotten_too(tmp_path):
    class Meanwhile(UnreliableStore):
        """Has another approval given and used while the first is being taken out of the store."""

        async def set_setting(self, application, name, value):
            await self._store.set_setting(application, name, value)
            if value is None and not again:
                again.append(True)
                await self._store.set_setting(application, name, "b" * 12)
                await commands.read_overrides()
                used(commands)

    again = []

    async def story():
        nonlocal commands
        store = await SqliteStore.open(tmp_path)
        commands = OperatorCommands(Meanwhile(store).as_store(), lambda _: None, lambda _: True)
        try:
            await store.set_setting(SHOP.identity, APPROVED, "a" * 12)
            await commands.read_overrides()
            used(commands)
            await commands.write()
            await commands.write()
            return await store.setting(SHOP.identity, APPROVED)
        finally:
            await store.close()

    commands = None
    assert asyncio.run(story()) is None


# ── what a pass came to, for who asked for it ────────────────────────────────────────────────────────────────────────


def passed(response=Response.SETTLED, outcome=None, message="", *, synced=False, error="", act=None):
    state = ApplicationState(Application("app"))
    state.report.result = replace(state.last, response=response, outcome=outcome, message=message, error=error)
    state.times.sync_seconds = 1.0 if synced else None
    state.schedule.act_result = act
    return state


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (passed(), (Outcome.IN_SYNC, "")),
        (passed(message="left its field"), (Outcome.IN_SYNC, "")),
        (passed(Response.REPORT, message="drifted: x"), (Outcome.IN_SYNC, "drifted: x")),
        (passed(Response.HELD, message="another owns it"), (Outcome.HELD, "another owns it")),
        (passed(Response.APPROVAL, message="it waits"), (Outcome.HELD, "it waits")),
        (passed(Response.SUSPENDED, message="suspended"), (Outcome.HELD, "suspended")),
        (passed(Response.HELD, Outcome.FAILED, "it broke", synced=True), (Outcome.FAILED, "it broke")),
        (passed(Response.HELD, Outcome.FAILED, "it waits"), (Outcome.HELD, "it waits")),
        (passed(outcome=Outcome.SYNCED, message="1 of 1", synced=True), (Outcome.SYNCED, "1 of 1")),
        (passed(synced=True), (Outcome.IN_SYNC, "")),
        (passed(outcome=Outcome.SYNCED, synced=True, error="no such kind"), (Outcome.FAILED, "no such kind")),
        (passed(error="no such kind", act=(Outcome.DONE, "2 tests passed")), (Outcome.DONE, "2 tests passed")),
    ],
)
def test_what_a_pass_came_to_is_its_act_then_its_problem_then_its_sync_then_what_it_waits_for(state, told):
    assert command_result(state) == told


@pytest.mark.parametrize(
    ("verb", "act", "told"),
    [
        (DELETE, (Outcome.SYNCED, ""), (Outcome.SYNCED, "")),
        (DELETE, None, (Outcome.FAILED, "it is gone")),
        (SYNC, (Outcome.SYNCED, ""), (Outcome.FAILED, "it is gone")),
    ],
)
def test_of_one_that_is_gone_only_the_deletion_has_come_to_anything(verb, act, told):
    asked = OperatorRequest(1, "gitops/app", verb, {}, "ada", "2026-01-01T00:00:00Z")
    assert result_when_gone(passed(act=act), asked) == told
