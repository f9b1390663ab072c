"""Replacements inside of text that is JSON or YAML itself: `data.config\\.json.server.port` (Kustomize 5.8).

The text is read, changed at the path, and written again: JSON sorted, indented where it was; YAML with its comments and
quotes kept.
"""

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from gitops.model.errors import RenderError
from renderers.kustomize.fields import lookup
from renderers.kustomize.nodes import TIMESTAMP, Map, Node, Scalar, Seq, resolve, value_of
from renderers.kustomize.read import compose

Match = Callable[[Node, list[str]], list[Node]]
Step = str | int

_WIDEST = 2**30
_NULL, _BOOL, _TIME = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "timestamp"))
_BLANK_LINES = re.compile(r"\A([^\n]*\n)\n+")
_NOT_PLAIN_IN_FLOW = re.compile(r"[,?:\[\]{}]")
# What Go escapes in JSON beyond what has to be.
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def replace_in_text(root: Node, path: list[str], value: Node, match: Match) -> bool:
    """Set what a path means in the first text on its way; False where there is none, or where that does not go.

    `match` finds the nodes of a tree that the rest of the path fits (and makes them, where asked to).
    """
    for count in range(1, len(path)):
        field = _found(root, path[:count])
        if isinstance(field, Scalar):
            try:
                field.value = _replaced(field.value, path[count:], value, match)
            except RenderError:
                return False
            return True
    return False


def tree_of(text: str) -> Node:
    """The node that a text is as YAML; RenderError when it is none."""
    node, _ = compose(text)
    if node is None:
        raise RenderError("the text is empty")
    return node


def _found(root: Node, path: list[str]) -> Node | None:
    try:
        return lookup(root, path)
    except RenderError:
        return None


def _replaced(text: str, path: list[str], value: Node, match: Match) -> str:
    tree = tree_of(text)
    found = match(tree, path)
    if not found:
        raise RenderError("there is no such field")
    places = [_path_to(tree, node) for node in found]
    for place in places:
        _put(tree, place, value)
    if text.lstrip()[0] in "{[":
        return _as_json(value_of(tree), text)
    return _as_yaml(text, tree, [place for place in places if place is not None])


def _path_to(tree: Node, wanted: Node) -> tuple[Step, ...] | None:
    if tree is wanted:
        return ()
    children: list[tuple[Step, Node]] = []
    if isinstance(tree, Map):
        children = list(tree.fields.items())
    elif isinstance(tree, Seq):
        children = list(enumerate(tree.items))
    for step, child in children:
        if (rest := _path_to(child, wanted)) is not None:
            return (step, *rest)
    return None


def _at(tree: Node, place: Sequence[Step]) -> Node:
    for step in place:
        tree = tree.fields[str(step)] if isinstance(tree, Map) else tree.items[int(step)]  # type: ignore[union-attr]
    return tree


def _put(tree: Node, place: tuple[Step, ...] | None, value: Node) -> None:
    """A scalar takes the text of another and keeps what it is; anything else is replaced."""
    if place is None:
        return
    node = _at(tree, place)
    if isinstance(node, Scalar):
        node.value = value.value if isinstance(value, Scalar) else ""
    elif place:
        parent = _at(tree, place[:-1])
        if isinstance(parent, Map):
            parent.fields[str(place[-1])] = value
        elif isinstance(parent, Seq):
            parent.items[int(place[-1])] = value


def _as_json(value: Any, before: str) -> str:
    if "\n" in before and "  " in before:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)
    else:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return "".join(_ESCAPED.get(each, each) for each in text)


# --- YAML ---------------------------------------------------------------------------------------------------------


def _as_yaml(before: str, tree: Node, places: list[tuple[Step, ...]]) -> str:
    """The text with the changed places written anew."""
    from io import StringIO

    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    writer = YAML()
    writer.Constructor, writer.Representer, writer.Emitter = _parts_of_writer()
    writer.preserve_quotes = True
    writer.width = _WIDEST
    writer.indent(mapping=2, sequence=2, offset=0)
    try:
        document = writer.load(before)
    except YAMLError as error:
        raise RenderError(f"the text cannot be written as YAML again: {error}") from error
    _close_up(document)
    for place in places:
        _write(document, tree, place)
    out = StringIO()
    writer.dump(document, out)
    return out.getvalue().strip()


