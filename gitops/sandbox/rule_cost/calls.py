"""What one call of a function costs beside its arguments, and how large its result is.

The functions of CEL are as in cel-go (checker/cost.go, ext/sets.go, v0.26), those of Kubernetes as in
k8s.io/apiserver/pkg/cel/library/cost.go of 1.36. What is in no table costs 1, as most do.
"""

from collections.abc import Mapping
from typing import Any, Final

from gitops.sandbox.rule_cost.arguments import Argument, Arguments, Cost, Rule
from gitops.sandbox.rule_cost.list_calls import LIST_CALLS
from gitops.sandbox.rule_cost.sizes import MOST, ONE, Size, clipped, scaled
from gitops.sandbox.rule_cost.tree import Literal

_READ_TEXT: Final = 0.1  # a character, once
_READ_PATTERN: Final = 0.25  # a character of a regular expression


_PLAIN: Final = Cost(1)


def call_cost(function: str, overload: str, target: Argument | None, arguments: Arguments) -> Cost:
    """The cost of one overload of a function."""
    rule = _KUBERNETES.get(function)
    if rule is not None and (cost := rule(overload, target, arguments)) is not None:
        return cost
    rule = _BUILT_IN.get(overload)
    if rule is not None and (cost := rule(overload, target, arguments)) is not None:
        return cost
    return _PLAIN


# --- CEL's own --------------------------------------------------------------------------------------------------------


def _free(_overload: str, _target: Argument | None, _arguments: Arguments) -> Cost:
    return Cost(0)


