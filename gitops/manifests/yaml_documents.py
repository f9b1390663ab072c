"""Reading YAML and JSON files: bytes in, the JSON values of their documents out, exactly as `kubectl` reads them.

    data ──► text (BOM, UTF-16) ──► documents (split at `---`) ──► events of libyaml ──► JSON values

kubectl splits a file into documents by its lines, before any YAML is parsed; it reads YAML 1.1 booleans, lets the
last of two equal keys win, and takes a file that starts with `{` for JSON. A file may not be larger, deeper, or more
aliased than the bounds below allow; whoever breaks one gets a ManifestError at once.

Not here: what a scalar means (`yaml_values`), and what makes a document a manifest (`yaml`).
"""

import codecs
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from gitops.manifests.errors import ManifestError
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
from gitops.manifests.yaml_scalars import number_of
from gitops.manifests.yaml_values import YamlProblem, is_merge, key_text, scalar_of

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_DEPTH: Final = 300

_LFS_POINTER: Final = "version https://git-lfs.github.com/spec/"


class Document(NamedTuple):
    """One document of a file: its value as JSON, and the line (from 1) that its text starts on."""

    value: Any
    line: int


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────


def load_all(data: bytes, path: str) -> tuple[Document, ...]:
    """The documents of a YAML or JSON file in order, empty ones left out; `path` is for messages.

    Raises ManifestError (`path:line: what is wrong (what to do)`) when the file cannot be read.
    """
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // 2**20
        raise ManifestError(f"{path}:1: the file has {len(data):,} bytes, more than the {limit} MiB that are read")
    text = decode(data)
    if text.lstrip(" \t\r\n").startswith("{"):
        documents = json_documents(text, path)
        if documents is not None:
            return documents
    return tuple(document for document in _yaml_documents(text, path) if document.value is not None)


def text_named(text: str) -> str:
    """What a text is, where something else was expected."""
    if text.startswith(_LFS_POINTER):
        return "a Git LFS pointer, whose file is not fetched (commit the file itself)"
    return "text"


