"""Finding and setting fields of nodes: the small steps that every transformer is made of.

A path is a list of parts: a field's name, an index, `-` for the last item, or `[name=value]` for the item of a list
whose field has that value. Setting a scalar changes it in place, keeps how the old one was quoted, and so reaches
every other place that holds the same node.
"""

from gitops.model.errors import RenderError
from renderers.kustomize.nodes import (
    PLAIN,
    QUOTED,
    STR,
    WORDS,
    Map,
    Node,
    Scalar,
    Seq,
    is_null,
    is_string,
    needs_quotes,
    tag_of,
    value_text,
)

Kind = type[Scalar] | type[Map] | type[Seq]


def wrong_kind(node: Node, expected: Kind) -> RenderError:
    """The error for a node that is something else than expected."""
    return RenderError(f"expected {WORDS[expected]}, found {WORDS[type(node)]}")


def get(node: Node | None, name: str) -> Node | None:
    """A field of a map; None for nothing, null or a missing field."""
    if isinstance(node, Map):
        return node.fields.get(name)
    if node is None or is_null(node):
        return None
    raise wrong_kind(node, Map)


def set_field(parent: Map, name: str, value: Node | None, *, keep_null: bool = False) -> Node | None:
    """Set a field: a scalar over a scalar in place, null and None remove it. Gives the node that now stands there."""
    if value is None or (is_null(value) and not keep_null):
        parent.fields.pop(name, None)
        return None
    if isinstance(value, Scalar) and value.style == PLAIN and is_string(value) and needs_quotes(value.value):
        value.style = QUOTED
    old = parent.fields.get(name)
    if old is value:
        return value
    if old is None:
        add_key(parent, name)
    elif isinstance(value, Scalar):
        value.style = old.style if isinstance(old, Scalar) else PLAIN
        if isinstance(old, Scalar):
            assign(old, value)
            return old
        value = Scalar(value.value, value.tag, value.style)
    else:
        value = _shallow(value, flow=not isinstance(old, Scalar) and old.flow)
    parent.fields[name] = value
    return value


def _shallow(node: Map | Seq, flow: bool) -> Map | Seq:
    """What takes the place of another node has its own identity, but the same children."""
    if isinstance(node, Seq):
        return Seq(list(node.items), flow)
    result = Map(dict(node.fields), flow)
    result.odd, result.twice = node.odd, node.twice
    return result


def add_key(parent: Map, name: str) -> None:
    """Note a new key that YAML will not read as text, since it is written without quotes."""
    if tag_of(name) != STR:
        parent.odd = (parent.odd or set()) | {name}


def assign(target: Scalar, value: Scalar) -> None:
    """Make `target` equal to `value` in place."""
    target.value, target.tag, target.style = value.value, value.tag, value.style


def set_scalar(node: Node, value: Scalar) -> None:
    """Set a scalar in place, keeping its quotes; raises when it is no scalar."""
    if not isinstance(node, Scalar):
        raise wrong_kind(node, Scalar)
    if not is_null(value):
        node.value, node.tag = value.value, value.tag


def child_map(parent: Map, name: str) -> Map | None:
    """The map in a field, made when it is missing; None when the field is null."""
    child = parent.fields.get(name)
    if child is None:
        child = Map()
        add_key(parent, name)
        parent.fields[name] = child
    if isinstance(child, Map):
        return child
    if is_null(child):
        return None
    raise wrong_kind(child, Map)


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────


def split_path(path: str, delimiter: str) -> list[str]:
    """Split at the delimiter, except where a backslash stands before it; one leading delimiter is dropped."""
    parts = path.split(delimiter)
    if len(parts) > 1 and not parts[0]:
        parts = parts[1:]
    result = [parts[0]]
    for part in parts[1:]:
        if result[-1].endswith("\\"):
            result[-1] = result[-1][:-1] + delimiter + part
        else:
            result.append(part)
    return result


def split_smart(path: str, delimiter: str = ".") -> list[str]:
    """Like `split_path`, where brackets keep what they hold together: `a.[b.c]` is `a` and `b.c`."""
    parts = split_path(path, delimiter)
    result: list[str] = []
    at = 0
    while at < len(parts):
        part = parts[at]
        if part.startswith("[") and not part.endswith("]"):
            held = [part]
            while at < len(parts) - 1:
                at += 1
                held.append(parts[at])
                if parts[at].endswith("]"):
                    break
            joined = delimiter.join(held)
            result.append(joined if "=" in joined else joined.strip("[]"))
        else:
            result.append(part)
        at += 1
    return result


def is_list_index(part: str) -> bool:
    """`[name=value]`."""
    return part.startswith("[") and part.endswith("]")


def index_of(part: str) -> int | None:
    """The number that a part is, as Go reads one."""
    text = part[1:] if part[:1] in ("+", "-") else part
    return int(part) if text.isascii() and text.isdigit() else None


def split_index(part: str) -> tuple[str, str]:
    """`[name=web]` → (`name`, `web`), `[=x]` → ("", `x`)."""
    name, equals, value = part.removesuffix("]").removeprefix("[").partition("=")
    if not equals:
        raise RenderError(f"{part}: expected [field=value]")
    return name, value


def lookup(node: Node | None, path: list[str]) -> Node | None:
    """The node at a path, None when something on the way is missing."""
    for part in clean(path):
        node = _step(node, part)
        if node is None:
            return None
    return node


