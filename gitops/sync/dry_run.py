"""What the API server says to the updates and creates of a plan, before anything is changed.

Only what looks changed is asked for, and an answer that two bodies are equal is remembered for a while.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace

from gitops.engine.creations import Creation, creations, holds_data_only, need_no_try
from gitops.engine.diff import is_same, pair_digest
from gitops.engine.inventory import with_ownership
from gitops.engine.manual_edits import hand_edits_only
from gitops.engine.order import is_crd, kinds_defined_by
from gitops.engine.plan import DryRunRequest, DryRunResult, questions, without_hand_edits
from gitops.engine.plan_input import PlanInput
from gitops.engine.predict import conflicting_fields, predict
from gitops.engine.refusal import bare_twin, changes_of, is_immutable, is_of_itself, is_taken, is_without_right
from gitops.engine.takeover import is_at_another_version
from gitops.manifests.key import Body, ResourceKey, version_of
from gitops.model.errors import ApiError
from gitops.ports import Cluster
from gitops.sync.context import SyncContext
from gitops.sync.live_state import read_by_name

_PARALLEL = 32
_EQUAL_SECONDS = 3600
# How often an object is looked at anew that keeps changing while it is asked about.
_LOOKS = 5


async def answered(context: SyncContext, at: PlanInput) -> tuple[PlanInput, Mapping[ResourceKey, DryRunResult]]:
    """The server's word on each update, and what is live as it was when that was given.

    A dry-run is of the object as it is then: what another has changed since it was read would look like ours.
    """
    answers = await _answers(context, questions(at, predict), at)
    for _ in range(_LOOKS):
        moved = {key for key, answer in answers.items() if _has_moved(at.live[key], answer)}
        if not moved:
            break
        now = await read_by_name(
            context.cluster, {key: version_of(at.live[key]["apiVersion"]) for key in moved}, fresh=True
        )
        at = replace(at, live={**{key: body for key, body in at.live.items() if key not in moved}, **now})
        of_moved = replace(at, options=replace(at.options, only=frozenset(moved)))
        rest = {key: answer for key, answer in answers.items() if key not in moved}
        answers = {**rest, **await _answers(context, questions(of_moved, predict), of_moved)}
    return at, answers


def _has_moved(live: Body, answer: DryRunResult) -> bool:
    """Whether the answer is of a newer object than `live`: a dry-run gives it the version of what it goes by."""
    if answer.error is not None or answer.predicted or answer.body is None:
        return False
    version = answer.body["metadata"].get("resourceVersion")
    return version is not None and version != live["metadata"].get("resourceVersion")


async def _answers(
    context: SyncContext, asked: list[DryRunRequest], at: PlanInput
) -> Mapping[ResourceKey, DryRunResult]:
    """Ask what no earlier answer tells: a pair that the server called equal is so for a while.

    Not for ever: a webhook that put the difference aside may be gone.
    """
    if not asked:
        return {}
    # Where others' fields become ours, the answer depends on which those are.
    names = {one.key: pair_digest(one.predicted if one.takes_over else one.body, at.live[one.key]) for one in asked}
    now = int(context.clock.now().timestamp())
    known = await context.store.known_equal(frozenset(names.values()), now - _EQUAL_SECONDS)
    answers = await _ask(context, [one for one in asked if names[one.key] not in known], at)
    answers = _excused_by_services(_excused_by_definitions(answers, at), at)
    equal = {
        names[key]
        for key, answer in answers.items()
        if answer.error is None
        and answer.body is not None
        and not answer.predicted
        and not _has_moved(at.live[key], answer)
        and (is_same(at.live[key], answer.body) or not changes_of(at.live[key], answer.body, answer.guess))
        and not is_at_another_version(at.live[key], answer.body["apiVersion"])
    }
    if equal:
        await context.store.remember_equal(frozenset(equal), now)
    return answers


async def tried_out(
    cluster: Cluster, at: PlanInput, makes: ResourceKey | None, changing: Collection[ResourceKey], *, is_for_now: bool
) -> Mapping[ResourceKey, DryRunResult]:
    """The server's word on each create that can be tried: what is wrong is known before anything is changed.

    `is_for_now` where the plan is carried out at once, and nobody looks at it before: what needs no try is not tried
    then; what only holds data is taken as accepted, so that several of it are not tried in their step either.
    """
    wanted = creations(at, makes, changing)
    untried = need_no_try(at) if is_for_now else frozenset()
    answers = await _dry_run_creates(cluster, [one for one in wanted if one.key not in untried])
    accepted = [one.key for one in wanted if one.key in untried and holds_data_only(one.key)]
    return {**dict.fromkeys(accepted, DryRunResult()), **answers}


async def _dry_run_creates(cluster: Cluster, wanted: list[Creation]) -> Mapping[ResourceKey, DryRunResult]:
    places = asyncio.Semaphore(_PARALLEL)

    async def answer(creation: Creation) -> DryRunResult:
        async with places:
            try:
                await cluster.apply(creation.key, creation.body, dry_run=True)
            except ApiError as exc:
                is_lost = creation.is_first and exc.code == 404 and "namespaces" in str(exc)
                return DryRunResult(error=exc) if is_lost or is_of_itself(exc) else _predicted(None, exc)
            return DryRunResult()

    answers = await asyncio.gather(*map(answer, wanted))
    return {creation.key: found for creation, found in zip(wanted, answers, strict=True)}


def _predicted(body: Body | None, error: ApiError) -> DryRunResult:
    """Our own guess, where the server would not say."""
    return DryRunResult(body=body, predicted=True, forbidden=str(error) if is_without_right(error) else "")


def _excused_by_definitions(
    answers: Mapping[ResourceKey, DryRunResult], at: PlanInput
) -> Mapping[ResourceKey, DryRunResult]:
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


def _excused_by_services(
    answers: Mapping[ResourceKey, DryRunResult], at: PlanInput
) -> Mapping[ResourceKey, DryRunResult]:
    """A port or an address that another Service of the set has live is free once that one has been applied."""
    gives_up = {key for key, answer in answers.items() if key.kind == "Service" and answer.error is None}
    return {
        key: replace(answer, error=None, predicted=True)
        if answer.error and is_taken(answer.error) and gives_up - {key}
        else answer
        for key, answer in answers.items()
    }


async def _ask(context: SyncContext, asked: list[DryRunRequest], at: PlanInput) -> Mapping[ResourceKey, DryRunResult]:
    places = asyncio.Semaphore(_PARALLEL)

    async def answer(question: DryRunRequest) -> DryRunResult:
        async with places:
            found = await _answer(context, question, at, force=at.options.force_conflicts)
            found = replace(found, guess=question.predicted) if found.guess is None else found
            if found.error is None or not is_immutable(found.error):
                return found
            return replace(found, preview=await _create_preview(context.cluster, question))

    answers = await asyncio.gather(*(answer(question) for question in asked))
    return {question.key: answer for question, answer in zip(asked, answers, strict=True)}


async def _answer(context: SyncContext, question: DryRunRequest, at: PlanInput, *, force: bool) -> DryRunResult:
    """The server's word on one update.

    A hand edit is taken back, and who asks for drift to be corrected gets back what was ours, whoever changed it;
    another automation's field that was never ours is only taken with `force`.
    """
    cluster = context.cluster
    try:
        body = await cluster.apply(question.key, question.body, force=force, dry_run=True)
    except ApiError as exc:
        is_taken_back = exc.code == 409 and not force and hand_edits_only(exc, at.live[question.key])
        if is_taken_back or (exc.code == 409 and not force and await _was_ours(context, question, at)):
            return await _answer(context, question, at, force=True)
        # A 500 may say that an owner's version cannot be converted any more.
        if question.takes_over and (exc.code in (422, 500) or (exc.code == 409 and question.is_clear)):
            answer = await _dry_run_replaced(cluster, question, at.live[question.key], question.predicted)
            if answer.error is None:
                return replace(answer, forced=force or question.takes_back)
        if exc.code == 403:
            return _predicted(question.predicted, exc)
        if not _is_excused(exc, question.excused):
            # A conflict with other automation stays one, whatever people have done beside it.
            mended = None if exc.code == 409 else await _answer_without_hands(cluster, question, at)
            return replace(mended, forced=force) if mended else DryRunResult(body=question.predicted, error=exc)
        body = question.predicted
    if question.takes_over:  # a dry-run goes by the owners of today
        answer = await _dry_run_replaced(cluster, question, at.live[question.key], question.predicted)
        mended = await _answer_without_hands(cluster, question, at) if answer.error else None
        return replace(mended or answer, forced=force)
    return DryRunResult(body=body, forced=force)


async def _was_ours(context: SyncContext, question: DryRunRequest, at: PlanInput) -> bool:
    """Whether all that others own now of what is wanted was set by what was synced last, and drift is corrected."""
    synced = at.inventory.synced
    if at.app.sync.drift != "correct" or not synced:
        return False
    rendered = at.rendered if at.rendered.digest == synced else await context.store.rendered(synced)
    last = next((found for found in rendered.manifests if found.key == question.key), None) if rendered else None
    if last is None:
        return False
    live = at.live[question.key]
    before = conflicting_fields(live, with_ownership(last.body, last.key, at.inventory))
    now = conflicting_fields(live, question.body)
    return before is not None and now is not None and now <= before


async def _dry_run_replaced(cluster: Cluster, question: DryRunRequest, live: Body, body: Body) -> DryRunResult:
    """The server's word on what an update comes to when others' fields are ours; it knows what it defaults."""
    if body is question.body:
        return DryRunResult(body=body, predicted=True)
    try:
        return DryRunResult(body=await cluster.dry_run_replace(question.key, live, body))
    except ApiError as exc:
        return _predicted(body, exc) if exc.code == 403 else DryRunResult(body=body, error=exc)


async def _create_preview(cluster: Cluster, question: DryRunRequest) -> Body | None:
    """What the server would make of the manifest anew; None where it would not, as where the name is part of it."""
    key = question.key._replace(name="")
    try:
        return await cluster.create(key, bare_twin(question.body), dry_run=True)
    except ApiError:
        return None


async def _answer_without_hands(cluster: Cluster, question: DryRunRequest, at: PlanInput) -> DryRunResult | None:
    """The server's word on an update that takes all hand edits of the object back; None where that is refused too."""
    body = without_hand_edits(at, question, predict)
    if body is None or body is question.body:  # what cannot be merged is wrong by itself
        return None
    answer = await _dry_run_replaced(cluster, question, at.live[question.key], body)
    return None if answer.error else replace(answer, by_hand=True, guess=body)


def _is_excused(error: ApiError, field: str) -> bool:
    """True when the server only complains of `field` ("" = none), which mends itself once its owner has changed."""
    return bool(field and error.causes) and all(cause.get("field", "").startswith(field) for cause in error.causes)
