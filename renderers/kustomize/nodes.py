"""YAML nodes as Kustomize works on them: scalars that keep their text, tag and quotes; maps; lists.

Kustomize changes nodes in place and puts one node into several places (a label set on an object's selector too), so a
later change shows in all of them; nodes are mutable here for that reason, and `copy` gives a distinct tree.

What a scalar means is decided when it is written out (`value_of`), by its tag, its text and whether it was quoted:
the rules are those of go-yaml version 3.
"""

import re
from math import isfinite
from typing import Any, Final

from gitops.manifests.yaml_scalars import (
    BOOLEANS_11,
    BOOLEANS_12,
    NOT_FINITE,
    NULLS,
    NUMERIC_START,
    as_json_number,
    format_float,
    parse_float,
    parse_integer,
    parse_timestamp,
)
from gitops.manifests.yaml_write import sorted_keys, string_text
from gitops.model.errors import RenderError

STR: Final = "!!str"
INT: Final = "!!int"
FLOAT: Final = "!!float"
BOOL: Final = "!!bool"
NULL: Final = "!!null"
TIMESTAMP: Final = "!!timestamp"
BINARY: Final = "!!binary"

# How a scalar was written; TAGGED means that its tag stands in the text, LITERAL and FOLDED (which are quoted, too)
# that it is a `|` or `>` block.
PLAIN: Final = 0
QUOTED: Final = 1
TAGGED: Final = 2
FOLDED: Final = 4
LITERAL: Final = 8


class Scalar:
    """A leaf. An empty tag means that the text decides."""

    __slots__ = ("style", "tag", "value")

    def __init__(self, value: str, tag: str = "", style: int = PLAIN) -> None:
        self.value = value
        self.tag = tag
        self.style = style

    def __repr__(self) -> str:
        return f"Scalar({self.value!r}, {self.tag}, {self.style})"


class Map:
    """Fields in order. `odd` holds the keys that YAML does not read as text; `twice` a key that was given twice."""

    __slots__ = ("fields", "flow", "odd", "twice")

    def __init__(self, fields: "dict[str, Node] | None" = None, flow: bool = False) -> None:
        self.fields: dict[str, Node] = {} if fields is None else fields
        self.flow = flow
        self.odd: set[str] | None = None
        self.twice: str | None = None

    def __repr__(self) -> str:
        return f"Map({self.fields})"


class Seq:
    """Items in order."""

    __slots__ = ("flow", "items")

    def __init__(self, items: "list[Node] | None" = None, flow: bool = False) -> None:
        self.items: list[Node] = [] if items is None else items
        self.flow = flow

    def __repr__(self) -> str:
        return f"Seq({self.items})"


Node = Scalar | Map | Seq

WORDS: Final = {Scalar: "a scalar", Map: "a map", Seq: "a list"}


def copy(node: Node) -> Node:
    """A distinct tree."""
    if type(node) is Scalar:
        return Scalar(node.value, node.tag, node.style)
    if type(node) is Map:
        return copy_map(node)
    assert type(node) is Seq
    return Seq([copy(item) for item in node.items], node.flow)


def copy_map(node: Map) -> Map:
    """A distinct tree."""
    result = Map(
        {
            key: Scalar(child.value, child.tag, child.style) if type(child) is Scalar else copy(child)
            for key, child in node.fields.items()
        },
        node.flow,
    )
    result.odd = None if node.odd is None else set(node.odd)
    result.twice = node.twice
    return result


def is_null(node: Node | None) -> bool:
    """Whether there is no node, or one that says null itself."""
    return node is None or (type(node) is Scalar and node.tag == NULL)


def is_empty(node: Node | None) -> bool:
    """Whether there is no node, or null, an empty map or an empty list."""
    if type(node) is Map:
        return not node.fields
    if type(node) is Seq:
        return not node.items
    return node is None or node.tag == NULL  # type: ignore[union-attr]


def text_of(node: Node | None) -> str:
    """A scalar's text; "" for everything else."""
    return node.value if type(node) is Scalar else ""


def value_text(node: Node | None) -> str:
    """A scalar's text, where null has none."""
    return node.value if type(node) is Scalar and node.tag != NULL else ""


def is_string(node: Node | None) -> bool:
    """Whether a node is taken for text when text is looked for."""
    return type(node) is Scalar and node.tag in (STR, "")


# ── what plain text means ────────────────────────────────────────────────────────────────────────────────────────


def resolve(text: str) -> tuple[str, Any]:
    """Tag and value of plain text; the value of a timestamp is its text in JSON."""
    if text[:1] in NUMERIC_START:
        return _resolve_numeric(text)
    if text in NULLS:
        return NULL, None
    if text in BOOLEANS_12:
        return BOOL, BOOLEANS_12[text]
    return STR, text


def _resolve_numeric(text: str) -> tuple[str, Any]:
    if text in NOT_FINITE:
        return FLOAT, float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if text[0] != ".":
        time = parse_timestamp(text)
        if time is not None:
            return TIMESTAMP, time
        integer = parse_integer(text)
        if integer is not None:
            return INT, integer
    number = parse_float(text)
    return (STR, text) if number is None else (FLOAT, number)


def tag_of(text: str) -> str:
    """The tag of plain text."""
    if text[:1] in NUMERIC_START:
        return _resolve_numeric(text)[0]
    if text in NULLS:
        return NULL
    return BOOL if text in BOOLEANS_12 else STR


