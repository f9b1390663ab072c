"""What a plan tells of an Application, whatever is done about it: its source, its health, what it waits for."""

from dataclasses import replace

import structlog

from gitops.controller.pinned_source import PinnedSource
from gitops.controller.state import ApplicationState
from gitops.engine.annotations import hook_phases_of, is_apart
from gitops.engine.completed_jobs import has_ended
from gitops.engine.contents import contents_of
from gitops.engine.health import health_of
from gitops.engine.plan_input import PlanInput
from gitops.engine.states import Response
from gitops.logs import shortened
from gitops.manifests.key import version_of
from gitops.manifests.manifest import Manifest
from gitops.model.health import ENDED, MISSING, Health
from gitops.model.plan import Plan
from gitops.model.reads import Reads
from gitops.model.result import Hold
from gitops.sync.context import PlannedSync

log = structlog.get_logger()


def forget_error(state: ApplicationState) -> None:
    """A pass came to a decision, or the error was of another commit."""
    if state.last.error:
        log.info("pass.well-again", application=state.identity)
    state.report.well_again()


def learn_plan(state: ApplicationState, source: PinnedSource, planned: PlannedSync) -> None:
    """What the plan was made of: the commit and its reads, the digests, the health of what is live."""
    at = planned.at
    if source.tree is not None:
        revision = at.rendered.revision.sha
        if state.source.rendered != revision:
            forget_error(state)  # that was of another commit
        state.source = replace(
            state.source, rendered=revision, equivalent_revision=revision, reads=Reads.of(source.tree)
        )
    if state.app.source.kustomize.rules == "flux" or state.app.source.renderer == "helm":
        own = [found for found in at.rendered.manifests if not hook_phases_of(found)]
        objects = tuple((found.key, version_of(found.body["apiVersion"])) for found in own)
        state.source = replace(state.source, objects=objects)
    if state.contents.digest != at.rendered.digest:
        state.contents = contents_of(at.rendered.manifests, at.rendered.digest)
    state.report.planned(planned.plan.id, at.rendered.digest, at.inventory.quarantine)
    is_unanswered = any(item.is_passing for item in planned.plan.obstacles)
    state.schedule.unanswered = state.schedule.unanswered + 1 if is_unanswered else 0
    learn_health(state, planned)


def learn_health(state: ApplicationState, planned: PlannedSync) -> None:
    """How the objects are that the plan looked at."""
    at, own = planned.at, state.app.health
    healths = {
        found.key: _when_gone(at, found) if found.key not in at.live else health_of(at.live[found.key], own)
        for found in at.rendered.manifests
        if found.key in at.inventory.keys and not is_apart(found.body)
    }
    state.live.planned(healths, owns=bool(at.inventory.keys or at.inventory.synced))


def _when_gone(at: PlanInput, manifest: Manifest) -> Health:
    return ENDED if has_ended(at.inventory, manifest) else MISSING


def note_response(state: ApplicationState, planned: PlannedSync, response: Response) -> None:
    """What is done about the plan, and why it waits where it does: told once, as long as that stays so."""
    before = state.last
    if before.response is Response.HELD and response is Response.SETTLED:
        log.info("application.well-again", application=state.identity)
    state.source = replace(state.source, answered=state.source.rendered)
    state.report.answered(response, len(planned.plan.changes))
    match response:
        case Response.HELD:
            assert isinstance(planned.decision, Hold)
            state.report.held(planned.decision)
        case Response.APPROVAL:
            state.report.said(_waits_for_approval(planned.plan))
        case Response.SUSPENDED:
            state.report.said("suspended")
        case Response.SETTLED:
            state.report.said("; ".join(str(loop) for loop in state.drift.loops))
        case Response.SYNC | Response.REPORT:  # what comes of it is said then
            pass
    if state.last.message != before.message and state.last.message:
        tell = log.warning if response is Response.HELD else log.info
        reason = shortened(state.last.message)
        tell("application.waits", application=state.identity, answer=response.value, reason=reason)


def _waits_for_approval(plan: Plan) -> str:
    count = len(plan.changes)
    changes = {0: "what its Applications are now waits", 1: "1 change waits"}.get(count, f"{count} changes wait")
    return f"{changes} for a sync or an approval of plan {plan.id[:12]}"
