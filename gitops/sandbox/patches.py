"""PATCH: the four kinds of patch, and what each answers when it does not fit."""

from collections.abc import Callable
from typing import Any

import orjson
import yaml

from gitops.manifests import structured_merge
from gitops.manifests.json_patch import PatchError, json_patch, merge_patch
from gitops.manifests.key import Body
from gitops.manifests.strategic_merge import StrategicMergeError, strategic_merge
from gitops.manifests.typed import TypedError, validate
from gitops.sandbox import strategies, writes
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import (
    ApiFailure,
    bad_patch,
    bad_request,
    failure,
    internal,
    invalid_object,
    required,
    unknown_patch_type,
    unsupported_media_type,
)
from gitops.sandbox.storage import Stored

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def patch(cluster: Cluster, write: Write, content_type: str, raw: bytes) -> tuple[Body, bool]:
    """Carries a patch out; gives the object and whether it is new. Raises ApiFailure."""
    kind = content_type.partition(";")[0].strip()
    if kind == APPLY:
        return _apply(cluster, write, raw)
    if kind not in (MERGE, STRATEGIC, JSON):
        raise unsupported_media_type()
    if kind == STRATEGIC and write.resource.custom is not None:
        raise unknown_patch_type((JSON, MERGE, APPLY))
    stored = cluster.get(write.resource, write.namespace, write.name)
    document = _json(raw)
    if kind == JSON:
        patched = _guarded(lambda: json_patch(stored.body, document))
    elif kind == MERGE:
        patched = merge_patch(stored.body, _map(document))
    else:
        patched = _strategic(stored.body, _map(document), write.resource)
    return _store(cluster, write, stored, patched), False


def patched_document(current: Body, content_type: str, raw: bytes) -> Any:
    """A document that is no stored object (a Scale) with a merge or JSON patch applied."""
    document = _json(raw) if not content_type.startswith(APPLY) else _yaml(raw)
    if content_type.startswith(JSON):
        return _guarded(lambda: json_patch(current, document))
    return merge_patch(current, _map(document))


def _store(cluster: Cluster, write: Write, stored: Stored, patched: Any) -> Body:
    if not isinstance(patched, dict):
        raise bad_patch()
    if patched.get("kind") != stored.body["kind"] or patched.get("apiVersion") != stored.body["apiVersion"]:
        patched = {**patched, "kind": patched.get("kind") or "", "apiVersion": patched.get("apiVersion") or ""}
    return writes.update(cluster, write, stored, writes.read(write, patched))


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"error decoding patch: {error}") from error


def _map(document: Any) -> Body:
    if not isinstance(document, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"
        )
    return document


def _guarded(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except PatchError as error:
        raise bad_patch() from error


def _strategic(live: Body, document: Body, resource: Resource) -> Body:
    try:
        return strategic_merge(live, document, resource.type)
    except StrategicMergeError as error:
        raise failure(422, str(error), "Invalid", {}) from error


# --- server-side apply --------------------------------------------------------------------------------------------


def _apply(cluster: Cluster, write: Write, raw: bytes) -> tuple[Body, bool]:
    resource = write.resource
    if not write.manager:
        error = required("fieldManager", "is required for apply patch")
        raise invalid_object("meta.k8s.io", "PatchOptions", "", [error])
    desired = _yaml(raw)
    _check_applied(write, desired)
    stored = cluster.find(resource, write.namespace, write.name)
    if stored is None and write.subresource:
        cluster.get(resource, write.namespace, write.name)
    live = stored.body if stored is not None else writes.empty(resource)
    outcome = _merged(cluster, write, live, desired, write.force)
    if outcome.conflicts:
        outcome = _migrated(cluster, write, live, desired, outcome)
    if stored is None:
        body = writes.read(write, outcome.body)
        return writes.insert(cluster, write, _with_name(write, body)), True
    if outcome.body is live:
        return live, False
    return writes.store_update(cluster, write, stored, writes.read(write, outcome.body)), False


def _with_name(write: Write, body: Body) -> Body:
    return {**body, "metadata": {**body["metadata"], "name": write.name}}


def _yaml(raw: bytes) -> Body:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            document = yaml.load(raw, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise bad_request(f"error decoding YAML: {error}") from error
    if not isinstance(document, dict):
        raise bad_request("error decoding YAML: the document is not an object")
    return document


def _check_applied(write: Write, desired: Body) -> None:
    resource, metadata = write.resource, desired.get("metadata") or {}
    if not desired.get("apiVersion") or not desired.get("kind"):
        raise internal(
            f"failed to create typed patch object ({write.namespace}/{write.name}; , Kind=): no kind or version"
        )
    if desired["apiVersion"] != resource.api_version or desired["kind"] != resource.kind:
        wanted = f"{resource.api_version}, Kind={resource.kind}"
        raise bad_request(f"invalid object type: {desired['apiVersion']}, Kind={desired['kind']} (expected {wanted})")
    if metadata.get("name") and metadata["name"] != write.name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({write.name})"
        )
    if resource.namespaced and metadata.get("namespace") not in (None, "", write.namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")


def _merged(cluster: Cluster, write: Write, live: Body, desired: Body, force: bool) -> structured_merge.Applied:
    kind = write.resource.type
    try:
        validate(desired, kind)
        return structured_merge.apply(
            live,
            desired,
            manager=write.manager,
            now=cluster.clock.stamp(),
            force=force,
            schema=kind,
            subresource=write.subresource,
            ignored=strategies.ignored_fields(write.resource, write.subresource),
        )
    except TypedError as error:
        where = f"{write.namespace}/{write.name}; {write.resource.api_version}, Kind={write.resource.kind}"
        raise internal(f"failed to create typed patch object ({where}): {error}") from error


def _migrated(
    cluster: Cluster, write: Write, live: Body, desired: Body, outcome: structured_merge.Applied
) -> structured_merge.Applied:
    """`kubectl` taking over from its own client-side apply: fields it last applied itself are no conflict."""
    if write.manager == "kubectl":
        allowed = _last_applied(live, write.resource)
        remaining = tuple(conflict for conflict in outcome.conflicts if conflict.path not in allowed)
        if not remaining:
            return _merged(cluster, write, live, desired, True)
        outcome = structured_merge.Applied(outcome.body, remaining)
    raise conflicts(outcome.conflicts)


def _last_applied(live: Body, resource: Resource) -> set[tuple[str, ...]]:
    text = (live["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    if not text:
        return set()
    try:
        last = orjson.loads(text)
        from gitops.manifests import fields, typed

        return set(fields.iterate(typed.field_set(last, resource.type)))
    except (orjson.JSONDecodeError, TypedError):
        return set()


def conflicts(found: tuple[structured_merge.Conflict, ...]) -> ApiFailure:
    """409 with one cause per field that another manager owns."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {conflict.manager.shown}",
            "field": conflict.field,
        }
        for conflict in found
    ]
    return failure(409, structured_merge.conflict_message(found), "Conflict", {"causes": causes})
