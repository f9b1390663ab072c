"""A plan as JSON values: what `gitops diff -o json` prints, and what the API gives within a bound."""

from typing import Any, Final

from gitops.engine.describe import described
from gitops.model.plan import Plan
from gitops.model.result import Decision, Hold

MOST_CHANGES: Final = 500
MOST_FIELDS: Final = 200
_MOST_TEXT: Final = 4000


def plan_data(plan: Plan, decision: Decision) -> dict[str, Any]:
    """A plan as JSON values; `held` are the reasons alone, `obstacles` the same with their kinds and objects."""
    obstacles = decision.obstacles if isinstance(decision, Hold) else ()
    return {
        "application": plan.application,
        "revision": plan.revision.sha,
        "ref": plan.revision.ref,
        "digest": plan.digest,
        "id": plan.id,
        "decision": type(decision).__name__,
        "makes": [str(plan.makes)] if plan.makes else [],
        "steps": [
            {"phase": step.phase.name.lower(), "wave": step.wave, "changes": [described(item) for item in step.changes]}
            for step in plan.steps
        ],
        "kept": [{"object": str(kept.key), "reason": kept.reason} for kept in plan.kept],
        "held": [item.reason for item in obstacles],
        "obstacles": [
            {"kind": item.kind.value, "object": str(item.key) if item.key else "", "reason": item.reason}
            for item in obstacles
        ],
        "note": plan.predicted,
    }


def bounded_plan_data(plan: Plan, decision: Decision) -> dict[str, Any]:
    """The same, of a size that a page can show: `more` says how many changes are left out, long values are cut."""
    data, left = plan_data(plan, decision), MOST_CHANGES
    for step in data["steps"]:
        step["changes"] = [_bounded(change) for change in step["changes"][:left]]
        left -= len(step["changes"])
    return {**data, "changes": len(plan.changes), "more": max(len(plan.changes) - MOST_CHANGES, 0)}


def _bounded(change: dict[str, Any]) -> dict[str, Any]:
    fields = change.get("fields")
    if fields is None:
        return change
    shown = [{name: cut(value) for name, value in field.items()} for field in fields[:MOST_FIELDS]]
    return {**change, "fields": shown, "moreFields": max(len(fields) - MOST_FIELDS, 0)}


def cut(value: Any, depth: int = 12) -> Any:
    """JSON values of which no text is longer than a page can show, no list or map has more entries, none is deeper."""
    if depth == 0:
        return "…"
    match value:
        case str():
            more = len(value) - _MOST_TEXT
            return f"{value[:_MOST_TEXT]}… ({more} more characters)" if more > 0 else value
        case list():
            return [cut(item, depth - 1) for item in value[:MOST_FIELDS]]
        case dict():
            return {str(name)[:_MOST_TEXT]: cut(value[name], depth - 1) for name in list(value)[:MOST_FIELDS]}
    return value
