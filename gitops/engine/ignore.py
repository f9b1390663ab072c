"""Differences that a user asked to ignore, taken out of what is desired before it is compared or applied.

A field that is ignored but that we own is sent with its live value: leaving it out would reset it.
"""

from fnmatch import fnmatchcase
from typing import Any

from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import IgnoreRule
from gitops.model.plan import ABSENT

_MISSING = ABSENT


def without_ignored(desired: Body, live: Body, key: ResourceKey, rules: tuple[IgnoreRule, ...]) -> Body:
    """`desired` with each ignored pointer set to its live value, or taken out where the live object has none."""
    for rule in rules:
        if _applies(rule, key):
            for pointer in rule.jsonPointers:
                steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
                desired = _with_value(desired, steps, _value_at(live, steps))
    return desired


def _applies(rule: IgnoreRule, key: ResourceKey) -> bool:
    pairs = ((key.group, rule.group), (key.kind, rule.kind), (key.namespace, rule.namespace), (key.name, rule.name))
    return all(fnmatchcase(value, pattern) for value, pattern in pairs)


def _value_at(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _MISSING
    return value


def _with_value(value: Any, steps: list[str], new: Any) -> Any:
    """A copy of `value` along `steps` with `new` at its end; parents that do not exist are not made."""
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and (step in value or (not rest and new is not _MISSING)):
        changed = _with_value(value.get(step), rest, new)
        if changed is _MISSING:
            return {name: item for name, item in value.items() if name != step}
        return {**value, step: changed}
    if isinstance(value, list) and step.isdigit() and int(step) < len(value):
        changed = _with_value(value[int(step)], rest, new)
        items = [changed if index == int(step) else item for index, item in enumerate(value)]
        return [item for item in items if item is not _MISSING]
    return value
