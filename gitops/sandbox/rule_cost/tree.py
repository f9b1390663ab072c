"""A compiled CEL expression as a tree: cel.expr.CheckedExpr, the form in which the library gives it away.

It reads syntax, the overloads of each call, and the types of which the library is sure. It decides nothing.
"""

import struct
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gitops.manifests.cel_dialect import kubernetes_name
from gitops.sandbox.protobuf import read_fields
from gitops.sandbox.rule_cost.kinds import UNKNOWN, Kind


@dataclass(frozen=True, slots=True)
class Literal:
    id: int
    value: Any  # an unsigned number is an int as well


@dataclass(frozen=True, slots=True)
class Ident:
    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    id: int
    operand: "Node"
    name: str
    test_only: bool  # has(operand.name)


@dataclass(frozen=True, slots=True)
class Call:
    id: int
    function: str
    target: "Node | None"
    arguments: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    id: int
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map, or a message, whose keys are left out."""

    id: int
    entries: tuple[tuple["Node | None", "Node"], ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Loop:
    """What the macros (all, exists, map, filter ...) become: a comprehension."""

    id: int
    over: "Node"
    variables: tuple[str, ...]  # the item or the key; or the index or the key, and the value
    result_variable: str
    start: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node = Literal | Ident | Select | Call | ListOf | MapOf | Loop


@dataclass(frozen=True, slots=True)
class Tree:
    root: Node
    kinds: Mapping[int, Kind] = field(default_factory=dict)
    overloads: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def tree_of(compiled: bytes) -> Tree:
    """The tree of a serialized expression, which is wrapped in a google.protobuf.Any."""
    checked = _message(_message(compiled)[2][0])
    overloads: dict[int, tuple[str, ...]] = {}
    for raw in checked[2]:
        entry = _message(raw)
        reference = _message(_one(entry, 2, b""))
        overloads[_one(entry, 1, 0)] = tuple(name.decode() for name in reference[3])
    kinds = {_one(entry, 1, 0): _kind(_one(entry, 2, b"")) for entry in map(_message, checked[3])}
    return Tree(_node(checked[4][0]), kinds, overloads)


def _message(raw: bytes) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for number, value in read_fields(raw):
        found[number].append(value)
    return found


def _one(message: dict[int, list[Any]], number: int, default: Any) -> Any:
    values = message.get(number)
    return values[-1] if values else default


def _text(message: dict[int, list[Any]], number: int) -> str:
    text: str = _one(message, number, b"").decode()
    return text


def _node(raw: bytes) -> Node:
    message = _message(raw)
    place = _one(message, 2, 0)
    for number, read in _NODES.items():
        if number in message:
            node: Node = read(place, message[number][-1])
            return node
    return Literal(place, None)


def _literal(place: int, raw: bytes) -> Literal:
    for number, value in read_fields(raw):
        match number:
            case 2:
                return Literal(place, bool(value))
            case 3:
                return Literal(place, value - (1 << 64) if value >= 1 << 63 else value)
            case 4:
                return Literal(place, value)
            case 5:
                return Literal(place, struct.unpack("<d", value)[0])
            case 6:
                return Literal(place, value.decode())
            case 7:
                return Literal(place, value)
    return Literal(place, None)


def _select(place: int, raw: bytes) -> Select:
    message = _message(raw)
    return Select(place, _node(_one(message, 1, b"")), _text(message, 2), bool(_one(message, 3, 0)))


def _call(place: int, raw: bytes) -> Call:
    message = _message(raw)
    target = _node(message[1][-1]) if message[1] else None
    return Call(place, kubernetes_name(_text(message, 2)), target, tuple(map(_node, message[3])))


def _map(place: int, raw: bytes) -> MapOf:
    message = _message(raw)
    entries = []
    for entry in map(_message, message[2]):
        key = _node(entry[3][-1]) if entry[3] else None
        entries.append((key, _node(_one(entry, 4, b""))))
    return MapOf(place, tuple(entries), _text(message, 1))


def _loop(place: int, raw: bytes) -> Loop:
    message = _message(raw)
    variables = tuple(name for name in (_text(message, 1), _text(message, 8)) if name)
    over, start, condition, step, result = (_node(_one(message, number, b"")) for number in (2, 4, 5, 6, 7))
    return Loop(place, over, variables, _text(message, 3), start, condition, step, result)


_NODES: Final[Mapping[int, Any]] = {
    3: _literal,
    4: lambda place, raw: Ident(place, _text(_message(raw), 1)),
    5: _select,
    6: _call,
    7: lambda place, raw: ListOf(place, tuple(map(_node, _message(raw)[1]))),
    8: _map,
    9: _loop,
}

_PRIMITIVE: Final = {1: "bool", 2: "int", 3: "uint", 4: "double", 5: "string", 6: "bytes"}
_WELL_KNOWN: Final = {2: "timestamp", 3: "duration"}


def _kind(raw: bytes) -> Kind:
    for number, value in read_fields(raw):
        match number:
            case 2:
                return Kind("null")
            case 3 | 4:
                return Kind(_PRIMITIVE.get(value, "unknown"))
            case 5:
                return Kind(_WELL_KNOWN.get(value, "unknown"))
            case 6:
                return Kind("list", (_kind(_one(_message(value), 1, b"")),))
            case 7:
                message = _message(value)
                return Kind("map", (_kind(_one(message, 1, b"")), _kind(_one(message, 2, b""))))
            case 11:
                return Kind("type")
            case 14:
                message = _message(value)
                name = "optional" if _text(message, 1) == "optional_type" else _text(message, 1)
                return Kind(name, tuple(map(_kind, message[2])))
    return UNKNOWN  # it is not known to the library, to which our variables have any type
