"""Reading Kubernetes manifests: bytes of a file in, manifests with their origin out, as `kubectl` reads them.

A document needs apiVersion, kind and metadata.name (or generateName), and only text in labels and annotations; Lists
are replaced by their items. Whatever is wrong is said with the file, the line and the field.

Not here: YAML itself (`yaml_documents`), writing (`yaml_write`), and which kinds and fields exist (`schema`).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, key_of
from gitops.manifests.libyaml import (
    CollectionStartEvent,
    CParser,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from gitops.manifests.manifest import Manifest, Origin
from gitops.manifests.yaml_documents import (
    Composer,
    Document,
    decode,
    json_documents,
    load_all,
    split_documents,
    text_named,
)
from gitops.manifests.yaml_values import YamlProblem

__all__ = ["Document", "line_of", "load_all", "named", "read_manifests"]

Field = tuple[str | int, ...]

# ── manifests ────────────────────────────────────────────────────────────────────────────────────────────────────


def read_manifests(data: bytes, path: str) -> tuple[Manifest, ...]:
    """The manifests of a file in order, Lists replaced by their items; `path` names the file in origins and messages.

    Raises ManifestError when the file is no YAML or JSON, or when a document has no apiVersion, kind or name.
    """
    manifests: list[Manifest] = []
    items = cache(lambda: item_lines(data))
    for number, document in enumerate(load_all(data, path)):
        where = _Where(data, path, number, document.line, items)
        manifests.extend(_manifests_of(document.value, where, ()))
    return tuple(manifests)


class _Where(NamedTuple):
    """Finds the line of a field when, and only when, something is wrong with it."""

    data: bytes
    path: str
    document: int
    line: int
    items: Callable[[], Mapping[tuple[int, Field], int]]  # looks once more at the whole file, the first time

    def error(self, field: Field, message: str) -> ManifestError:
        line = line_of(self.data, self.document, field)
        return ManifestError(f"{self.path}:{line or self.line}: {field_text(field)}{message}")


def _manifests_of(value: Any, where: _Where, field: Field) -> Iterator[Manifest]:
    if not isinstance(value, dict):
        raise where.error(field, f"expected a Kubernetes object, got {named(value)}")
    for name, example in (("apiVersion", "apps/v1"), ("kind", "Deployment")):
        if not isinstance(value.get(name), str) or not value[name]:
            raise _wrong(where, (*field, name), value.get(name), example)
    items = value.get("items")
    if isinstance(items, list) or (items is None and value["kind"] == "List"):
        for index, item in enumerate(items or ()):
            yield from _manifests_of(_typed_item(value, item), where, (*field, "items", index))
        return
    check_metadata(value, where, field)
    yield Manifest(key_of(value), value, Origin(where.path, _line_in(where, field)))


def _line_in(where: _Where, field: Field) -> int:
    """The document's line; for an item of a List its own."""
    return where.items().get((where.document, field), where.line) if field else where.line


def _typed_item(parent: Body, item: Any) -> Any:
    """Items of a typed list (`kind: ConfigMapList`) may leave out what the list says."""
    kind = parent["kind"].removesuffix("List")
    if kind and isinstance(item, dict) and not item.get("kind") and not item.get("apiVersion"):
        return {"apiVersion": parent["apiVersion"], "kind": kind} | item
    return item


def check_metadata(body: Body, where: "_Where", field: Field) -> None:
    """A name (or generateName), and only text in labels and annotations."""
    metadata = body.get("metadata")
    here = (*field, "metadata")
    if not isinstance(metadata, dict):
        raise where.error(here, f"expected a map with a name, got {named(metadata)}")
    for name in ("name", "generateName", "namespace"):
        if metadata.get(name) is not None and not isinstance(metadata[name], str):
            raise _wrong(where, (*here, name), metadata[name], "web")
    if not metadata.get("name") and not metadata.get("generateName"):
        raise where.error((*here, "name"), 'expected text, got nothing (give the object a name, such as "web")')
    for group in ("labels", "annotations"):
        entries = metadata.get(group)
        if entries is None:
            continue
        if not isinstance(entries, dict):
            raise where.error((*here, group), f"expected a map of text, got {named(entries)}")
        for key, value in entries.items():
            if value is not None and not isinstance(value, str):
                raise _wrong(where, (*here, group, key), value, "text")


def _wrong(where: _Where, field: Field, value: Any, example: str) -> ManifestError:
    if isinstance(value, bool):
        return where.error(field, f'expected text, got a boolean (write "{str(value).lower()}", with quotes)')
    if isinstance(value, int | float):
        return where.error(field, f'expected text, got a number (write "{value}", with quotes)')
    return where.error(field, f'expected text, got {named(value)} (write something like "{example}")')


