"""Lists: selection, paging, and the three forms they are answered in (full, metadata only, table)."""

import base64
from dataclasses import dataclass

import orjson

from gitops.manifests.key import Body
from gitops.sandbox import conversions, tables
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.resources import Resource
from gitops.sandbox.selectors import Matcher, exact_name, field_matcher, label_matcher
from gitops.sandbox.statuses import (
    bad_request,
    expired,
    forbidden_field,
    internal,
    invalid_object,
    not_supported,
    too_large_version,
)
from gitops.sandbox.storage import Stored

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Form:
    """How objects are answered: in full (""), as Table or PartialObjectMetadata; `include` is includeObject."""

    kind: str = ""
    include: str = "Metadata"


FULL = Form()


def form_of(accept: str, query: dict[str, str]) -> Form:
    """The form that an Accept header asks for; the first one we know wins."""
    for part in accept.split(","):
        parameters = dict(piece.strip().partition("=")[::2] for piece in part.split(";")[1:])
        kind = parameters.get("as", "")
        if kind in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList") and parameters.get("v") == "v1":
            return Form(kind.removesuffix("List"), query.get("includeObject", "Metadata"))
        if not kind:
            return FULL
    return FULL


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or watch selects, parsed once."""

    labels: Matcher | None
    fields: Matcher | None
    name: str | None

    @classmethod
    def of(cls, query: dict[str, str], resource: Resource) -> "Selection":
        field_text = query.get("fieldSelector", "")
        return cls(
            label_matcher(query.get("labelSelector", "")),
            field_matcher(field_text, resource),
            exact_name(field_text),
        )

    @property
    def everything(self) -> bool:
        return self.labels is None and self.fields is None

    def matches(self, body: Body) -> bool:
        return (self.labels is None or self.labels(body)) and (self.fields is None or self.fields(body))


def select(cluster: Cluster, resource: Resource, namespace: str, selection: Selection) -> list[Stored]:
    """The selected objects in key order."""
    if selection.name is not None and namespace and resource.namespaced:
        found = cluster.find(resource, namespace, selection.name)
        return [found] if found is not None and selection.matches(found.body) else []
    stored = cluster.storage.objects(resource.key, namespace if resource.namespaced else "")
    return stored if selection.everything else [entry for entry in stored if selection.matches(entry.body)]


def list_objects(cluster: Cluster, resource: Resource, namespace: str, query: dict[str, str], form: Form) -> bytes:
    """The answer to a list request, as JSON."""
    selection = Selection.of(query, resource)
    _check_options(query)
    check_version(cluster, query)
    found = select(cluster, resource, namespace, selection)
    metadata: Body = {"resourceVersion": str(cluster.storage.revision)}
    if query.get("continue"):
        revision, start = _read_token(query["continue"])
        if revision < cluster.storage.compacted:
            answer = expired(_EXPIRED)
            answer.status["metadata"] = {"continue": _token(cluster.storage.revision, start)}
            raise answer
        found = [entry for entry in found if _key(entry) >= start]
        metadata["resourceVersion"] = str(revision)
    limit = _limit(query.get("limit", ""))
    if limit and len(found) > limit:
        metadata["continue"] = _token(int(metadata["resourceVersion"]), _key(found[limit]))
        if selection.everything:
            metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    return render(resource, found, metadata, form)


_MATCHES = ("Exact", "NotOlderThan", "")


def _check_options(query: dict[str, str]) -> None:
    """Refuses options that a list does not take together."""
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    errors = []
    if match and not version:
        text = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(forbidden_field("resourceVersionMatch", text))
    if match and query.get("continue"):
        errors.append(forbidden_field("resourceVersionMatch", "resourceVersionMatch is forbidden with continue"))
    if match not in _MATCHES:
        errors.append(not_supported("resourceVersionMatch", match, _MATCHES))
    if match == "Exact" and version == "0":
        text = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        errors.append(forbidden_field("resourceVersionMatch", text))
    if "sendInitialEvents" in query:
        errors.append(forbidden_field("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    if errors:
        raise invalid_object("meta.k8s.io", "ListOptions", "", errors)


def check_version(cluster: Cluster, query: dict[str, str]) -> int:
    """The version asked for (0: any); 500 where it is none, 504 where the cluster has not come to it."""
    version = parse_version(query.get("resourceVersion", ""))
    if version > cluster.storage.revision:
        retry_after = 0 if query.get("resourceVersionMatch") == "Exact" else 1
        raise too_large_version(version, cluster.storage.revision, retry_after)
    return version


def parse_version(text: str) -> int:
    """A resourceVersion as a number, 0 where none is given; 500 where it is none."""
    if text and not text.isdigit():
        why = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise internal(f"resourceVersion: {why}")
    return int(text or 0)


def _limit(text: str) -> int:
    if text and not text.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return max(int(text or 0), 0)


def _key(stored: Stored) -> str:
    metadata = stored.body["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _token(revision: int, start: str) -> str:
    text = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[int, str]:
    try:
        raw = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(raw["rv"]), str(raw["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"continue key is not valid: illegal base64 data at input byte {len(token)}") from error


def render(resource: Resource, found: list[Stored], metadata: Body, form: Form) -> bytes:
    """A list of these objects in the form asked for."""
    if form.kind == "Table":
        return orjson.dumps(
            tables.table(resource, [_converted(resource, entry) for entry in found], metadata, form.include)
        )
    if form.kind == "PartialObjectMetadata":
        items = [tables.partial(entry.body) for entry in found]
        head: Body = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return orjson.dumps({**head, "items": items})
    head = {"kind": resource.names.list_kind, "apiVersion": resource.api_version, "metadata": metadata}
    if resource.custom is not None or conversions.needed(resource):
        items = [_converted(resource, entry) for entry in found]
        if resource.custom is None:
            items = [
                {name: value for name, value in item.items() if name not in ("kind", "apiVersion")} for item in items
            ]
        return orjson.dumps({**head, "items": items})
    return orjson.dumps(head)[:-1] + b',"items":[' + b",".join(entry.tail for entry in found) + b"]}"


def _converted(resource: Resource, stored: Stored) -> Body:
    return conversions.to_version(resource, stored.body)


def render_one(resource: Resource, body: Body, form: Form) -> bytes:
    """One object in the form asked for."""
    body = conversions.to_version(resource, body)
    if form.kind == "Table":
        metadata = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
        return orjson.dumps(tables.table(resource, [body], metadata, form.include))
    if form.kind == "PartialObjectMetadata":
        return orjson.dumps(tables.partial(body))
    return orjson.dumps(body)
