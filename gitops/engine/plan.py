"""Desired state, live state and inventory → Plan. Pure: what the API server was asked comes in as `DryRunResult`s.

In two moves, so that only objects which look changed cost a request: `questions` predicts which objects a server-side
apply would change, and `make_plan` makes the plan of the server's answers to those.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from gitops.engine import annotations, refusal
from gitops.engine.completed_jobs import has_ended
from gitops.engine.deletion import holds_data, is_going, is_orphaning, leaves_pods
from gitops.engine.diff import is_same
from gitops.engine.ignore import without_ignored
from gitops.engine.inventory import foreign_owner, is_inventory, is_of_helm, is_owned_by, with_ownership
from gitops.engine.manual_edits import is_edit_by_hand, without_edits
from gitops.engine.new_owners import holders_of, new_owners
from gitops.engine.order import Place, places
from gitops.engine.plan_input import BEING_DELETED, PlanInput, PlanOptions
from gitops.engine.predict import FIELD_MANAGER, conflicting_fields
from gitops.engine.prune_candidates import MAY_STAY, find_prune_candidates, prune_steps
from gitops.engine.strategy import old_options, strategy_path
from gitops.engine.takeover import (
    is_at_another_version,
    with_owners,
)
from gitops.engine.unions import excluded_fields
from gitops.manifests import fields
from gitops.manifests.key import Body, ResourceKey
from gitops.manifests.manifest import Manifest
from gitops.manifests.secrets import scrubbed
from gitops.model.errors import ApiError
from gitops.model.plan import (
    OF_DELETION,
    OF_ROLLBACK,
    OF_TESTS,
    Change,
    Create,
    FieldChange,
    Kept,
    Obstacle,
    ObstacleKind,
    Plan,
    Recreate,
    RunHook,
    Step,
    Unknown,
    Update,
)
from gitops.model.rendered import RenderedSet


@dataclass(frozen=True, slots=True)
class DryRunResult:
    """What the server said to a dry-run: the body it would store, or its refusal.

    A refused update comes with the body that we expected, a create with none in any case. `forced` if conflicts were
    taken, `predicted` if the server would not be asked and the body is our own guess. `by_hand` if what people's tools
    own has to become ours first. `guess` is what we expected: a field that differs neither there is not set by us.
    `forbidden` is what the server says of a right that we lack to write it.
    """

    body: Body | None = None
    error: ApiError | None = None
    forced: bool = False
    predicted: bool = False
    by_hand: bool = False
    preview: Body | None = None
    guess: Body | None = None
    forbidden: str = ""


@dataclass(frozen=True, slots=True)
class DryRunRequest:
    """A dry-run to be asked for; `body` is what would be applied, `predicted` what we expect to hear.

    `takes_over` when others' fields become ours before it; `excused` is the field that a server refuses until then.
    `is_clear` when nobody else owns what it changes, once those are ours; `takes_back` where people's tools still do.
    """

    key: ResourceKey
    body: Body
    predicted: Body
    takes_over: bool = False
    excused: str = ""
    is_clear: bool = False
    takes_back: bool = False


# live, what is applied onto it → what the server would store: the live body itself when nothing would change
Predict = Callable[[Body, Body], Body]


def questions(at: PlanInput, predict: Predict) -> list[DryRunRequest]:
    """The updates that look as if they would change something; each must be answered before `make_plan`."""
    asked = []
    for manifest in selected(at.rendered, at.options):
        live = at.live.get(manifest.key)
        if live is None or not _may_update(at, manifest, live):
            continue
        body = desired_body(at, manifest)
        owners = new_owners(at, manifest.key, body, live)
        before = live if owners is None else with_owners(live, owners)
        predicted = predict(before, body)
        if predicted is not before:
            excused = strategy_path(manifest.key) if old_options(body, live, manifest.key) else ""
            is_clear = owners is not None and not conflicting_fields(without_edits(before), body)
            takes_back = is_clear and bool(conflicting_fields(before, body))
            asked.append(
                DryRunRequest(manifest.key, body, predicted, owners is not None, excused, is_clear, takes_back)
            )
    return asked


def without_hand_edits(at: PlanInput, question: DryRunRequest, predict: Predict) -> Body | None:
    """What the update comes to when all that people's tools own becomes ours before; None where they own nothing.

    A hand edit beside our fields can make the two invalid together: a second port without a name, a second type in a
    volume. The update alone is refused then, and the edit would stop every later one.
    """
    live = at.live[question.key]
    if not any(is_edit_by_hand(entry) for entry in live["metadata"].get("managedFields") or []):
        return None
    owners = new_owners(at, question.key, question.body, live, by_hand=True)
    return None if owners is None else predict(with_owners(live, owners), question.body)


def make_plan(at: PlanInput, answers: Mapping[ResourceKey, DryRunResult]) -> Plan:
    """What a sync would change; an update without an entry in `answers` is taken as unchanged.

    Raises ManifestError for a wave or a hook that cannot be read.
    """
    placed: list[tuple[Place, Change]] = []
    obstacles: list[Obstacle] = []
    order = places(at.rendered.manifests)
    for manifest in selected(at.rendered, at.options):
        if annotations.hook_phases_of(manifest):
            continue
        match _change_for(at, manifest, answers.get(manifest.key)):
            case Obstacle() as obstacle:
                obstacles.append(obstacle)
            case None:
                pass
            case change:
                placed.append((order[manifest.key], change))
    found = find_prune_candidates(at)
    changed = bool(placed or found.prunes)
    hooks = hooks_of(at) if _hooks_run(at, changed=changed) else []
    if at.options.back and changed:  # a rollback has hooks of its own, whether or not those of a sync run too
        hooks += [hook for hook in hooks_of(at) if hook.phase in OF_ROLLBACK and hook not in hooks]
    if hooks:
        placed += [((hook.phase, *order[hook.key][1:]), hook) for hook in hooks]
        obstacles += filter(None, (_hook_obstacle(at, manifest) for manifest in selected(at.rendered, at.options)))
    elif not placed and all(annotations.is_extraneous(at.live[prune.key]) for prune in found.prunes):
        found = replace(found, kept=[*found.kept, *(Kept(prune.key, MAY_STAY) for prune in found.prunes)])
        found = replace(found, prunes=[])
    steps = (*steps_of(placed), *prune_steps(found.prunes))
    return Plan(
        application=at.app.identity,
        revision=at.rendered.revision,
        digest=at.rendered.digest,
        steps=tuple(sorted(steps, key=lambda step: step.phase.place)),
        kept=tuple(found.kept),
        obstacles=(*obstacles, *found.guarded),
    )


def hooks_of(at: PlanInput) -> list[RunHook]:
    """Every hook of the set that a sync (or a rollback) may run, once for each phase, whether or not this one does.

    Raises ManifestError for a hook that cannot be read.
    """
    of_others = OF_TESTS | OF_DELETION | (frozenset() if at.options.back else OF_ROLLBACK)
    return [hook for hook in all_hooks(at) if hook.phase not in of_others]


def has_deletion_hooks(at: PlanInput) -> bool:
    """Whether the set has hooks that run when the Application is deleted."""
    return any(OF_DELETION & {*annotations.hook_phases_of(found)} for found in at.rendered.manifests)


def all_hooks(at: PlanInput) -> list[RunHook]:
    """Every hook of the set, once for each of its phases. Raises ManifestError for a hook that cannot be read.

    Of Helm's hooks those that are for a first sync, or for a later one.
    """
    is_upgrade = bool(at.inventory.synced) or any(is_of_helm(body) for body in at.live.values())
    return [
        RunHook(
            manifest.key,
            with_ownership(manifest.body, manifest.key, at.inventory),
            manifest.origin,
            annotations.hook_deletes_of(manifest.body),
            phase,
        )
        for manifest in selected(at.rendered, at.options)
        for phase in annotations.hook_phases_of(manifest, is_upgrade=is_upgrade)
    ]


def desired_body(at: PlanInput, manifest: Manifest) -> Body:
    """What is applied for `manifest`: with our marks, and ignored fields set to what they are live."""
    key, body = manifest.key, manifest.body
    if key.kind == "ClusterRole" and body.get("aggregationRule"):
        # the control plane's, which overwrites whatever is written there
        body = {name: value for name, value in body.items() if name != "rules"}
    live = at.live.get(key)
    wanted = body if live is None else without_ignored(body, live, key, at.app.ignoreDifferences)
    return with_ownership(wanted, key, at.inventory)


def selected(rendered: RenderedSet, options: PlanOptions) -> Iterable[Manifest]:
    """The manifests that a plan is about."""
    found: Iterable[Manifest] = rendered.manifests
    if options.only is not None:
        found = [manifest for manifest in found if manifest.key in options.only]
    if options.resources:
        wanted = {text.lower() for text in options.resources}
        found = [manifest for manifest in found if f"{manifest.key.kind}/{manifest.key.name}".lower() in wanted]
    return found


def _may_update(at: PlanInput, manifest: Manifest, live: Body) -> bool:
    if annotations.hook_phases_of(manifest) or annotations.is_if_absent(manifest.body) or is_going(live):
        return False
    if annotations.is_left_alone(live) or is_inventory(live):
        return False
    return not _other_owner(at, manifest, live)


def _other_owner(at: PlanInput, manifest: Manifest, live: Body) -> str:
    """Who else the object belongs to, unless it is taken over on purpose: by --adopt, or by naming that owner."""
    if is_owned_by(at.inventory, live, manifest.key) or manifest.key in at.let_go:
        return ""
    owner = foreign_owner(live, manifest.key, at.inventory.application)
    named = annotations.adopts_from(manifest.body)
    return "" if at.options.adopt or (named and owner == f"Application {named}") else owner


def _hook_obstacle(at: PlanInput, manifest: Manifest) -> Obstacle | None:
    """A hook whose name another owner's object has would be made over that."""
    live = at.live.get(manifest.key)
    if live is None or not annotations.hook_phases_of(manifest):
        return None
    other = _other_owner(at, manifest, live)
    return _foreign(manifest.key, other) if other else None


