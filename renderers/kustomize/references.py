"""Name references: when a resource's name has changed, the fields that refer to it by name change too.

A Deployment names a ConfigMap, a binding a ServiceAccount, an HPA a Deployment: the field specs tell where. The one
referred to is found by a name that it had, its kind, its namespace and, among several, by sharing prefixes and
suffixes with the one that refers.
"""

from collections.abc import Iterable, Sequence

from gitops.model.errors import RenderError
from renderers.kustomize.config import FieldSpec, Referral
from renderers.kustomize.fields import get, items_of, lookup, set_field, set_scalar, wrong_kind
from renderers.kustomize.ids import CLUSTER, Gvk, Id, split_api_version
from renderers.kustomize.nodes import Map, Node, Scalar, Seq, is_null, text_of, value_text
from renderers.kustomize.resource import PREFIXES, SUFFIXES, Resource
from renderers.kustomize.resources import Resources
from renderers.kustomize.specs import apply_spec


class _Candidate:
    """A resource whose name or namespace has changed, with what is asked of it again and again."""

    __slots__ = ("current", "original", "prefixes", "previous", "resource", "suffixes")

    def __init__(self, resource: Resource, previous: list[Id]) -> None:
        self.resource = resource
        self.previous = previous
        self.current = resource.current
        self.original = previous[0]
        self.prefixes = resource.note(PREFIXES)
        self.suffixes = resource.note(SUFFIXES)


def fix_references(resources: Resources, referrals: Sequence[Referral]) -> None:
    """Update all references; raises RenderError when one could mean several resources."""
    by_name: dict[str, list[_Candidate]] = {}
    for resource in resources.items:
        previous = resource.previous
        if previous:
            candidate = _Candidate(resource, previous)
            for name in dict.fromkeys(id.name for id in previous):
                by_name.setdefault(name, []).append(candidate)
    places = _by_kind(referrals)
    namespaces = {resource.original.effective_namespace for resource in resources.items}
    for resource in resources.items:
        original = resource.original
        wanted = places.get(original.kind, places.get("", []))
        fitting = [(spec, target) for spec, target in wanted if spec.gvk.selects(original)]
        if fitting:
            _Referrer(resource, by_name, namespaces).fix(fitting)


_Places = dict[str, list[tuple[FieldSpec, Gvk]]]
_PLACES: dict[int, tuple[Sequence[Referral], _Places]] = {}


def _by_kind(referrals: Sequence[Referral]) -> _Places:
    """Kind → the specs for it (those for every kind included), in order; "" for kinds that no spec names."""
    known = _PLACES.get(id(referrals))
    if known is not None and known[0] is referrals:
        return known[1]
    everything = [(spec, referral.gvk) for referral in referrals for spec in referral.referrers]
    kinds = {spec.gvk.kind for spec, _ in everything} | {""}
    places = {kind: [each for each in everything if each[0].gvk.kind in ("", kind)] for kind in kinds}
    if len(_PLACES) > 64:
        _PLACES.clear()
    _PLACES[id(referrals)] = (referrals, places)
    return places


