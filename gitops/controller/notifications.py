"""What a controller tells the outside: each fact of an Application that it runs, once, to whom rules say.

What was done is read from the audit log, so that nothing is lost by a restart; how an Application stands is held
against what was told last. Both, and what is still to be delivered, are kept in one setting of the Application in the
store, written before anything is sent. No pass waits for any of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import quote

import structlog

from gitops.controller.app import Controller
from gitops.controller.deliveries import Deliveries, Parcel
from gitops.controller.snapshot import ApplicationSnapshot
from gitops.controller.state import ApplicationState
from gitops.engine.notifications import Seen, changes_since, facts_of, id_of
from gitops.engine.states import Response
from gitops.logs import Trouble
from gitops.model.application import Application
from gitops.model.audit import AuditEvent, EntryFilter
from gitops.model.errors import StoreError
from gitops.model.health import HealthWord
from gitops.model.notification import Letter, Mailbox, Notification, Place, mailbox_in
from gitops.ports import Notifier
from gitops.sync.events import Event, Finished, Held, RollingBack

log = structlog.get_logger()
MAILBOX: Final = "notifications"
# When anything was told from this store first: (application, name) of a setting. Of what is older nobody is told.
EVERY, SINCE = "", "notifications-since"
_EVERY_SECONDS: Final = 0.5
# A source or a cluster that is away for a moment is nobody's news.
_GRACE_SECONDS: Final = 30.0
# How far the clocks of those who write one audit log may be apart.
_APART: Final = timedelta(minutes=10)
# What was not told in this time is no news any more: notifications were turned off, or no controller was there.
_OLDEST: Final = timedelta(hours=24)
_MOST_ENTRIES: Final = 500
_MOST_LETTERS: Final = 50


class Routes(Protocol):
    """Who is told of what."""

    def texts(self, app: Application, note: Notification) -> Mapping[str, str]:
        """Destination → the text for it."""
        ...

    def place(self, name: str) -> Place | None:
        """The destination of that name, None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class _Problem:
    """What keeps an Application from being known, since when (monotonic)."""

    fact: str
    since: float
    is_told: bool = False


