"""Tests that an operator asked the controller for: those of what was synced last, as `gitops test` runs them."""

from dataclasses import replace

from gitops.controller.state import ApplicationState
from gitops.model.errors import ConfigError, HeldError, SourceError
from gitops.model.operator_command import OperatorRequest
from gitops.model.result import Outcome, told_failures
from gitops.sync.context import Request, SyncContext
from gitops.sync.run_tests import run_tests

_SOON = 0.1  # seconds until the next pass, which finds how things stand then


async def test_as_asked(
    state: ApplicationState, asked: OperatorRequest, request: Request, context: SyncContext
) -> float:
    """Run them, and keep what they came to for who asked; the seconds until the next pass.

    That a test fails says nothing of how the Application stands.
    """
    try:
        done = await run_tests(replace(request, actor=asked.actor), context)
    except (ConfigError, HeldError, SourceError) as exc:
        outcome = Outcome.HELD if isinstance(exc, HeldError) else Outcome.FAILED
        state.schedule.act_result = (outcome, str(exc))
        return _SOON
    count = f"{len(done.tests)} {'test' if len(done.tests) == 1 else 'tests'}"
    failed = told_failures((str(one.key or ""), one.reason) for one in done.failures)
    state.schedule.act_result = (
        (Outcome.FAILED, f"{count}: {failed}") if done.failures else (Outcome.DONE, f"{count} passed")
    )
    return _SOON


test_as_asked.__test__ = False  # type: ignore[attr-defined]  # for pytest
