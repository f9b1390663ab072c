"""Applying a field spec: find the places that its path means in a resource, and call a function on each.

A part of a path goes through lists by itself (`containers/image` is the image of every container); `containers[]` says
so. Where the spec creates, missing maps on the way and the field itself are made.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from gitops.model.errors import RenderError
from renderers.kustomize.config import FieldSpec
from renderers.kustomize.fields import Kind, get, lookup, new_node, set_field, split_path
from renderers.kustomize.ids import Gvk, split_api_version
from renderers.kustomize.nodes import Map, Node, Scalar, Seq, is_null, text_of

Setter = Callable[[Node], None]


def apply_specs(node: Map, specs: Iterable[FieldSpec], setter: Setter, create: Kind | None = None) -> None:
    """Call `setter` at every place of every spec that is for this kind; missing fields are made as `create`."""
    gvk = gvk_of(node)
    for spec in specs:
        if spec.gvk.selects(gvk):
            apply_spec(node, spec, setter, create)


def apply_spec(node: Map, spec: FieldSpec, setter: Setter, create: Kind | None = None) -> None:
    """The same for one spec that is known to be for this kind; raises RenderError with the path."""
    try:
        _walk(node, _parts(spec.path), setter, create if spec.create else None)
    except RenderError as error:
        name = lookup(node.fields.get("metadata"), ["name"])
        raise RenderError(f"{text_of(node.fields.get('kind'))} {text_of(name)}: {spec.path}: {error}") from error


def gvk_of(node: Map) -> Gvk:
    """Group, version and kind of an object."""
    group, version = split_api_version(text_of(node.fields.get("apiVersion")))
    return Gvk(group, version, text_of(node.fields.get("kind")))


@lru_cache(maxsize=2048)
def _parts(path: str) -> tuple[str, ...]:
    return tuple(split_path(path, "/"))


def _walk(node: Node, parts: tuple[str, ...], setter: Setter, create: Kind | None) -> None:
    if not parts:
        setter(node)
    elif isinstance(node, Map):
        _walk_map(node, parts, setter, create)
    elif isinstance(node, Seq):
        for item in node.items:
            _walk(item, parts, setter, create)
    elif not is_null(node):
        raise RenderError("expected a map or a list on the way")


def _walk_map(node: Map, parts: tuple[str, ...], setter: Setter, create: Kind | None) -> None:
    name = parts[0].removesuffix("[]")
    if not name:
        raise RenderError("a path has an empty part")
    in_list = name != parts[0]
    kind: Kind | None = None
    if in_list:
        kind = Seq
    elif create is not None:
        kind = create if len(parts) == 1 else Map
    child = node.fields.get(name) if name in node.fields else _other(node, name)
    if child is None:
        if kind is None or in_list:
            return
        child = set_field(node, name, new_node(kind))
        assert child is not None
    elif kind is not None and is_null(child):
        child = _replace_null(node, name, child, kind, len(parts) == 1)
    _walk(child, parts[1:], setter, create)


def _other(node: Map, name: str) -> Node | None:
    """A part that is no field: an index or `[name=value]`, which maps do not have."""
    return get(node, name.strip())


def _replace_null(parent: Map, name: str, child: Node, kind: Kind, last: bool) -> Node:
    """A null that stands where something is to be made becomes that."""
    if kind is Scalar:
        assert isinstance(child, Scalar)
        child.tag = "!!str" if last else ""
        return child
    made = new_node(kind)
    parent.fields[name] = made
    return made
