"""Reading YAML as Kustomize reads resources and patches: bytes in, one Map for each object out.

    bytes ──► pieces between `---` lines ──► events of libyaml ──► nodes, aliases and `<<` replaced ──► Lists unwrapped

Parsed content is kept by its digest, so what several overlays share is parsed once; every caller gets a copy, since
nodes are changed in place. Not here: kubectl's own way of reading (`gitops.manifests.yaml_documents`), which differs.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from gitops.manifests.libyaml import (
    AliasEvent,
    CParser,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
    YAMLError,
    go_events,
)
from gitops.manifests.yaml_documents import text_named
from gitops.model.errors import RenderError
from renderers.kustomize.nodes import (
    FOLDED,
    LITERAL,
    PLAIN,
    QUOTED,
    STR,
    TAGGED,
    Map,
    Node,
    Scalar,
    Seq,
    copy,
    copy_map,
    is_empty,
    is_null,
    map_of,
    tag_of,
    text_of,
    value_of,
)

MAX_DEPTH: Final = 400
# Nodes that aliases may add to one document.
MAX_ALIASED: Final = 500_000

_SEPARATOR = re.compile(r"\n---.*\n")
_LONG_TAG: Final = "tag:yaml.org,2002:"


class Malformed(RenderError):
    """The bytes are no YAML."""


def read_objects(data: bytes) -> list[Map]:
    """The objects of a file, empty documents left out and Lists replaced by their items.

    Raises Malformed when the bytes are no YAML, RenderError when a document has no kind or no name.
    """
    return [node for node, _ in placed_objects(data)]


def placed_objects(data: bytes) -> list[tuple[Map, int]]:
    """The same, each with the line on which its document begins."""
    return [(copy_map(node), line) for node, line in _objects(data)]


@lru_cache(maxsize=4096)
def _objects(data: bytes) -> tuple[tuple[Map, int], ...]:
    queue = deque((checked_object(node), line) for node, line in _documents(data) if not is_empty(node))
    found: list[tuple[Map, int]] = []
    while queue:
        node, line = queue.popleft()
        items = node.fields.get("items") if text_of(node.fields.get("kind")).endswith("List") else None
        if items is None:
            found.append((node, line))
        elif isinstance(items, Seq):
            queue += [(checked_object(each), line) for item in items.items for each in _inner(item)]
        elif not is_null(items):
            raise RenderError(f"{text_of(node.fields['kind'])}: items: expected a list")
    return tuple(found)


def _inner(item: Node) -> list[Node]:
    """An item of a List on its own; the trip through JSON quotes its text."""
    if is_empty(item):
        return []
    inner = item
    if isinstance(item, Map):
        _unfold(item)
        value = value_of(item)
        inner = map_of(value)
        _quote(inner)
        if text_of(inner.fields.get("kind")) in ("List", "ResourceList") and isinstance(value.get("items"), list):
            items = inner.fields["items"]
            assert isinstance(items, Seq)
            return [each for each in items.items if not is_empty(each)]
    return [inner]


def _unfold(node: Node) -> None:
    """Take away braces and brackets: items are decoded as they stand, so that an empty value is null in them too."""
    if isinstance(node, Map):
        node.flow = False
        for child in node.fields.values():
            _unfold(child)
    elif isinstance(node, Seq):
        node.flow = False
        for child in node.items:
            _unfold(child)


def _quote(node: Node) -> None:
    if isinstance(node, Map):
        node.flow = True
        for child in node.fields.values():
            _quote(child)
    elif isinstance(node, Seq):
        node.flow = True
        for child in node.items:
            _quote(child)
    elif node.tag == STR:
        node.style = QUOTED


def checked_object(node: Node) -> Map:
    """An object with a kind and a name (Lists need none); raises RenderError for any other."""
    if not isinstance(node, Map):
        found = text_named(text_of(node))
        why = " (a map with apiVersion, kind and metadata)" if found == "text" else f", got {found}"
        raise RenderError(f"expected a Kubernetes object{why}")
    fields = node.fields
    metadata = fields.get("metadata")
    kind = fields.get("kind")
    kind_text = "" if is_empty(kind) else text_of(kind)
    if not kind_text:
        raise RenderError("an object has no kind")
    if kind_text.endswith("List"):
        return node
    name = metadata.fields.get("name") if isinstance(metadata, Map) else None
    if is_empty(name) or not text_of(name):
        raise RenderError(f"an object of kind {kind_text} has no metadata.name")
    return node


def _documents(data: bytes) -> list[tuple[Node, int]]:
    """The documents and the lines on which they begin; one that is a List alone gives its items."""
    # Documents are told apart by bytes, before the encoding is known: in UTF-16 there is never but one.
    wide = data.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
    pieces = [(decode(data), 0)] if wide else split_pieces(decode(data))
    found: list[tuple[Node, int]] = []
    for piece, above in pieces:
        node, line = compose(piece)
        if is_null(node) or node is None:
            continue
        if len(pieces) == 1 and isinstance(node, Map) and text_of(node.fields.get("kind")) in ("List", "ResourceList"):
            items = node.fields.get("items")
            if "items" in node.fields or "functionConfig" in node.fields:
                found.extend((item, line) for item in (items.items if isinstance(items, Seq) else ()))
                continue
        found.append((node, above + line))
    return found


def decode(data: bytes) -> str:
    """Text of a file; unlike kubectl, Kustomize refuses broken UTF-8."""
    try:
        if data.startswith(BOM_UTF16_LE):
            return data[2:].decode("utf-16-le")
        if data.startswith(BOM_UTF16_BE):
            return data[2:].decode("utf-16-be")
        return data.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = 1 + data[: error.start].count(b"\n")
        raise Malformed(f"line {line}: not UTF-8 ({error.reason})") from error


def split_pieces(text: str) -> list[tuple[str, int]]:
    """Pieces between lines that start with `---`, and how many lines are above each.

    Only spaces and a comment may follow on such a line.
    """
    text = text.replace("\r\n", "\n")
    if "\n---" not in text:
        return [(text, 0)]
    pieces: list[tuple[str, int]] = []
    start = above = 0
    for separator in _SEPARATOR.finditer(text):
        rest = separator[0][4:].strip()
        if rest and not rest.startswith("#"):
            raise RenderError(f"nothing may follow `---` on its line, found `{rest[:40]}`")
        pieces.append((text[start : separator.start()] + "\n", above))
        above += text.count("\n", start, separator.end())
        start = separator.end()
    pieces.append((text[start:], above))
    return pieces


def compose(text: str) -> tuple[Node | None, int]:
    """The first YAML document of a text as nodes, None when there is none, and its line."""
    try:
        return _Composer(CParser(text).get_event).document()
    except YAMLError as error:
        found = go_events(text, error)
        if found is None:
            raise Malformed(_said(error)) from error
    try:
        return _Composer(found[1]).document()
    except YAMLError as error:
        raise Malformed(_said(error)) from error


def _said(error: Any) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return f"not YAML: {getattr(error, 'reason', error)}"
    return f"line {mark.line + 1}: not YAML: {getattr(error, 'problem', None) or getattr(error, 'context', '')}"


class _Composer:
    """Makes nodes of events; aliases become copies, `<<` is merged under the map's own fields."""

    def __init__(self, following: Callable[[], Any]) -> None:
        self._next = following
        self._anchors: dict[str, Node] = {}
        self._open: set[str] = set()
        self._depth = 0
        self._aliased = 0

    def document(self) -> tuple[Node | None, int]:
        self._next()
        if type(self._next()) is StreamEndEvent:
            return None, 1
        start: Any = self._next()
        node = self._node(start)
        self._next()
        return node, start.start_mark.line + 1

    def _node(self, event: Any) -> Node:
        kind = type(event)
        if kind is ScalarEvent:
            scalar = _scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = scalar
            return scalar
        if kind is AliasEvent:
            return self._alias(event)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Malformed(f"line {event.start_mark.line + 1}: nested more than {MAX_DEPTH} levels deep")
        if event.anchor is not None:
            self._open.add(event.anchor)
            self._anchors.pop(event.anchor, None)
        node: Node = self._map(event) if kind is MappingStartEvent else self._seq(event)
        self._depth -= 1
        if event.anchor is not None:
            self._open.discard(event.anchor)
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        name, line = event.anchor, event.start_mark.line + 1
        node = self._anchors.get(name)
        if node is None:
            if name in self._open:
                raise Malformed(f"line {line}: the anchor `{name}` contains itself")
            # Not by its name: an unquoted password that begins with `*` is one.
            raise Malformed(f"line {line}: an alias (`*…`) of an anchor that is not known here; put a text in quotes")
        self._aliased += _size(node)
        if self._aliased > MAX_ALIASED:
            raise Malformed(f"line {line}: aliases blow the document up beyond reason (write the values out)")
        return copy(node)

    def _seq(self, start: Any) -> Seq:
        items: list[Node] = []
        following, node = self._next, self._node
        while type(event := following()) is not SequenceEndEvent:
            items.append(node(event))
        return Seq(items, bool(start.flow_style))

    def _map(self, start: Any) -> Map:
        result = Map(flow=bool(start.flow_style))
        fields = result.fields
        following, node_of = self._next, self._node
        merged: Node | None = None
        while True:
            event = following()
            if type(event) is MappingEndEvent:
                break
            key = _scalar(event) if type(event) is ScalarEvent else self._complex_key(event)
            if type(event) is ScalarEvent and event.anchor is not None:
                self._anchors[event.anchor] = key
            value = node_of(following())
            name = key.value
            if name == "<<" and (key.style == PLAIN or key.tag == "!!merge"):  # so tagged by yq
                if merged is not None:
                    raise RenderError("the key << is given twice in one map")
                merged = value
                continue
            if name in fields:
                result.twice = result.twice or name
                continue
            if key.tag != STR and name:  # an empty key is printed with quotes
                result.odd = (result.odd or set()) | {name}
            fields[name] = value
        fields.pop("<<", None)
        if merged is not None:
            self._merge(result, merged)
        return result

    def _complex_key(self, event: Any) -> Scalar:
        key = self._node(event) if type(event) is AliasEvent else None  # keys within keys are not gone into
        if not isinstance(key, Scalar):
            raise RenderError(f"line {event.start_mark.line + 1}: a key must be text (quote it)")
        return key

    def _merge(self, result: Map, merged: Node) -> None:
        """The first map of a list goes before the later ones, the own fields before all."""
        maps = merged.items if isinstance(merged, Seq) else [merged]
        for each in maps:
            if not isinstance(each, Map):
                raise RenderError("`<<` takes a map or a list of maps")
            for name, value in each.fields.items():
                result.fields.setdefault(name, value)
                if each.odd and name in each.odd:
                    result.odd = (result.odd or set()) | {name}


def _size(node: Node) -> int:
    if isinstance(node, Map):
        return 1 + sum(_size(child) for child in node.fields.values())
    return 1 + sum(_size(child) for child in node.items) if isinstance(node, Seq) else 1


_STYLES: Final = {"'": QUOTED, '"': QUOTED, "|": QUOTED | LITERAL, ">": QUOTED | FOLDED}


def _scalar(event: Any) -> Scalar:
    tag = event.tag
    style = _STYLES.get(event.style, PLAIN)
    if tag is not None and tag != "!":
        short = "!!" + tag.removeprefix(_LONG_TAG) if tag.startswith(_LONG_TAG) else tag
        return Scalar(event.value, short, style | TAGGED)
    if style:
        return Scalar(event.value, STR, style)
    text = event.value
    return Scalar(text, "!!merge" if text == "<<" else tag_of(text), PLAIN)


def lines_of(data: bytes) -> Iterator[str]:
    """Lines of a text file as Go's line scanner gives them."""
    for line in data.decode("utf-8", "replace").split("\n"):
        yield line.removesuffix("\r")
