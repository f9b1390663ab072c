"""Taking over what Flux delivers in a cluster: each of its objects is suspended, and what it delivers is adopted.

Only marks of ownership change: labels, annotations and the managers of fields. What would change more is told first.
"""

from dataclasses import replace
from typing import Final

from gitops.compat.flux.answer import Answer
from gitops.compat.flux.objects import DELIVERED, GROUP_OF, SOURCES, FluxObjects, Ref, ref_of
from gitops.compat.flux.reading import read
from gitops.compat.flux.shared import TAKEN_OVER
from gitops.compat.flux.tree import application_name
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.errors import ConfigError
from gitops.model.plan import Create, Prune, Recreate, RunHook, Update
from gitops.model.result import Hold, Outcome, SyncResult
from gitops.sync.audit import AuditTrail
from gitops.sync.context import PlannedSync, Request, SyncContext, as_account
from gitops.sync.inventories import find_applications
from gitops.sync.inventory_store import read_inventory
from gitops.sync.planning import plan_sync
from gitops.sync.reconcile import sync
from gitops.sync.standing import application_in
from gitops.sync.uninstall import uninstall

_MARKS: Final = ("metadata.labels", "metadata.annotations")


async def answers(context: SyncContext, namespace: str) -> list[tuple[Answer, Body]]:
    """What becomes of each Kustomization and HelmRelease ("" = of all namespaces), parents before their children.

    Raises ClusterError.
    """
    bodies: list[Body] = []
    for kind in (*DELIVERED, *SOURCES):
        bodies += (await context.cluster.list(GROUP_OF[kind], kind, "")).items
    objects = FluxObjects(bodies)
    delivered = [body for body in bodies if body["kind"] in DELIVERED]
    delivered = [body for body in delivered if namespace in ("", body["metadata"]["namespace"])]
    return [(read(body, objects), body) for body in sorted(delivered, key=_depth(delivered))]


def _depth(bodies: list[Body]) -> "_Depth":
    return _Depth({ref_of(body): body for body in bodies})


class _Depth:
    """How many Kustomizations are above one, by the labels that Flux puts on what it delivers."""

    def __init__(self, bodies: dict[Ref, Body]) -> None:
        self._bodies = bodies

    def __call__(self, body: Body) -> tuple[int, Ref]:
        depth, seen, ref = 0, set[Ref](), ref_of(body)
        while ref in self._bodies and ref not in seen:
            seen.add(ref)
            labels = self._bodies[ref]["metadata"].get("labels") or {}
            prefix = "kustomize.toolkit.fluxcd.io/"
            ref = Ref("Kustomization", str(labels.get(f"{prefix}namespace")), str(labels.get(f"{prefix}name")))
            depth += 1
        return depth, ref_of(body)


def is_taken_over(body: Body) -> bool:
    return TAKEN_OVER in (body["metadata"].get("annotations") or {})


def takeover_request(app: Application, actor: str) -> Request:
    """What is asked of a pass.

    Health is for the controller to see to: what is unwell now was so before. Nor does anything depend on another here:
    all of it is there.
    """
    app = replace(app, dependsOn=(), readyExpr={})
    return Request(app, actor, PlanOptions(adopt=True, hooks=False), wait=False)


async def plan_takeover(context: SyncContext, request: Request) -> PlannedSync:
    """Raises a GitopsError for whatever keeps a plan from being made."""
    return await plan_sync(request, as_account(context, request.app))


def more_than_marks(planned: PlannedSync) -> tuple[str, ...]:
    """What a takeover would change besides marks of ownership, or be held by."""
    found: list[str] = []
    for change in planned.plan.changes:
        match change:
            case Update():
                fields = [one.path for one in change.fields if not one.path.startswith(_MARKS)]
                found += [f"{change.key}: {', '.join(fields)}"] if fields else []
            case Create():
                found.append(f"{change.key}: is not there, and would be made")
            case Recreate():
                found.append(f"{change.key}: would be made anew")
            case Prune() | RunHook():
                found.append(f"{change.key}: would be deleted or run")
    if isinstance(planned.decision, Hold):
        found += [obstacle.reason for obstacle in planned.decision.obstacles]
    return tuple(found)


async def take_over(context: SyncContext, request: Request, ref: Ref) -> SyncResult:
    """Suspend it, and adopt what it delivers; where that fails, Flux has it back. Raises a GitopsError."""
    own = as_account(context, request.app)
    await _note(context, request, "flux.suspended", ref)
    await _mark(context, ref, context.clock.now().isoformat(timespec="seconds"))
    try:
        result = await sync(request, own)
    except BaseException:
        await _mark(context, ref, None)
        raise
    if result.outcome not in (Outcome.SYNCED, Outcome.IN_SYNC):
        await _mark(context, ref, None)
    return result


async def give_back(context: SyncContext, ref: Ref, actor: str) -> None:
    """Flux has it again: what it delivers is nobody's, until Flux comes to it. Raises a GitopsError."""
    try:
        (inventory,) = await find_applications(context.cluster, application_name(ref), store=context.store)
    except ConfigError:
        inventory = None  # it was never synced
    if inventory is not None:
        request = Request(application_in(inventory), actor, PlanOptions())
        await uninstall(request, context, keep=True)
    await _mark(context, ref, None)


async def _note(context: SyncContext, request: Request, fact: str, ref: Ref) -> None:
    inventory = await read_inventory(context, request.app)
    await AuditTrail(request, context, inventory).note(fact, "", object=str(ref))


async def _mark(context: SyncContext, ref: Ref, at: str | None) -> None:
    """Suspend it, with the time of the takeover; or (None) let Flux have it again."""
    key = ResourceKey(GROUP_OF[ref.kind], ref.kind, ref.namespace, ref.name)
    change: Body = {"metadata": {"annotations": {TAKEN_OVER: at}}, "spec": {"suspend": True if at else None}}
    await context.cluster.merge(key, change)
