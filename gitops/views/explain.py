"""Answers for a person at 3 a.m.: how live state left what was synced, and why an Application is as it is."""

from dataclasses import dataclass, replace
from typing import Any

from gitops.engine.drift import drift_in
from gitops.engine.inventory import BEGUN, INSTANCE, Inventory
from gitops.engine.plan_input import PlanOptions
from gitops.model.application import Application
from gitops.model.errors import GitopsError
from gitops.model.plan import Change, FieldChange, Manager, Plan, Recreate, Update
from gitops.model.rendered import RenderedSet
from gitops.model.revision import short
from gitops.sync.context import Request, SyncContext, as_account
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.planning import plan_rendered
from gitops.sync.releases import synced_set
from gitops.views.advice import headline, next_step
from gitops.views.status import ApplicationStatus

_ACTOR = "gitops explain"
_ENDS = ("sync.failed", "sync.overtaken", "sync.terminated")


@dataclass(frozen=True, slots=True)
class Drift:
    """`plan` would bring the cluster back, None where that cannot be told yet; `under_way` is what goes on, in words.

    While a sync is under way, only what others have set is drift: what is not there yet is still to come.
    """

    plan: Plan | None
    under_way: str = ""

    @property
    def changes(self) -> list[Change]:
        return list(self.plan.changes) if self.plan else []


async def drift_of(context: SyncContext, inventory: Inventory, app: Application) -> Drift:
    """How live state left what was synced last, or is being synced. Raises SourceError where nobody knows that.

    `app` is the Application that `inventory` is of; what is not stored is rendered again from its source.
    """
    request, context = Request(app, _ACTOR, PlanOptions(hooks=False)), as_account(context, app)
    under_way, rendered = await _under_way(context, inventory)
    if under_way and rendered is None:
        return Drift(None, under_way)
    rendered = rendered or await synced_set(request, context, inventory)
    plan = (await plan_rendered(request, context, rendered, inventory.source)).plan
    return Drift(_by_others(plan), under_way) if under_way else Drift(plan)


async def _under_way(context: SyncContext, inventory: Inventory) -> tuple[str, RenderedSet | None]:
    """What a sync or a rollback that has begun and not ended goes to, in words and, where that is known, as a set."""
    back = inventory.rollback_target
    digests = [back.digest] if back else sorted(inventory.partially_applied)
    is_over = inventory.last is not None and inventory.last.outcome != BEGUN  # of a part, say
    if not digests or (back is None and (is_over or await _has_failed(context, inventory))):
        return "", None
    rendered = await context.store.rendered(digests[0]) if len(digests) == 1 else None
    name = short(back.revision) if back else str(rendered.revision) if rendered else "another revision"
    return f"a {'rollback' if back else 'sync'} to {name} is under way", rendered


async def _has_failed(context: SyncContext, inventory: Inventory) -> bool:
    """Whether the last sync has ended without coming to its end: nothing is under way then, though its set is there."""
    events = await context.store.events(inventory.application, context.cluster.name)
    last = next((event.fact for event in reversed(events) if event.fact in ("sync.started", *_ENDS)), "")
    return last in _ENDS


def _by_others(plan: Plan) -> Plan:
    """The part of a plan that takes back what somebody else has set."""
    steps = []
    for step in plan.steps:
        changes = [
            replace(change, fields=tuple(filter(_is_others, change.fields)))
            for change in step.changes
            if isinstance(change, (Update, Recreate)) and any(map(_is_others, change.fields))
        ]
        steps += [replace(step, changes=tuple(changes))] if changes else []
    return replace(plan, steps=tuple(steps))


def _is_others(field: FieldChange) -> bool:
    return isinstance(field.owner, Manager) and field.owner.name != INSTANCE


async def explained(context: SyncContext, told: ApplicationStatus, app: Application | None) -> dict[str, Any]:
    """Health in a word, facts about the Application in sentences, and each object that is not well with its reason.

    `app` is the Application that the inventory is of, None where there is none.
    """
    standing = told.standing
    if standing is None or app is None:
        nothing = "the cluster has nothing of it"
        elsewhere = f"it goes to cluster {told.elsewhere}; ask with --context, where that is one, for more"
        facts = [elsewhere if told.elsewhere else nothing, *_controllers(told), *await _said(context, told.application)]
        return _story(told, facts, [])
    inventory = standing.inventory
    rendered = await context.store.rendered(inventory.synced) if inventory.synced else None
    diagnostics = Diagnostics(context.cluster, [found.body for found in rendered.manifests] if rendered else ())
    objects = [
        {
            "object": str(member.key),
            "health": member.health.word.value,
            "reason": await diagnostics.reason_for(member.key, member.health),
        }
        for member in standing.objects
        if not member.health.is_settled
    ]
    said = await _said(context, inventory.application)
    facts = [*_facts(inventory), *_controllers(told), *said, *await _drifted(context, inventory, app)]
    if not objects:
        facts.append("all that it owns is healthy" if standing.objects else "it owns nothing")
    return _story(told, [diagnostics.hidden(fact) for fact in facts], objects)


def _story(told: ApplicationStatus, facts: list[str], objects: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "application": told.application,
        "headline": headline(told),
        "health": told.health.word.value,
        "sync": told.sync,
        "facts": facts,
        "objects": objects,
        "next": next_step(told, explained=True) if objects or not told.is_well else "",
    }


def _controllers(told: ApplicationStatus) -> list[str]:
    """What the controller that runs it told."""
    if told.record is None:
        return []
    since = f", since {told.record.at}" if told.record.at else ""
    seen = f"{told.record.sync}{since}" + (f": {told.why}" if told.why else "")
    facts = [f"the controller sees it {seen}"]
    if told.unseen:
        facts = [f"no controller has been seen since {told.unseen}; that one saw it {seen}"]
    if told.record.plan:
        plan = told.record.plan[:12]
        facts.append(f"plan {plan} waits for a word: gitops approve {told.application} --plan {plan}")
    return facts


def _facts(inventory: Inventory) -> list[str]:
    facts = []
    if inventory.healthy is None:
        facts.append("no revision of it has been healthy yet")
    else:
        healthy = inventory.healthy
        facts.append(f"the last healthy revision is {short(healthy.revision)}, since {healthy.at}")
        if inventory.synced != healthy.digest:
            facts.append("what was synced last has not become healthy")
    if inventory.quarantine is not None:
        found = inventory.quarantine
        facts.append(f"revision {short(found.revision)} is quarantined since {found.at}: {found.reason}")
    return facts


async def _said(context: SyncContext, application: str) -> list[str]:
    """What people said, and the last thing that was recorded."""
    facts = []
    suspended = await context.store.setting(application, "suspended")
    if suspended is not None:
        facts.append(f"it is suspended {suspended}; gitops resume lets the controller go on")
    events = await context.store.events(application, context.cluster.name)
    if events:
        last = events[-1]
        reason = last.detail.get("reason") or ""
        facts.append(f"the last thing recorded is {last.fact} at {last.at} by {last.actor}{reason and ': '}{reason}")
    return facts


async def _drifted(context: SyncContext, inventory: Inventory, app: Application) -> list[str]:
    try:
        drift = await drift_of(context, inventory, app)
        drifted = [f"it has drifted: {text}" for text in (drift_in(drift.plan) if drift.plan else ())]
        return [*filter(None, [drift.under_way]), *drifted]
    except GitopsError as exc:
        return [f"whether it has drifted cannot be told: {exc}"]
