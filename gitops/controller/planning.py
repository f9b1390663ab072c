"""The pipeline up to its decision: source → Tree → RenderedSet → Plan → Decision. Changes nothing.

A diff stops here, and so does a dry-run; a sync goes on in `gitops.controller.reconcile`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from gitops.controller.claim import namespace_to_make, read_inventory
from gitops.controller.inspect import reason_unready
from gitops.controller.moved import moved_from
from gitops.controller.observe import by_name, live_state
from gitops.controller.request import Outside, Planned, Request
from gitops.engine.annotations import hook_phases_of
from gitops.engine.decide import decide
from gitops.engine.desired import rendered_set
from gitops.engine.diff import is_same, pair_digest
from gitops.engine.hands import hand_edits_only
from gitops.engine.inventory import handed_over
from gitops.engine.order import is_crd, kinds_defined_by
from gitops.engine.plan import Answer, Creation, Question, creations, make_plan, questions, selected, without_hand_edits
from gitops.engine.predict import predict
from gitops.engine.refusal import bare_twin, is_immutable, is_of_itself
from gitops.engine.situation import Situation
from gitops.manifests.key import Body, ResourceKey, version_of
from gitops.model.application import Application, PolicyOptions
from gitops.model.errors import ApiError, ConfigError, UnknownKindError
from gitops.model.finding import Finding
from gitops.model.plan import Obstacle, ObstacleKind
from gitops.model.rendered import RenderedSet
from gitops.ports import Cluster

_PARALLEL = 32
_EQUAL_SECONDS = 3600
# How often an object is looked at anew that keeps changing while it is asked about.
_LOOKS = 5


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
    live = await live_state(outside.cluster, manifests, keys, inventory)
    at, answers = await _answered(outside, Situation(app, rendered, live, inventory, options))
    answers = {**answers, **await _try_out(outside.cluster, creations(at, makes))}
    plan = replace(make_plan(at, answers), makes=makes)
    unconfirmed = sorted(str(key) for key, answer in answers.items() if answer.predicted)
    if unconfirmed:
        plan = replace(plan, predicted=f"predicted here, since the server refused a dry-run: {', '.join(unconfirmed)}")
    findings, more = _rules(app, rendered, outside.clock.now(), confirmed=options.confirm)
    more += await moved_from(outside, app, source) if not (inventory.exists or options.confirm) else ()
    more += await _unready(outside, app) if plan.changes and not options.confirm else ()
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


def _rules(
    app: Application, rendered: RenderedSet, now: datetime, *, confirmed: bool
) -> tuple[tuple[Finding, ...], tuple[Obstacle, ...]]:
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
    if waiting and not confirmed:
        obstacles.append(Obstacle(ObstacleKind.WINDOW, None, f"{waiting} (--confirm overrides it, and is recorded)"))
    return findings, tuple(obstacles)


async def _answered(outside: Outside, at: Situation) -> tuple[Situation, Mapping[ResourceKey, Answer]]:
    """The server's word on each update, and what is live as it was when that was given.

    A dry-run is of the object as it is then: what another has changed since it was read would look like ours.
    """
    answers = await _answers(outside, questions(at, predict), at)
    for _ in range(_LOOKS):
        moved = {key for key, answer in answers.items() if _has_moved(at.live[key], answer)}
        if not moved:
            break
        now = await by_name(outside.cluster, {key: version_of(at.live[key]["apiVersion"]) for key in moved}, fresh=True)
        at = replace(at, live={**{key: body for key, body in at.live.items() if key not in moved}, **now})
        of_moved = replace(at, options=replace(at.options, only=frozenset(moved)))
        rest = {key: answer for key, answer in answers.items() if key not in moved}
        answers = {**rest, **await _answers(outside, questions(of_moved, predict), of_moved)}
    return at, answers


def _has_moved(live: Body, answer: Answer) -> bool:
    """Whether the answer is of a newer object than `live`: a dry-run gives it the version of what it goes by."""
    if answer.error is not None or answer.predicted or answer.body is None:
        return False
    version = answer.body["metadata"].get("resourceVersion")
    return version is not None and version != live["metadata"].get("resourceVersion")


async def _answers(outside: Outside, asked: list[Question], at: Situation) -> Mapping[ResourceKey, Answer]:
    """Ask what no earlier answer tells: a pair that the server called equal is so for a while.

    Not for ever: a webhook that put the difference aside may be gone.
    """
    if not asked:
        return {}
    # Where others' fields become ours, the answer depends on which those are.
    names = {one.key: pair_digest(one.predicted if one.takes_over else one.body, at.live[one.key]) for one in asked}
    now = int(outside.clock.now().timestamp())
    known = await outside.store.known_equal(frozenset(names.values()), now - _EQUAL_SECONDS)
    answers = await _ask(outside.cluster, [one for one in asked if names[one.key] not in known], at)
    answers = _excused_by_definitions(answers, at)
    equal = {
        names[key]
        for key, answer in answers.items()
        if answer.error is None
        and answer.body is not None
        and not answer.predicted
        and not _has_moved(at.live[key], answer)
        and is_same(at.live[key], answer.body)
    }
    if equal:
        await outside.store.remember_equal(frozenset(equal), now)
    return answers


async def _try_out(cluster: Cluster, wanted: list[Creation]) -> Mapping[ResourceKey, Answer]:
    """The server's word on each create: what is wrong by itself is known before anything is changed."""
    places = asyncio.Semaphore(_PARALLEL)

    async def answer(creation: Creation) -> Answer:
        async with places:
            try:
                await cluster.apply(creation.key, creation.body, dry_run=True)
            except ApiError as exc:
                is_lost = creation.is_first and exc.code == 404 and "namespaces" in str(exc)
                return Answer(error=exc) if is_lost or is_of_itself(exc) else Answer(predicted=True)
            return Answer()

    answers = await asyncio.gather(*map(answer, wanted))
    return {creation.key: found for creation, found in zip(wanted, answers, strict=True)}


