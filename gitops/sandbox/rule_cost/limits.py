"""Which CEL rules of a definition are too expensive, with an API server's causes (validation.go, cel_validation.go).

A rule may run for each item of each list it lies in. One expression may cost 10,000,000, all of a version's rules
together 100,000,000. What an update leaves as it is may stay above the first limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from gitops.manifests.cel import CelError, compiled
from gitops.manifests.key import Body
from gitops.sandbox.rule_cost.estimate import estimate
from gitops.sandbox.rule_cost.kinds import Kind, optional_of
from gitops.sandbox.rule_cost.schema import LARGEST_REQUEST, declared, sizes_in
from gitops.sandbox.rule_cost.sizes import clipped
from gitops.sandbox.rule_cost.tree import tree_of
from gitops.sandbox.statuses import FieldError, forbidden_field

EXPRESSION_LIMIT: Final = 10_000_000
DEFINITION_LIMIT: Final = 100_000_000
_RULES: Final = "x-kubernetes-validations"
_MOST_NAMED: Final = 4
_ADVICE: Final = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


@dataclass(frozen=True, slots=True)
class RuleCost:
    """What one expression may cost, with all the times it may run."""

    field: str
    what: str  # as the cause calls it
    cost: int


def cost_errors(schema: Body, at: str, *, unchanged: bool = False) -> Iterator[FieldError]:
    """The causes for which a server refuses a version's schema."""
    costs = list(rule_costs(schema, at))
    if not unchanged:
        for each in costs:
            if each.cost > EXPRESSION_LIMIT:
                yield forbidden_field(each.field, _exceeds(each.what, each.cost, EXPRESSION_LIMIT))
    total = clipped(sum(each.cost for each in costs))
    if total <= DEFINITION_LIMIT:
        return
    large = [each for each in costs if each.cost >= DEFINITION_LIMIT // 100]
    for each in sorted(large, key=lambda each: -each.cost)[:_MOST_NAMED]:
        text = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        yield forbidden_field(each.field, text)
    whole = f"{_RULES} estimated rule cost total for entire OpenAPIv3 schema"
    yield forbidden_field(at, _exceeds(whole, total, DEFINITION_LIMIT))


def rule_costs(schema: Body, at: str, times: int | None = 1, *, root: bool = True) -> Iterator[RuleCost]:
    """The costs of all expressions of a schema, of its parts first; they run `times`, None for without bound."""
    inner = _times(schema, times)
    if isinstance(extra := schema.get("additionalProperties"), dict):
        yield from rule_costs(extra, f"{at}.additionalProperties", inner, root=False)
    for name, part in (schema.get("properties") or {}).items():
        yield from rule_costs(part, f"{at}.properties[{name}]", inner, root=False)
    if isinstance(items := schema.get("items"), dict):
        yield from rule_costs(items, f"{at}.items", inner, root=False)
    if rules := schema.get(_RULES):
        kind = declared(schema, root=root or bool(schema.get("x-kubernetes-embedded-resource")))
        if kind is not None:
            runs = LARGEST_REQUEST // (kind.least_bytes + 1) if times is None else times
            for index, rule in enumerate(rules):
                yield from _of_rule(rule, f"{at}.{_RULES}[{index}]", kind, runs)


def _times(schema: Body, times: int | None) -> int | None:
    """How often the parts of a value may be there when the value is there `times`."""
    most: int | None = 1
    if schema.get("type") == "array":
        most = schema.get("maxItems")
    elif schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        most = schema.get("maxProperties")
    return None if times is None or most is None else clipped(times * max(most, 0))


def _of_rule(rule: Body, at: str, kind: Kind, runs: int) -> Iterator[RuleCost]:
    variables = {"self": kind, "oldSelf": optional_of(kind) if rule.get("optionalOldSelf") else kind}
    cost = expression_cost(rule.get("rule") or "", variables)
    if cost is None:
        return
    yield RuleCost(f"{at}.rule", "estimated rule cost", clipped(cost * runs))
    message = expression_cost(rule.get("messageExpression") or "", variables)
    if message is not None:
        yield RuleCost(f"{at}.messageExpression", "estimated messageExpression cost", message)


def expression_cost(expression: str, variables: dict[str, Kind]) -> int | None:
    """The most that an expression over `self` and its like costs; None for one that cannot be compiled."""
    if not expression.strip():
        return None
    try:
        tree = tree_of(compiled(expression, tuple(sorted(variables))).serialize())
    except CelError:
        return None
    return estimate(tree, variables, partial(sizes_in, variables["self"]))


def _exceeds(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    if factor > 100:
        shown = "more than 100x"
    else:
        shown = f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {_ADVICE}"
