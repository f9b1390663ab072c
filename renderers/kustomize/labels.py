"""labels, commonLabels and commonAnnotations.

A label's value is one node in all the places of one resource where it is set anew: what changes it in one place later
(a replacement, another label) changes it in all. That is how Kustomize has it, and overlays rely on it.
"""

from collections.abc import Mapping
from typing import Any

from renderers.kustomize.config import Config, FieldSpec, Specs, merge_specs, specs_of
from renderers.kustomize.fields import set_field, wrong_kind
from renderers.kustomize.nodes import STR, Map, Node, Scalar, is_null
from renderers.kustomize.resources import Resources
from renderers.kustomize.specs import apply_specs


def add_entries(resources: Resources, entries: Mapping[str, str], specs: Specs) -> None:
    """Set entries of maps (labels, selectors, annotations) at every place of the specs."""
    for resource in resources.items:
        for key in sorted(entries):
            value = Scalar(entries[key], STR)

            def setter(node: Node, key: str = key, value: Scalar = value) -> None:
                if isinstance(node, Map):
                    set_field(node, key, value)
                elif not is_null(node):
                    raise wrong_kind(node, Map)

            apply_specs(resource.node, specs, setter, Map)
    resources.drop_empty()


def label_specs(label: Mapping[str, Any], config: Config) -> Specs:
    """The places where one item of `labels` is set: its own, the configured ones, and what its flags include."""
    specs = merge_specs(specs_of(label.get("fields", ())), config.labels)
    if label.get("includeSelectors"):
        return merge_specs(specs, config.commonLabels)
    if label.get("includeTemplates"):
        specs = merge_specs(specs, config.templateLabels)
    return merge_specs(specs, (FieldSpec("metadata/labels", create=True),))
