"""Creating and updating objects: decode, own, admit, prepare, validate, store.

Every write, from a client or from a simulated controller, comes through `create` or `update`; the order of the steps
is that of k8s.io/apiserver/pkg/registry/generic.
"""

import uuid
from collections.abc import Callable

from gitops.manifests import structured_merge
from gitops.manifests.key import Body
from gitops.manifests.schema import builtin_type
from gitops.manifests.typed import TypedError, same
from gitops.sandbox import admission, allocation, custom, escalation, pod_warnings, strategies
from gitops.sandbox.cluster import Cluster, Write
from gitops.sandbox.decode import DecodeError, Decoder, cannot_be_handled, zero
from gitops.sandbox.defaults import DEFAULTERS
from gitops.sandbox.deletion import finish_if_released
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import (
    MODIFIED,
    FieldError,
    already_exists,
    bad_request,
    conflict,
    failure,
    forbidden,
    invalid,
    invalid_object,
    required,
)
from gitops.sandbox.storage import Stored
from gitops.sandbox.validation import rules


def decoded(resource: Resource, sent: Body) -> tuple[Body, list[str]]:
    """A sent object as the server keeps it in memory, and the paths of fields it does not know; DecodeError."""
    if resource.custom is not None:
        body, unknown = custom.read(resource, sent)
    else:
        decoder = Decoder(DEFAULTERS)
        body = decoder.struct(sent, resource.type, "")
        unknown = decoder.unknown
        strategies.move_string_data(body)
    body["kind"], body["apiVersion"] = resource.kind, resource.api_version
    return body, unknown


def read(write: Write, sent: Body, failed: Callable[[DecodeError], Exception] | None = None) -> Body:
    """A sent object, decoded by its type and defaulted; unknown fields are dropped, told or refused as asked for.

    `failed` says what is raised where the object does not fit its type (400 if nothing does).
    """
    resource = write.resource
    try:
        body, unknown = decoded(resource, sent)
    except DecodeError as error:
        raise failed(error) if failed else cannot_be_handled(resource.kind, resource.version, str(error)) from error
    _report_unknown(write, unknown)
    return body


def _report_unknown(write: Write, unknown: list[str]) -> None:
    if not (unknown or write.duplicates) or write.field_validation == "Ignore":
        return
    texts = [f'duplicate field "{path}"' for path in write.duplicates]
    texts += [f'unknown field "{path}"' for path in unknown]
    if write.field_validation == "Strict":
        why = "strict decoding error: " + ", ".join(texts)
        raise cannot_be_handled(write.resource.kind, write.resource.version, why)
    write.warnings.extend(texts)


def empty(resource: Resource) -> Body:
    """The object that a creation is compared with to find which fields it sets."""
    head = {"kind": resource.kind, "apiVersion": resource.api_version}
    return head if resource.custom is not None else {**zero(resource.type), **head}


def check_identity(write: Write, sent: Body) -> None:
    """Refuses an object of another kind, namespace or name than the URL says."""
    resource = write.resource
    kind, version = sent.get("kind") or resource.kind, sent.get("apiVersion") or resource.api_version
    if (kind, version) != (resource.kind, resource.api_version):
        _refuse_kind(resource, kind, version)
    if isinstance(sent.get("metadata"), dict):  # decoding says what is wrong with anything else
        check_place(write, sent["metadata"])
    elif write.name and not sent.get("metadata"):
        check_place(write, {})


def check_place(write: Write, metadata: Body) -> None:
    """Refuses metadata of another namespace or name than the URL says."""
    namespace = metadata.get("namespace")
    if write.resource.namespaced and namespace and namespace != write.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if not write.name:
        return
    name = metadata.get("name")
    if not name:
        raise bad_request(
            f"the name of the object ({write.name} based on URL) was undeterminable: name must be provided"
        )
    if name != write.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({write.name})")


_SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"


def _refuse_kind(resource: Resource, kind: str, version: str) -> None:
    """400 (for a custom kind perhaps 422) for an object of another kind than the URL's."""
    group, _, short = version.rpartition("/")
    if resource.custom is not None:
        if version != resource.api_version:
            expected = f"does not match the expected API version ({resource.api_version})"
            raise bad_request(f"the API version in the data ({version}) {expected}")
        error = invalid("kind", kind, f"must be {resource.kind}")
        raise invalid_object(resource.group, resource.kind, "", [error])
    if builtin_type(group, short, kind) is not None:
        package = resource.group.partition(".")[0] or "core"
        why = f"converting ({short}.{kind}) to ({package}.{resource.kind}): unknown conversion"
    else:
        why = not_registered(kind, version)
    raise bad_request(f'{kind} in version "{short}" cannot be handled as a {resource.kind}: {why}')


def not_registered(kind: str, version: str) -> str:
    """What a server says of a kind that it does not have at all."""
    return f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"'


# --- create -------------------------------------------------------------------------------------------------------


