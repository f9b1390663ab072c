"""generators, transformers and validators that are objects of their own: the built-in kinds, by name.

Each object's fields configure what the same-named field of a kustomization does, with its own field specs. Programs
and containers are refused: a render runs nothing that a repository brings.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gitops.model.errors import RenderError
from renderers.kustomize.config import specs_of
from renderers.kustomize.decode import (
    CONFIG_MAP,
    FIELD_SPECS,
    FLAG,
    GENERATOR_OPTIONS,
    IMAGE,
    NUMBER,
    OBJECT_META,
    PATCH,
    PLUG_IN,
    REPLACEMENT,
    REPLICA,
    SECRET,
    SELECTOR,
    TEXT,
    TEXT_MAP,
    TEXTS,
    decode,
    load_yaml,
)
from renderers.kustomize.fields import lookup_create, set_scalar, split_path, wrong_kind
from renderers.kustomize.generators import add_hashes, make_config_map, make_secret, merge_options
from renderers.kustomize.ids import selector_of
from renderers.kustomize.images import change_images, set_replicas
from renderers.kustomize.labels import add_entries
from renderers.kustomize.loader import Loader
from renderers.kustomize.names import add_prefix, add_suffix, set_namespace
from renderers.kustomize.nodes import STR, Map, Scalar, text_of, untagged, value_of
from renderers.kustomize.patches import JsonPatch, Patch, apply_strategic_merges, merge_into
from renderers.kustomize.read import read_objects
from renderers.kustomize.replacements import load_replacements, replace_all
from renderers.kustomize.resource import Resource
from renderers.kustomize.resources import Resources
from renderers.kustomize.schema import Schemas

Transform = Callable[[Resources], None]
Generate = Callable[[], list[Resource]]

_META: Final = {"metadata": OBJECT_META}


def transformer_of(resource: Resource, loader: Loader, schemas: Schemas, is_old: bool) -> Transform:
    """What a transformer object does (`is_old`: in Kustomize 5.5).

    Raises RenderError when it is not built in or wrongly configured.
    """
    kind = _built_in_kind(resource)
    if kind in _GENERATORS:
        raise RenderError(f"{kind} is a generator, not a transformer")
    make = _TRANSFORMERS.get(kind)
    if make is None:
        raise RenderError(f"no built-in transformer is called {kind}")
    value = value_of(resource.node)
    if (of_version := _BY_VERSION.get(kind)) is not None:
        return of_version(value, loader, schemas, is_old)
    return make(value, loader, schemas)


def generator_of(resource: Resource, loader: Loader) -> Generate:
    """What a generator object makes; raises RenderError when it is not built in or wrongly configured."""
    kind = _built_in_kind(resource)
    if kind in _TRANSFORMERS:
        raise RenderError(f"{kind} is a transformer, not a generator")
    make = _GENERATORS.get(kind)
    if make is None:
        raise RenderError(f"no built-in generator is called {kind}")
    return make(value_of(resource.node), loader)


def _built_in_kind(resource: Resource) -> str:
    if resource.gvk.group or resource.gvk.version != "builtin":
        raise RenderError(
            f"{resource.kind}: programs and containers are not run; only plug-ins of apiVersion `builtin` are"
        )
    return resource.kind


def _decoded(value: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """A plug-in's configuration; fields that it does not know are left alone."""
    return decode(value, {**_META, **table}, f"{value.get('kind')}", PLUG_IN)


# ── transformers ─────────────────────────────────────────────────────────────────────────────────────────────────


