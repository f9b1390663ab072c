"""What the API does for an operator, in the same words as the command line: recorded, then told to the controller."""

from typing import Any, Final

from gitops.controller.leaving import plan_deletion, told_return
from gitops.controller.preview import context_of
from gitops.controller.state import ApplicationState
from gitops.model.operator_command import DELETE, REFRESH, ROLLBACK, SYNC, TERMINATE, TEST, answer_in
from gitops.server.api.applications import in_time
from gitops.server.api.operations import Call, Operation
from gitops.server.api.parameters import Parameter, flag, text
from gitops.server.auth import policy
from gitops.server.problems import Problem
from gitops.sync.context import Request
from gitops.sync.inventory_store import read_inventory
from gitops.sync.operator_acts import Operator, check_waits
from gitops.views.plan_data import bounded_plan_data

REASON: Final = text("reason", "Why; it is recorded in the audit log.", most=500)
_ONE: Final = "/applications/{namespace}/{name}"
_KEEP: Final = flag("keep", "Leave what it owns where it is, owned by nobody.")
_CONFIRM: Final = flag("confirm", "Carry out what a guard holds, as it was told.")


async def _operator(call: Call) -> tuple[Operator, ApplicationState]:
    """The person, acting on the Application. Raises Problem where its cluster cannot be reached."""
    overview = call.served.overview
    state = overview.state(call.application)
    deps = overview.deps(state)
    context = context_of(state, deps)
    return Operator(call.person.name, context, await read_inventory(context, state.app)), state


async def _asked(call: Call, verb: str, **detail: Any) -> dict[str, Any]:
    operator, state = await _operator(call)
    number = await operator.ask(verb, call["reason"] or "", **detail)
    return {"application": state.identity, "act": verb, "by": operator.name, "request": number}


def _done(call: Call, act: str) -> dict[str, Any]:
    return {"application": call.application, "act": act, "by": call.person.name, "request": None}


async def sync(call: Call) -> dict[str, Any]:
    return await _asked(call, SYNC, confirm=call["confirm"])


async def refresh(call: Call) -> dict[str, Any]:
    return await _asked(call, REFRESH, confirm=False)


async def terminate(call: Call) -> dict[str, Any]:
    return await _asked(call, TERMINATE)


async def run_tests(call: Call) -> dict[str, Any]:
    return await _asked(call, TEST)


async def suspend(call: Call) -> dict[str, Any]:
    operator, _ = await _operator(call)
    await operator.suspend(call["reason"] or "")
    return _done(call, "suspend")


async def resume(call: Call) -> dict[str, Any]:
    operator, _ = await _operator(call)
    await operator.resume(call["reason"] or "")
    return _done(call, "resume")


async def approve(call: Call) -> dict[str, Any]:
    operator, state = await _operator(call)
    row = call.served.overview.row(state.identity)
    check_waits(state.identity, row.record.plan if row else "", call["plan"])
    await operator.approve(call["plan"], call["reason"] or "")
    return _done(call, "approve")


async def rollback(call: Call) -> dict[str, Any]:
    detail = {"release": call["release"], "plan": call["plan"], "prune": call["prune"], "confirm": call["confirm"]}
    return await _asked(call, ROLLBACK, **detail)


async def delete(call: Call) -> dict[str, Any]:
    return await _asked(call, DELETE, plan=call["plan"], keep=call["keep"], confirm=call["confirm"])


async def plan_delete(call: Call) -> dict[str, Any]:
    """What a deletion would do, and who would bring the Application back: its id is what it is asked for with."""
    state = call.served.overview.state(call.application)
    deps = call.served.overview.deps(state)
    request = Request(state.app, call.person.name)
    making = plan_deletion(request, context_of(state, deps), deps.leaving, state, keep=call["keep"])
    found = await in_time(call, making)
    origin = found.origin
    return {
        **bounded_plan_data(found.planned.plan, found.planned.decision),
        "keep": call["keep"],
        "objects": len(found.planned.at.inventory.keys),
        "place": origin.place,
        "broughtBack": told_return(origin),
        "stays": origin.stays,
        "also": list(found.also),
    }


async def get_request(call: Call) -> dict[str, Any]:
    """How an act ended that a controller was asked for; `outcome` is null while it is open."""
    store, number = call.served.overview.controller.store, call["number"]
    application, actor = await store.requested_for(number) or ("", "")
    # Of what is deleted by now, whoever asked for that hears all the same.
    may_hear = call.sees.is_everything or call.sees(application) or bool(actor and actor == call.person.name)
    text_of = await store.outcome(number) if may_hear else None  # else as of one that there is not
    if text_of is None:
        return {"request": number, "outcome": None, "message": ""}
    outcome, message = answer_in(text_of)
    return {"request": number, "outcome": outcome.value, "message": message}


# What the policy has to allow for each act: to suspend and to resume is to change what is automated.
_ACTIONS: Final = {"suspend": policy.UPDATE, "resume": policy.UPDATE}


def _act(act: str, about: str, carry_out: Any, *body: Parameter, status: int = 200) -> Operation:
    action = _ACTIONS.get(act, policy.SYNC)
    return Operation(act, f"{_ONE}/{act}", about, "Done", carry_out, body=(*body, REASON), status=status, action=action)


PLAN_DELETION: Final = Operation(
    "planDeletion",
    f"{_ONE}/deletion",
    "What deleting it would delete, and who would bring it back.",
    "DeletionPlan",
    plan_delete,
    (_KEEP,),
)
DELETE_APPLICATION: Final = Operation(
    "deleteApplication",
    f"{_ONE}/delete",
    "Delete it with what it owns, by the plan that was shown, or keep what it owns.",
    "Done",
    delete,
    body=(
        text("plan", "The id of the plan that planDeletion gave.", required=True, least=64, most=64),
        _KEEP,
        _CONFIRM,
        REASON,
    ),
    status=202,
    action=policy.DELETE,
)
OPERATIONS: Final = (
    _act(SYNC, "Sync it now, though it is not automated or is suspended.", sync, _CONFIRM, status=202),
    _act(REFRESH, "Look at its repository and its cluster now.", refresh, status=202),
    _act(TERMINATE, "End the sync that is under way: what was applied stays.", terminate, status=202),
    _act(TEST, "Run its tests, against what was synced last.", run_tests, status=202),
    _act("suspend", "Have the controller change nothing of it until it is resumed.", suspend),
    _act("resume", "Let the controller go on.", resume),
    _act(
        "approve",
        "Let the controller carry out the plan that waits, and no other.",
        approve,
        text("plan", "The plan's id, or its first 12 digits at least.", required=True, least=12, most=64),
    ),
    _act(
        ROLLBACK,
        "Go back to a release, by the plan that was shown.",
        rollback,
        Parameter("release", "The release's number.", {"type": "integer", "minimum": 1, "maximum": 10**9}, True),
        text("plan", "The id of the plan that planRollback gave.", required=True, least=64, most=64),
        flag("prune", "Also delete what that release did not have."),
        _CONFIRM,
        status=202,
    ),
    PLAN_DELETION,
    DELETE_APPLICATION,
    Operation("getRequest", "/requests/{number}", "How an act ended that was asked for.", "Request", get_request),
)


def known_act(name: str) -> Operation:
    """The act that a page's form names, as its address ends. Raises Problem for none."""
    found = next((one for one in OPERATIONS if one.body is not None and one.path.endswith(f"/{name}")), None)
    if found is None:
        raise Problem(404, "No such act", f"there is no act {name[:40]}")
    return found