def create(cluster: Cluster, write: Write, sent: Body) -> Body:
    """Stores a new object and gives it back; raises ApiFailure."""
    refuse_terminating(cluster, write, 405)
    check_identity(write, sent)
    return insert(cluster, write, tracked(cluster, write, empty(write.resource), read(write, sent)))


def refuse_terminating(cluster: Cluster, write: Write, code: int) -> None:
    """Refuses a new object whose definition is going: a POST is answered 405, an apply 403."""
    resource = write.resource
    if resource.custom is None:
        return
    stored = cluster.storage.get(("apiextensions.k8s.io", "customresourcedefinitions"), "", resource.custom.crd)
    if stored is None or not stored.body["metadata"].get("deletionTimestamp"):
        return
    why = "create not allowed while custom resource definition is terminating"
    if code == 403:
        raise forbidden(resource.group, resource.plural, write.name, why)
    details = {"group": resource.group, "kind": resource.plural}
    raise failure(405, why, "MethodNotAllowed", details)


def unknown_versions(cluster: Cluster, resource: Resource, live: Body) -> list[str]:
    """The apiVersions at which somebody owns fields of a custom object, and which its definition has no more."""
    if resource.custom is None:
        return []
    known = cluster.registry.declared_versions(resource.custom.crd)
    entries = (live.get("metadata") or {}).get("managedFields") or ()
    return [entry["apiVersion"] for entry in entries if entry["apiVersion"] not in known]


def endpoint_of(write: Write) -> structured_merge.Endpoint:
    """What a write goes to, as ownership of fields sees it."""
    ignored = strategies.ignored_fields(write.resource, write.subresource)
    return structured_merge.Endpoint(write.resource.type, write.subresource, ignored)


def tracked(cluster: Cluster, write: Write, live: Body, body: Body) -> Body:
    """`body` with managedFields as this write leaves them.

    Without any where its lists have no keys to track by, or where an owner's version is gone: all is forgotten then.
    """
    entries = list(structured_merge.managed_entries(live, body))
    if unknown_versions(cluster, write.resource, {"metadata": {"managedFields": entries}}):
        return structured_merge.with_managers(body, {})
    try:
        return structured_merge.update(
            live,
            body,
            manager=write.manager,
            now=cluster.clock.stamp(),
            at=endpoint_of(write),
        )
    except TypedError:
        return structured_merge.with_managers(body, {})