def _labels(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _decoded(value, {"labels": TEXT_MAP, "fieldSpecs": FIELD_SPECS})
    return lambda resources: add_entries(resources, decoded.get("labels", {}), specs_of(decoded.get("fieldSpecs", ())))


def _annotations(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _decoded(value, {"annotations": TEXT_MAP, "fieldSpecs": FIELD_SPECS})
    return lambda resources: add_entries(
        resources, decoded.get("annotations", {}), specs_of(decoded.get("fieldSpecs", ()))
    )


def _namespace(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    table = {"fieldSpecs": FIELD_SPECS, "unsetOnly": FLAG, "setRoleBindingSubjects": TEXT}
    decoded = _decoded(value, table)
    subjects = decoded.get("setRoleBindingSubjects", "")
    set_namespace(Resources(), "", (), subjects=subjects)
    return lambda resources: set_namespace(
        resources,
        decoded.get("metadata", {}).get("namespace", ""),
        specs_of(decoded.get("fieldSpecs", ())),
        subjects=subjects,
        unset_only=decoded.get("unsetOnly", False),
    )


def _affix(value: Any, name: str) -> dict[str, Any]:
    decoded = _decoded(value, {name: TEXT, "fieldSpecs": FIELD_SPECS})
    if "fieldSpecs" not in decoded:
        raise RenderError(f"{value.get('kind')}: needs fieldSpecs")
    return decoded


def _prefix(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _affix(value, "prefix")
    return lambda resources: add_prefix(resources, decoded.get("prefix", ""), specs_of(decoded["fieldSpecs"]))


def _suffix(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _affix(value, "suffix")
    return lambda resources: add_suffix(resources, decoded.get("suffix", ""), specs_of(decoded["fieldSpecs"]))


def _prefix_and_suffix(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    prefix, suffix = _prefix(value, loader, schemas), _suffix(value, loader, schemas)

    def transform(resources: Resources) -> None:
        prefix(resources)
        suffix(resources)

    return transform


def _images(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _decoded(value, {"imageTag": IMAGE, "fieldSpecs": FIELD_SPECS})
    image, specs = decoded.get("imageTag", {}), specs_of(decoded.get("fieldSpecs", ()))
    return lambda resources: change_images(resources, [image], specs)


def _replicas(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _decoded(value, {"replica": REPLICA, "fieldSpecs": FIELD_SPECS})
    replica, specs = decoded.get("replica", {}), specs_of(decoded.get("fieldSpecs", ()))
    return lambda resources: set_replicas(resources, replica.get("name", ""), replica.get("count", 0), specs)


_PATCH_OPTIONS: Final = {"allowNameChange": FLAG, "allowKindChange": FLAG}


def _patch(value: Any, loader: Loader, schemas: Schemas, is_old: bool = False) -> Transform:
    return Patch(_decoded(value, {**PATCH, "options": _PATCH_OPTIONS}), loader.load_manifests, schemas, is_old).apply


def _json_patch(value: Any, loader: Loader, schemas: Schemas, is_old: bool = False) -> Transform:
    decoded = _decoded(value, {"target": SELECTOR, "path": TEXT, "jsonOp": TEXT})
    return JsonPatch({**decoded, "patch": decoded.get("jsonOp", "")}, loader.load, is_old).apply


def _strategic_merge(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _decoded(value, {"paths": TEXTS, "patches": TEXT})
    paths, inline = decoded.get("paths", []), decoded.get("patches", "")
    if not paths and not inline:
        raise RenderError("PatchStrategicMergeTransformer: needs paths or patches")
    patches = [Resource(node) for node in read_objects(inline.encode())] if inline else []

    def transform(resources: Resources) -> None:
        if paths:
            apply_strategic_merges(resources, paths, loader.load_manifests, schemas)
        for patch in patches:
            merge_into(resources, [resources.target_of(patch.original)], patch, schemas)

    return transform


def _replacement(value: Any, loader: Loader, schemas: Schemas, is_old: bool = False) -> Transform:
    decoded = _decoded(value, {"replacements": ("list", {**REPLACEMENT, "path": TEXT})})
    items = load_replacements(decoded.get("replacements", []), loader)
    return lambda resources: replace_all(resources, items, is_old)


def _hashes(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    return add_hashes


_VALUE_TARGETS: Final = ("list", {"selector": SELECTOR, "fieldPath": TEXT, "filePathPosition": NUMBER})


def _value_add(value: Any, loader: Loader, schemas: Schemas) -> Transform:
    decoded = _decoded(value, {"value": TEXT, "targets": _VALUE_TARGETS, "targetFilePath": TEXT})
    text = decoded.get("value", "").strip() or loader.root.rpartition("/")[2]
    targets = list(decoded.get("targets", []))
    path = decoded.get("targetFilePath", "")
    if path:
        targets += decode(load_yaml(loader.load(path), path), {"targets": _VALUE_TARGETS}, path, PLUG_IN).get(
            "targets", []
        )
    if not targets or any(not target.get("fieldPath") for target in targets):
        raise RenderError("ValueAddTransformer: needs targets, each with a fieldPath")
    if any(target.get("filePathPosition", 0) < 0 for target in targets):
        raise RenderError("ValueAddTransformer: filePathPosition: expected 0 or more")

    def transform(resources: Resources) -> None:
        for target in targets:
            selected = resources.select(selector_of(target["selector"])) if "selector" in target else resources.items
            for resource in selected:
                _add_value(resource, text, target)

    return transform


def _add_value(resource: Resource, text: str, target: Mapping[str, Any]) -> None:
    path, position = target["fieldPath"], target.get("filePathPosition", 0)
    if path == "metadata/namespace":
        set_namespace(Resources([resource]), text, ())
        return
    node = lookup_create(resource.node, split_path(path, "/"), Scalar)
    if node is None:
        return
    if not isinstance(node, Scalar):
        raise wrong_kind(node, Scalar)
    new = insert_part(text_of(node), position - 1, text) if position > 0 else text
    set_scalar(node, untagged(new))


def insert_part(path: str, position: int, part: str) -> str:
    """Insert a part into a file path, counted from 0; beyond the end it is appended, a leading slash stays."""
    parts = path.split("/") if path else []
    absolute = bool(parts) and not parts[0]
    names = [each for each in parts if each]
    at = min(max(position, 0), len(names))
    return ("/" if absolute else "") + "/".join([*names[:at], part, *names[at:]])


_TRANSFORMERS: Final[dict[str, Callable[[Any, Loader, Schemas], Transform]]] = {
    "AnnotationsTransformer": _annotations,
    "HashTransformer": _hashes,
    "ImageTagTransformer": _images,
    "LabelTransformer": _labels,
    "NamespaceTransformer": _namespace,
    "PatchJson6902Transformer": _json_patch,
    "PatchStrategicMergeTransformer": _strategic_merge,
    "PatchTransformer": _patch,
    "PrefixSuffixTransformer": _prefix_and_suffix,
    "PrefixTransformer": _prefix,
    "SuffixTransformer": _suffix,
    "ReplacementTransformer": _replacement,
    "ReplicaCountTransformer": _replicas,
    "ValueAddTransformer": _value_add,
}


# ── generators ───────────────────────────────────────────────────────────────────────────────────────────────────


def _arguments(value: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    decoded = _decoded(value, {**table, "options": GENERATOR_OPTIONS})
    metadata = decoded.get("metadata", {})
    for name in ("name", "namespace"):
        decoded[name] = decoded.get(name) or metadata.get(name, "")
    return decoded


def _config_map(value: Any, loader: Loader) -> Generate:
    decoded = _arguments(value, CONFIG_MAP)
    return lambda: [make_config_map(decoded, merge_options(decoded.get("options"), None), loader.load)]


def _secret(value: Any, loader: Loader) -> Generate:
    decoded = _arguments(value, SECRET)
    return lambda: [make_secret(decoded, merge_options(decoded.get("options"), None), loader.load_secret)]


def _iam_policy(value: Any, loader: Loader) -> Generate:
    table = {
        "cloud": TEXT,
        "kubernetesService": {"name": TEXT, "namespace": TEXT},
        "serviceAccount": {"name": TEXT, "projectId": TEXT},
    }
    decoded = _decoded(value, table)
    if decoded.get("cloud") != "gke":
        raise RenderError(f"IAMPolicyGenerator: cloud: expected gke, got {decoded.get('cloud', 'nothing')}")
    service, account = decoded.get("kubernetesService", {}), decoded.get("serviceAccount", {})
    email = f"{account.get('name', '')}@{account.get('projectId', '')}.iam.gserviceaccount.com"

    def generate() -> list[Resource]:
        metadata = Map(
            {
                "annotations": Map({"iam.gke.io/gcp-service-account": Scalar(email, STR)}),
                "name": Scalar(service.get("name", "")),
            }
        )
        if service.get("namespace"):
            metadata.fields["namespace"] = Scalar(service["namespace"])
        fields: dict[str, Any] = {
            "apiVersion": Scalar("v1", STR),
            "kind": Scalar("ServiceAccount", STR),
            "metadata": metadata,
        }
        return [Resource(Map(fields))]

    return generate


def _helm(value: Any, loader: Loader) -> Generate:
    raise RenderError("HelmChartInflationGenerator: Helm charts are not inflated here")


_GENERATORS: Final[dict[str, Callable[[Any, Loader], Generate]]] = {
    "ConfigMapGenerator": _config_map,
    "SecretGenerator": _secret,
    "IAMPolicyGenerator": _iam_policy,
    "HelmChartInflationGenerator": _helm,
}
# What the version of Kustomize changes.
_BY_VERSION: Final[dict[str, Callable[[Any, Loader, Schemas, bool], Transform]]] = {
    "PatchJson6902Transformer": _json_patch,
    "PatchTransformer": _patch,
    "ReplacementTransformer": _replacement,
}
