"""Strategic merge: a patch's node into a resource's node, in place.

Maps are merged field by field, null removes a field, lists are replaced unless their type names merge keys: then items
with equal keys are merged, and new ones go to the front. `$patch: delete | replace | merge` in a map or as an item of
a list says so explicitly. A scalar that replaces another keeps how the old one was quoted.
"""

from typing import Final

from gitops.model.errors import RenderError
from renderers.kustomize.fields import find_item, set_field, wrong_kind
from renderers.kustomize.nodes import NULL, Map, Node, Scalar, Seq, is_empty, is_null, text_of
from renderers.kustomize.schema import Schema, Schemas

DIRECTIVE: Final = "$patch"


class _KeptNull(Scalar):
    """A null of the resource itself, which a merge must not take away."""

    __slots__ = ()


def merge(target: Map, patch: Map, schemas: Schemas) -> bool:
    """Merge `patch` into `target`; False when the patch deletes the whole object."""
    return _Merger(schemas).walk(target, patch, None) is not None


class _Merger:
    """Walks two trees side by side; every method gives the node that should stand in the target, None for none."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def walk(self, target: Node | None, patch: Node | None, schema: Schema | None) -> Node | None:
        schema = schema or self._schema_of(target) or self._schema_of(patch)
        leading = patch if is_null(target) else target
        if is_null(leading):
            return self._map(target, patch, schema)
        assert leading is not None
        for other in (target, patch):
            if other is not None and not is_null(other) and type(other) is not type(leading):
                raise wrong_kind(other, type(leading))
        if isinstance(leading, Map):
            return self._map(target, patch, schema)
        if isinstance(leading, Seq) and schema is not None and schema.merged:
            return self._list(target, patch, schema)
        return target if patch is None else patch

    def _schema_of(self, node: Node | None) -> Schema | None:
        if not isinstance(node, Map):
            return None
        kind, api_version = text_of(node.fields.get("kind")), text_of(node.fields.get("apiVersion"))
        return self._schemas.of(api_version, kind) if kind and api_version else None

    def _map(self, target: Node | None, patch: Node | None, schema: Schema | None) -> Node | None:
        result = _merged_map(target, patch)
        if not isinstance(result, Map):
            return result
        names = set(result.fields)
        if isinstance(patch, Map):
            names.update(patch.fields)
        for name in sorted(names):
            new = patch.fields.get(name) if isinstance(patch, Map) else None
            child = self.walk(result.fields.get(name), new, schema.field(name) if schema is not None else None)
            was_there = name in result.fields
            set_field(result, name, child, keep_null=isinstance(child, _KeptNull))
            if not was_there and name in result.fields:
                _copy_oddness(result, patch, name)
        return result

    def _list(self, target: Node | None, patch: Node | None, schema: Schema) -> Node | None:
        _keep_style(target, patch)
        result = target
        if is_null(target):
            result = patch
        elif is_null(patch) and patch is not None:
            return None
        else:
            match _directive_of_list(patch):
                case "delete":
                    return None
                case "replace":
                    result = patch
        if not isinstance(result, Seq):
            return result
        sources = [result if target is None or result is not target else target, patch]
        values = _values(sources, schema.keys)
        if values or schema.keys:
            return self._items(result, sources, values, schema.keys, schema.items)
        return self._items(result, sources, _primitive_values(sources), ("",), schema.items)

    def _items(
        self,
        result: Seq,
        sources: list[Node | None],
        values: list[list[str]],
        keys: tuple[str, ...],
        schema: Schema | None,
    ) -> Node:
        """Merge the items that have equal keys, and put all into the order: the patch's, then the target's."""
        if len(keys) > 1:
            _join_values(values)
        added = Seq()
        valid_keys: list[str] = []
        for each in values:
            if not each:
                continue
            valid_keys, valid_values = _valid(values, each, keys)
            found = [_element(source, valid_keys, valid_values) for source in sources]
            item = self.walk(found[0], found[1], schema)
            if is_null(item) or (isinstance(item, Map) and not item.fields):
                set_element(result, None, valid_keys, valid_values)
                continue
            assert item is not None
            for key, value in zip(valid_keys, valid_values, strict=False):
                _ensure_key(item, key, value)
            set_element(added, item, valid_keys, valid_values)
        if values:
            return _append(added, result, valid_keys)
        return result


def _keep_style(target: Node | None, patch: Node | None) -> None:
    """An empty map or list takes over how the patch's is written."""
    if isinstance(target, Map | Seq) and isinstance(patch, Map | Seq) and is_empty(target):
        target.flow = patch.flow


def _copy_oddness(result: Map, patch: Node | None, name: str) -> None:
    """A key that comes from the patch is written as it is written there."""
    if isinstance(patch, Map) and name in patch.fields:
        odd = patch.odd is not None and name in patch.odd
        if odd:
            result.odd = (result.odd or set()) | {name}
        elif result.odd is not None:
            result.odd.discard(name)


def _merged_map(target: Node | None, patch: Node | None) -> Node | None:
    """The map to go on with: the target's, or the patch's where there is none or it says so; None to remove it."""
    _keep_style(target, patch)
    if is_null(target):
        if isinstance(patch, Map | Seq) and _directive_of(patch, strict=False) == "delete":
            return None
        if patch is None and isinstance(target, Scalar) and target.value:
            return _KeptNull(target.value, NULL)
        return patch
    if patch is not None and is_null(patch):
        return None
    match _directive_of(patch, strict=True):
        case "delete":
            return None
        case "replace":
            return patch
    return target


# ── directives ───────────────────────────────────────────────────────────────────────────────────────────────────


