"""crds: OpenAPI definitions of custom kinds whose properties say what they are to Kustomize.

`x-kubernetes-annotation`, `x-kubernetes-label-selector`, `x-kubernetes-identity` and
`x-kubernetes-object-ref-{api-version,kind,name-key}` add field specs for the kind.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gitops.model.errors import RenderError
from renderers.kustomize.config import EMPTY, Config, FieldSpec, Referral
from renderers.kustomize.decode import load_yaml
from renderers.kustomize.ids import Gvk


def load_crds(load: Callable[[str], bytes], paths: Iterable[str]) -> Config:
    """The field specs of all definitions in the files."""
    result = EMPTY
    for path in paths:
        definitions = load_yaml(load(path), path)
        if not isinstance(definitions, dict):
            raise RenderError(f"{path}: expected a map of OpenAPI definitions")
        for name in definitions:
            properties = _properties(definitions, name)
            if {"kind", "apiVersion", "metadata"} <= properties.keys():
                result = result.merge(_specs(definitions, name, Gvk(kind=name.rpartition(".")[2]), (), ()))
    return result


def _properties(definitions: Mapping[str, Any], name: str) -> dict[str, Any]:
    definition = definitions.get(name)
    schema = definition.get("Schema") or definition.get("schema") if isinstance(definition, dict) else None
    found = schema.get("properties") if isinstance(schema, dict) else None
    return found if isinstance(found, dict) else {}


def _specs(definitions: Mapping[str, Any], name: str, gvk: Gvk, path: tuple[str, ...], seen: tuple[str, ...]) -> Config:
    """The specs of one definition and of those that it refers to."""
    result = EMPTY
    if name in seen:
        return result
    for field, schema in _properties(definitions, name).items():
        if not isinstance(schema, dict):
            continue
        here = (*path, field)
        for mark, group in _MARKS.items():
            if isinstance(schema.get(mark), str):
                result = result.add(group, FieldSpec("/".join(here), gvk))
        version, kind = (schema.get(f"x-kubernetes-object-ref-{part}") for part in ("api-version", "kind"))
        if isinstance(version, str) and isinstance(kind, str):
            key = schema.get("x-kubernetes-object-ref-name-key", "name")
            spec = FieldSpec("/".join((*here, key)), gvk)
            result = result.add_referral(Referral(Gvk("", version, kind), (spec,)))
        reference = schema.get("$ref")
        if isinstance(reference, str):
            result = result.merge(_specs(definitions, reference, gvk, here, (*seen, name)))
    return result


_MARKS = {
    "x-kubernetes-annotation": "commonAnnotations",
    "x-kubernetes-label-selector": "commonLabels",
    "x-kubernetes-identity": "namePrefix",
}