def named(value: Any) -> str:
    """In words: what a value is, where something else was expected."""
    match value:
        case None | "":
            return "nothing"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return text_named(value)
        case list():
            return "a list"
    return "a map"


def field_text(field: Field) -> str:
    """`("spec", "containers", 0, "image")` → `spec.containers[0].image: `; nothing for the whole document."""
    text = ""
    for part in field:
        text += f"[{part}]" if isinstance(part, int) else ("." if text else "") + part
    return text + ": " if text else ""


# ── positions ────────────────────────────────────────────────────────────────────────────────────────────────────


def line_of(data: bytes, document: int, field: Field) -> int | None:
    """The line (from 1) where `field` of the given document (from 0, empty ones left out) stands in a YAML file.

    A field that is missing gets the line of the nearest thing above it that is there. The file is parsed again, so
    this is for messages only. None when the file cannot be told apart this way (JSON with several objects).
    """
    text = decode(data)
    if text.lstrip(" \t\r\n").startswith("{"):
        documents = json_documents(text, "") or ()
        return documents[document].line if document < len(documents) else None
    for number, (chunk, line) in enumerate(_chunks(text)):
        if number == document:
            return line + _row_of(chunk, field)
    return None


def item_lines(data: bytes) -> dict[tuple[int, Field], int]:
    """The lines (from 1) of the items of all Lists in a YAML file, by document (as in `line_of`) and field.

    One pass over the file, however many they are. Nothing for what starts as JSON does.
    """
    text = decode(data)
    if text.lstrip(" \t\r\n").startswith("{"):
        return {}
    found: dict[tuple[int, Field], int] = {}
    for number, (chunk, line) in enumerate(_chunks(text)):
        following = CParser(chunk).get_event
        following()
        following()
        found |= {(number, field): line + row for field, row in _item_rows(following, following(), ())}
    return found


def _chunks(text: str) -> Iterator[tuple[str, int]]:
    """The documents of a file that are not empty, up to one that cannot be read, each with its first line's number."""
    for chunk, line in split_documents(text, ""):
        composer = Composer(chunk)
        try:
            if composer.document() is None:
                continue
        except YamlProblem:
            return
        yield composer.text, line


def _item_rows(following: Any, event: Any, field: Field) -> Iterator[tuple[Field, int]]:
    """The rows (from 0) of the items of the List that `event` starts, and of those of Lists among them."""
    if type(event) is not MappingStartEvent:
        _skip(following, event)
        return
    key: Any
    while type(key := following()) is not MappingEndEvent:
        is_items = type(key) is ScalarEvent and key.value == "items"
        _skip(following, key)
        value: Any = following()
        if not is_items or type(value) is not SequenceStartEvent:
            _skip(following, value)
            continue
        index = 0
        while type(item := following()) is not SequenceEndEvent:
            inner = (*field, "items", index)
            yield inner, item.start_mark.line
            yield from _item_rows(following, item, inner)
            index += 1


def _row_of(chunk: str, field: Field) -> int:
    """The row (from 0) inside a document; aliases are not followed."""
    parser = CParser(chunk)
    following = parser.get_event
    following()
    following()
    event: Any = following()
    row: int = event.start_mark.line
    for part in field:
        found = _enter_map(following, part) if type(event) is MappingStartEvent else None
        if type(event) is SequenceStartEvent and isinstance(part, int):
            found = _enter_list(following, part)
        if found is None:
            return row
        row, event = found
    return row


def _enter_map(following: Any, wanted: str | int) -> tuple[int, Any] | None:
    key: Any
    while type(key := following()) is not MappingEndEvent:
        if type(key) is ScalarEvent and key.value == wanted:
            return int(key.start_mark.line), following()  # type: ignore[union-attr]
        _skip(following, key)
        _skip(following, following())
    return None


def _enter_list(following: Any, wanted: int) -> tuple[int, Any] | None:
    item: Any
    index = 0
    while type(item := following()) is not SequenceEndEvent:
        if index == wanted:
            return item.start_mark.line, item
        _skip(following, item)
        index += 1
    return None


def _skip(following: Any, event: Any) -> None:
    """Read to the end of the value that `event` starts."""
    depth = 0
    while True:
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            depth -= 1
        if depth == 0 or isinstance(event, DocumentEndEvent | DocumentStartEvent):
            return
        event = following()
