"""Progress on stderr: a live line on a terminal that says what is waited for, plain lines in CI."""

import asyncio
import os
import sys
import time
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from gitops.cli.escape import printable
from gitops.manifests.key import ResourceKey
from gitops.model.health import Health
from gitops.model.plan import Phase
from gitops.model.revision import short
from gitops.sync import events

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

_VERBS = {"created": "green", "updated": "yellow", "recreated": "red", "pruned": "red", "hook": "cyan"}


# How often a log that nobody looks at live says what is still waited for.
_EVERY_SECONDS = 30.0


class Display:
    """Is told the news of a pass; use it as a context manager so that the terminal is left as it was.

    Where no terminal shows a live line, each change of what is waited for is a line, and every `every` seconds one more
    says that the wait goes on.
    """

    def __init__(self, console: "Console | None" = None, every: float = _EVERY_SECONDS) -> None:
        self._given, self._every = console, every
        self._reminder: asyncio.TimerHandle | None = None
        self._status: Status | None = None
        self._waiting: dict[ResourceKey, Health] = {}
        self._began = time.monotonic()

    @cached_property
    def _console(self) -> "Console":
        """Made when there is something to say: a sync that finds nothing to do need not load what prints."""
        from rich.console import Console

        return self._given or Console(stderr=True, highlight=False, soft_wrap=True)

    def __enter__(self) -> "Display":
        may_be_terminal = self._given is not None or sys.stderr.isatty() or "FORCE_COLOR" in os.environ
        if may_be_terminal and self._console.is_terminal:
            self._status = self._console.status("planning")
            self._status.start()
        else:
            self._remind_later()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
        if self._reminder is not None:
            self._reminder.cancel()

    def emit(self, told: events.Event) -> None:
        match told:
            case events.StepStarted():
                self._say(f"[dim]{self._phase(told)}[/dim]")
            case events.Wrote():
                verb = told.changed.verb
                self._say(f"  [{_VERBS.get(verb, 'white')}]{verb:<9}[/] {_plain(told.changed.key)}")
            case events.Refused():
                self._say(f"  [bold red]failed[/]    {_plain(told.failure.key or '')}: {_plain(told.failure.reason)}")
            case events.HealthChanged():
                self._health(told.key, told.health)
            case events.RollingBack():
                self._say(f"[bold red]rolling back[/] to {_plain(short(told.revision))}: {_plain(told.reason)}")
            case events.PlanMade() | events.Held() | events.Finished():
                pass

    def _phase(self, told: events.StepStarted) -> str:
        step = told.step
        wave = f", wave {step.wave}" if step.wave else ""
        kinds = sorted({change.key.kind for change in step.changes})
        return f"{'prune' if step.phase is Phase.PRUNE else step.phase.name.lower()}{wave}: {_plain(', '.join(kinds))}"

    def _health(self, key: ResourceKey, health: Health) -> None:
        if health.is_settled:
            if self._waiting.pop(key, None) is not None:
                seconds = time.monotonic() - self._began
                self._say(f"  [green]{health.word.value.lower():<9}[/] {_plain(key)} [dim]after {seconds:.1f} s[/dim]")
        else:
            is_news = self._waiting.get(key) != health
            self._waiting[key] = health
            if is_news and self._status is None:
                self._say(f"  [dim]waiting[/dim]   {_plain(key)}: {_plain(health.message)}")
        if self._status is not None and self._waiting:
            self._status.update(self._waited_for())

    def _waited_for(self) -> str:
        key, health = next(iter(self._waiting.items()))
        return f"waiting for {len(self._waiting)}: {_plain(key)} ({_plain(health.message)})"

    def _remind_later(self) -> None:
        self._reminder = asyncio.get_running_loop().call_later(self._every, self._remind)

    def _remind(self) -> None:
        if self._waiting:
            self._say(f"  [dim]{self._waited_for()} after {time.monotonic() - self._began:.0f} s[/dim]")
        self._remind_later()

    def _say(self, text: str) -> None:
        self._console.print(text)


def _plain(said: object) -> str:
    """Text from a cluster is not ours to interpret: brackets are no markup, control characters are written out."""
    from rich.markup import escape

    return escape(printable(said))