def insert(cluster: Cluster, write: Write, body: Body) -> Body:
    """The rest of a creation, once the object is read and owned."""
    resource = write.resource
    metadata = body["metadata"] = dict(body["metadata"])
    body = {**body}
    if "spec" in body and isinstance(body["spec"], dict):
        body["spec"] = dict(body["spec"])
    if resource.namespaced:
        metadata["namespace"] = write.namespace
    else:
        metadata.pop("namespace", None)
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = metadata["generateName"] + cluster.name_suffix()
    name = metadata.get("name", "")
    admission.admit_namespace(cluster, write, name)
    if metadata.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        metadata.pop(field, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = cluster.clock.stamp()
    admission.admit_create(cluster, write, body)
    escalation.check(cluster, write, body, None)
    strategies.prepare_create(cluster, resource, body)
    if resource.key == ("", "pods"):
        write.warnings.extend(pod_warnings.take_apparmor(body))
    _refuse(resource, name, allocation.check(cluster, resource, body, None))
    _refuse(resource, name, rules.validate(resource, body, None, ""))
    write.warnings.extend(admission.warnings_of_pods(resource, body))
    admission.validate_create(cluster, write, body)
    if cluster.find(resource, write.namespace, name) is not None:
        raise already_exists(resource.group, resource.plural, name)
    if write.dry_run:
        return body
    return cluster.put(resource, body)


def _refuse(resource: Resource, name: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid_object(resource.group, resource.kind, name, errors)


# --- update -------------------------------------------------------------------------------------------------------


def is_made_by_put(cluster: Cluster, write: Write, sent: Body) -> bool:
    """Whether a PUT is of what is not there, and makes it."""
    version = (sent.get("metadata") or {}).get("resourceVersion")
    is_there = cluster.find(write.resource, write.namespace, write.name) is not None
    return write.resource.key in strategies.MADE_BY_PUT and not (is_there or version or write.subresource)


def replace(cluster: Cluster, write: Write, sent: Body) -> Body:
    """PUT: stores a new version of an existing object."""
    check_identity(write, sent)
    stored = cluster.get(write.resource, write.namespace, write.name)
    body = read(write, sent)
    live = stored.body
    uid = (body.get("metadata") or {}).get("uid")
    if uid and uid != live["metadata"]["uid"]:
        raise _uid_mismatch(write, uid, live["metadata"]["uid"])
    resource = write.resource
    if not body["metadata"].get("resourceVersion"):
        conditional = resource.custom is not None or (resource.group, resource.plural) in strategies.CONDITIONAL_ONLY
        if conditional:
            error = FieldError(
                "FieldValueInvalid", "metadata.resourceVersion", "Invalid value: 0: must be specified for an update"
            )
            raise invalid_object(resource.group, resource.kind, write.name, [error])
    return update(cluster, write, stored, body)


def _uid_mismatch(write: Write, sent: str, live: str) -> Exception:
    key = "/registry/" + "/".join(part for part in (write.resource.plural, write.namespace, write.name) if part)
    why = (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition "
        f"failed: UID in precondition: {sent}, UID in object meta: {live}"
    )
    return conflict(write.resource.group, write.resource.plural, write.name, why)


def update(cluster: Cluster, write: Write, stored: Stored, body: Body) -> Body:
    """Stores `body`, already read, as the next version of `stored`, tracking who changed what."""
    return store_update(cluster, write, stored, tracked(cluster, write, stored.body, body))


def store_update(cluster: Cluster, write: Write, stored: Stored, body: Body) -> Body:
    """The rest of an update, once the object is read and owned; an update that changes nothing stores nothing."""
    resource, old = write.resource, stored.body
    body = {**body, "metadata": dict(body["metadata"])}
    if isinstance(body.get("spec"), dict):
        body["spec"] = dict(body["spec"])
    metadata, before = body["metadata"], old["metadata"]
    sent_version = metadata.get("resourceVersion")
    if sent_version and sent_version != before["resourceVersion"]:
        raise conflict(resource.group, resource.plural, write.name, MODIFIED)
    metadata["resourceVersion"] = before["resourceVersion"]
    for field in ("uid", "creationTimestamp", "name", "namespace", "generateName"):
        if not metadata.get(field) and before.get(field):
            metadata[field] = before[field]
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"):
        metadata.pop(field, None)
        if field in before and field != "selfLink":
            metadata[field] = before[field]
    escalation.check(cluster, write, body, old)
    strategies.prepare_update(cluster, resource, write.subresource, body, old)
    _refuse(resource, write.name, allocation.check(cluster, resource, body, old))
    _refuse(resource, write.name, rules.validate(resource, body, old, write.subresource))
    admission.validate_update(cluster, write, body, old)
    if _unchanged(body, old):
        return old
    if write.dry_run:
        return body
    if before.get("deletionTimestamp") and not metadata.get("finalizers"):
        return finish_if_released(cluster, resource, body)
    return cluster.put(resource, body)


def _unchanged(body: Body, old: Body) -> bool:
    """Whether nothing but times in managedFields differs."""
    new_meta, old_meta = body["metadata"], old["metadata"]
    if _untimed(new_meta.get("managedFields")) != _untimed(old_meta.get("managedFields")):
        return False
    rest = {name: value for name, value in new_meta.items() if name != "managedFields"}
    if not same(rest, {name: value for name, value in old_meta.items() if name != "managedFields"}):
        return False
    return same({**body, "metadata": None}, {**old, "metadata": None})


def _untimed(entries: list[Body] | None) -> list[Body]:
    return sorted(
        ({name: value for name, value in entry.items() if name != "time"} for entry in entries or ()),
        key=lambda entry: (entry["operation"], entry["manager"], entry["apiVersion"], entry.get("subresource", "")),
    )


def modify(cluster: Cluster, write: Write, change: Callable[[Body], Body]) -> Body:
    """Reads an object, lets `change` make a new body of it, and stores that: how simulated controllers write."""
    stored = cluster.get(write.resource, write.namespace, write.name)
    return update(cluster, write, stored, change(stored.body))


def require_body(sent: object) -> Body:
    """The object in a request's body; 400 when it is something else."""
    if not isinstance(sent, dict):
        raise bad_request("the object provided is unrecognized (must be an object)")
    return sent


def missing_name(resource: Resource) -> Exception:
    return invalid_object(
        resource.group, resource.kind, "", [required("metadata.name", "name or generateName is required")]
    )


def store_scale(cluster: Cluster, write: Write, stored: Stored, owned: Body) -> Body:
    """Stores a change made through the scale subresource, whose entries in managedFields have no time."""
    entries = [
        {name: value for name, value in entry.items() if name != "time"}
        if entry.get("subresource") == "scale"
        else entry
        for entry in owned["metadata"].get("managedFields") or ()
    ]
    if entries:
        owned = {**owned, "metadata": {**owned["metadata"], "managedFields": entries}}
    plain = Write(write.resource, write.namespace, write.name, "", write.user, write.manager, write.dry_run)
    return store_update(cluster, plain, stored, owned)


def finalize(cluster: Cluster, write: Write, sent: Body) -> Body:
    """A namespace whose finalizers somebody sets; it is gone once none is left while it is being deleted."""
    stored = cluster.get(write.resource, "", write.name)
    finalizers = (sent.get("spec") or {}).get("finalizers") or []
    body = {**stored.body, "spec": {"finalizers": finalizers} if finalizers else {}}
    metadata = body["metadata"]
    if metadata.get("deletionTimestamp") and not finalizers and not metadata.get("finalizers"):
        return finish_if_released(cluster, write.resource, body)
    return cluster.put(write.resource, body)
