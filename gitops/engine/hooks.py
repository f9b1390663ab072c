"""What makes hooks run once per sync: each hook's object carries the id of the sync that it runs for.

The id is in the inventory from before the first hook until the sync has ended, so whoever goes on with a sync that was
killed knows what ran. For that long nothing that has run may go: it is deleted afterwards, and a Job's TTL held back.
"""

from gitops.engine.annotations import annotations_of
from gitops.manifests.key import Body
from gitops.model.plan import HookDelete, RunHook

SYNC = "gitops.dev/sync"
# A Job that ended keeps its object at least so long, for a process that comes back late.
_HELD_SECONDS = 7 * 24 * 3600


def body_to_run(hook: RunHook, sync: str) -> Body:
    """The hook's body as it is made for the sync with the id `sync`."""
    body = _of_sync(hook, sync)
    held = max(_HELD_SECONDS, _ttl(body) or 0)
    return body if _ttl(body) is None else {**body, "spec": {**body["spec"], "ttlSecondsAfterFinished": held}}


def body_when_ended(hook: RunHook, live: Body, sync: str) -> Body | None:
    """What gives the live object its own TTL back, or None where it has none; never makes another object."""
    if _ttl(hook.body) is None:
        return None
    body = _of_sync(hook, sync)
    return {**body, "metadata": {**body["metadata"], "uid": live["metadata"]["uid"]}}


def is_of_sync(live: Body, sync: str) -> bool:
    """True when the object was made by the sync with the id `sync`."""
    return bool(sync) and _made_by(live)[0] == sync


def has_run(hook: RunHook, live: Body, sync: str) -> bool:
    """True when the sync with the id `sync` made the hook's object for this phase, or has come to a later one."""
    return is_of_sync(live, sync) and _made_by(live)[1] >= hook.phase


def _made_by(live: Body) -> tuple[str, int]:
    sync, _, phase = annotations_of(live).get(SYNC, "").partition("-")
    return sync, int(phase) if phase.isdecimal() else 0


def leaves_something(hook: RunHook) -> bool:
    """True when there is something to be done about the hook's object after the sync."""
    return _ttl(hook.body) is not None or bool(hook.delete & {HookDelete.SUCCEEDED, HookDelete.FAILED})


def removes_itself(body: Body) -> bool:
    """True for a Job that its TTL removes once it has run."""
    return _ttl(body) is not None


def _of_sync(hook: RunHook, sync: str) -> Body:
    """The annotation is the id of the sync and the number of its phase: a hook may run in several."""
    marks = {**annotations_of(hook.body), SYNC: f"{sync}-{hook.phase.value}"}
    return {**hook.body, "metadata": {**hook.body["metadata"], "annotations": marks}}


def _ttl(body: Body) -> int | None:
    """A Job's; None where it has none, or none that the API server would take."""
    ttl = (body.get("spec") or {}).get("ttlSecondsAfterFinished") if body.get("kind") == "Job" else None
    return ttl if isinstance(ttl, int) else None
