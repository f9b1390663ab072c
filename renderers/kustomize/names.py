"""namePrefix, nameSuffix and namespace: what resources are called."""

from collections import Counter
from typing import Final

from gitops.model.errors import RenderError
from renderers.kustomize.config import FieldSpec, Specs
from renderers.kustomize.fields import get, items_of, set_scalar
from renderers.kustomize.ids import Gvk
from renderers.kustomize.nodes import STR, Map, Node, Scalar, is_empty, is_null, text_of, value_text
from renderers.kustomize.resource import PREFIXES, SUFFIXES, Resource
from renderers.kustomize.resources import Resources
from renderers.kustomize.specs import apply_spec, apply_specs, gvk_of

# Kinds whose names mean something to the cluster itself.
_NEVER_RENAMED: Final = (
    Gvk(kind="CustomResourceDefinition"),
    Gvk("apiregistration.k8s.io", "", "APIService"),
    Gvk(kind="Namespace"),
)
_ROLE_BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")
_SUBJECT_MODES: Final = ("", "defaultOnly", "allServiceAccounts", "none")


def add_prefix(resources: Resources, prefix: str, specs: Specs) -> None:
    """Put text before every name."""
    _rename(resources, prefix, "", specs)


def add_suffix(resources: Resources, suffix: str, specs: Specs) -> None:
    """Put text after every name."""
    _rename(resources, "", suffix, specs)


def _rename(resources: Resources, prefix: str, suffix: str, specs: Specs) -> None:
    def setter(node: Node) -> None:
        set_scalar(node, Scalar(f"{prefix}{text_of(node)}{suffix}"))

    for resource in resources.items:
        original = resource.original
        if any(gvk.selects(original) for gvk in _NEVER_RENAMED):
            continue
        for spec in specs:
            if not spec.gvk.selects(original):
                continue
            if spec.path == "metadata/name":
                resource.add_note(PREFIXES, prefix)
                resource.add_note(SUFFIXES, suffix)
                if prefix or suffix:
                    resource.store_previous_id()
            if spec.gvk.selects(gvk_of(resource.node)):
                apply_spec(resource.node, spec, setter, Scalar)


def set_namespace(
    resources: Resources, namespace: str, specs: Specs, *, subjects: str = "", unset_only: bool = False
) -> None:
    """Put every resource that can have one into a namespace; raises RenderError when two get one id by that.

    `subjects` says which subjects of role bindings follow: those called default, all service accounts, or none.
    """
    if subjects not in _SUBJECT_MODES:
        raise RenderError(f"setRoleBindingSubjects: expected one of {', '.join(_SUBJECT_MODES[1:])}")
    if not namespace:
        return
    change = _NamespaceChange(namespace, specs, subjects or "defaultOnly", unset_only)
    taken = Counter(resource.current.key for resource in resources.items if not resource.is_empty)
    for resource in resources.items:
        if resource.is_empty or resource.is_of_helm:
            continue
        taken[resource.current.key] -= 1
        resource.store_previous_id()
        change.apply(resource)
        id = resource.current
        taken[id.key] += 1
        if taken[id.key] != 1:
            raise RenderError(f"namespace {namespace}: two resources would be called {id}")


class _NamespaceChange:
    def __init__(self, namespace: str, specs: Specs, subjects: str, unset_only: bool) -> None:
        self._namespace = namespace
        self._subjects = subjects
        self._unset_only = unset_only
        self._specs = tuple(spec for spec in specs if spec.path != "metadata/namespace")

    def apply(self, resource: Resource) -> None:
        node = resource.node
        if not resource.cluster_scoped:
            apply_spec(node, FieldSpec("metadata/namespace", create=True), self._set, Scalar)
        specs = self._specs
        if resource.api_version != "v1":
            specs = tuple(spec for spec in specs if spec.path != "metadata/name")
        if resource.kind in _ROLE_BINDINGS:
            specs = tuple(
                spec for spec in specs if not (spec.path == "subjects/namespace" and spec.gvk.kind in _ROLE_BINDINGS)
            )
            self._change_subjects(node)
        apply_specs(node, specs, self._set, Scalar)

    def _set(self, node: Node) -> None:
        if self._unset_only and not is_empty(node) and isinstance(node, Scalar) and value_text(node):
            return
        set_scalar(node, Scalar(self._namespace, STR))

    def _change_subjects(self, node: Map) -> None:
        if self._subjects == "none":
            return
        field, value = ("name", "default") if self._subjects == "defaultOnly" else ("kind", "ServiceAccount")
        subjects = get(node, "subjects")
        if subjects is None or is_null(subjects):
            return
        for subject in items_of(subjects):
            found = get(subject, field)
            if isinstance(subject, Map) and found is not None and not is_null(found) and text_of(found) == value:
                namespace = subject.fields.setdefault("namespace", Scalar(""))
                self._set(namespace)
