"""A request as it was read, and the object in its body: JSON, YAML or protobuf."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from gitops.manifests.key import Body
from gitops.manifests.schema import definition
from gitops.sandbox import patches, protobuf, writes
from gitops.sandbox.cluster import Write
from gitops.sandbox.decode import DecodeError, Decoder, cannot_be_handled, json_kind
from gitops.sandbox.go_errors import duplicate_fields, go_json_error, summary
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import bad_request


@dataclass(slots=True)
class Request:
    """One HTTP request, read whole; `warnings` is what is to be told with the answer, whatever that is."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, list[str]] = field(repr=False)
    body: bytes = b""
    warnings: list[str] = field(default_factory=list)

    def header(self, name: str) -> str:
        return (self.headers.get(name) or [""])[0]


def decoded(request: Request, resource: Resource, write: Write | None = None) -> Body:
    """The object in a request's body; fields that it gives twice are noted in `write`."""
    raw = request.body
    if protobuf.MEDIA_TYPE in request.header("content-type"):
        return _from_protobuf(raw)
    if "yaml" in request.header("content-type"):
        return writes.require_body(patches.read_yaml(raw))
    try:
        body = writes.require_body(orjson.loads(raw))
        _check_heading(body, resource, raw)
        if write is not None and write.field_validation != "Ignore":
            write.duplicates = duplicate_fields(raw)
        return body
    except orjson.JSONDecodeError as error:
        text = raw.decode(errors="replace")
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; "
            f"json parse error: {go_json_error(text, error.pos)} ({summary(raw)})"
        ) from error


def _check_heading(body: Body, resource: Resource, raw: bytes) -> None:
    for name in ("apiVersion", "kind"):
        value = body.get(name)
        if value is not None and not isinstance(value, str):
            text = f"json: cannot unmarshal {json_kind(value)} into Go struct field .{name} of type string"
            why = f"couldn't get version/kind; {text} ({summary(raw)})"
            raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): {why}")


def _from_protobuf(raw: bytes) -> Body:
    try:
        return protobuf.decode(raw)
    except protobuf.ProtobufError as error:
        raise bad_request(str(error)) from error


_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


def delete_options(request: Request) -> Body:
    """The DeleteOptions in a request's body, and in its query, which wins."""
    options: Body = {}
    if protobuf.MEDIA_TYPE in request.header("content-type") and request.body:
        options = _from_protobuf(request.body)
    elif request.body.strip():
        try:
            options = writes.require_body(orjson.loads(request.body))
        except orjson.JSONDecodeError as error:
            raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error
    try:
        options = Decoder().struct(options, definition(_DELETE_OPTIONS), "")
    except DecodeError as error:
        raise cannot_be_handled("DeleteOptions", "v1", str(error)) from error
    query = request.query
    if "propagationPolicy" in query:
        options = {**options, "propagationPolicy": query["propagationPolicy"]}
    if query.get("gracePeriodSeconds", "").lstrip("-").isdigit():
        options = {**options, "gracePeriodSeconds": int(query["gracePeriodSeconds"])}
    return options
