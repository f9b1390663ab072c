"""The most that an expression can cost: an estimate of each part from the sizes that a schema allows.

The rules are those of cel-go's checker (checker/cost.go, v0.26, the version of Kubernetes 1.36), with Kubernetes'
costs of functions in `calls`. The overload that a call has, and the type of a value, is inferred here rather than
checked. Where either stays unknown, the cheapest is taken: a definition is then accepted that a server may refuse.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gitops.sandbox.rule_cost.arguments import Argument, Cost
from gitops.sandbox.rule_cost.calls import call_cost
from gitops.sandbox.rule_cost.infer import kinds_of
from gitops.sandbox.rule_cost.kinds import UNKNOWN, Kind, is_scalar
from gitops.sandbox.rule_cost.overloads import fitting
from gitops.sandbox.rule_cost.paths import Path, nowhere, variable
from gitops.sandbox.rule_cost.sizes import ANY, MOST, ONE, Size, clipped, exactly
from gitops.sandbox.rule_cost.tree import Call, Ident, ListOf, Literal, Loop, MapOf, Node, Select, Tree

SizeOf = Callable[[list[str]], Size | None]

_LIST, _MAP, _MESSAGE, _READ = 10, 30, 40, 1
_ACCUMULATORS: Final = frozenset({"@result", "__result__"})


@dataclass(frozen=True, slots=True)
class _Entry:
    """Sizes of what a list or a map holds."""

    container: str
    key: Size
    value: Size

    def joined(self, other: "_Entry") -> "_Entry":
        return _Entry(self.container, self.key.joined(other.key), self.value.joined(other.value))


@dataclass(frozen=True, slots=True)
class _Local:
    path: Path
    size: Size | None
    entry: _Entry | None = None


def estimate(tree: Tree, variables: Mapping[str, Kind], size_of: SizeOf) -> int:
    """The largest cost of the expression; `size_of` tells the size of what is at a path."""
    return _Coster(tree, kinds_of(tree, variables), size_of).cost(tree.root)


class _Coster:
    def __init__(self, tree: Tree, kinds: Mapping[int, Kind], size_of: SizeOf) -> None:
        self.tree = tree
        self.kinds = kinds
        self.size_of = size_of
        self.paths: dict[int, Path] = {}
        self.sizes: dict[int, Size] = {}
        self.entries: dict[int, _Entry] = {}
        self.locals: dict[str, list[_Local]] = {}

    def cost(self, node: Node) -> int:
        match node:
            case Literal():
                return 0
            case Ident():
                local = self._local(node.name)
                self.paths[node.id] = local.path if local else variable(node.name)
                return _READ
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case Loop():
                return self._bind(node) if _is_bind(node) else self._loop(node)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _select(self, node: Select) -> int:
        cost = self.cost(node.operand)
        if node.test_only:
            return cost
        if self._kind(node.operand).name in ("map", "object", "free"):
            cost += _READ
        self.paths[node.id] = self._path(node.operand).then(node.name)
        return cost

    def _list(self, node: ListOf) -> int:
        cost, size = _LIST, Size(MOST if node.items else 0, 0)
        for item in node.items:
            cost += self.cost(item)
            size = size.joined(self._known(item))
        self.entries[node.id] = _Entry("list", ONE, size)
        return clipped(cost)

    def _map(self, node: MapOf) -> int:
        cost = _MESSAGE if node.message else _MAP
        start = Size(MOST if node.entries else 0, 0)
        keys = values = start
        for key, value in node.entries:
            cost += self.cost(key) if key is not None else 0
            cost += self.cost(value)
            keys = keys.joined(self._known(key)) if key is not None else keys
            values = values.joined(self._known(value))
        if not node.message:
            self.entries[node.id] = _Entry("map", keys, values)
        return clipped(cost)

    def _bind(self, node: Loop) -> int:
        cost = self.cost(node.over) + self.cost(node.start)
        self._push(node.result_variable, self._as_local(node.start))
        cost += self.cost(node.result)
        self.locals[node.result_variable].pop()
        self._copy(node, node.result)
        return clipped(cost)

    def _loop(self, node: Loop) -> int:
        cost = self.cost(node.over) + self.cost(node.start)
        self._push(node.result_variable, self._as_local(node.start))
        self._push_variables(node)
        round_cost = self.cost(node.condition)
        round_cost = clipped(round_cost + self.cost(node.step))
        for name in node.variables:
            self.locals[name].pop()
        cost += self.cost(node.result)
        self.locals[node.result_variable].pop()
        rounds = self._known(node.over)
        if isinstance(node.start, Literal):
            self._set(node, self._size(node.start))
        elif isinstance(node.start, ListOf | MapOf):
            self._set(node, rounds)
            if entry := self._entry(node.step):
                self.entries[node.id] = entry
        return clipped(cost + rounds.most * round_cost)

    def _push_variables(self, node: Loop) -> None:
        entry = self._entry(node.over)
        container = entry.container if entry else self._kind(node.over).name
        key = (entry.key if entry else None, "@indices" if container == "list" else "@keys")
        value = (entry.value if entry else None, "@items" if container == "list" else "@values")
        single = value if container == "list" else key
        pairs = (key, value) if len(node.variables) == 2 else (single,)
        for name, (size, part) in zip(node.variables, pairs, strict=False):
            self._push(name, _Local(self._path(node.over).then(part), size))

    # --- calls ----------------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> int:
        if call.function == "dyn":
            cost = 1 + self.cost(call.arguments[0])
            self._copy(call, call.arguments[0])
            return cost
        costs, arguments = [], []
        for argument in call.arguments:
            costs.append(self.cost(argument))
            arguments.append(self._argument(argument))
        overloads = self.tree.overloads.get(call.id, ())
        if not overloads:
            return 0
        own = self.cost(call.target) if call.target else 0
        target = self._argument(call.target) if call.target else None
        names, certain = fitting(overloads, [argument.kind for argument in arguments])
        found = [call_cost(call.function, name, target, arguments) for name in names]
        own += (max if certain else min)(cost.own for cost in found)
        self._track(call, names, found)
        return clipped(own + _arguments_cost(call.function, costs))

    def _track(self, call: Call, names: tuple[str, ...], found: list[Cost]) -> None:
        """Notes how large the result is, and of which path."""
        size: Size | None = None
        for name, cost in zip(names, found, strict=True):
            if cost.size is not None:
                size = size.joined(cost.size) if size else cost.size
            if name in ("index_list", "index_map"):
                entry = self._entry(call.arguments[0])
                size = entry.value if entry else None
                part = "@items" if name == "index_list" else "@values"
                self.paths[call.id] = self._path(call.arguments[0]).then(part)
            size = size or self._size(call)
        if call.function in ("_?_:_", "_+_"):
            one, other = (self._entry(argument) for argument in call.arguments[-2:])
            if one and other:
                self.entries[call.id] = one.joined(other)
        self._set(call, size)

    def _argument(self, node: Node) -> Argument:
        names = self._path(node).names
        if names and names[0] in _ACCUMULATORS:
            names = []
        size = self._size(node)
        if size is None and self._kind(node).name == "unknown":
            size = ONE
        return Argument(names, self._kind(node), node, size, self.size_of)

    # --- what is known of a node ----------------------------------------------------------------------------------

    def _kind(self, node: Node) -> Kind:
        return self.kinds.get(node.id, UNKNOWN)

    def _local(self, name: str) -> _Local | None:
        stack = self.locals.get(name)
        return stack[-1] if stack else None

    def _push(self, name: str, local: _Local) -> None:
        self.locals.setdefault(name, []).append(local)

    def _as_local(self, node: Node) -> _Local:
        return _Local(self._path(node), self._size(node), self._entry(node))

    def _path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (local := self._local(node.name)):
            return local.path
        return self.paths.get(node.id) or nowhere()

    def _set(self, node: Node, size: Size | None) -> None:
        if size is not None:
            self.sizes[node.id] = size

    def _copy(self, node: Node, source: Node) -> None:
        self._set(node, self._size(source))
        if entry := self._entry(source):
            self.entries[node.id] = entry

    def _known(self, node: Node) -> Size:
        size = self._size(node)
        if size is None:
            return ONE if self._kind(node).name == "unknown" else ANY
        return size

    def _size(self, node: Node) -> Size | None:
        size = self.sizes.get(node.id) or _written_size(node)
        if size is not None:
            return size
        names = self._path(node).names
        if names and (size := self.size_of(names)):
            self.sizes[node.id] = size
            return size
        if is_scalar(self._kind(node)):
            return ONE
        local = self._local(node.name) if isinstance(node, Ident) else None
        return local.size if local else None

    def _entry(self, node: Node) -> _Entry | None:
        if node.id in self.entries:
            return self.entries[node.id]
        local = self._local(node.name) if isinstance(node, Ident) else None
        return local.entry if local else None


def _arguments_cost(function: str, costs: list[int]) -> int:
    return costs[0] + max(costs[1:]) if function == "_?_:_" else sum(costs)


def _written_size(node: Node) -> Size | None:
    """The size of what stands in the expression itself."""
    match node:
        case Literal():
            return exactly(len(node.value)) if isinstance(node.value, str | bytes) else ONE
        case ListOf():
            return exactly(len(node.items))
        case MapOf(message=""):
            return exactly(len(node.entries))
    return None


def _is_bind(node: Loop) -> bool:
    """Whether a loop has no round: it names a value, for optMap and its like."""
    never = isinstance(node.condition, Literal) and node.condition.value is False
    empty = isinstance(node.over, ListOf) and not node.over.items
    return never and empty and node.result_variable not in _ACCUMULATORS