def _excused_by_definitions(answers: Mapping[ResourceKey, Answer], at: Situation) -> Mapping[ResourceKey, Answer]:
    """What the server refuses of a kind whose definition changes in the same sync is judged when that is in place."""
    changing = {
        (info.group, info.kind)
        for manifest in at.rendered.manifests
        if is_crd(manifest.key) and (manifest.key in answers or manifest.key not in at.live)
        for info in kinds_defined_by(manifest)
    }
    return {
        key: replace(answer, error=None, predicted=True)
        if answer.error and (key.group, key.kind) in changing
        else answer
        for key, answer in answers.items()
    }


async def _ask(cluster: Cluster, asked: list[Question], at: Situation) -> Mapping[ResourceKey, Answer]:
    places = asyncio.Semaphore(_PARALLEL)

    async def answer(question: Question) -> Answer:
        async with places:
            found = await _answer(cluster, question, at, force=at.options.force_conflicts)
            if found.error is None or not is_immutable(found.error):
                return found
            return replace(found, twin=await _twin(cluster, question))

    answers = await asyncio.gather(*(answer(question) for question in asked))
    return {question.key: answer for question, answer in zip(asked, answers, strict=True)}


async def _answer(cluster: Cluster, question: Question, at: Situation, *, force: bool) -> Answer:
    """The server's word on one update. A hand edit is taken back; another automation's field is only with `force`."""
    try:
        body = await cluster.apply(question.key, question.body, force=force, dry_run=True)
    except ApiError as exc:
        if exc.code == 409 and not force and hand_edits_only(exc, at.live[question.key]):
            return await _answer(cluster, question, at, force=True)
        if exc.code == 403:
            return Answer(body=question.predicted, predicted=True)
        if not _is_excused(exc, question.excused):
            # A conflict with other automation stays one, whatever people have done beside it.
            mended = None if exc.code == 409 else await _answer_without_hands(cluster, question, at)
            return replace(mended, forced=force) if mended else Answer(body=question.predicted, error=exc)
        body = question.predicted
    if question.takes_over:  # a dry-run goes by the owners of today
        answer = await _rehearsed(cluster, question, at.live[question.key], question.predicted)
        mended = await _answer_without_hands(cluster, question, at) if answer.error else None
        return replace(mended or answer, forced=force)
    return Answer(body=body, forced=force)


async def _rehearsed(cluster: Cluster, question: Question, live: Body, body: Body) -> Answer:
    """The server's word on what an update comes to when others' fields are ours; it knows what it defaults."""
    if body is question.body:
        return Answer(body=body, predicted=True)
    try:
        return Answer(body=await cluster.rehearse(question.key, live, body))
    except ApiError as exc:
        return Answer(body=body, predicted=True) if exc.code == 403 else Answer(body=body, error=exc)


async def _twin(cluster: Cluster, question: Question) -> Body | None:
    """What the server would make of the manifest anew; None where it would not, as where the name is part of it."""
    key = replace(question.key, name="")
    try:
        return await cluster.create(key, bare_twin(question.body), dry_run=True)
    except ApiError:
        return None


async def _answer_without_hands(cluster: Cluster, question: Question, at: Situation) -> Answer | None:
    """The server's word on an update that takes all hand edits of the object back; None where that is refused too."""
    body = without_hand_edits(at, question, predict)
    if body is None or body is question.body:  # what cannot be merged is wrong by itself
        return None
    answer = await _rehearsed(cluster, question, at.live[question.key], body)
    return None if answer.error else replace(answer, by_hand=True)


def _is_excused(error: ApiError, field: str) -> bool:
    """True when the server only complains of `field` ("" = none), which mends itself once its owner has changed."""
    return bool(field and error.causes) and all(cause.get("field", "").startswith(field) for cause in error.causes)
