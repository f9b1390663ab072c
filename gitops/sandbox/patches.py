"""PATCH: the four kinds of patch, and what each answers when it does not fit."""

from collections.abc import Callable
from typing import Any

import orjson

from gitops.manifests import fields, structured_merge, typed
from gitops.manifests.fields import go_json
from gitops.manifests.json_patch import PatchError, json_patch, merge_patch
from gitops.manifests.key import Body
from gitops.manifests.strategic_merge import StrategicFormatError, StrategicMergeError, strategic_merge
from gitops.manifests.typed import TypedError
from gitops.manifests.typed_validation import go_text, validate
from gitops.manifests.yaml_documents import Composer, decode
from gitops.manifests.yaml_values import YamlProblem
from gitops.sandbox import writes
from gitops.sandbox.access import authorize_creation
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.decode import DecodeError, json_kind
from gitops.sandbox.go_errors import go_json_error
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import (
    ApiFailure,
    bad_patch,
    bad_request,
    conflict,
    failure,
    forbidden_field,
    internal,
    invalid,
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
    if write.force:
        error = forbidden_field("force", "may not be specified for non-apply patch")
        raise invalid_object("meta.k8s.io", "PatchOptions", "", [error])
    if kind == STRATEGIC and write.resource.custom is not None:
        raise unknown_patch_type((JSON, MERGE, APPLY))
    stored = cluster.get(write.resource, write.namespace, write.name)
    if kind == JSON:
        operations = _list(_json(raw))
        patched = _guarded(lambda: json_patch(stored.body, operations))
        return _store(cluster, write, stored, patched, None), False
    document = _map(_json(raw))
    if kind == MERGE:
        return _store(cluster, write, stored, merge_patch(stored.body, document), None), False
    return _store(cluster, write, stored, _strategic(stored.body, document, write.resource), document), False


def patched_document(current: Body, content_type: str, raw: bytes) -> Any:
    """A document that is no stored object (a Scale) with a merge or JSON patch applied."""
    document = _json(raw) if not content_type.startswith(APPLY) else yaml_document(raw)
    if content_type.startswith(JSON):
        return _guarded(lambda: json_patch(current, document))
    return merge_patch(current, _map(document))


def _store(cluster: Cluster, write: Write, stored: Stored, patched: Any, strategic: Body | None) -> Body:
    """Stores a patched object; what does not decode is told together with it, or with the strategic patch itself."""
    if not isinstance(patched, dict):
        raise bad_patch()
    kind, version = patched.get("kind") or "", patched.get("apiVersion") or ""
    try:
        if (kind, version) != (write.resource.kind, write.resource.api_version):
            raise DecodeError(writes.not_registered(kind, version))
        body, unknown = writes.decoded(write.resource, patched)
        if unknown and write.field_validation == "Strict":
            raise DecodeError("strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown))
    except DecodeError as error:
        text = str(error) if strategic is None else error.converting()
        shown = go_json(patched) if strategic is None else go_text(strategic)
        raise invalid_object("", "", "", [invalid("patch", shown, text)]) from error
    if write.field_validation == "Warn":
        write.warnings.extend(f'unknown field "{path}"' for path in unknown)
    writes.check_place(write, body["metadata"])
    return writes.update(cluster, write, stored, body)


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        text = go_json_error(raw.decode(errors="replace"), error.pos)
        raise bad_request(f"error decoding patch: {text}") from error


def _map(document: Any) -> Body:
    if not isinstance(document, dict):
        found = json_kind(document)
        text = f"json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        raise bad_request(f"error decoding patch: {text}")
    return document


def _list(document: Any) -> list[Any]:
    if not isinstance(document, list):
        found = json_kind(document)
        text = f"json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp"
        raise bad_request(f"error decoding patch: {text}")
    return document


def _guarded(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except PatchError as error:
        raise bad_patch() from error


def _strategic(live: Body, document: Body, resource: Resource) -> Body:
    try:
        return strategic_merge(live, document, resource.type)
    except StrategicFormatError as error:
        raise bad_request(str(error)) from error
    except StrategicMergeError as error:
        raise internal(str(error)) from error


# --- server-side apply --------------------------------------------------------------------------------------------


def _apply(cluster: Cluster, write: Write, raw: bytes) -> tuple[Body, bool]:
    resource = write.resource
    if not write.manager:
        error = required("fieldManager", "is required for apply patch")
        raise invalid_object("meta.k8s.io", "PatchOptions", "", [error])
    desired = yaml_document(raw)
    _check_applied(write, desired)
    stored = cluster.find(resource, write.namespace, write.name)
    if stored is None and write.subresource:
        cluster.get(resource, write.namespace, write.name)
    if stored is None:
        writes.refuse_terminating(cluster, write, 403)
    live = stored.body if stored is not None else writes.empty(resource)
    if unknown := writes.unknown_versions(cluster, resource, live):
        raise internal(f"request to convert CR to an invalid group/version: {unknown[0]}")
    outcome = _merged(cluster, write, live, desired, write.force)
    if outcome.conflicts:
        outcome = _migrated(cluster, write, live, desired, outcome)
    if outcome.body is not live:
        outcome = _annotated(write, desired, outcome)

    def not_converted(error: DecodeError) -> ApiFailure:
        version = _versioned_kind(write)
        why = f"unable to convert unstructured object to {version}: {error.converting()}"
        return internal(f"failed to convert new object ({_shown(write, desired)}) to proper version: {why}")

    if stored is None:
        body = writes.read(write, outcome.body, not_converted)
        writes.check_place(write, body["metadata"])
        if uid := body["metadata"].get("uid"):
            why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            raise conflict(resource.group, resource.plural, write.name, why)
        authorize_creation(cluster, write)
        return writes.insert(cluster, write, body), True
    if outcome.body is live:
        return live, False
    return writes.store_update(cluster, write, stored, writes.read(write, outcome.body, not_converted)), False


def _versioned_kind(write: Write) -> str:
    return f"{write.resource.group}/{write.resource.version}, Kind={write.resource.kind}"


def _shown(write: Write, desired: Body) -> str:
    """How messages name what is applied: by what is written in it."""
    metadata = desired.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return f"{namespace or ''}/{write.name}; {_versioned_kind(write)}"


_LARGEST_ANNOTATION = 256 * 1024


def _annotated(write: Write, desired: Body, outcome: structured_merge.Applied) -> structured_merge.Applied:
    """`kubectl` keeps its client-side annotation true while an object still has one."""
    metadata = outcome.body["metadata"]
    if write.manager != "kubectl" or _LAST_APPLIED not in (metadata.get("annotations") or {}):
        return outcome
    text = orjson.dumps(desired, option=orjson.OPT_SORT_KEYS).decode() + "\n"
    annotations = {**metadata["annotations"], _LAST_APPLIED: text}
    if len(text) > _LARGEST_ANNOTATION:
        del annotations[_LAST_APPLIED]
    body = {**outcome.body, "metadata": {**metadata, "annotations": annotations}}
    return structured_merge.Applied(body)


def yaml_document(raw: bytes) -> Body:
    """The object in the body of an apply; 400 when there is none."""
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        document = read_yaml(raw)
    if not isinstance(document, dict):
        raise bad_request("error decoding YAML: the document is not an object")
    return document


def read_yaml(raw: bytes) -> Any:
    """The value of a YAML body, as kubectl reads it: `name: y` is no text; 400 where it is not YAML."""
    try:
        return Composer(decode(raw)).document()
    except YamlProblem as error:
        words = str(error).removeprefix("not YAML: ")
        text = f"error converting YAML to JSON: yaml: line {error.line}: {words}"
        raise bad_request(f"error decoding YAML: {text}") from error


def _check_applied(write: Write, desired: Body) -> None:
    resource, metadata = write.resource, desired.get("metadata")
    version, kind = desired.get("apiVersion") or "", desired.get("kind") or ""
    if (version, kind) != (resource.api_version, resource.kind):
        shown = version if "/" in version else f"/{version}"
        raise bad_request(f"invalid object type: {shown}, Kind={kind}")
    if isinstance(metadata, dict):  # the type's own check tells of anything else
        if metadata.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        texts = {key: value if isinstance(value, str) else "" for key, value in metadata.items()}
        writes.check_place(write, {"name": write.name, **texts})


def _merged(cluster: Cluster, write: Write, live: Body, desired: Body, force: bool) -> structured_merge.Applied:
    try:
        validate(desired, write.resource.type)
        return structured_merge.apply(
            live,
            desired,
            manager=write.manager,
            now=cluster.clock.stamp(),
            force=force,
            at=writes.endpoint_of(write),
        )
    except TypedError as error:
        raise internal(f"failed to create typed patch object ({_shown(write, desired)}): {error}") from error


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
