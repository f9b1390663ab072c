"""The tests of an Application: hooks that run when somebody asks, as `helm test` does, against what was synced last."""

from dataclasses import dataclass

from gitops.engine.annotations import hook_phases_of
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ConfigError, HeldError
from gitops.model.plan import Phase
from gitops.model.result import Failure
from gitops.sync.act_hooks import run_hooks
from gitops.sync.audit import AuditTrail
from gitops.sync.context import Request, SyncContext, as_account
from gitops.sync.inventory_store import keep_anchor, read_inventory
from gitops.sync.releases import synced_set


@dataclass(frozen=True, slots=True)
class TestRun:
    """Which tests there were, and what failed; `revision` is that of the set they are of."""

    __test__ = False  # for pytest, which takes every class of such a name for its own

    revision: str
    tests: tuple[ResourceKey, ...]
    failures: tuple[Failure, ...]


async def run_tests(request: Request, context: SyncContext) -> TestRun:
    """Run all of them to their end, the lighter ones first; one that fails ends it, as `helm test` does.

    Raises ConfigError where there are none, HeldError while a sync is half done, SourceError where nobody has the set
    that was synced any more.
    """
    context = as_account(context, request.app)
    inventory = await read_inventory(context, request.app)
    if not inventory.exists or not inventory.synced:
        raise ConfigError(f"{request.app.identity} was never synced in full here: there is nothing to test")
    if inventory.hooks is not None and not inventory.hooks.digest.startswith(f"{Phase.TEST.name.lower()} "):
        raise HeldError(f"{request.app.identity}: a sync of it has not come to its end; let that finish first")
    rendered = await synced_set(request, context, inventory)
    tests = tuple(found.key for found in rendered.manifests if Phase.TEST in hook_phases_of(found))
    if not tests:
        raise ConfigError(f"{request.app.identity}: what was synced has no tests (hooks `helm.sh/hook: test`)")
    journal = AuditTrail(request, context, inventory)
    await journal.note("test.started", rendered.revision.sha, tests=[str(key) for key in tests])
    after = journal.anchored(inventory)
    after, failures = await run_hooks(request, context, after, rendered, Phase.TEST)
    journal = AuditTrail(request, context, after)
    reasons = [{"object": str(failure.key), "reason": failure.reason} for failure in failures]
    fact = "test.failed" if failures else "test.passed"
    await journal.note(fact, rendered.revision.sha, failures=reasons)
    await keep_anchor(context, after.parent, after.application, journal.head)
    return TestRun(rendered.revision.sha, tests, tuple(failures))
