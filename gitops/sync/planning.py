"""The pipeline up to its decision: source → Tree → RenderedSet → Plan → Decision. Changes nothing.

A diff stops here, and so does a dry-run; a sync goes on in `gitops.sync.reconcile`.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from gitops.engine.annotations import hook_phases_of
from gitops.engine.decide import decide
from gitops.engine.describe import plan_id
from gitops.engine.desired import rendered_set
from gitops.engine.inventory import Inventory, handed_over
from gitops.engine.order import is_namespace
from gitops.engine.plan import DryRunResult, make_plan, selected
from gitops.engine.plan_input import PlanInput
from gitops.manifests.key import ResourceKey
from gitops.model.application import Application, PolicyOptions
from gitops.model.commit import CommitNote, commit_of
from gitops.model.errors import ConfigError, HeldError, SourceError, UnknownKindError
from gitops.model.finding import Finding
from gitops.model.plan import Create, Obstacle, ObstacleKind, Plan, Prune
from gitops.model.rendered import RenderedSet
from gitops.model.result import Go, Hold, Outcome
from gitops.model.revision import Tree
from gitops.ports import Checkout
from gitops.sync.context import PlannedSync, Request, SyncContext
from gitops.sync.dependencies import unready
from gitops.sync.dry_run import answered, tried_out
from gitops.sync.inventories import inventories
from gitops.sync.inventory_store import read_inventory
from gitops.sync.live_inputs import render_live
from gitops.sync.live_state import live_state
from gitops.sync.namespace import namespace_to_make
from gitops.sync.relocation import relocation_obstacles

_RBAC = "rbac.authorization.k8s.io"


async def plan_sync(request: Request, context: SyncContext) -> PlannedSync:
    """Render what the source holds now, and plan. Raises a GitopsError for whatever keeps a plan from being made."""
    rendered, checkout = await _rendered(request, context)
    _check_resources(request.options.resources, rendered)
    planned = await plan_rendered(request, context, rendered, checkout.source)
    return replace(planned, commit=await _told_by(checkout.tree)) if _is_to_be_synced(planned) else planned


def _is_to_be_synced(planned: PlannedSync) -> bool:
    """Whether a sync of it may begin: something changes, or what was synced last is not this, or did not end well."""
    inventory = planned.at.inventory
    is_well = inventory.last is not None and inventory.last.outcome == Outcome.SYNCED.value
    return bool(planned.plan.changes) or inventory.synced != planned.plan.digest or not is_well


async def _told_by(tree: Tree) -> CommitNote | None:
    """What the commit says of itself: no sync waits for that, or fails for it."""
    with contextlib.suppress(SourceError):
        return await asyncio.to_thread(commit_of, tree)
    return None


def _check_resources(resources: tuple[str, ...], rendered: RenderedSet) -> None:
    """Raise ConfigError for a word that names nothing: a sync of nothing would look like one that is done."""
    known = {f"{found.key.kind}/{found.key.name}".lower(): found for found in rendered.manifests}
    for text in resources:
        if text.lower() not in known:
            raise ConfigError(f"--resource {text}: the source holds no such object (write KIND/NAME)")
        if hook_phases_of(known[text.lower()]):
            raise ConfigError(f"--resource {text}: it is a hook, and those run with a sync of the whole Application")


async def render_source(request: Request, context: SyncContext, sha: str = "") -> tuple[RenderedSet, str]:
    """The desired state of the source at its target revision (or at `sha`, a past one), and the source's name."""
    rendered, checkout = await _rendered(request, context, sha)
    return rendered, checkout.source


async def _rendered(request: Request, context: SyncContext, sha: str = "") -> tuple[RenderedSet, Checkout]:
    _check_permitted(request, context)
    checkout = await context.source.checkout(request.app, sha)
    app = request.app.with_sources(checkout.sources)
    manifests = await render_live(context, checkout.tree, app)
    kinds = await context.cluster.kinds()
    namespace = request.app.destination.namespace
    of_kinds = partial(
        rendered_set,
        checkout.read_revision,
        manifests,
        namespace=namespace,
        apart=context.child_kinds,
        is_new=not sha,
    )
    try:
        return of_kinds(kinds=kinds), checkout
    except UnknownKindError:  # somebody may have installed it since we asked what there is
        return of_kinds(kinds=await context.cluster.kinds(refresh=True)), checkout


