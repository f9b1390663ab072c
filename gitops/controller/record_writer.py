"""Keeps a record of each Application in the store, so that the command line knows what the controller knows.

Written only when it says something else than before, all that changed in one go: at rest nothing is written but a sign
of life every ten seconds.
"""

from collections.abc import Callable
from dataclasses import replace

from gitops.controller.projects import project_of
from gitops.controller.snapshot import ApplicationSnapshot
from gitops.controller.state import ApplicationState, attempt_name
from gitops.engine.states import Response
from gitops.logs import Log
from gitops.model.record import CONTROLLER, RECORD, SEEN, SEEN_SECONDS, WRONG_FILE, Record, record_in
from gitops.model.result import Outcome
from gitops.ports import Clock, Store
from gitops.sync.record_reader import stored_record

_MOST_TEXT = 1024
_NOT_KNOWN = -1  # how many syncs failed in a row, before the first pass
log = Log()


class RecordWriter:
    """`record` gives the present record of an Application, None when there is no such Application any more.

    What is not ours by `is_ours` is another replica's to tell; who is not `is_able` to act gives no sign of life.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        record: Callable[[str], Record | None],
        is_ours: Callable[[str], bool],
        is_able: Callable[[], bool],
    ) -> None:
        self._store = store
        self._clock = clock
        self._record = record
        self._is_ours = is_ours
        self._is_able = is_able
        self._due: set[str] = set()
        self._written: dict[str, Record] = {}
        self.wrong_files: dict[str, str] = {}  # path → what is wrong with it
        self._wrong_written: dict[str, str] = {}
        self._shown = float("-inf")  # monotonic
        self.on_change: Callable[[str], None] = lambda _: (
            None
        )  # hears of each Application that may be other than it was

    def changed(self, identity: str) -> None:
        self._due.add(identity)
        self.on_change(identity)

    def since(self, identity: str) -> str:
        """Since when it stands as it was written last (RFC 3339), "" where it has not been."""
        written = self._written.get(identity)
        return written.at if written else ""

    def forget(self, identity: str) -> None:
        """Another replica may have written it meanwhile."""
        self._written.pop(identity, None)
        self._due.add(identity)

    def file_read(self, path: str, error: str) -> None:
        """A file with Applications was read: what is wrong with it is told once, and once that it is mended."""
        before = self.wrong_files.pop(path, "")
        if error:
            self.wrong_files[path] = error
        if error and error != before:
            log.error("configuration.wrong", path=path, error=error, kept="what was read of it before")
        elif before and not error:
            log.info("configuration.mended", path=path)

    async def load(self) -> None:
        """Take over what is there; what a controller knew of files that have gone since is dropped. StoreError."""
        self._wrong_written = await self._store.settings(WRONG_FILE)
        self._written = {identity: record_in(text) for identity, text in (await self._store.settings(RECORD)).items()}
        files = {identity for identity, record in self._written.items() if not record.is_resource}
        self._due |= {identity for identity in files if self._record(identity) is None}

    async def write(self) -> None:
        """Write what is due. Raises StoreError; then it stays due."""
        at = self._clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        if self._clock.monotonic() - self._shown >= SEEN_SECONDS and self._is_able():
            await self._store.set_setting(CONTROLLER, SEEN, at)
            self._shown = self._clock.monotonic()
        if self.wrong_files != self._wrong_written:
            wrong = dict(self.wrong_files)
            await self._store.set_settings(WRONG_FILE, {**dict.fromkeys(self._wrong_written), **wrong})
            self._wrong_written = wrong
        values: dict[str, Record | None] = {}
        due, self._due = self._due, set()
        for identity in filter(self._is_ours, due):
            record, before = await self._judged(identity), self._written.get(identity)
            if record != (before and replace(before, at="")):
                values[identity] = record and replace(record, at=at)
        if not values:
            return
        texts = {identity: None if record is None else record.text() for identity, record in values.items()}
        try:
            await self._store.set_settings(RECORD, texts)
        except BaseException:
            self._due |= due
            raise
        for identity, record in values.items():
            if record is None:
                self._written.pop(identity, None)
            else:
                self._written[identity] = record

    async def _judged(self, identity: str) -> Record | None:
        """The present record; what failed before stands in it until the first pass has told what that means now."""
        record = self._record(identity)
        if record is None or record.failures != _NOT_KNOWN:
            return record
        before = self._written.get(identity) or await stored_record(self._store, identity) or Record()
        return replace(record, failures=before.failures, tried=before.tried, reason=record.reason or before.reason)


async def recall_failures(state: ApplicationState, store: Store) -> None:
    """What failed before a restart or a hand-over counts, if it is just that which would be tried now. StoreError."""
    record = await stored_record(store, state.identity)
    if record is not None and record.failures and record.tried == attempt_name(state.app, state.source):
        state.schedule.failures = record.failures
        state.report.ended(Outcome.FAILED, record.reason)


def record_of(seen: ApplicationSnapshot, *, is_resource: bool) -> Record:
    """What is worth telling; not what passes in a moment, such as how far a rollout is."""
    last, revision = seen.last, seen.revision
    reason = last.message if last.response is not Response.SETTLED or seen.drift_loops else ""
    if last.response is Response.SUSPENDED:
        reason = "waits until it is resumed"
    return Record(
        namespace=seen.app.destination.namespace,
        cluster=seen.app.cluster,
        is_resource=is_resource,
        sync=seen.sync,
        health=seen.health.word.value,
        head=revision.sha if revision else "",
        ref=revision.ref if revision else "",
        problem=seen.problem[:_MOST_TEXT],
        reason=reason[:_MOST_TEXT],
        suspended=seen.is_suspended,
        plan=seen.waiting_plan,
        failures=_NOT_KNOWN if last.response is None and last.outcome is None else seen.failures,
        tried=seen.attempt,
        project=project_of(seen.app),
    )