def decode(data: bytes) -> str:
    """Text of a file: UTF-16 when a byte-order mark says so, else UTF-8, where broken bytes become U+FFFD."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return data[2:].decode(encoding, "replace")
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")


def json_documents(text: str, path: str) -> tuple[Document, ...] | None:
    """JSON objects one after the other; None when already the first is no JSON (it may be YAML in braces)."""
    import json

    decoder = json.JSONDecoder(parse_int=_json_integer, parse_constant=_no_constant)
    documents: list[Document] = []
    at = _skip_space(text, 0)
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except OverflowError as problem:
            raise ManifestError(f"{path}:{1 + text.count(chr(10), 0, at)}: {problem}") from problem
        except (ValueError, RecursionError) as problem:
            if not documents:
                return None
            line = 1 + text.count("\n", 0, getattr(problem, "pos", at))
            raise ManifestError(f"{path}:{line}: not JSON, as what comes before it is: {problem}") from problem
        _check_depth(value, path, 1 + text.count("\n", 0, at))
        documents.append(Document(value, 1 + text.count("\n", 0, at)))
        at = _skip_space(text, end)
    return tuple(documents)


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _json_integer(digits: str) -> int | float:
    value = number_of(digits)
    if value is None:
        raise OverflowError(f"a number of {len(digits)} digits is more than JSON's readers take (quote it)")
    return value


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def _check_depth(value: Any, path: str, line: int) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ManifestError(f"{path}:{line}: {_TOO_DEEP}")
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]


_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep (flatten it)"


def _yaml_documents(text: str, path: str) -> Iterator[Document]:
    for chunk, line in split_documents(text, path):
        try:
            value = Composer(chunk).document()
        except YamlProblem as problem:
            raise ManifestError(f"{path}:{line + problem.line}: {problem}") from problem
        yield Document(value, line + _blank_lines(chunk))


def _blank_lines(chunk: str) -> int:
    """How many lines of comments, directives and nothing stand before the first line of content."""
    rows = enumerate(chunk.split("\n"))
    return next((number for number, row in rows if row.strip() and not row.lstrip().startswith("#")), 0)


def split_documents(text: str, path: str) -> Iterator[tuple[str, int]]:
    """Pieces of `text` between lines that start with `---`, each with its first line's number, as kubectl splits.

    Only spaces and a comment may follow a separator on its line.
    """
    text = text.replace("\r\n", "\n")
    if not text.endswith("\n"):
        text += "\n"
    start, line = 0, 1
    at = 0 if text.startswith("---") else text.find("\n---") + 1
    while at or text.startswith("---", at):
        end = text.index("\n", at)
        rest = text[at + 3 : end].strip()
        here = line + text.count("\n", start, at)
        if rest and not rest.startswith("#"):
            raise ManifestError(f"{path}:{here}: nothing may follow `---` on its line, found `{rest[:40]}`")
        if at > start:
            yield text[start:at], line
        start, line = end + 1, here + 1
        at = start if text.startswith("---", start) else text.find("\n---", start) + 1
        if at == 0:
            break
    if start < len(text):
        yield text[start:], line


# ── one document ─────────────────────────────────────────────────────────────────────────────────────────────────


class Composer:
    """Makes the JSON value of the first YAML document in a text; raises `YamlProblem`.

    libyaml finds the structure, the rules of go-yaml version 2 give the values. An alias shares its anchor's value
    (nobody changes a body), so `_size` keeps count of what it would be when written out.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._next = CParser(text).get_event
        except YAMLError as error:
            raise YamlProblem(*_said(error)) from error
        self._begin()

    def _begin(self) -> None:
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._size = 0
        self._aliased = 0
        self._depth = 0

    def document(self) -> Any:
        """The value of the first document, None for an empty text; what follows it is not read.

        `text` is what was read for it then, where go-yaml reads what libyaml does not.
        """
        try:
            return self._document()
        except YAMLError as error:
            found = go_events(self.text, error)
            if found is None:
                raise YamlProblem(*_said(error)) from error
        self.text, self._next = found
        self._begin()
        return self.document()

    def _document(self) -> Any:
        self._next()
        if type(self._next()) is StreamEndEvent:
            return None
        value = self._value(self._next())
        self._next()
        return value

    def _value(self, event: Any) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            self._size += 1
            value = scalar_of(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, 1)
            return value
        if kind is AliasEvent:
            return self._alias(event)
        return self._collection(event)

    def _collection(self, event: Any) -> Any:
        anchor, before = event.anchor, self._size
        self._size += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise YamlProblem(event.start_mark.line, _TOO_DEEP)
        if anchor is not None:
            self._open.add(anchor)
            self._anchors.pop(anchor, None)
        value = self._mapping() if type(event) is MappingStartEvent else self._sequence()
        self._depth -= 1
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = (value, self._size - before)
        return value

    def _sequence(self) -> list[Any]:
        items: list[Any] = []
        following = self._next
        event = following()
        while type(event) is not SequenceEndEvent:
            items.append(self._value(event))
            event = following()
        return items

    def _mapping(self) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        following = self._next
        scalar, value_of = scalar_of, self._value
        while True:
            event = following()
            if type(event) is MappingEndEvent:
                return entries
            if type(event) is not ScalarEvent or event.implicit[0] or event.anchor or event.tag:
                if is_merge(event):
                    self._size += 1
                    self._merge(entries, following())
                    continue
                key = key_text(value_of(event), event)
            else:
                key = event.value
            event = following()
            if type(event) is ScalarEvent and event.anchor is None:
                self._size += 2
                entries[key] = scalar(event)
            else:
                self._size += 1
                entries[key] = value_of(event)

    def _merge(self, entries: dict[str, Any], event: Any) -> None:
        """`<<`: the maps named override what stands before, and are overridden by what follows, as go-yaml 2 does."""
        line = event.start_mark.line
        value = self._value(event)
        maps = value if isinstance(value, list) and type(event) is not AliasEvent else [value]
        for each in reversed(maps):
            if not isinstance(each, dict):
                go = "map merge requires map or sequence of maps as the value"
                raise YamlProblem(line, "`<<` takes a map, an alias of one, or a list of those", go)
            entries.update(each)

    def _alias(self, event: Any) -> Any:
        name, line = event.anchor, event.start_mark.line
        if name in self._open and name not in self._anchors:
            raise YamlProblem(line, f"the anchor `{name}` contains itself", f"anchor '{name}' value contains itself")
        if name not in self._anchors:
            # Not by its name: an unquoted password that begins with `*` is one.
            words = "an alias (`*…`) of an anchor that is not known here; put a text in quotes"
            raise YamlProblem(line, words, f"unknown anchor '{name}' referenced")
        value, size = self._anchors[name]
        self._size += size + 1
        self._aliased += size
        if self._aliased > 100 and self._size > 1000 and self._aliased / self._size > _allowed_ratio(self._size):
            words = "aliases blow the document up beyond reason (write the values out)"
            raise YamlProblem(line, words, "document contains excessive aliasing")
        return value


def _allowed_ratio(size: int) -> float:
    """The share of a document that may come from aliases: 99 % of a small one, 10 % of a big one (go-yaml's rule)."""
    return min(0.99, max(0.10, 0.99 - 0.89 * (size - 400_000) / 3_600_000))


def _said(error: Any) -> tuple[int, str]:
    """Line (from 0) and words of libyaml's complaint."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return 0, f"not YAML: {getattr(error, 'reason', error)}"
    context = f" {error.context}" if getattr(error, "context", None) else ""
    return mark.line, f"not YAML: {getattr(error, 'problem', error)}{context}"
