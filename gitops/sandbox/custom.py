"""Custom resources: reading them by their CRD's structural schema, and serving what a CRD declares."""

from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.schema import custom_type, definition
from gitops.sandbox.decode import DecodeError, Decoder, json_kind
from gitops.sandbox.resources import STATUS_VERBS, CustomVersion, Names, Resource, Subresource

_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


def resources_of(definition: Body) -> list[Resource]:
    """What an established CRD serves: one resource per served version, the preferred version first."""
    spec, names = definition["spec"], definition["spec"]["names"]
    versions = sorted(spec.get("versions") or [], key=lambda version: version_rank(version["name"]), reverse=True)
    storage = next((version["name"] for version in versions if version.get("storage")), versions[0]["name"])
    return [
        Resource(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            _names(names),
            spec["scope"] == "Namespaced",
            verbs=_CUSTOM_VERBS,
            subresources=_subresources(names["kind"], version.get("subresources") or {}),
            type=custom_type((version.get("schema") or {}).get("openAPIV3Schema")),
            custom=CustomVersion(
                definition["metadata"]["name"],
                storage,
                (version.get("schema") or {}).get("openAPIV3Schema"),
                "status" in (version.get("subresources") or {}),
                (version.get("subresources") or {}).get("scale"),
                tuple(version.get("additionalPrinterColumns") or ()),
                tuple(entry["jsonPath"] for entry in version.get("selectableFields") or ()),
            ),
        )
        for version in versions
        if version.get("served")
    ]


def _names(declared: Body) -> Names:
    return Names(
        declared.get("singular") or declared["kind"].lower(),
        declared.get("listKind") or declared["kind"] + "List",
        tuple(declared.get("shortNames") or ()),
        tuple(declared.get("categories") or ()),
    )


def _subresources(kind: str, declared: Body) -> tuple[Subresource, ...]:
    out = []
    if "status" in declared:
        out.append(Subresource("status", kind, STATUS_VERBS))
    if "scale" in declared:
        out.append(Subresource("scale", "Scale", STATUS_VERBS, "autoscaling", "v1"))
    return tuple(out)


def version_rank(name: str) -> tuple[int, int, int]:
    """Kubernetes' order of versions: v2 over v1 over v1beta2 over v1beta1 over v1alpha1."""
    import re

    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", name)
    if match is None:
        return (-1, 0, 0)
    stage = {None: 2, "beta": 1, "alpha": 0}[match[2]]
    return (stage, int(match[1]), int(match[3] or 0))


def read(resource: Resource, sent: Body) -> tuple[Body, list[str]]:
    """A sent custom object, pruned and defaulted, and the paths of the fields that were pruned; DecodeError."""
    assert resource.custom is not None
    unknown: list[str] = []
    schema = resource.custom.schema or {"x-kubernetes-preserve-unknown-fields": True}
    head = {name: sent[name] for name in ("apiVersion", "kind") if name in sent}
    rest = {name: value for name, value in sent.items() if name not in _ROOT_FIELDS}
    body = _prune(rest, schema, "", unknown)
    body = _default(body, schema)
    return {**head, "metadata": _metadata(sent.get("metadata"), unknown), **body}, unknown


def _metadata(sent: Any, unknown: list[str]) -> Body:
    """Metadata, which every kind has in the same form."""
    if not isinstance(sent or {}, dict):
        found = json_kind(sent)
        raise DecodeError(f"json: cannot unmarshal {found} into Go struct field .metadata of type v1.ObjectMeta")
    decoder = Decoder()
    metadata = decoder.struct(sent or {}, definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"), "metadata")
    unknown.extend(decoder.unknown)
    return metadata


def _prune(value: Any, schema: Body, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        return _prune_map(value, schema, path, unknown)
    if isinstance(value, list):
        items = schema.get("items")
        if not items:
            return value
        return [_prune(item, items, f"{path}[{index}]", unknown) for index, item in enumerate(value)]
    return value


_ROOT_FIELDS = ("apiVersion", "kind", "metadata")


def _prune_map(value: Body, schema: Body, path: str, unknown: list[str]) -> Body:
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    keeps = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    out = {}
    for name, child in value.items():
        at = f"{path}.{name}" if path else name
        if name in properties:
            if child is None and not properties[name].get("nullable") and properties[name].get("type"):
                continue  # a null that the schema does not allow means absent
            out[name] = _prune(child, properties[name], at, unknown)
        elif isinstance(extra, dict):
            out[name] = _prune(child, extra, at, unknown)
        elif keeps or extra is True or (embedded and name in _ROOT_FIELDS):
            out[name] = child
        else:
            unknown.append(at)
    return out


def _default(value: Any, schema: Body) -> Any:
    """Declared defaults where a field is absent, or null and not nullable."""
    if isinstance(value, dict):
        out = value
        for name, child in (schema.get("properties") or {}).items():
            current = out.get(name)
            if current is None and "default" in child and not (name in out and child.get("nullable")):
                out = {**out, name: _default(child["default"], child)}
            elif current is not None:
                filled = _default(current, child)
                if filled is not current:
                    out = {**out, name: filled}
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            properties = schema.get("properties") or {}
            out = {name: child if name in properties else _default(child, extra) for name, child in out.items()}
        return out
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_default(item, schema["items"]) for item in value]
    return value