def _directive_of(patch: Node | None, strict: bool) -> str:
    """The directive of a map or list, which is taken out of it; "merge" when there is none."""
    if patch is None:
        return "merge"
    if isinstance(patch, Seq):
        return _directive_of_list(patch)
    assert isinstance(patch, Map)
    node = patch.fields.get(DIRECTIVE)
    if node is None:
        return "merge"
    word = text_of(node)
    if word in ("delete", "replace", "merge"):
        patch.fields.pop(DIRECTIVE)
        return word
    if strict:
        raise RenderError(f"$patch: {word}: expected delete, replace or merge")
    return ""


def _directive_of_list(patch: Node | None) -> str:
    """The directive that stands in a list as an item of its own."""
    if not isinstance(patch, Seq):
        return "merge"
    item = next((each for each in patch.items if isinstance(each, Map) and DIRECTIVE in each.fields), None)
    if item is None or len(item.fields) > 1:
        return "merge"
    word = text_of(item.fields[DIRECTIVE])
    if word not in ("delete", "replace", "merge"):
        raise RenderError(f"$patch: {word}: expected delete, replace or merge")
    set_element(patch, None, [DIRECTIVE], [word])
    return word


# ── lists with keys ──────────────────────────────────────────────────────────────────────────────────────────────


def _values(sources: list[Node | None], keys: tuple[str, ...]) -> list[list[str]]:
    """The key values of all items, the patch's first, each once; a missing key is ""."""
    found: list[list[str]] = []
    seen: set[tuple[str, ...]] = set()
    for source in (sources[1], sources[0]):
        for item in source.items if isinstance(source, Seq) else ():
            fields = item.fields if isinstance(item, Map) else {}
            values = tuple("" if is_empty(fields.get(key)) else text_of(fields.get(key)) for key in keys)
            if values and values not in seen:
                seen.add(values)
                found.append(list(values))
    return found


def _primitive_values(sources: list[Node | None]) -> list[list[str]]:
    texts = [
        text_of(item)
        for source in (sources[1], sources[0])
        for item in (source.items if isinstance(source, Seq) else ())
    ]
    return [[text] for text in dict.fromkeys(texts)]


def _join_values(values: list[list[str]]) -> None:
    """Items that agree in one key and differ only by what one leaves out are the same: both get all keys."""
    for left in range(len(values)):
        first = values[left]
        for right in range(len(values)):
            joined = _match(first, values[right])
            if joined is not None:
                values[left] = values[right] = joined


def _match(first: list[str], second: list[str]) -> list[str] | None:
    if any(a != b and a and b for a, b in zip(first, second, strict=True)):
        return None
    if not any(a == b for a, b in zip(first, second, strict=True)):
        return None
    return [a or b for a, b in zip(first, second, strict=True)]


def _valid(all_values: list[list[str]], values: list[str], keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The keys that some item has, with this item's values; all keys when none has any."""
    used = {key for each in all_values for key, value in zip(keys, each, strict=False) if value}
    if not used:
        return list(keys), list(values)
    valid_keys = [key for key in keys if key in used]
    return valid_keys, [value for key, value in zip(keys, values, strict=False) if value or key in used]


def _element(source: Node | None, keys: list[str], values: list[str]) -> Node | None:
    if not isinstance(source, Seq):
        return None
    own_keys, own_values = _valid([values], values, tuple(keys))
    return find_item(source.items, own_keys, own_values) if len(own_keys) == len(own_values) else None


def _ensure_key(item: Node, key: str, value: str) -> None:
    """An item that was found by its key has it as a field."""
    if isinstance(item, Map):
        if key not in item.fields and value:
            set_field(item, key, Scalar(value))
    elif isinstance(item, Scalar) and value:
        item.value, item.tag = value, ""


def _append(added: Seq, rest: Seq, keys: list[str]) -> Seq:
    """The items of `rest` into `added`, in place of the ones with equal keys or else at the end."""
    for item in rest.items:
        if not keys or not keys[0]:
            set_element(added, item, [""], [text_of(item)])
            continue
        values: list[str] = []
        for key in keys:
            if not isinstance(item, Map) and not is_null(item):
                raise wrong_kind(item, Map)
            value = item.fields.get(key) if isinstance(item, Map) else None
            if value is None:
                added.items.append(item)
            else:
                values.append(text_of(value))
        if len(keys) > 1:
            set_element(added, None, keys, values)
        set_element(added, item, keys, values)
    rest.items = added.items
    return rest


def set_element(target: Seq, element: Node | None, keys: list[str], values: list[str]) -> None:
    """Replace the items that fit keys and values by `element`, or append it; None removes them. Empty items go."""
    kept: list[Node] = []
    found = False
    by_field = bool(keys and keys[0] and values and values[0])
    for item in target.items:
        if is_null(item) or (isinstance(item, Map) and not item.fields):
            continue
        if not isinstance(item, Map) and by_field:
            kept.append(item)
        elif not _fits(item, keys, values):
            if values:
                kept.append(item)
        else:
            found = True
            if element is not None:
                kept.append(element)
    target.items = kept
    if element is not None and not is_null(element) and not found:
        target.items.append(element)


def _fits(item: Node, keys: list[str], values: list[str]) -> bool:
    """Whether an item has every key with its value (any value for "")."""
    matched = False
    for number, key in enumerate(keys):
        if number < len(values):
            matched = _key_fits(item, key, values[number])
        if not matched:
            return False
    return True


def _key_fits(item: Node, key: str, value: str) -> bool:
    if not key:
        if not isinstance(item, Scalar):
            raise wrong_kind(item, Scalar)
        return item.value == value
    if not isinstance(item, Map):
        raise wrong_kind(item, Map)
    return key in item.fields and (not value or text_of(item.fields[key]) == value)