def _foreign(key: ResourceKey, other: str) -> Obstacle:
    reason = (
        f"{key} belongs to {other}; take it over with --adopt or the annotation gitops.dev/adopt-from, "
        "or remove it from one of the two"
    )
    return Obstacle(ObstacleKind.FOREIGN, key, reason)


def _change_for(at: PlanInput, manifest: Manifest, answer: DryRunResult | None) -> Change | Obstacle | None:
    key = manifest.key
    live = at.live.get(key)
    if (live is None or is_going(live)) and has_ended(at.inventory, manifest):
        return None
    if live is None and answer is not None and answer.error is not None:
        return _not_taken(manifest, answer.error)
    if live is None:
        is_tried = answer is not None and not answer.predicted
        return Create(key, desired_body(at, manifest), manifest.origin, is_tried)
    if is_inventory(live):
        reason = f"{manifest.origin}: {key}: is the inventory of an Application; give the object another name"
        return Obstacle(ObstacleKind.REFUSED, key, reason)
    other = _other_owner(at, manifest, live)
    if other:
        return _foreign(key, other)
    if is_going(live):
        uid = live["metadata"]["uid"]
        body = desired_body(at, manifest)
        return Recreate(key, body, manifest.origin, uid, (), BEING_DELETED, orphan=is_orphaning(live))
    if answer is None or not _may_update(at, manifest, live):
        return None
    if answer.error is not None:
        return _refused(at, manifest, live, answer, answer.error)
    body = desired_body(at, manifest)
    changes = _version_moved(live, body)
    if answer.body is not None and not is_same(live, answer.body):
        changes += refusal.changes_of(live, answer.body, answer.guess)
    if not changes:
        return None
    owners = new_owners(at, key, body, live, by_hand=answer.by_hand) or []
    return Update(key, body, manifest.origin, changes, answer.forced, tuple(owners), live, answer.body or {})


