"""/openapi/v2 and /openapi/v3, for `kubectl explain`, validation and patches; and the descriptions tables quote."""

import functools
import hashlib
import json
import lzma
from pathlib import Path
from typing import Any

import orjson

from gitops.manifests.key import Body
from gitops.sandbox.resources import Registry, Resource


@functools.cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(lzma.decompress(Path(__file__).with_name("openapi.json.xz").read_bytes()))
    return data


@functools.cache
def description(definition: str, field: str) -> str:
    """What the document says of a field of a built-in type."""
    found = _data()["definitions"].get(definition, {}).get("properties", {}).get(field, {})
    return str(found.get("description", ""))


_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_BUILT_IN_PATCH_TYPES = (*_PATCH_TYPES, "application/strategic-merge-patch+json")
_QUERY = ("dryRun", "fieldManager", "fieldValidation")


def _parameters(*names: str) -> list[Body]:
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]


def _as_v3(value: Any) -> Any:
    """A v2 schema with its references where v3 has them."""
    if isinstance(value, dict):
        if "$ref" in value and isinstance(value["$ref"], str):
            target = value["$ref"].replace("#/definitions/", "#/components/schemas/")
            rest = {name: _as_v3(child) for name, child in value.items() if name != "$ref"}
            return {**rest, "allOf": [{"$ref": target}]} if rest else {"$ref": target}
        return {name: _as_v3(child) for name, child in value.items()}
    if isinstance(value, list):
        return [_as_v3(item) for item in value]
    return value


def index(registry: Registry) -> Body:
    """/openapi/v3: where the document of each group and version is."""
    paths = [".well-known/openid-configuration", "api", "api/v1", "apis", "openid/v1/jwks", "version"]
    for group, versions in registry.groups().items():
        if group:
            paths.append(f"apis/{group}")
            paths.extend(f"apis/{group}/{version}" for version in versions)
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(registry, path)}"} for path in sorted(paths)
        }
    }


def _hash(registry: Registry, path: str) -> str:
    return hashlib.sha256(f"{path} {registry.generation}".encode()).hexdigest().upper()


class Documents:
    """The v3 documents, made when first asked for and kept until what is served changes."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[tuple[str, str], bytes] = {}
        self._generation = -1

    def v3(self, group: str, version: str) -> bytes:
        """The document of one group and version."""
        if self._generation != self._registry.generation:
            self._made.clear()
            self._generation = self._registry.generation
        if (group, version) not in self._made:
            self._made[group, version] = orjson.dumps(self._document(group, version))
        return self._made[group, version]

    def _document(self, group: str, version: str) -> Body:
        paths: Body = {}
        schemas: Body = {}
        for resource in self._registry.resources(group, version):
            reference = _schema_name(resource)
            if resource.custom is not None:
                schemas[reference] = _custom_schema(resource)
                _collect({"$ref": f"#/definitions/{_META}ObjectMeta"}, schemas)
            else:
                _collect({"$ref": f"#/definitions/{reference}"}, schemas)
            _collect({"$ref": f"#/definitions/{_META}DeleteOptions"}, schemas)
            paths.update(_paths(resource, reference))
        info = {"title": "Kubernetes", "version": f"v{_data()['info']['version'].lstrip('v')}"}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}

    def v2(self) -> bytes:
        """The v2 document, without its paths' details."""
        definitions = dict(_data()["definitions"])
        paths = {}
        for group, versions in self._registry.groups().items():
            for version in versions:
                for resource in self._registry.resources(group, version):
                    if resource.custom is not None:
                        definitions[_schema_name(resource)] = _custom_schema(resource, "#/definitions/")
                    paths.update(_paths(resource, _schema_name(resource)))
        return orjson.dumps({"swagger": "2.0", "info": _data()["info"], "paths": paths, "definitions": definitions})


PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def v2_protobuf() -> bytes:
    """The v2 document in protobuf form, with no types in it: kubectl asks for it only when v3 lacks a kind."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    info = field(1, b"Kubernetes") + field(2, b"v" + str(_data()["info"]["version"]).lstrip("v").encode())
    return field(1, b"2.0") + field(2, info) + field(8, b"") + field(9, b"")


def _schema_name(resource: Resource) -> str:
    if resource.custom is None:
        return resource.type.name
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _custom_schema(resource: Resource, prefix: str = "#/components/schemas/") -> Body:
    assert resource.custom is not None
    schema = dict(resource.custom.schema or {"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    metadata = {"$ref": f"{prefix}{_META}ObjectMeta"}
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        **(schema.get("properties") or {}),
        "metadata": {"allOf": [metadata]} if "components" in prefix else metadata,
    }
    return {**schema, "x-kubernetes-group-version-kind": [_gvk(resource)]}


def _gvk(resource: Resource) -> Body:
    return {"group": resource.group, "kind": resource.kind, "version": resource.version}


def _collect(schema: Any, into: Body) -> None:
    """Adds every definition that `schema` reaches."""
    if isinstance(schema, dict):
        target = schema.get("$ref")
        if isinstance(target, str):
            name = target.removeprefix("#/definitions/")
            if name not in into and name in _data()["definitions"]:
                definition = _data()["definitions"][name]
                into[name] = _as_v3(definition)
                _collect(definition, into)
        for child in schema.values():
            _collect(child, into)
    elif isinstance(schema, list):
        for item in schema:
            _collect(item, into)


def _paths(resource: Resource, reference: str) -> Body:
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    base = f"{root}/namespaces/{{namespace}}/{resource.plural}" if resource.namespaced else f"{root}/{resource.plural}"
    content = {"schema": {"$ref": f"#/components/schemas/{reference}"}}
    answer = {"200": {"description": "OK", "content": {"application/json": content}}}

    def operation(action: str, *query: str, body: Body | None = None) -> Body:
        out: Body = {
            "operationId": f"{action}{resource.group.title().replace('.', '')}{resource.version}{resource.kind}",
            "parameters": _parameters(*query),
            "responses": answer,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _gvk(resource),
        }
        if body is not None:
            out["requestBody"] = {"content": body}
        return out

    json_body = {"application/json": content}
    # By these kubectl chooses how it patches: a custom kind knows no strategic merge.
    types = _PATCH_TYPES if resource.custom else _BUILT_IN_PATCH_TYPES
    patches = {kind: {"schema": {"$ref": f"#/components/schemas/{_META}Patch"}} for kind in types}
    return {
        base: {"get": operation("list"), "post": operation("post", *_QUERY, body=json_body)},
        base + "/{name}": {
            "get": operation("get"),
            "put": operation("put", *_QUERY, body=json_body),
            "patch": operation("patch", *_QUERY, "force", body=patches),
            "delete": operation("delete", "dryRun"),
        },
    }