class _AsWritten(str):
    """A null, boolean or time as it is written; `tag` is the library's for what it is."""

    tag: str


def _as_written(tag: str, text: str) -> _AsWritten:
    made = _AsWritten(text)
    made.tag = tag
    return made


@cache
def _parts_of_writer() -> tuple[Any, Any, Any]:
    """What reads, represents and emits, where that is not as the library does it."""
    from ruamel.yaml.constructor import RoundTripConstructor
    from ruamel.yaml.emitter import Emitter
    from ruamel.yaml.representer import RoundTripRepresenter

    class AsWritten(RoundTripConstructor):
        pass

    class Representer(RoundTripRepresenter):
        pass

    class GoEmitter(Emitter):
        def choose_scalar_style(self) -> Any:
            """In brackets Go quotes what holds a character that could mean something there."""
            if self.flow_level and not self.event.style and _NOT_PLAIN_IN_FLOW.search(self.event.value):
                self.event.implicit = (True, True)
                return "'"
            return super().choose_scalar_style()

    for tag in (_NULL, _BOOL, _TIME):
        AsWritten.add_constructor(tag, lambda _, node: _as_written(node.tag, node.value) if node.value else None)
    Representer.add_representer(_AsWritten, lambda writer, text: writer.represent_scalar(text.tag, str(text)))
    return AsWritten, Representer, GoEmitter


def _write(document: Any, tree: Node, place: tuple[Step, ...]) -> None:
    for depth, step in enumerate(place[:-1]):
        missing = step not in document if isinstance(step, str) else step >= len(document)
        if missing:
            _insert(document, step, _collection(_at(tree, place[: depth + 1])))
            return
        document = document[step]
    node, last = _at(tree, place), place[-1]
    known = last in document if isinstance(last, str) else last < len(document)
    _insert(document, last, _written(node, document[last] if known else None))


def _insert(document: Any, step: Step, value: Any) -> None:
    if isinstance(step, int) and step >= len(document):
        document.append(value)
    else:
        document[step] = value


def _written(node: Node, old: Any) -> Any:
    """A node as ruamel writes it: a text as it was quoted, and quoted where it would be read as something else."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, ScalarString

    if not isinstance(node, Scalar):
        return _collection(node)
    if isinstance(old, ScalarString):
        return type(old)(node.value)
    tag, value = resolve(node.value)
    if tag == TIMESTAMP and node.tag in ("", tag):
        # A date with fewer digits is text to the library, and needs no quotes there.
        return _as_written(_TIME, node.value) if len(node.value) >= len("2006-01-02") else node.value
    if node.tag in ("", tag):
        return value
    if node.tag == "!!str":
        return DoubleQuotedScalarString(node.value)
    raise RenderError(f"`{node.value[:60]}` is not a {node.tag}")


def _collection(node: Node) -> Any:
    """A map or list, in braces and brackets where it is written so."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    made: Any = value_of(node)
    if isinstance(node, Map):
        made = CommentedMap({key: _collection(child) for key, child in node.fields.items()})
    elif isinstance(node, Seq):
        made = CommentedSeq([_collection(child) for child in node.items])
    if isinstance(node, Map | Seq) and node.flow:
        made.fa.set_flow_style()
    return made


def _close_up(document: Any) -> None:
    """Comments at the end of a line follow after one space, and no blank line follows a value.

    A folded text has no other breaks than its own.
    """
    for comments in getattr(getattr(document, "ca", None), "items", {}).values():
        for token in comments:
            for each in token if isinstance(token, list) else [token]:
                if each is not None and not each.value.startswith("\n"):
                    each.column = 0
            if token is not None and not isinstance(token, list):
                token.value = _BLANK_LINES.sub(r"\1", token.value)
    children = document.values() if isinstance(document, dict) else document if isinstance(document, list) else ()
    for child in children:
        if hasattr(child, "fold_pos"):
            child.fold_pos = []
        _close_up(child)
