"""The type of each part of an expression, found from the declared types of its variables.

The library compiles over variables of any type. This follows the schema's types through fields, indices, loops and
calls, as the checker of cel-go does; where it cannot, the type is unknown.
"""

from collections.abc import Mapping
from typing import Final

from gitops.sandbox.rule_cost.kinds import BOOL, DYN, UNKNOWN, Kind, list_of, optional_of
from gitops.sandbox.rule_cost.tree import Call, Ident, ListOf, Literal, Loop, MapOf, Node, Select, Tree

_ARITHMETIC: Final = frozenset({"_+_", "_-_", "_*_", "_/_", "_%_", "-_"})
_TIMES: Final = frozenset({"timestamp", "duration"})
# Kubernetes' own types, by the functions that give them.
_OPAQUE: Final = {
    "quantity": "quantity",
    "add": "quantity",
    "sub": "quantity",
    "semver": "semver",
    "url": "url",
    "ip": "ip",
    "cidr": "cidr",
    "masked": "cidr",
}
_FREE: Final = Kind("free")  # the items of [], until something is added


def kinds_of(tree: Tree, variables: Mapping[str, Kind]) -> dict[int, Kind]:
    """The type of each node, by its number."""
    found: dict[int, Kind] = {}
    _Inference(tree, found).infer(tree.root, variables)
    return found


class _Inference:
    def __init__(self, tree: Tree, found: dict[int, Kind]) -> None:
        self.tree = tree
        self.found = found

    def infer(self, node: Node, scope: Mapping[str, Kind]) -> Kind:
        kind = self._infer(node, scope)
        if kind.name == "unknown":
            kind = self.tree.kinds.get(node.id, UNKNOWN)
        self.found[node.id] = kind
        return kind

    def _infer(self, node: Node, scope: Mapping[str, Kind]) -> Kind:
        match node:
            case Literal():
                return UNKNOWN  # the library knows
            case Ident():
                return scope.get(node.name, UNKNOWN)
            case Select():
                operand = self.infer(node.operand, scope)
                return BOOL if node.test_only else _field(operand, node.name)
            case Call():
                return self._call(node, scope)
            case ListOf():
                items = [self.infer(item, scope) for item in node.items]
                return list_of(_first_known(*items) if items else _FREE)
            case MapOf():
                keys = [self.infer(key, scope) for key, _ in node.entries if key is not None]
                parts = (_first_known(*keys), _first_known(*(self.infer(value, scope) for _, value in node.entries)))
                return UNKNOWN if node.message else Kind("map", parts)
            case Loop():
                return self._loop(node, scope)

    def _call(self, call: Call, scope: Mapping[str, Kind]) -> Kind:
        target = self.infer(call.target, scope) if call.target else UNKNOWN
        arguments = [self.infer(argument, scope) for argument in call.arguments]
        match call.function:
            case "_[_]":
                return _indexed(arguments[0])
            case "_[?_]":
                return optional_of(_inner(_indexed(_inner(arguments[0]))))
            case "_?._":
                name = call.arguments[1]
                value = _field(_inner(arguments[0]), name.value) if isinstance(name, Literal) else UNKNOWN
                return optional_of(value)
            case "_?_:_":
                return _first_known(*arguments[1:])
            case "dyn":
                return DYN
            case "optional.of" | "optional.ofNonZeroValue":
                return optional_of(arguments[0])
            case "value" | "orValue":
                return _first_known(_inner(target), *arguments)
            case "or":
                return _first_known(target, *arguments)
            case "min" | "max" | "sum":
                return target.item
            case "sort" | "@sortByAssociatedKeys" | "slice" | "distinct":
                return target
            case "@mapInsert" | "cel.@mapInsert":
                return _inserted(arguments)
        if call.function in _OPAQUE:
            return Kind(_OPAQUE[call.function])
        return _result(arguments) if call.function in _ARITHMETIC else UNKNOWN

    def _loop(self, loop: Loop, scope: Mapping[str, Kind]) -> Kind:
        over = self.infer(loop.over, scope)
        start = self.infer(loop.start, scope)
        inner = {**scope, **_loop_variables(loop.variables, over), loop.result_variable: start}
        self.infer(loop.condition, inner)
        result = _first_known(self.infer(loop.step, inner), start)
        if _is_free(start) and not _is_free(result):  # [] takes the type of what the step adds to it
            inner = {**inner, loop.result_variable: result}
            self.infer(loop.step, inner)
            self.infer(loop.condition, inner)
        return self.infer(loop.result, inner)


def _loop_variables(names: tuple[str, ...], over: Kind) -> dict[str, Kind]:
    if over.name == "map":
        kinds = over.parts
    elif over.name == "list":
        kinds = (Kind("int"), over.item) if len(names) == 2 else (over.item,)
    else:
        kinds = (over, over)  # dyn gives dyn, unknown gives unknown
    return dict(zip(names, kinds, strict=False))


def _field(operand: Kind, name: str) -> Kind:
    if operand.name == "object":
        return operand.fields.get(name, UNKNOWN)
    if operand.name == "map":
        return operand.item
    if operand.name == "optional":
        return optional_of(_field(operand.item, name))
    return operand if operand.name == "dyn" else UNKNOWN


def _indexed(operand: Kind) -> Kind:
    if operand.name in ("list", "map"):
        return operand.item
    if operand.name == "optional":
        return optional_of(_indexed(operand.item))
    return operand if operand.name == "dyn" else UNKNOWN


def _inner(kind: Kind) -> Kind:
    return kind.item if kind.name == "optional" else kind


def _is_free(kind: Kind) -> bool:
    return kind.name == "list" and kind.item.name == "free"


def _is_known(kind: Kind) -> bool:
    return kind.name not in ("unknown", "free", "null") and all(map(_is_known, kind.parts))


def _first_known(*kinds: Kind) -> Kind:
    return next((kind for kind in kinds if _is_known(kind)), kinds[0] if kinds else UNKNOWN)


def _inserted(arguments: list[Kind]) -> Kind:
    """A map with one more entry."""
    if len(arguments) == 3:
        return Kind("map", (arguments[1], arguments[2]))
    return arguments[-1]


def _result(operands: list[Kind]) -> Kind:
    """What + and its like give: of lists the one whose items are known, else the type that both have."""
    names = [operand.name for operand in operands]
    if "list" in names:
        return _first_known(*(operand for operand in operands if operand.name == "list"))
    if _TIMES.intersection(names):
        return UNKNOWN
    if len(set(names)) == 1:
        return operands[0]
    return DYN if "dyn" in names else UNKNOWN
