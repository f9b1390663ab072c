"""YAML files that SOPS encrypted, decrypted where they stand: each encrypted value is replaced in the text.

So lines stay where they were, and what is not encrypted stays as it is written. Documents with one MAC are one file to
SOPS; several such files may stand one after another.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from gitops.adapters.sops.metadata import Metadata, is_metadata, read_metadata
from gitops.adapters.sops.values import MOST_VALUES, Walk, is_encrypted, too_many
from gitops.manifests.libyaml import (
    AliasEvent,
    CParser,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    YAMLError,
)
from gitops.manifests.yaml_scalars import BOOLEANS_12, NULLS, parse_float, parse_integer, parse_timestamp
from gitops.model.errors import RenderError

_MOST_DEPTH: Final = 100
_BLOCK: Final = "sops"
_MARK_TEXT: Final = "sops: {gitops: decrypted}"


class _Leaf(NamedTuple):
    path: tuple[str, ...]
    start: int
    end: int
    value: Any


@dataclass(slots=True)
class _Document:
    leaves: list[_Leaf] = field(default_factory=list)
    block: Any = None
    span: tuple[int, int] = (0, 0)


def opened(data: bytes, name: str, walk_of: Callable[[Metadata], Walk], *, marked: bool) -> bytes | None:
    """The file in the clear; None where no document has a block of SOPS.

    With `marked` a mark is left where the block was, so that who reads on knows what was decrypted. Raises
    RenderError.
    """
    try:
        text = data.decode("utf-8-sig")
        documents = list(_documents(text, name))
    except (UnicodeDecodeError, YAMLError):
        raise RenderError(f"{name}: holds what SOPS encrypted, and is no YAML") from None
    files: dict[str, list[_Document]] = {}
    for document in documents:
        if is_metadata(document.block):
            files.setdefault(document.block["mac"], []).append(document)
    if not files:
        return None
    edits: list[tuple[int, int, str]] = []
    for parts in files.values():
        walk = walk_of(read_metadata(parts[0].block, name))
        for part in parts:
            edits += _edits(text, part, walk, marked)
        walk.check()
    return _edited(text, sorted(edits)).encode()


def _edits(text: str, document: _Document, walk: Walk, marked: bool) -> Iterator[tuple[int, int, str]]:
    for leaf in document.leaves:
        plain = walk.leaf(leaf.path, leaf.value)
        if is_encrypted(leaf.value):
            yield leaf.start, leaf.end, _written(plain)
    start, end = document.span
    lines = "\n" * text.count("\n", start, end)
    yield start, end, (_MARK_TEXT if marked else "") + (lines or "\n")


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    parts, at = [], 0
    for start, end, new in edits:
        parts += [text[at:start], new]
        at = end
    return "".join([*parts, text[at:]])


def _documents(text: str, name: str) -> Iterator[_Document]:
    parser = CParser(text)
    while parser.check_event():
        event = parser.get_event()
        if isinstance(event, DocumentStartEvent):
            yield _document(parser, name)


def _document(parser: Any, name: str) -> _Document:
    found = _Document()
    root = parser.get_event()
    if not isinstance(root, MappingStartEvent):
        _skipped(parser, root)
        return found
    while True:
        key = parser.get_event()
        if not isinstance(key, ScalarEvent):
            if isinstance(key, (MappingStartEvent, SequenceStartEvent, AliasEvent)):
                raise _by_hand(name)
            break
        value = parser.get_event()
        if key.value != _BLOCK:
            _gather(parser, value, (key.value,), found.leaves, name)
            continue
        if root.flow_style:
            raise _by_hand(name)
        found.block, end = _value(parser, value, name, 0)
        found.span = (_at(key.start_mark), end)
    end_of_document = parser.get_event()
    assert isinstance(end_of_document, DocumentEndEvent)
    return found


def _gather(parser: Any, event: Any, path: tuple[str, ...], leaves: list[_Leaf], name: str) -> None:
    """The values at and below `event`; an item of a list has the list's own path."""
    if len(path) > _MOST_DEPTH or isinstance(event, AliasEvent):
        raise _by_hand(name)
    if isinstance(event, ScalarEvent):
        if len(leaves) >= MOST_VALUES:
            raise too_many(name)
        leaves.append(_Leaf(path, _at(event.start_mark), _at(event.end_mark), _scalar(event)))
    elif isinstance(event, MappingStartEvent):
        while isinstance(key := parser.get_event(), ScalarEvent):
            _gather(parser, parser.get_event(), (*path, key.value), leaves, name)
        if isinstance(key, (MappingStartEvent, SequenceStartEvent, AliasEvent)):
            raise _by_hand(name)
    elif isinstance(event, SequenceStartEvent):
        nested = 0
        while nested >= 0:
            item = parser.get_event()
            if isinstance(item, SequenceStartEvent):
                nested += 1
            elif isinstance(item, (ScalarEvent, MappingStartEvent, AliasEvent)):
                _gather(parser, item, path, leaves, name)
            else:
                nested -= 1


def _value(parser: Any, event: Any, name: str, depth: int) -> tuple[Any, int]:
    """The block of SOPS as plain data, every scalar as text, and where it ends."""
    if depth > _MOST_DEPTH or isinstance(event, AliasEvent):
        raise _by_hand(name)
    if isinstance(event, ScalarEvent):
        return ("" if event.implicit[0] and event.value in NULLS else event.value), _at(event.end_mark)
    if isinstance(event, SequenceStartEvent):
        items: list[Any] = []
        while isinstance(item := parser.get_event(), (ScalarEvent, MappingStartEvent, SequenceStartEvent, AliasEvent)):
            items.append(_value(parser, item, name, depth + 1)[0])
        return items, _at(item.end_mark)
    fields: dict[str, Any] = {}
    while isinstance(key := parser.get_event(), ScalarEvent):
        fields[key.value] = _value(parser, parser.get_event(), name, depth + 1)[0]
    return fields, _at(key.end_mark)


def _at(mark: Any) -> int:
    place: int = mark.index
    return place


def _skipped(parser: Any, event: Any) -> None:
    while not isinstance(event, DocumentEndEvent):
        event = parser.get_event()


def _scalar(event: Any) -> Any:
    """What a scalar means to SOPS, which reads with go-yaml's third version."""
    text = event.value
    if not event.implicit[0]:  # it is in quotes, or has a tag
        return text
    if text in NULLS:
        return None
    if text in BOOLEANS_12:
        return BOOLEANS_12[text]
    integer = parse_integer(text) if text[0] in "+-0123456789" else None
    if integer is not None:
        return integer
    number = parse_float(text) if text[0] in "+-.0123456789" else None
    if number is not None:
        return number
    return parse_timestamp(text) or text


def _written(value: Any) -> str:
    """One line of YAML that is read as `value` by every reader."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return f'"{"".join(map(_escaped, str(value)))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _by_hand(name: str) -> RenderError:
    return RenderError(
        f"{name}: holds what SOPS encrypted, in YAML that SOPS does not write (anchors, aliases, flow style or nesting "
        "without end); encrypt it again"
    )