def _conditional(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return Cost(0, arguments[1].size.joined(arguments[2].size))


def _formatted(_overload: str, target: Argument | None, _arguments: Arguments) -> Cost | None:
    return Cost(target.size.cost(_READ_TEXT)) if target else None


def _to_bytes(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    size = arguments[0].size  # a character may have four bytes
    return Cost(size.cost(_READ_TEXT), Size(size.least, size.most * 4 & MOST))


def _to_text(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    size = arguments[0].size
    return Cost(size.cost(_READ_TEXT), Size(size.least // 4, size.most))


def _quoted(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    size = arguments[0].size
    return Cost(size.cost(_READ_TEXT), Size(size.least + 2 & MOST, size.most * 2 + 2 & MOST))


def _starts(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return Cost(arguments[0].size.cost(_READ_TEXT))


def _in_list(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return Cost(arguments[1].size.most)


def _pattern_cost(text: Size, pattern: Size) -> int:
    return clipped(text.plus(ONE).cost(_READ_TEXT) * pattern.cost(_READ_PATTERN))


def _matches(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    return Cost(_pattern_cost(target.size, arguments[0].size)) if target else None


def _contains(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    return Cost(clipped(target.size.cost(_READ_TEXT) * arguments[0].size.cost(_READ_TEXT)))


def _added(overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    size = arguments[0].size.plus(arguments[1].size)
    return Cost(1 if overload == "add_list" else size.cost(_READ_TEXT), size)


def _compared(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return Cost(scaled(min(argument.size.most for argument in arguments), _READ_TEXT))


_TEXTS: Final = [
    f"{name}_{kind}" for name in ("less", "less_equals", "greater", "greater_equals") for kind in ("string", "bytes")
]
_BUILT_IN: Final[Mapping[str, Rule]] = {
    "logical_and": _free,
    "logical_or": _free,
    "conditional": _conditional,
    "string_format": _formatted,
    "string_to_bytes": _to_bytes,
    "bytes_to_string": _to_text,
    "strings_quote": _quoted,
    "starts_with_string": _starts,
    "ends_with_string": _starts,
    "in_list": _in_list,
    "matches_string": _matches,
    "contains_string": _contains,
    **dict.fromkeys(("add_string", "add_bytes", "add_list"), _added),
    **dict.fromkeys((*_TEXTS, "equals", "not_equals"), _compared),
}


# --- sets and Kubernetes' ---------------------------------------------------------------------------------------------


def _fixed(cost: int) -> Rule:
    def rule(_overload: str, _target: Argument | None, _arguments: Arguments) -> Cost:
        return Cost(cost)

    return rule


def _each_with_each(factor: int) -> Rule:
    def rule(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
        pairs = arguments[0].size.times(arguments[1].size)
        return Cost(clipped(pairs.cost(factor) + 1))

    return rule


def _each_item(_overload: str, target: Argument | None, _arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    item = target.item()
    if item is None:
        return Cost(target.size.cost(_READ_TEXT))
    one = 1 + (item.size.cost(_READ_TEXT) if item.kind.name in ("string", "bytes") else 0)
    return Cost(clipped(target.size.most * one))


def _read_argument(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost | None:
    return Cost(arguments[0].size.cost(_READ_TEXT)) if arguments else None


def _read_url(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return Cost(arguments[0].size.cost(_READ_TEXT), arguments[0].size)


def _read_twice(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    return Cost(arguments[0].size.cost(2 * _READ_TEXT))


def _changed(_overload: str, target: Argument | None, _arguments: Arguments) -> Cost | None:
    return Cost(target.size.cost(_READ_TEXT), target.size) if target else None


def _replaced(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None or len(arguments) < 2:
        return None
    whole, old, new = target.size, arguments[0].size, arguments[1].size
    longest = _replacement(whole.most, old.least, resized=new.most > old.least)
    shortest = _replacement(whole.least, old.most, resized=new.least < old.most)
    times, kept = (Size(least, most) for least, most in zip(shortest, longest, strict=True))
    return Cost(whole.cost(2 * _READ_TEXT), times.times(new).plus(kept))


def _replacement(whole: int, old: int, *, resized: bool) -> tuple[int, int]:
    """How often a text of `old` characters is replaced in one of `whole`, and how much of that stays."""
    if not old:
        return clipped(whole + 1), whole
    return (-(-whole // old), 0) if resized else (0, whole)


def _split(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    most: Any = target.size.most
    if len(arguments) > 1 and isinstance(arguments[1].node, Literal) and isinstance(arguments[1].node.value, int):
        most = arguments[1].node.value & MOST
    return Cost(target.size.cost(2 * _READ_TEXT), Size(0, most))


def _joined(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    items, item = target.size, target.item()
    size = items.times(item.size) if item else Size(0, 0)
    if arguments:
        gaps = Size(max(items.least - 1, 0), max(items.most - 1, 0))
        size = size.plus(arguments[0].size.times(gaps))
    return Cost(size.cost(_READ_TEXT), size)


def _found(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    if target is None:
        return None
    return Cost(_pattern_cost(target.size, arguments[0].size), Size(0, target.size.most))


def _address(_overload: str, target: Argument | None, arguments: Arguments) -> Cost | None:
    return Cost(1) if target else _read_argument(_overload, target, arguments)


def _within(base: int) -> Rule:
    def rule(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
        read = arguments[0].size.cost(_READ_TEXT) if arguments[0].kind.name == "string" else 0
        return Cost(clipped(base + read))

    return rule


def _selector(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost:
    size = arguments[0].size
    return Cost(clipped(10 + size.cost(_READ_TEXT) + scaled(size.cost(0.5), 10 + 40)))


def _equal(_overload: str, _target: Argument | None, arguments: Arguments) -> Cost | None:
    one, other = (argument.kind.name for argument in arguments)
    if one != other:
        return None
    if one == "url":
        return Cost((arguments[1].known or ONE).cost(_READ_TEXT))
    return Cost(1) if one in ("ip", "cidr", "quantity", "semver") else None


_ONE_UNIT: Final = (
    *("serviceAccount", "path", "group", "resource", "subresource", "namespace", "name", "allowed", "reason", "error"),
    *("errored", "masked", "prefixLength", "family", "isUnspecified", "isLoopback", "isLinkLocalMulticast"),
    *("isLinkLocalUnicast", "isGlobalUnicast", "format.named", "sign", "asInteger", "isInteger", "asApproximateFloat"),
    *("isGreaterThan", "isLessThan", "compareTo", "add", "sub", "major", "minor", "patch"),
    *("getScheme", "getHostname", "getHost", "getPort", "getEscapedPath", "getQuery"),
)
_KUBERNETES: Final[Mapping[str, Rule]] = {
    **LIST_CALLS,
    **dict.fromkeys(_ONE_UNIT, _fixed(1)),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _each_item),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _read_url),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _changed),
    **dict.fromkeys(("find", "findAll"), _found),
    **dict.fromkeys(("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _read_argument),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    **dict.fromkeys(("sets.contains", "sets.intersects"), _each_with_each(1)),
    "sets.equivalent": _each_with_each(2),
    "check": _fixed(350_000),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    "ip": _address,
    "ip.isCanonical": _read_twice,
    "containsIP": _within(4),  # 16 bytes, twice, and rounded up
    "containsCIDR": _within(7),
    "_==_": _equal,
}
