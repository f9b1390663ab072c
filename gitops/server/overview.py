"""What the page and the API read of one controller: rows that are kept current, and the way to one Application.

A row is made anew only after something was told of its Application. Of those that another replica runs, what that one
told the store counts.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gitops.controller.app import Controller
from gitops.controller.pass_report import PassResult
from gitops.controller.projects import project_of
from gitops.controller.reconciler import ReconcilerDeps
from gitops.controller.record_writer import record_of
from gitops.controller.state import ApplicationState
from gitops.engine.states import Response
from gitops.model.record import RECORD, Record, record_in
from gitops.server.auth.decisions import unknown
from gitops.server.auth.person import Sight
from gitops.server.changes import ChangeFeed
from gitops.server.problems import Problem
from gitops.sync import events
from gitops.views.listing import Listed, Query, Row, listed, searchable
from gitops.views.waiting import wait_of

_OTHERS_SECONDS: Final = 2.0
_AT_ONCE: Final = 500
_MOST_LISTED: Final = 64


class Overview:
    """`feed` numbers what changes; `rows` are all Applications that this replica knows of."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.feed = ChangeFeed()
        self._rows: dict[str, Row] = {}
        self._stale: dict[str, None] = dict.fromkeys(state.identity for state in controller.index)
        self._progress: dict[str, str] = {}
        self._others: Mapping[str, Record] = {}
        self._others_read = float("-inf")
        self._listed: dict[tuple[Query, Sight | None], Listed] = {}
        self._listed_at = -1  # the feed's number that these are of
        controller.records.on_change = self._changed
        controller.bus.subscribe(self._on_event)

    async def rows(self) -> list[Row]:
        """All of them as they are now. Raises StoreError where another replica's cannot be read."""
        await self._read_others()
        for count, identity in enumerate(list(self._stale), 1):
            self._renew(identity)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return list(self._rows.values())

    async def listed(self, query: Query, sees: Sight) -> Listed:
        """The page of a list of what `sees` sees, as if there were no others. Raises StoreError.

        Many who look at the same one cost no more than one.
        """
        rows = await self.rows()
        if self._listed_at != self.feed.number or len(self._listed) >= _MOST_LISTED:
            self._listed, self._listed_at = {}, self.feed.number
        key = (query, None if sees.is_everything else sees)
        found = self._listed.get(key)
        if found is None:
            if not sees.is_everything:
                rows = [row for row in rows if sees(row.application)]
            found = self._listed[key] = listed(rows, query)
        return found

    def row(self, identity: str) -> Row | None:
        """One of them as it is now."""
        self._renew(identity)
        return self._rows.get(identity)

    def state(self, identity: str) -> ApplicationState:
        """What the controller knows of the Application. Raises Problem for one that it does not know."""
        state = self.controller.index.get(identity)
        if state is None:
            raise unknown(identity)
        return state

    def deps(self, state: ApplicationState) -> ReconcilerDeps:
        """What reaches the Application's cluster. Raises Problem while that cannot be reached."""
        worker = self.controller.workers.get(state.cluster)
        if refused := self.controller.refused(state.app):
            raise Problem(409, "It may not run", refused)
        if worker is None:
            why = state.problem or "its cluster has not been reached yet; try again in a moment"
            raise Problem(503, "Its cluster cannot be reached", why, Retry_After="5")
        return worker.deps

    async def _read_others(self) -> None:
        """Take in what other replicas have told since, if there are any that run some of the Applications."""
        if time.monotonic() - self._others_read < _OTHERS_SECONDS:
            return
        self._others_read = time.monotonic()
        others = [state.identity for state in self.controller.index if not self.controller.runs(state.identity)]
        if not others:
            return
        told = {name: record_in(text) for name, text in (await self.controller.store.settings(RECORD)).items()}
        before, self._others = self._others, told
        for identity in others:
            if before.get(identity) != told.get(identity):
                self._changed(identity)

    def _changed(self, identity: str) -> None:
        self._stale[identity] = None
        self.feed.note(identity)

    def _on_event(self, identity: str, event: events.Event) -> None:
        match event:
            case events.StepStarted(step):
                self._progress[identity] = f"{step.phase.name.lower().replace('_', '-')}, wave {step.wave}"
            case events.RollingBack():
                self._progress[identity] = "rolling back"
            case events.Finished() | events.Held():
                self._progress.pop(identity, None)
            case _:
                return
        self._changed(identity)

    def _renew(self, identity: str) -> None:
        if identity not in self._stale:
            return
        del self._stale[identity]
        state = self.controller.index.get(identity)
        if state is None:
            self._rows.pop(identity, None)
            self._progress.pop(identity, None)
        else:
            self._rows[identity] = self._row_of(state)

    def _row_of(self, state: ApplicationState) -> Row:
        controller, app = self.controller, state.app
        standing = controller.snapshot(state)
        if controller.runs(app.identity):
            is_resource = (entry := controller.registry.entry(app.identity)) is not None and entry.key is not None
            record, message = record_of(standing, is_resource=is_resource), standing.health.message
        else:
            record, message = self._others.get(app.identity) or Record(reason="another replica runs it"), ""
        record = replace(record, project=project_of(app))  # an older replica tells none
        unhealthy = [str(key) for key in standing.unhealthy[:20]]
        labels = (f"{name}={value}" for name, value in app.labels.items())
        known = (*state.contents.images, *state.contents.hosts, *labels)
        place = (project_of(app), app.source_name, record.namespace, record.cluster)
        return Row(
            application=app.identity,
            source=app.source_name,
            target=", ".join(source.targetRevision for source in app.all_sources),
            record=record,
            message=message,
            pending=standing.last.pending if record.sync == "OutOfSync" else 0,
            drift=standing.last.drift,
            progress=self._progress.get(app.identity, "") if standing.is_busy else "",
            synced_at=standing.synced_at,
            automated=app.sync.automated,
            wait=_wait(standing.last, record),
            text=searchable(
                (
                    app.identity,
                    *place,
                    record.head,
                    record.ref,
                    record.reason,
                    record.problem,
                    message,
                    *unhealthy,
                    *known,
                )
            ),
        )


def _wait(last: PassResult, record: Record) -> str:
    """What the Application waits for; of one that another replica runs, only the record tells."""
    is_out = record.sync == "OutOfSync"
    is_told = is_out and bool(record.reason) and not record.reason.startswith("drifted: ")
    is_held = last.response is Response.HELD if last.response else is_told
    is_suspended = record.suspended and is_out
    return wait_of(last.obstacles, plan=record.plan, suspended=is_suspended, held=is_held)