def needs_quotes(text: str) -> bool:
    """Whether a YAML 1.1 reader takes plain text for a number, a boolean or null."""
    if text[:1] in NUMERIC_START:
        return text in NOT_FINITE or parse_integer(text) is not None or parse_float(text) is not None
    return text != "" and (text in NULLS or text in BOOLEANS_11)


def untagged(text: str) -> Scalar:
    """A scalar as Kustomize makes it from text: quoted when YAML 1.1 would read something else."""
    return Scalar(text, "", QUOTED if needs_quotes(text) else PLAIN)


def string(text: str) -> Scalar:
    """A scalar that is text."""
    if "\n" in text:
        return Scalar(text, STR, QUOTED | LITERAL)
    return Scalar(text, STR, QUOTED if needs_quotes(text) else PLAIN)


# ── writing out ──────────────────────────────────────────────────────────────────────────────────────────────────


def value_of(node: Node) -> Any:
    """The JSON value of a tree, as it is when Kustomize has written it as YAML and read that again; keys are sorted.

    Raises RenderError where that trip fails: a key given twice, keys that are no text, text that is not what its tag
    says, infinity, control characters.
    """
    if type(node) is Map and node.odd:
        _refuse_twice(node)
        return {key: _value(node.fields[key], node.flow) for key in sorted_keys(node.fields)}
    return _value(node, False)


def _value(node: Node, flow: bool) -> Any:
    kind = type(node)
    if kind is Scalar:
        return _scalar_value(node, flow)  # type: ignore[arg-type]
    if kind is Map:
        assert isinstance(node, Map)
        if node.twice is not None or node.odd:
            _refuse_twice(node)
            if node.odd:
                raise RenderError(f"the key {min(node.odd)} is not text (quote it)")
        flow = flow or node.flow
        result: dict[str, Any] = {}
        fields = node.fields
        for key in sorted_keys(fields):
            child = fields[key]
            if type(child) is Scalar and child.tag == STR and child.value.isprintable():
                result[key] = child.value
            else:
                result[key] = _value(child, flow)
        return result
    assert isinstance(node, Seq)
    flow = flow or node.flow
    return [_value(item, flow) for item in node.items]


def _refuse_twice(node: Map) -> None:
    if node.twice is not None:
        raise RenderError(f"the key {node.twice} is given twice in one map")


def _scalar_value(node: Scalar, flow: bool) -> Any:
    tag, text = node.tag, node.value
    if node.style & (FOLDED | LITERAL) and not flow:
        from renderers.kustomize.folding import read_back

        text = read_back(text, folded=bool(node.style & FOLDED))
    if tag == STR or (node.style & QUOTED and tag == ""):
        return checked(text)
    if tag == "":
        if not text:
            return "" if flow else None
        return _json(*resolve(text), text)
    if tag not in (INT, FLOAT, BOOL, NULL, TIMESTAMP):
        return _binary(text) if tag == BINARY else checked(text)
    found, value = resolve(text)
    if node.style & TAGGED == 0 and found == tag:
        if node.style & QUOTED or (flow and not text):
            return checked(text)
        return _json(found, value, text)
    if found == tag:
        return _json(found, value, text)
    if tag == FLOAT and found == INT:
        return as_json_number(float(value))
    raise RenderError(f"`{text[:60]}` is not a {tag}")


def _json(tag: str, value: Any, text: str) -> Any:
    """What a value of this tag becomes in JSON."""
    if tag == STR:
        return checked(value)
    if tag == INT:
        return value
    if tag == FLOAT:
        if not isfinite(value):
            raise RenderError(f"`{text}` cannot be written as JSON")
        return as_json_number(value)
    if tag == TIMESTAMP and value[-6:-3] in ("+24", "-24", "+25", "-25"):
        raise RenderError(f"`{text}` cannot be written as JSON")
    return value


def _binary(text: str) -> str:
    from base64 import b64decode

    try:
        return checked(b64decode("".join(text.split()), validate=True).decode("utf-8", "replace"))
    except ValueError as error:
        raise RenderError(f"`{text[:60]}` is not base64") from error


def checked(text: str) -> str:
    """`text` as the last reading of the output has it; RenderError for characters that it refuses.

    That reading takes a next-line character, which JSON does not escape, for the end of a line and folds it.
    """
    if text.isprintable():
        return text
    if any(("\x7f" <= c < "\xa0" and c != "\x85") or c in "\ufffe\uffff" for c in text):
        raise RenderError(f"control characters are not allowed in `{text[:60]!r}`")
    return _NEXT_LINES.sub(_folded, text) if "\x85" in text else text


_NEXT_LINES = re.compile(" *\x85(?: *\x85)* *")


def _folded(match: re.Match[str]) -> str:
    return "\n" * (match[0].count("\x85") - 1) or " "


# ── from JSON ────────────────────────────────────────────────────────────────────────────────────────────────────


def node_of(value: Any) -> Node:
    """Nodes of a JSON value as they are after Kustomize has written it as YAML: numbers have gone through floats."""
    match value:
        case dict():
            return Map({key: node_of(child) for key, child in value.items()}, flow=not value)
        case list():
            return Seq([node_of(child) for child in value], flow=not value)
        case str():
            if "\n" in value:
                return Scalar(value, STR, QUOTED | LITERAL)
            return Scalar(value, STR, PLAIN if string_text(value, 0, 0) == value else QUOTED)
        case None:
            return Scalar("null", NULL)
        case bool():
            return Scalar("true" if value else "false", BOOL)
    text = format_float(float(value))
    return Scalar(text, tag_of(text))


def map_of(value: dict[str, Any]) -> Map:
    """`node_of` for a map."""
    node = node_of(value)
    assert isinstance(node, Map)
    return node