async def plan_rendered(request: Request, context: SyncContext, rendered: RenderedSet, source: str) -> PlannedSync:
    """Plan a set that is rendered already (a rollback starts here)."""
    _check_permitted(request, context)
    app = request.app
    inventory = await read_inventory(context, app)
    if request.options.adopt and inventory.application != app.identity:
        inventory = handed_over(inventory, app.identity)
    makes = None if inventory.exists else await namespace_to_make(context.cluster, app, rendered)
    options = replace(
        request.options,
        prune=request.options.prune or app.sync.prune,
        force_conflicts=request.options.force_conflicts or request.options.adopt or app.sync.conflicts == "force",
    )
    # Who asks for one object may have no right to read the others.
    manifests = selected(rendered, options) if options.resources else rendered.manifests
    keys = inventory.keys if not options.resources else ()
    kinds = await context.cluster.kinds()
    groups = {(found.key.group, found.key.kind) for found in manifests}
    served = {group: frozenset(kinds.versions(*group)) for group in groups}
    live = await live_state(context.cluster, manifests, keys, inventory)
    tenants = await _tenants_of(context, rendered, inventory)
    at, answers = await answered(
        context, PlanInput(app, rendered, live, inventory, options, tenants, served, request.let_go)
    )
    is_for_now = request.is_carried_out and not app.sync.serviceAccount
    answers = {**answers, **await tried_out(context.cluster, at, makes, answers.keys(), is_for_now=is_for_now)}
    plan = replace(make_plan(at, answers), makes=makes)
    plan = replace(plan, id=plan_id(plan, at.live))
    unconfirmed = sorted(str(key) for key, answer in answers.items() if answer.predicted)
    if unconfirmed:
        plan = replace(plan, predicted=f"predicted here, since the server refused a dry-run: {', '.join(unconfirmed)}")
    findings, more = _rules(app, rendered, context.clock.now())
    asks = not options.confirm or options.shown is not None
    more += await relocation_obstacles(context, app, source) if asks and not inventory.exists else ()
    more += await unready(context, app) if asks and plan.changes else ()
    more = tuple(item for item in more if item.kind is ObstacleKind.POLICY or not options.confirms(item.reason))
    more += _limits(request, context, rendered, plan)
    return PlannedSync(at, plan, decide(at, plan, source, more), source, findings, _forbidden(plan, answers))


def held_without_rights(planned: PlannedSync) -> PlannedSync:
    """What a sync does about a plan: what it has no right to write holds it, before anything is changed."""
    is_held = isinstance(planned.decision, Go) and planned.forbidden
    return replace(planned, decision=Hold(planned.forbidden)) if is_held else planned


def _forbidden(plan: Plan, answers: Mapping[ResourceKey, DryRunResult]) -> tuple[Obstacle, ...]:
    """The changes that RBAC refuses now, and that none of the others can bring the right for.

    A Role of the same set may, or whoever gives rights in a namespace that it makes.
    """
    changes = {change.key: change for change in plan.changes if not isinstance(change, Prune)}
    refused = {key: answers[key].forbidden for key in changes if key in answers and answers[key].forbidden}
    grants = any(key.group == _RBAC and key not in refused for key in changes)
    made = {key.name for key, change in changes.items() if is_namespace(key) and isinstance(change, Create)}
    made |= {plan.makes.name} if plan.makes else set()
    return tuple(
        Obstacle(ObstacleKind.REFUSED, key, f"{changes[key].origin}: {key}: {reason}")
        for key, reason in sorted(refused.items())
        if key.namespace not in made and (key.group == _RBAC or not grants)
    )


async def _tenants_of(context: SyncContext, rendered: RenderedSet, inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """The Applications with an inventory in each namespace that is owned and left the source."""
    spaces = [key for key in inventory.keys - rendered.keys if is_namespace(key)]
    found: dict[str, tuple[str, ...]] = {}
    for space in spaces:
        there = await inventories(context.everyone or context.cluster, "", space.name, skip_unreadable=True)
        found[space.name] = tuple(sorted({one.application for one in there}))
    return found


def _rules(app: Application, rendered: RenderedSet, now: datetime) -> tuple[tuple[Finding, ...], tuple[Obstacle, ...]]:
    """What policies and windows say. A window can be overridden by a person's word, an enforced rule cannot."""
    if app.policies == PolicyOptions() and not app.windows:
        return (), ()
    from policies.registry import check
    from policies.rule import Target
    from policies.windows import reason_to_wait

    obstacles = []
    target = Target(app.policies.kubernetes)
    findings = check(rendered.manifests, app.policies, target, now.date()) if app.policies != PolicyOptions() else ()
    for finding in findings:
        if finding.severity == "error":
            obstacles.append(Obstacle(ObstacleKind.POLICY, finding.key, str(finding)))
    waiting = reason_to_wait(app.windows, now) if app.windows else ""
    if waiting:
        obstacles.append(Obstacle(ObstacleKind.WINDOW, None, f"{waiting} (--confirm overrides it, and is recorded)"))
    return findings, tuple(obstacles)


def _check_permitted(request: Request, context: SyncContext) -> None:
    """Raise HeldError for an Application that its project does not permit: not even its repository is read."""
    refused = "" if request.options.leaving else context.about.refused(request.app)
    if refused:
        raise HeldError(f"{request.app.identity}: {refused}")


def _limits(request: Request, context: SyncContext, rendered: RenderedSet, plan: Plan) -> tuple[Obstacle, ...]:
    """What the Application's project does not permit, which nobody can override here; one that is deleted may go."""
    limits = context.about.project(request.app)
    if limits is None or request.options.leaving:
        return ()
    from policies.projects import objects_refused, reason_to_wait_in

    made = (plan.makes,) if plan.makes else ()
    keys = {*rendered.keys, *(change.key for change in plan.changes), *made}
    found = [Obstacle(ObstacleKind.POLICY, key, reason) for key, reason in objects_refused(limits, keys)]
    waiting = reason_to_wait_in(limits, request.app, context.clock.now(), manual=request.is_manual)
    return (*found, *([Obstacle(ObstacleKind.PROJECT_WINDOW, None, waiting)] if waiting else ()))
