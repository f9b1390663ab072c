"""replacements: copying a field of one resource into fields of others."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gitops.model.errors import RenderError
from renderers.expressions import compiled
from renderers.kustomize.decode import PLUG_IN, REPLACEMENT, decode, load_yaml
from renderers.kustomize.fields import (
    Kind,
    add_key,
    get,
    index_of,
    is_list_index,
    kind_for,
    lookup,
    new_node,
    set_field,
    split_index,
    split_smart,
    wrong_kind,
)
from renderers.kustomize.ids import Pattern, Selector, selector_of
from renderers.kustomize.label_selectors import parse_selector
from renderers.kustomize.loader import Loader
from renderers.kustomize.nodes import QUOTED, Map, Node, Scalar, Seq, copy, is_empty, is_null, value_of, value_text
from renderers.kustomize.resource import Resource, ids_in
from renderers.kustomize.resources import Resources
from renderers.kustomize.structured import replace_in_text, tree_of

DEFAULT_PATH = "metadata.name"


def load_replacements(items: list[dict[str, Any]], loader: Loader) -> list[dict[str, Any]]:
    """Replacements with those from files put in their place."""
    found: list[dict[str, Any]] = []
    for item in items:
        path = item.get("path", "")
        if not path:
            found.append(item)
            continue
        if "source" in item or item.get("targets"):
            raise RenderError("replacements: an item has either path or source and targets")
        loaded = load_yaml(loader.load(path), path)
        if not isinstance(loaded, list | dict):
            raise RenderError(f"{path}: expected a replacement or a list of replacements")
        loaded = loaded if isinstance(loaded, list) else [loaded]
        found.extend(decode(each, REPLACEMENT, path, PLUG_IN) for each in loaded)
    return found


def replace_all(resources: Resources, replacements: Iterable[Mapping[str, Any]], is_old: bool) -> None:
    """Carry out replacements in order; raises RenderError when a source or a field is missing.

    `is_old` means Kustomize 5.5, which compares names as they are, has no `sourceValue`, and sees no structure in text.
    """
    for replacement in replacements:
        source, targets, text = (replacement.get(name) for name in ("source", "targets", "sourceValue"))
        if text is not None and is_old:
            raise RenderError("replacements: sourceValue: Kustomize 5.5 has no such field")
        if (source is None and text is None) or targets is None:
            raise RenderError("replacements: an item needs a source and targets")
        if source is not None and text is not None:
            raise RenderError("replacements: an item has either source or sourceValue")
        value = Scalar(text) if text is not None else _source_value(resources, source or {})
        for target in targets:
            _apply(resources, value, target, is_old)


def _source_value(resources: Resources, source: Mapping[str, Any]) -> Node:
    selector = selector_of(source)
    found = [each for each in resources.items if any(selector.fits(id) for id in ids_in(each.node))]
    if len(found) != 1:
        how_many = "nothing is" if not found else "several resources are"
        raise RenderError(f"replacements: source: {how_many} selected by {selector}")
    path = source.get("fieldPath") or DEFAULT_PATH
    node = lookup(found[0].node, split_smart(path))
    if node is None or is_empty(node):
        raise RenderError(f"replacements: source: {found[0].current} has no field {path}")
    options = source.get("options") or {}
    if not options.get("delimiter"):
        return node
    if not isinstance(node, Scalar):
        raise RenderError("replacements: source: a delimiter is for text only")
    parts = value_text(node).split(options["delimiter"])
    index = options.get("index", 0)
    if not 0 <= index < len(parts):
        raise RenderError(f"replacements: source: options.index {index} is beyond the parts of {value_text(node)}")
    return Scalar(parts[index], node.tag, node.style)


def _apply(resources: Resources, value: Node, target: Mapping[str, Any], is_old: bool) -> None:
    if "select" not in target:
        raise RenderError("replacements: a target needs select")
    selector = selector_of(target["select"])
    rejects = [selector_of(each) for each in target.get("reject", ())]
    paths = target.get("fieldPaths") or [DEFAULT_PATH]
    options = target.get("options") or {}
    selects = selector.fits if is_old else Pattern(selector).fits_id
    refusals = [each.fits if is_old else Pattern(each).fits_id for each in rejects if not each.names_nothing]
    for resource in resources.items:
        if not _labels_fit(resource, selector, rejects):
            continue
        ids = ids_in(resource.node)
        rejected = any(refuses(id) for refuses in refusals for id in ids)
        if not rejected and any(selects(id) for id in ids):
            for path in paths:
                _set(resource, path, value, options, is_old)


def _labels_fit(resource: Resource, selector: Selector, rejects: list[Selector]) -> bool:
    if not _selected(resource, selector):
        return False
    return not any((each.labels or each.annotations) and _selected(resource, each) for each in rejects)


def _selected(resource: Resource, selector: Selector) -> bool:
    labels, annotations = parse_selector(selector.labels), parse_selector(selector.annotations)
    return (annotations is None or annotations.fits(resource.annotations)) and (
        labels is None or labels.fits(resource.labels)
    )


class _Slot:
    """A place in a tree whose node can be replaced."""

    __slots__ = ("_key", "_parent", "node")

    def __init__(self, node: Node, parent: Map | Seq | None, key: str | int) -> None:
        self.node = node
        self._parent = parent
        self._key = key

    def put(self, node: Node) -> None:
        if isinstance(self._parent, Map):
            self._parent.fields[str(self._key)] = node
        elif isinstance(self._parent, Seq):
            self._parent.items[int(self._key)] = node


def _set(resource: Resource, path: str, value: Node, options: Mapping[str, Any], is_old: bool) -> None:
    create: Kind | None = type(value) if options.get("create") else None
    parts = split_smart(path)
    if not is_old and len(parts) > 1 and replace_in_text(resource.node, parts, copy(value), _matcher(create)):
        return
    try:
        slots = _match(_Slot(resource.node, None, ""), parts, create, is_old)
    except RenderError as error:
        raise RenderError(f"replacements: {resource.current}: {path}: {error}") from error
    if not slots:
        raise RenderError(f"replacements: {resource.current} has no field {path}")
    for slot in slots:
        _set_slot(slot, value, options)


def _matcher(create: Kind | None) -> Callable[[Node, list[str]], list[Node]]:
    return lambda tree, path: [slot.node for slot in _match(_Slot(tree, None, ""), path, create, False)]


def _set_slot(slot: _Slot, value: Node, options: Mapping[str, Any]) -> None:
    new = copy(value)
    delimiter = options.get("delimiter")
    if delimiter:
        if not isinstance(slot.node, Scalar):
            raise RenderError("replacements: a delimiter is for text only")
        parts = slot.node.value.split(delimiter)
        text = value_text(new)
        index = options.get("index", 0)
        if index < 0:
            parts = [text, *parts]
        elif index >= len(parts):
            parts.append(text)
        else:
            parts[index] = text
        if isinstance(new, Scalar):
            new.value = delimiter.join(parts)
    if not isinstance(slot.node, Scalar):
        slot.put(new)
    elif isinstance(new, Scalar):
        slot.node.value = new.value
    else:
        slot.node.value = ""


# ── paths with wildcards ─────────────────────────────────────────────────────────────────────────────────────────


def _match(slot: _Slot, path: list[str], create: Kind | None, is_old: bool) -> list[_Slot]:
    """All places that a path fits: `[name=web]` compares by a regular expression, `*` fits every item.

    What a path fits inside of a text is a place of its own, which changes nothing of the text.
    """
    if not path:
        return [slot]
    part, rest = path[0], path[1:]
    index = index_of(part)
    if index is not None and index >= 0:
        return _match_index(slot, index, rest, create, is_old)
    if is_list_index(part):
        return _match_items(slot, part, rest, create, is_old)
    if part == "*":
        numbers = range(len(_items(slot.node)))
        found = [_match(_item(slot.node, number), rest, create, is_old) for number in numbers]
        return [each for slots in found for each in slots]
    field = get(slot.node, part)
    if field is None:
        if create is None or not isinstance(slot.node, Map):
            return []
        field = set_field(slot.node, part, new_node(kind_for(rest[0] if rest else "", create)))
        if field is None:
            return []
    parent = slot.node if isinstance(slot.node, Map) else None
    if isinstance(field, Scalar) and rest and not is_old:
        return _match(_Slot(tree_of(field.value), None, ""), rest, create, is_old)
    return _match(_Slot(field, parent, part), rest, create, is_old)


def _items(node: Node) -> list[Node]:
    if isinstance(node, Seq):
        return node.items
    if is_null(node):
        return []
    raise wrong_kind(node, Seq)


def _item(node: Node, number: int) -> _Slot:
    assert isinstance(node, Seq)
    return _Slot(node.items[number], node, number)


def _match_index(slot: _Slot, index: int, rest: list[str], create: Kind | None, is_old: bool) -> list[_Slot]:
    items = _items(slot.node)
    if len(items) == index and create is not None and isinstance(slot.node, Seq):
        items.append(new_node(kind_for(rest[0] if rest else "", create)))
    if index >= len(items):
        raise RenderError(f"index {index} is beyond the {len(items)} items")
    return _match(_item(slot.node, index), rest, create, is_old)


def _match_items(slot: _Slot, part: str, rest: list[str], create: Kind | None, is_old: bool) -> list[_Slot]:
    name, pattern = split_index(part)
    found: list[_Slot] = []
    for number, item in enumerate(_items(slot.node)):
        if not name:
            if _fits(item, pattern):
                found.append(_item(slot.node, number))
            continue
        field = item.fields.get(name) if isinstance(item, Map) else None
        if field is not None and _fits(field, pattern):
            found.extend(_match(_item(slot.node, number), rest, create, is_old))
    if found or create is None or not isinstance(slot.node, Seq):
        return found
    slot.node.items.append(_made(name, pattern))
    return _match_items(slot, part, rest, create, is_old)


def _made(name: str, text: str) -> Node:
    if not name:
        return Scalar(text)
    made = Map({name: Scalar(text)})
    add_key(made, name)
    return made


def _fits(node: Node, pattern: str) -> bool:
    """Whether a regular expression is found in a node's YAML."""
    if isinstance(node, Scalar):
        text = f'"{node.value}"' if node.style & QUOTED else node.value
    else:
        text = str(value_of(node))
    return bool(compiled(pattern).search(text.strip()))