class Notifications:
    """Takes in what is new of each Application, keeps its mailbox in the store, and has its letters delivered.

    `page` gives the address that links lead to, or "".
    """

    def __init__(
        self, controller: Controller, notifier: Notifier, routes: Sequence[Routes], page: Callable[[], str]
    ) -> None:
        self._controller = controller
        self._store = controller.store
        self._clock = controller.clock
        self._routes = routes
        self._page = page
        self._deliveries = Deliveries(notifier, self._clock, self._place, self._is_ours, self._ended, self._let_go)
        self._due: dict[str, ApplicationState | None] = {}
        self._boxes: dict[str, Mailbox] = {}  # those with letters, and those that are not written yet
        self._unwritten: set[str] = set()
        self._new: dict[str, list[Letter]] = {}  # which are posted once they are written
        self._problems: dict[str, _Problem] = {}
        self._elsewhere: set[str] = set()  # another replica tells of these
        self._looked = 0.0  # at those, monotonic
        self._lock = asyncio.Lock()
        self._began = _time(self._clock.now())

    def changed(self, state: ApplicationState) -> None:
        """An Application may stand otherwise than before, or something was done to it."""
        self._due[state.identity] = state

    def heard(self, identity: str, event: Event) -> None:
        """What a pass tells while it runs: only that there may be entries in the audit log."""
        if isinstance(event, Finished | Held | RollingBack):
            state = self._controller.index.get(identity)
            if state is not None:
                self.changed(state)

    async def run(self) -> None:
        """Tell until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._deliveries.run(), name="deliveries")
            both.create_task(self._take_in_for_ever(), name="notifications taken in")

    async def _take_in_for_ever(self) -> None:
        trouble = Trouble(log, "notifications.not-kept", "notifications.kept")
        is_loaded = False
        while True:
            await self._clock.sleep(_EVERY_SECONDS)
            if not self._controller.is_ready:
                continue
            try:
                if not is_loaded:
                    await self._load()
                    is_loaded = True
                self._look_again()
                await self._take_in()
                trouble.is_over()
            except StoreError as exc:
                trouble.is_there(exc)

    async def _load(self) -> None:
        """What was left to be delivered when the last controller ended, and since when there is anything to tell."""
        since = await self._store.setting(EVERY, SINCE)
        if since is None:
            await self._store.set_setting(EVERY, SINCE, self._began)
        self._began = since or self._began
        for identity, text in (await self._store.settings(MAILBOX)).items():
            if '"letters": []' not in text:
                self._due.setdefault(identity, self._controller.index.get(identity))

    def _look_again(self) -> None:
        """At what lasts long enough to be told, and at what may have become ours without a sign."""
        now, index = self._clock.monotonic(), self._controller.index
        again = [name for name, one in self._problems.items() if not one.is_told and now - one.since >= _GRACE_SECONDS]
        if now - self._looked >= _GRACE_SECONDS:
            self._looked = now
            again += self._elsewhere
        for identity in again:
            self._due.setdefault(identity, index.get(identity))

    # ── what is new ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _take_in(self) -> None:
        """Read what is new of those that are due, and keep it; then it is delivered. Raises StoreError."""
        due, self._due = self._due, {}
        async with self._lock:
            try:
                for identity, state in due.items():
                    if self._is_ours(identity):
                        self._elsewhere.discard(identity)
                        self._new.setdefault(identity, []).extend(await self._read(identity, state))
                    else:
                        self._forget(identity)
                        self._elsewhere.add(identity)
                await self._write()
            except StoreError:
                self._due = {**due, **self._due}
                raise
            new, self._new = self._new, {}
        for identity, letters in new.items():
            self._post(identity, letters)

    def _forget(self, identity: str) -> None:
        """Another replica tells of it, and knows what has been delivered."""
        self._boxes.pop(identity, None)
        self._new.pop(identity, None)
        self._problems.pop(identity, None)
        self._unwritten.discard(identity)

    def _let_go(self, identity: str) -> None:
        """It was not ours when one of its letters was due: whoever tells of it reads what is left in the store."""
        self._forget(identity)
        self._due.setdefault(identity, self._controller.index.get(identity))

    async def _read(self, identity: str, state: ApplicationState | None) -> list[Letter]:
        """Take in what is new of one Application; the letters that are not on their way yet."""
        known, stored = self._boxes.get(identity), ""
        if known is None:
            stored = await self._store.setting(identity, MAILBOX) or ""
        before = known or self._opened(identity, stored)
        box, notes = facts_of(before, await self._entries(identity, before))
        box, more = self._standing(box, state)
        notes += more
        letters = self._letters(state, notes) if state is not None else []
        kept = (*box.letters, *letters)
        if len(kept) > _MOST_LETTERS:
            log.warning("notification.dropped", application=identity, count=len(kept) - _MOST_LETTERS)
            self._count("", "dropped", len(kept) - _MOST_LETTERS)
            kept = kept[-_MOST_LETTERS:]
        box = replace(box, letters=kept)
        if box != before or (known is None and not stored):
            self._unwritten.add(identity)
        if box.letters or identity in self._unwritten:
            self._boxes[identity] = box
        return list(kept) if known is None else [one for one in letters if one in kept]

    def _opened(self, identity: str, text: str) -> Mailbox:
        """What is stored of an Application; of one that is new to us all is told since there is anything to tell."""
        try:
            return mailbox_in(text) if text else Mailbox(at=self._began)
        except (ValueError, KeyError, TypeError) as exc:
            log.error("notifications.damaged", application=identity, error=str(exc))
            return Mailbox(at=self._began)

    async def _entries(self, identity: str, box: Mailbox) -> list[AuditEvent]:
        """Entries that may be new."""
        since = box.at if not box.heads else _time(datetime.fromisoformat(box.at) - _APART)
        wanted = EntryFilter(application=identity, since=since, limit=_MOST_ENTRIES)
        return await self._store.entries(wanted)

    def _standing(self, box: Mailbox, state: ApplicationState | None) -> tuple[Mailbox, list[Notification]]:
        if state is None:
            return box, []
        seen = self._seen(state)
        standing, facts = changes_since(box.standing, seen)
        at = _time(self._clock.now())
        head = state.source.observed_revision
        notes = [
            Notification(
                id_of(state.identity, fact, reason, at),
                fact,
                at,
                state.identity,
                revision=head.sha if head is not None else "",
                actor=self._controller.replica.actor,
                reason=reason,
            )
            for fact, reason in facts
        ]
        return replace(box, standing=standing), notes

    def _seen(self, state: ApplicationState) -> Seen:
        """How it stands; a problem counts when it has lasted for a while."""
        seen = seen_of(self._controller.snapshot(state))
        if not seen.problem:
            self._problems.pop(state.identity, None)
            return seen
        now = self._clock.monotonic()
        known = self._problems.get(state.identity)
        if known is None or known.fact != seen.problem:
            known = self._problems[state.identity] = _Problem(seen.problem, now)
        if now - known.since < _GRACE_SECONDS:
            return replace(seen, problem=None)
        self._problems[state.identity] = replace(known, is_told=True)
        return seen

    def _letters(self, state: ApplicationState, notes: Sequence[Notification]) -> list[Letter]:
        """Who is told what of these."""
        app, found, oldest = state.app, list[Letter](), _time(self._clock.now() - _OLDEST)
        for note in (one for one in notes if one.at >= oldest):
            full = replace(note, source=app.address, url=self._url(note.application), object=self._object(note))
            to = {name: text for routes in self._routes for name, text in routes.texts(app, full).items()}
            if to:
                found.append(Letter(full, to))
        return found

    def _url(self, identity: str) -> str:
        page = self._page().rstrip("/")
        return f"{page}/applications/{quote(identity)}" if page else ""

    def _object(self, note: Notification) -> str:
        entry = self._controller.registry.entry(note.application)
        return f"{entry.key.kind}/{entry.key.namespace}/{entry.key.name}" if entry and entry.key else ""

    # ── what is kept, and delivered ──────────────────────────────────────────────────────────────────────────────

    async def _write(self) -> None:
        """Raises StoreError; then it stays unwritten."""
        if not self._unwritten:
            return
        boxes = {identity: self._boxes[identity] for identity in self._unwritten if identity in self._boxes}
        gone = {identity for identity in boxes if self._controller.index.get(identity) is None}
        texts = {
            identity: None if identity in gone and not box.letters else box.text() for identity, box in boxes.items()
        }
        await self._store.set_settings(MAILBOX, texts)
        self._unwritten.clear()
        for identity, box in boxes.items():
            if not box.letters:
                self._boxes.pop(identity, None)

    def _post(self, identity: str, letters: Sequence[Letter]) -> None:
        for letter in letters:
            for destination, text in letter.to.items():
                self._deliveries.put(destination, Parcel(identity, letter.note, text))

    async def _ended(self, destination: str, batch: Sequence[Parcel], result: str) -> None:
        """These have been delivered, or never will be."""
        self._count(destination, result, len(batch))
        async with self._lock:
            for parcel in batch:
                box = self._boxes.get(parcel.identity)
                if box is not None:
                    self._boxes[parcel.identity] = _without(box, destination, parcel.note.id)
                    self._unwritten.add(parcel.identity)
            try:
                await self._write()
            except StoreError as exc:
                log.warning("notifications.not-kept", error=str(exc))

    def _count(self, destination: str, result: str, count: int) -> None:
        tally = self._controller.tally.notified
        tally[(destination, result)] = tally.get((destination, result), 0) + count

    def _place(self, name: str) -> Place | None:
        return next((found for routes in self._routes if (found := routes.place(name)) is not None), None)

    def _is_ours(self, identity: str) -> bool:
        """Whether this replica tells of an Application; of one that is gone, the one that would run it."""
        controller = self._controller
        if not controller.is_ready:
            return False
        return controller.runs(identity) if controller.index.get(identity) else controller.replica.runs(identity)


def seen_of(standing: ApplicationSnapshot) -> Seen:
    """How an Application stands, as far as that is known now."""
    last, source, word = standing.last, standing.source, standing.health.word
    is_settled = word in (HealthWord.HEALTHY, HealthWord.SUSPENDED, HealthWord.DEGRADED)
    problem = "source-failed" if source.look_error else "error" if standing.problem else ""
    waiting = {
        Response.HELD: f"held {id_of(last.message)}",
        Response.APPROVAL: f"approval {last.plan_id}",
    }
    return Seen(
        degraded=word is HealthWord.DEGRADED if is_settled else None,
        problem=problem if problem or last.response is not None else None,
        waiting=waiting.get(last.response, "") if last.response is not None and not standing.problem else None,
        revision=standing.revision.sha if standing.sync == "Synced" and standing.revision else None,
        reasons={
            "degraded": standing.health.message,
            "source-failed": source.look_error,
            "error": standing.problem,
            "held": last.message,
            "approval": last.message,
        },
    )


def _without(box: Mailbox, destination: str, note: str) -> Mailbox:
    left = (
        Letter(one.note, {name: text for name, text in one.to.items() if name != destination or one.note.id != note})
        for one in box.letters
    )
    return replace(box, letters=tuple(one for one in left if one.to))


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