class _Referrer:
    """One resource that may refer to others."""

    def __init__(self, resource: Resource, by_name: dict[str, list[_Candidate]], namespaces: set[str]) -> None:
        self._resource = resource
        self._by_name = by_name
        self._namespaces = namespaces
        self._id = resource.current
        self._prefixes = resource.note(PREFIXES)
        self._suffixes = resource.note(SUFFIXES)
        self._subject_namespaces = _subject_namespaces(resource)
        self._target = Gvk()
        self._path = ""

    def fix(self, places: Iterable[tuple[FieldSpec, Gvk]]) -> None:
        for spec, target in places:
            self._target, self._path = target, spec.path
            apply_spec(self._resource.node, FieldSpec(spec.path, Gvk(), spec.create), self._set)

    def _set(self, node: Node) -> None:
        if is_null(node):
            return
        if isinstance(node, Scalar):
            self._set_scalar(node)
        elif isinstance(node, Map):
            self._set_map(node)
        else:
            for item in node.items:
                if isinstance(item, Seq):
                    raise wrong_kind(item, Scalar)
                self._set(item)

    def _set_scalar(self, node: Scalar) -> None:
        found = self._select(node.value, self._reachable(node.value), with_namespace=False)
        if found is not None and found.current.name != node.value:
            set_scalar(node, Scalar(found.current.name))

    def _set_map(self, node: Map) -> None:
        name = node.fields.get("name")
        if name is None:
            raise RenderError("a reference has no field `name`")
        text = text_of(name)
        found = self._select(text, self._in_namespace(node, self._reachable(text)), with_namespace=True)
        if found is None or (found.current.name == text and not found.current.namespace):
            return
        set_field(node, "name", Scalar(found.current.name))
        if found.current.namespace:
            set_field(node, "namespace", Scalar(found.current.namespace))

    def _reachable(self, name: str) -> list[_Candidate]:
        """Those that had the name and that this resource can refer to at all."""
        candidates = self._by_name.get(name, [])
        if self._id.cluster:
            return candidates
        namespace = self._id.effective_namespace
        return [
            each
            for each in candidates
            if each.current.cluster
            or each.current.effective_namespace == namespace
            or each.current.namespace in self._subject_namespaces
        ]

    def _in_namespace(self, node: Map, candidates: list[_Candidate]) -> list[_Candidate]:
        field = node.fields.get("namespace")
        if field is None:
            return candidates
        namespace = text_of(field)
        if namespace == CLUSTER:
            return []
        original = [each for each in candidates if each.original.effective_namespace == namespace]
        if original or namespace in self._namespaces:
            return original
        return [each for each in candidates if each.current.effective_namespace == namespace]

    def _select(self, name: str, candidates: list[_Candidate], with_namespace: bool) -> _Candidate | None:
        target = self._target
        found = [each for each in candidates if any(target.selects(id) for id in each.previous)]
        if found and self._path.endswith("roleRef/name"):
            role = _role_of(self._resource)
            if role is not None:
                found = [each for each in found if any(role.selects(id) for id in each.previous)]
        found = [each for each in found if self._same_namespace(each)]
        if len(found) == 1:
            return found[0]
        found = [each for each in found if self._same_affixes(each, allow_empty=True)]
        if len(found) > 1:
            found = [each for each in found if self._same_affixes(each, allow_empty=False)]
        if not found:
            return None
        names = {(each.current.name, each.current.namespace if with_namespace else "") for each in found}
        if len(names) > 1:
            which = ", ".join(str(each.current) for each in found)
            raise RenderError(f"`{name}` could mean several resources: {which}")
        return found[0]

    def _same_namespace(self, candidate: _Candidate) -> bool:
        return (
            self._id.cluster
            or candidate.current.cluster
            or candidate.current.kind == "ServiceAccount"
            or candidate.current.effective_namespace == self._id.effective_namespace
        )

    def _same_affixes(self, candidate: _Candidate, allow_empty: bool) -> bool:
        return _same_end(candidate.prefixes, self._prefixes, allow_empty) and _same_end(
            candidate.suffixes, self._suffixes, allow_empty
        )


def _same_end(left: list[str], right: list[str], allow_empty: bool) -> bool:
    if not left or not right:
        return allow_empty or left == right
    size = min(len(left), len(right))
    return left[-size:] == right[-size:]


def _role_of(resource: Resource) -> Gvk | None:
    group = lookup(resource.node, ["roleRef", "apiGroup"])
    kind = lookup(resource.node, ["roleRef", "kind"])
    return None if group is None or kind is None else Gvk(text_of(group), "", text_of(kind))


def _subject_namespaces(resource: Resource) -> set[str]:
    """Namespaces of the service accounts that a RoleBinding names."""
    if resource.kind != "RoleBinding":
        return set()
    subjects = get(resource.node, "subjects")
    found: set[str] = set()
    for subject in items_of(subjects) if isinstance(subjects, Seq) else ():
        if not isinstance(subject, Map):
            raise RenderError(f"{resource.current}: subjects: expected a list of maps")
        namespace = subject.fields.get("namespace")
        if namespace is not None and value_text(subject.fields.get("kind")) == "ServiceAccount":
            if not isinstance(namespace, Scalar) or is_null(namespace):
                raise RenderError(f"{resource.current}: subjects: a namespace is blank")
            found.add(namespace.value)
    return found


def split_group(api_version: str) -> str:
    """The group of an apiVersion."""
    return split_api_version(api_version)[0]