def clean(path: list[str]) -> list[str]:
    """Parts without the space around them, empty ones left out."""
    return [part for part in (each.strip() for each in path) if part]


def _step(node: Node | None, part: str) -> Node | None:
    index = index_of(part)
    if index is not None or part == "-":
        if index is not None and index < 0:
            raise RenderError(f"the index {part} cannot be negative")
        items = items_of(node)
        if index is None:
            if not items:
                raise RenderError("an empty list has no last item")
            return items[-1]
        return items[index] if index < len(items) else None
    if part == "*":
        raise RenderError("`*` does not work here")
    if is_list_index(part):
        return match_item(node, [part])
    return get(node, part)


def items_of(node: Node | None) -> list[Node]:
    """A list's items; none for null."""
    if isinstance(node, Seq):
        return node.items
    if node is None or is_null(node):
        return []
    raise wrong_kind(node, Seq)


def match_item(node: Node | None, parts: list[str]) -> Node | None:
    """The first item of a list that fits `[name=value]`."""
    name, value = split_index(parts[0])
    return find_item(items_of(node), [name], [value])


def find_item(items: list[Node], keys: list[str], values: list[str]) -> Node | None:
    """The first item whose fields `keys` have the texts `values`; an empty first key compares scalars themselves."""
    if not keys or not keys[0]:
        wanted = values[0] if values else ""
        return next((item for item in items if (item.value if isinstance(item, Scalar) else "") == wanted), None)
    for item in items:
        if isinstance(item, Map) and all(
            key in item.fields and _raw_text(item.fields[key]) == value
            for key, value in zip(keys, values, strict=False)
        ):
            return item
    return None


def _raw_text(node: Node) -> str:
    return node.value if isinstance(node, Scalar) else ""


def lookup_create(node: Node, path: list[str], kind: Kind) -> Node | None:
    """The node at a path; maps and lists on the way, and a node of `kind` at its end, are made where missing."""
    parts = clean(path)
    here: Node | None = node
    for number, part in enumerate(parts):
        following = parts[number + 1] if number + 1 < len(parts) else ""
        index = index_of(part)
        if index is not None or part in ("-", "*"):
            here = _step(here, part)
        elif is_list_index(part):
            here = _item_or_new(here, part)
        else:
            here = _field_or_new(here, part, kind_for(following, kind))
        if here is None:
            return None
    return here


def kind_for(following: str, kind: Kind) -> Kind:
    """What a field must be for the next part of a path to fit in."""
    if not following:
        return kind
    index = index_of(following)
    return Seq if is_list_index(following) or (index is not None and index >= 0) else Map


def new_node(kind: Kind) -> Node:
    """An empty node."""
    return Scalar("") if kind is Scalar else kind()  # type: ignore[call-arg]


def _field_or_new(node: Node | None, name: str, kind: Kind) -> Node | None:
    found = get(node, name)
    if found is not None or not isinstance(node, Map):
        return found
    return set_field(node, name, new_node(kind))


def _item_or_new(node: Node | None, part: str) -> Node | None:
    name, value = split_index(part)
    items = items_of(node)
    found = find_item(items, [name], [value])
    if found is None and isinstance(node, Seq):
        found = Map({name: Scalar(value)}) if name else Scalar(value)
        node.items.append(found)
    return found


# ── object metadata ──────────────────────────────────────────────────────────────────────────────────────────────


def metadata_of(node: Map) -> Map | None:
    """The metadata, when it is a map with something in it."""
    metadata = node.fields.get("metadata")
    return metadata if isinstance(metadata, Map) and metadata.fields else None


def metadata_text(node: Map, name: str) -> str:
    """`metadata.name` or `metadata.namespace`; "" when it is missing or null."""
    metadata = node.fields.get("metadata")
    return value_text(metadata.fields.get(name)) if isinstance(metadata, Map) else ""


def metadata_map(node: Map, name: str) -> dict[str, str]:
    """Labels or annotations as texts (null's own text included)."""
    metadata = metadata_of(node)
    entries = metadata.fields.get(name) if metadata is not None else None
    if not isinstance(entries, Map):
        return {}
    return {key: value.value if isinstance(value, Scalar) else "" for key, value in entries.fields.items()}


def set_metadata_map(node: Map, name: str, entries: dict[str, str]) -> None:
    """Replace labels or annotations; every value becomes text. No entries: no field."""
    metadata = child_map(node, "metadata")
    if metadata is None:
        return
    metadata.fields.pop(name, None)
    if not entries:
        return
    fields = Map()
    for key in sorted(entries):
        add_key(fields, key)
        fields.fields[key] = _text_node(entries[key])
    metadata.fields[name] = fields


def _text_node(text: str) -> Scalar:
    return Scalar(text, STR, QUOTED if "\n" in text or needs_quotes(text) else PLAIN)


def set_metadata_text(node: Map, name: str, text: str) -> None:
    """Set `metadata.name` or `metadata.namespace`; an empty namespace is removed."""
    if name == "namespace" and not text:
        metadata = node.fields.get("metadata")
        if isinstance(metadata, Map):
            metadata.fields.pop("namespace", None)
        return
    metadata = child_map(node, "metadata")
    if metadata is not None:
        set_field(metadata, name, Scalar(text))