def _version_moved(live: Body, body: Body) -> tuple[FieldChange, ...]:
    """The move of our own entry to the manifest's version, which may be the only one that is left some day."""
    before, version = is_at_another_version(live, body["apiVersion"]), body["apiVersion"]
    if not before:
        return ()
    return (FieldChange(f'metadata.managedFields[manager="{FIELD_MANAGER}"].apiVersion', before, version, Unknown()),)


def _not_taken(manifest: Manifest, error: ApiError) -> Obstacle:
    reason = scrubbed(str(error), manifest.body)
    if error.code == 404:
        reason = f"namespace {manifest.key.namespace} does not exist; add its manifest to the source, or create it"
    return Obstacle(ObstacleKind.REFUSED, manifest.key, f"{manifest.origin}: {manifest.key}: {reason}")


def _refused(at: PlanInput, manifest: Manifest, live: Body, answer: DryRunResult, error: ApiError) -> Change | Obstacle:
    key, where = manifest.key, f"{manifest.origin}: {manifest.key}"
    if error.code == 409 and error.causes:
        reason = (
            f"{key}: another manager owns what {manifest.origin} sets: {refusal.conflict_reason(error)}; remove the "
            "field from the manifest, list it under ignoreDifferences, or take it over with --force-conflicts"
        )
        return Obstacle(ObstacleKind.CONFLICT, key, reason)
    excluded = excluded_fields(desired_body(at, manifest), live, key)
    if error.code == 422 and excluded and (holders := holders_of(excluded, live, lambda _: {})):
        paths = [fields.display(path).lstrip(".") for path in fields.leaves(excluded)]
        owned = refusal.first_of(paths, "field")
        reason = (
            f"{key}: {' and '.join(holders)} owns {owned}, which cannot stand beside what {manifest.origin} sets; "
            "remove it there, or take it over with --force-conflicts"
        )
        return Obstacle(ObstacleKind.CONFLICT, key, reason)
    if silent := refusal.unanswered(error):
        return Obstacle(ObstacleKind.REFUSED, key, f"{where}: {scrubbed(silent, manifest.body)}", is_passing=True)
    if not refusal.is_immutable(error):
        return Obstacle(ObstacleKind.REFUSED, key, f"{where}: {scrubbed(str(error), manifest.body)}")
    changes = refusal.changes_by_recreation(live, answer.body or live, answer.preview)
    reason = refusal.immutable_reason(error, refusal.frozen_fields(error, changes))
    asked = at.app.sync.recreate or annotations.may_recreate(manifest.body)
    if not (asked or (at.options.back and annotations.may_recreate(live))):
        way_out = (
            "give the object another name, or annotate it gitops.dev/recreate: enabled to have it deleted and created"
        )
        return Obstacle(ObstacleKind.REFUSED, key, f"{where}: {reason}; {way_out}")
    body = desired_body(at, manifest)
    loss = f"{where}: {reason}; it would be deleted with all that is in it and created again; confirm with --confirm"
    if holds_data(key, live, body) and not (at.options.confirms(loss) and at.options.prune_only is None):
        return Obstacle(ObstacleKind.GUARD, key, loss)
    orphan = leaves_pods(key, live, body)
    if orphan:
        reason += "; its Pods and their claims stay for the new one"
    return Recreate(key, body, manifest.origin, live["metadata"]["uid"], changes, reason, orphan)


def _hooks_run(at: PlanInput, *, changed: bool) -> bool:
    """Hooks run once per sync of a rendered set: when it was not carried out in full before. A repair runs none."""
    is_new = at.inventory.synced != at.rendered.digest or bool(at.inventory.partially_applied - {at.rendered.digest})
    if at.options.hooks is not None:
        run = at.inventory.hooks
        return at.options.hooks and (changed or (is_new and run is not None and run.digest == at.rendered.digest))
    return not at.options.resources and is_new


def steps_of(placed: Iterable[tuple[Place, Change]]) -> list[Step]:
    """The changes of each place together, in order."""
    by_place: dict[Place, list[Change]] = {}
    for place, change in sorted(placed, key=lambda pair: (pair[0], pair[1].key)):
        by_place.setdefault(place, []).append(change)
    return [Step(*place, tuple(changes)) for place, changes in by_place.items()]
