"""One request to the API: who asks, may they, what it is about, what happens.

`Api.answer` is synchronous and leaves the cluster consistent; only watches and logs stream, and `server` does that.
"""

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
import structlog

from gitops.manifests.key import Body
from gitops.sandbox import (
    access,
    conversions,
    deletion,
    discovery,
    lists,
    openapi,
    patches,
    reviews,
    scale,
    writes,
)
from gitops.sandbox import pods as pod_requests
from gitops.sandbox.access import Attributes
from gitops.sandbox.bodies import Request, decoded, delete_options
from gitops.sandbox.cluster import Cluster, User, Write
from gitops.sandbox.resources import Resource
from gitops.sandbox.routing import Target, target_of, verb_of
from gitops.sandbox.statuses import (
    ApiFailure,
    failure,
    invalid_object,
    method_not_allowed,
    no_such_resource,
    not_supported,
    page_not_found,
)
from gitops.sandbox.watching import Watch

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Answer:
    """What to send back; with `watch` the body is its stream."""

    code: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    watch: Watch | None = None


_OPTIONS_KINDS = {
    "create": "CreateOptions",
    "update": "UpdateOptions",
    "patch": "PatchOptions",
    "delete": "DeleteOptions",
}


class Api:
    """Answers requests out of a cluster."""

    def __init__(self, cluster: Cluster, tokens: Mapping[str, User], address: str) -> None:
        self.cluster = cluster
        self.tokens = tokens
        self.address = address
        self._documents = openapi.Documents(cluster.registry)

    def answer(self, request: Request) -> Answer:
        """Carries a request out; never raises."""
        try:
            return self._answer(request)
        except ApiFailure as error:
            return replace(failed(error), warnings=request.warnings)
        except Exception:  # noqa: BLE001 - a fault of ours must not end the connection without an answer
            trace = traceback.format_exc()  # plain, since a pretty one would show tokens among the local variables
            log.error("request.failed", method=request.method, path=request.path, trace=trace)
            return failed(failure(500, "Internal Server Error", "InternalError", {}))

    def _answer(self, request: Request) -> Answer:
        user = access.authenticate(self.tokens, request.header("authorization") or None)
        target = target_of(request.path)
        watching = request.query.get("watch") in ("1", "true")
        wanted = _attributes(request, target, watching)
        user = access.impersonate(self.cluster, user, request.headers, wanted)
        access.authorize(self.cluster, user, wanted)
        if target is None:
            return self._path(request)
        resource = self._resource(target)
        if target.subresource:
            return self._subresource(request, user, resource, target)
        if not target.name:
            return self._collection(request, user, resource, target, watching)
        return self._object(request, user, resource, target)

    # --- paths outside the resources ------------------------------------------------------------------------------

    def _path(self, request: Request) -> Answer:
        registry, parts = self.cluster.registry, [part for part in request.path.split("/") if part]
        aggregated = _asks_aggregated(request.header("accept"))
        match parts:
            case ["version"]:
                return _json(discovery.VERSION)
            case ["healthz" | "livez" | "readyz", *_]:
                return Answer(200, b"ok", "text/plain; charset=utf-8")
            case ["api"] if aggregated:
                return _aggregated(discovery.aggregated(registry, core=True))
            case ["apis"] if aggregated:
                return _aggregated(discovery.aggregated(registry, core=False))
            case ["api"]:
                return _json(discovery.legacy_versions(self.address))
            case ["api", "v1"]:
                return _json(discovery.resources(registry, "", "v1"))
            case ["apis"]:
                return _json(discovery.groups(registry))
            case ["apis", group] if registry.serves(group):
                return _json(discovery.group(registry, group))
            case ["apis", group, version] if registry.serves(group, version):
                return _json(discovery.resources(registry, group, version))
            case ["openapi", "v2"] if "+protobuf" in request.header("accept"):
                return Answer(200, openapi.v2_protobuf(), openapi.PROTOBUF)
            case ["openapi", "v2"]:
                return Answer(200, self._documents.v2())
            case ["openapi", "v3"]:
                return _json(openapi.index(registry))
            case ["openapi", "v3", "api", "v1"]:
                return Answer(200, self._documents.v3("", "v1"))
            case ["openapi", "v3", "apis", group, version] if registry.serves(group, version):
                return Answer(200, self._documents.v3(group, version))
            case []:
                return _json({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]})
        raise page_not_found()

    def _resource(self, target: Target) -> Resource:
        resource = self.cluster.registry.find(target.group, target.version, target.plural)
        if resource is None:
            if not self.cluster.registry.serves(target.group, target.version):
                raise page_not_found()
            if target.group and self.cluster.registry.resources(target.group, target.version)[0].custom is not None:
                raise page_not_found()
            raise no_such_resource()
        if target.namespace and not resource.namespaced and resource.plural != "namespaces":
            raise no_such_resource()
        return resource

    # --- collections ----------------------------------------------------------------------------------------------

    def _collection(self, request: Request, user: User, resource: Resource, target: Target, watching: bool) -> Answer:
        match request.method:
            case "GET" if "list" in resource.verbs:
                form = lists.form_of(request.header("accept"), request.query)
                if watching:
                    watch = Watch(self.cluster, resource, target.namespace, request.query, form)
                    return Answer(200, b"", watch=watch)
                body = lists.list_objects(self.cluster, resource, target.namespace, request.query, form)
                return Answer(200, body)
            case "POST" if "create" in resource.verbs:
                if resource.namespaced and not target.namespace:
                    raise method_not_allowed()
                write = self._write(request, user, resource, target, "create")
                sent = decoded(request, resource, write)
                review = reviews.answer(self.cluster, write, sent)
                if review is not None:
                    return Answer(201, orjson.dumps(review))
                created = writes.create(self.cluster, write, sent)
                return self._one(request, resource, created, 201, write)
            case "DELETE" if "deletecollection" in resource.verbs:
                return self._delete_collection(request, user, resource, target)
        raise method_not_allowed()

    def _delete_collection(self, request: Request, user: User, resource: Resource, target: Target) -> Answer:
        options = delete_options(request)
        found = lists.select(self.cluster, resource, target.namespace, lists.Selection.of(request.query, resource))
        for stored in found:
            metadata = stored.body["metadata"]
            write = self._write(request, user, resource, target, "delete")
            write.namespace, write.name = metadata.get("namespace", ""), metadata["name"]
            deletion.delete(self.cluster, write, options)
        metadata = {"resourceVersion": str(self.cluster.storage.revision)}
        return Answer(200, lists.render(resource, found, metadata, lists.FULL))

    # --- single objects -------------------------------------------------------------------------------------------

    def _object(self, request: Request, user: User, resource: Resource, target: Target) -> Answer:
        match request.method:
            case "GET" if "get" in resource.verbs:
                lists.check_version(self.cluster, request.query)
                stored = self.cluster.get(resource, target.namespace, target.name)
                form = lists.form_of(request.header("accept"), request.query)
                if form is lists.FULL and not conversions.needed(resource):
                    return Answer(200, stored.json)
                return Answer(200, lists.render_one(resource, stored.body, form))
            case "PUT" if "update" in resource.verbs:
                return self._put(request, user, resource, target)
            case "PATCH" if "patch" in resource.verbs:
                return self._patch(request, user, resource, target)
            case "DELETE" if "delete" in resource.verbs:
                write = self._write(request, user, resource, target, "delete")
                return _json(deletion.delete(self.cluster, write, delete_options(request)))
        raise method_not_allowed()

    def _put(self, request: Request, user: User, resource: Resource, target: Target) -> Answer:
        write = self._write(request, user, resource, target, "update")
        sent = decoded(request, resource, write)
        if writes.is_made_by_put(self.cluster, write, sent):
            access.authorize(self.cluster, user, replace(_attributes(request, target, watching=False), verb="create"))
            return self._one(request, resource, writes.create(self.cluster, write, sent), 201, write)
        return self._one(request, resource, writes.replace(self.cluster, write, sent), 200, write)

    def _patch(self, request: Request, user: User, resource: Resource, target: Target) -> Answer:
        write = self._write(request, user, resource, target, "patch")
        content_type = request.header("content-type")
        if content_type.startswith(patches.APPLY):
            write.manager = request.query.get("fieldManager", "")
        body, created = patches.patch(self.cluster, write, content_type, request.body)
        return self._one(request, resource, body, 201 if created else 200, write)

    def _one(self, request: Request, resource: Resource, body: Body, code: int, write: Write) -> Answer:
        form = lists.form_of(request.header("accept"), request.query)
        return Answer(code, lists.render_one(resource, body, form), warnings=write.warnings)

    # --- subresources ---------------------------------------------------------------------------------------------

    def _subresource(self, request: Request, user: User, resource: Resource, target: Target) -> Answer:
        name = target.subresource
        declared = resource.subresource(name)
        if declared is None:
            raise no_such_resource()
        match name:
            case "status" | "ephemeralcontainers" | "resize" | "approval":
                return self._object(request, user, resource, target)
            case "scale":
                return self._scale(request, user, resource, target)
            case "finalize":
                write = self._write(request, user, resource, target, "update")
                return _json(writes.finalize(self.cluster, write, decoded(request, resource)))
        special = pod_requests.answer(
            self.cluster,
            self._write(request, user, resource, target, "create"),
            request.method,
            request.query,
            request.body,
        )
        if special is None:
            raise method_not_allowed()
        code, body, content_type = special
        return Answer(code, body, content_type)

    def _scale(self, request: Request, user: User, resource: Resource, target: Target) -> Answer:
        stored = self.cluster.get(resource, target.namespace, target.name)
        if request.method == "GET":
            return _json(scale.scale_of(resource, stored.body))
        write = self._write(request, user, resource, target, "update" if request.method == "PUT" else "patch")
        write.subresource = ""
        if request.method == "PUT":
            return _json(scale.change(self.cluster, write, stored, decoded(request, resource)))
        if request.method == "PATCH" and request.header("content-type").startswith(patches.APPLY):
            write.manager = request.query.get("fieldManager", "") or write.manager
            return _json(scale.apply(self.cluster, write, stored, request.body))
        if request.method == "PATCH":
            current = scale.scale_of(resource, stored.body)
            patched = patches.patched_document(current, request.header("content-type"), request.body)
            return _json(scale.change(self.cluster, write, stored, patched))
        raise method_not_allowed()

    # --- options --------------------------------------------------------------------------------------------------

    def _write(self, request: Request, user: User, resource: Resource, target: Target, verb: str) -> Write:
        query = request.query
        dry_run = query.get("dryRun")
        if dry_run not in (None, "", "All"):
            error = not_supported("dryRun", [dry_run], ("All",))
            raise invalid_object("meta.k8s.io", _OPTIONS_KINDS[verb], "", [error])
        validation = query.get("fieldValidation") or "Warn"
        if validation not in ("Ignore", "Warn", "Strict"):
            error = not_supported("fieldValidation", validation, ("", "Ignore", "Strict", "Warn"))
            raise invalid_object("meta.k8s.io", _OPTIONS_KINDS[verb], "", [error])
        request.warnings.extend(_DEPRECATED.get((resource.group, resource.version, resource.plural), ()))
        return Write(
            resource,
            target.namespace if resource.namespaced else "",
            target.name,
            target.subresource,
            user,
            query.get("fieldManager") or _agent(request.header("user-agent")),
            dry_run == "All",
            query.get("force") in ("true", "1"),
            validation,
            request.warnings,
        )


