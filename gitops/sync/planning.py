"""The pipeline up to its decision: source → Tree → RenderedSet → Plan → Decision. Changes nothing.

A diff stops here, and so does a dry-run; a sync goes on in `gitops.sync.reconcile`.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial

from gitops.engine.annotations import hook_phases_of
from gitops.engine.decide import decide
from gitops.engine.describe import plan_id
from gitops.engine.desired import rendered_set
from gitops.engine.inventory import Inventory, handed_over
from gitops.engine.order import is_namespace
from gitops.engine.plan import creations, make_plan, selected
from gitops.engine.plan_input import Situation
from gitops.model.application import Application, PolicyOptions
from gitops.model.errors import ConfigError, UnknownKindError
from gitops.model.finding import Finding
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.rendered import RenderedSet
from gitops.sync.context import Outside, Planned, Request
from gitops.sync.dry_run import answered, try_out
from gitops.sync.inventories import inventories
from gitops.sync.inventory_store import read_inventory
from gitops.sync.live_state import live_state
from gitops.sync.namespace import namespace_to_make
from gitops.sync.relocation import moved_from
from gitops.sync.standing import reason_unready


async def plan_sync(request: Request, outside: Outside) -> Planned:
    """Render what the source holds now, and plan. Raises a GitopsError for whatever keeps a plan from being made."""
    rendered, source = await render_source(request, outside)
    _check_resources(request.options.resources, rendered)
    return await plan_rendered(request, outside, rendered, source)


def _check_resources(resources: tuple[str, ...], rendered: RenderedSet) -> None:
    """Raise ConfigError for a word that names nothing: a sync of nothing would look like one that is done."""
    known = {f"{found.key.kind}/{found.key.name}".lower(): found for found in rendered.manifests}
    for text in resources:
        if text.lower() not in known:
            raise ConfigError(f"--resource {text}: the source holds no such object (write KIND/NAME)")
        if hook_phases_of(known[text.lower()]):
            raise ConfigError(f"--resource {text}: it is a hook, and those run with a sync of the whole Application")


async def render_source(request: Request, outside: Outside, sha: str = "") -> tuple[RenderedSet, str]:
    """The desired state of the source at its target revision (or at `sha`, a past one), and the source's name."""
    checkout = await outside.source.checkout(request.app.source, sha)
    app = replace(request.app, source=replace(request.app.source, path=checkout.path))
    manifests = await outside.rendering(lambda: outside.render(checkout.tree, app))
    kinds = await outside.cluster.kinds()
    namespace = request.app.destination.namespace
    of_kinds = partial(
        rendered_set,
        checkout.read_revision,
        manifests,
        namespace=namespace,
        apart=outside.takes_children,
        is_new=not sha,
    )
    try:
        return of_kinds(kinds=kinds), checkout.source
    except UnknownKindError:  # somebody may have installed it since we asked what there is
        return of_kinds(kinds=await outside.cluster.kinds(refresh=True)), checkout.source


async def plan_rendered(request: Request, outside: Outside, rendered: RenderedSet, source: str) -> Planned:
    """Plan a set that is rendered already (a rollback starts here)."""
    app = request.app
    inventory = await read_inventory(outside, app)
    if request.options.adopt and inventory.application != app.identity:
        inventory = handed_over(inventory, app.identity)
    makes = None if inventory.exists else await namespace_to_make(outside.cluster, app, rendered)
    options = replace(
        request.options,
        prune=request.options.prune or app.sync.prune,
        force_conflicts=request.options.force_conflicts or request.options.adopt or app.sync.conflicts == "force",
    )
    # Who asks for one object may have no right to read the others.
    manifests = selected(rendered, options) if options.resources else rendered.manifests
    keys = inventory.keys if not options.resources else ()
    kinds = await outside.cluster.kinds()
    groups = {(found.key.group, found.key.kind) for found in manifests}
    served = {group: frozenset(kinds.versions(*group)) for group in groups}
    live = await live_state(outside.cluster, manifests, keys, inventory)
    tenants = await _tenants_of(outside, rendered, inventory)
    at, answers = await answered(
        outside, Situation(app, rendered, live, inventory, options, tenants=tenants, served=served)
    )
    answers = {**answers, **await try_out(outside.cluster, creations(at, makes, answers.keys()))}
    plan = replace(make_plan(at, answers), makes=makes)
    plan = replace(plan, id=plan_id(plan, at.live))
    unconfirmed = sorted(str(key) for key, answer in answers.items() if answer.predicted)
    if unconfirmed:
        plan = replace(plan, predicted=f"predicted here, since the server refused a dry-run: {', '.join(unconfirmed)}")
    findings, more = _rules(app, rendered, outside.clock.now())
    asks = not options.confirm or options.shown is not None
    more += await moved_from(outside, app, source) if asks and not inventory.exists else ()
    more += await _unready(outside, app) if asks and plan.changes else ()
    more = tuple(item for item in more if item.kind is ObstacleKind.POLICY or not options.confirms(item.reason))
    return Planned(at, plan, decide(at, plan, source, more), source, findings)


async def _unready(outside: Outside, app: Application) -> tuple[Obstacle, ...]:
    """The Applications that this one depends on and that are not healthy at their current revision."""
    found = []
    for name in app.dependsOn:
        reason = await _reason_unready(outside, name if "/" in name else f"{app.namespace}/{name}")
        if reason:
            found.append(Obstacle(ObstacleKind.DEPENDENCY, None, f"{app.identity} depends on {name}: {reason}"))
    return tuple(found)


async def _reason_unready(outside: Outside, application: str) -> str:
    """In words; who acts for a service account is told no more of another Application's objects than how they are."""
    reason = await reason_unready(outside.everyone or outside.cluster, outside.store, application)
    return reason.partition(":")[0] if outside.everyone is not None else reason


async def _tenants_of(outside: Outside, rendered: RenderedSet, inventory: Inventory) -> dict[str, tuple[str, ...]]:
    """The Applications with an inventory in each namespace that is owned and left the source."""
    spaces = [key for key in inventory.keys - rendered.keys if is_namespace(key)]
    found: dict[str, tuple[str, ...]] = {}
    for space in spaces:
        there = await inventories(outside.everyone or outside.cluster, "", space.name, skip_unreadable=True)
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
