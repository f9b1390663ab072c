"""One object of an Application as JSON values: live and desired, who owns its fields, its events, why it is not well.

An object is the Application's where its inventory names it, or where one that it names made it: ReplicaSets, Jobs and
Pods. Nothing else is shown, whatever the rights are that it is read with.
"""

from collections.abc import Mapping
from typing import Any, Final

from gitops.engine.describe import described
from gitops.engine.health import health_of
from gitops.engine.inventory import Inventory
from gitops.engine.pod_failure import event_time
from gitops.manifests.key import Body, ResourceKey, group_of, key_of
from gitops.manifests.secrets import shown, veiled
from gitops.model.errors import ClusterError, ConfigError
from gitops.model.health import MISSING
from gitops.ports import Cluster
from gitops.sync.context import PlannedSync
from gitops.sync.diagnostics import Diagnostics
from gitops.sync.standing import application_in
from gitops.views.plan_data import MOST_FIELDS, cut
from gitops.views.workloads import Hide, containers_of, controller_of, is_made, text_of

_HIGHEST: Final = 4
_DEEPEST: Final = 60  # levels of a manifest
_MOST_EVENTS: Final = 50
_MOST_OWNERS: Final = 100
_MOST_TEXT: Final = 2000


async def live_object(cluster: Cluster, inventory: Inventory, key: ResourceKey) -> tuple[Body | None, Body | None]:
    """The live body, and that of the inventory's object that made it (None for one that is of the inventory itself).

    Raises ConfigError for one that is not the Application's, ClusterError.
    """
    if key in inventory.keys:
        return await cluster.get(key), None
    live = await cluster.get(key) if is_made(key) else None
    body = live
    for _ in range(_HIGHEST):
        owner = controller_of(body) if body else None
        if body is None or owner is None:
            break
        above = _named(owner, key.namespace)
        body = await cluster.get(above)
        if body is None or body["metadata"].get("uid") != owner.get("uid"):
            break
        if above in inventory.keys:
            return live, body
    raise ConfigError(f"{inventory.application} has no object {key}")


def _named(owner: Mapping[str, Any], namespace: str) -> ResourceKey:
    name, kind = text_of(owner.get("name")), text_of(owner.get("kind"))
    return ResourceKey(group_of(text_of(owner.get("apiVersion"))), kind, namespace, name)


async def object_facts(
    cluster: Cluster, inventory: Inventory, key: ResourceKey, live: Body | None, diagnostics: Diagnostics
) -> dict[str, Any]:
    """Its health with the reason down to the container, its owners and its events; what cannot be read is said."""
    health = health_of(live, application_in(inventory).health) if live else MISSING
    events, events_error = await _events(cluster, live, diagnostics.hidden)
    is_pod = live is not None and (key.group, key.kind) == ("", "Pod")
    return {
        "application": inventory.application,
        "object": str(key),
        "group": key.group,
        "kind": key.kind,
        "namespace": key.namespace,
        "name": key.name,
        "health": health.word.value,
        "why": "" if health.is_settled else (await diagnostics.reason_for(key, health))[:_MOST_TEXT],
        "containers": containers_of(live, diagnostics.hidden) if is_pod and live else [],
        "managers": managers_of(live) if live else [],
        "events": events,
        "eventsError": events_error,
    }


async def _events(cluster: Cluster, live: Body | None, hidden: Hide) -> tuple[list[dict[str, Any]], str]:
    """What happened to it, the newest first, and why that cannot be read."""
    if live is None:
        return [], ""
    # Events of what is in no namespace are in the one called default.
    namespace = live["metadata"].get("namespace") or "default"
    fields = f"involvedObject.uid={live['metadata'].get('uid')}"
    try:
        found = (await cluster.list("", "Event", namespace, fields=fields)).items
    except ClusterError as exc:
        return [], f"its events cannot be listed: {exc}"
    newest = sorted(found, key=event_time, reverse=True)[:_MOST_EVENTS]
    return [_event(one, hidden) for one in newest], ""


def _event(event: Body, hidden: Hide) -> dict[str, Any]:
    source, count = event.get("source"), event.get("count")
    component = source.get("component") if isinstance(source, dict) else ""
    return {
        "type": text_of(event.get("type")),
        "reason": text_of(event.get("reason"))[:_MOST_TEXT],
        "message": hidden(text_of(event.get("message")))[:_MOST_TEXT],
        "from": text_of(component) or text_of(event.get("reportingComponent")),
        "count": count if isinstance(count, int) and count > 0 else 1,
        "at": event_time(event),
    }


def managers_of(live: Body) -> list[dict[str, Any]]:
    """The entries of managedFields: who set which fields, how, and when last."""
    found = []
    for entry in (live["metadata"].get("managedFields") or [])[:_MOST_OWNERS]:
        paths, more = _paths(entry.get("fieldsV1") or {})
        words = {name: text_of(entry.get(name)) for name in ("manager", "operation", "time", "subresource")}
        found.append({**words, "fields": paths, "more": more})
    return found


def _paths(fields: Mapping[str, Any]) -> tuple[list[str], int]:
    """The places that a field set names, and how many are left out; what is only around another is not named."""
    found: list[str] = []
    left: list[tuple[str, Mapping[str, Any]]] = [("", fields)]
    while left:
        path, below = left.pop()
        steps = [step for step in below if step != "."]
        if not steps:
            found.append(path)
        left.extend((path + _step(step, path), below[step]) for step in steps)
    ordered = sorted(path for path in found if path)
    return [path[:_MOST_TEXT] for path in ordered[:MOST_FIELDS]], max(len(ordered) - MOST_FIELDS, 0)


def _step(step: str, path: str) -> str:
    kind, _, name = step.partition(":")
    if kind != "f":
        return f"[{name}]"
    is_plain = "." not in name and "/" not in name
    return f"[{name}]" if not is_plain else f".{name}" if path else name


def manifests_of(
    key: ResourceKey, live: Body | None, maker: Body | None, planned: PlannedSync | None
) -> dict[str, Any]:
    """The live and the desired manifest, and how a sync now would change it.

    Values of Secrets are hidden in both, and what is hidden in the object that made it.
    """
    wanted = next((one for one in planned.at.rendered.manifests if one.key == key), None) if planned else None
    desired = wanted.body if wanted else None
    change = next((one for one in planned.plan.changes if one.key == key), None) if planned else None
    row = described(change) if change else {}
    fields = row.get("fields") or []
    return {
        "madeBy": str(key_of(maker)) if maker else "",
        "live": _manifest(live, desired or maker),
        "desired": _manifest(desired, live),
        "origin": str(wanted.origin) if wanted else "",
        "change": row.get("change", ""),
        "reason": row.get("reason", ""),
        "fields": [cut(field) for field in fields[:MOST_FIELDS]],
        "moreFields": max(len(fields) - MOST_FIELDS, 0),
    }


def _manifest(body: Body | None, other: Body | None) -> Any:
    """A body as it may be shown: without who owns which field, which is told apart."""
    if body is None:
        return None
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return cut(shown(veiled({**body, "metadata": metadata}, other)), _DEEPEST)