# What a server warns of whenever these are written.
_DEPRECATED = {
    ("", "v1", "endpoints"): ("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",)
}


def _agent(user_agent: str) -> str:
    """The field manager of a client that names none: its program."""
    return user_agent.partition("/")[0][:128] or "unknown"


def _attributes(request: Request, target: Target | None, watching: bool) -> Attributes:
    if target is None:
        return Attributes(request.method.lower(), path=request.path)
    return Attributes(
        verb_of(request.method, target, watching),
        target.group,
        target.plural,
        target.subresource.partition("/")[0],
        target.namespace,
        target.name,
        request.path,
    )


def _asks_aggregated(accept: str) -> bool:
    return any(
        "as=APIGroupDiscoveryList" in part and "v=v2" in part.split(";") for part in accept.replace(" ", "").split(",")
    )


def _aggregated(body: Body) -> Answer:
    return Answer(200, orjson.dumps(body), discovery.AGGREGATED)


def _json(body: Any) -> Answer:
    return Answer(200, orjson.dumps(body))


def failed(error: ApiFailure) -> Answer:
    """The answer that a failure is."""
    if error.plain is not None:
        return Answer(error.code, error.plain.encode(), "text/plain; charset=utf-8", error.headers)
    return Answer(error.code, orjson.dumps(error.status), headers=error.headers)
