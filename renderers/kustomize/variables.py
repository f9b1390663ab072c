"""vars: `$(NAME)` in certain fields stands for the value of a field of some resource."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from gitops.model.errors import RenderError
from renderers.kustomize.config import FieldSpec
from renderers.kustomize.fields import lookup, split_smart
from renderers.kustomize.ids import Gvk, Id
from renderers.kustomize.nodes import (
    BOOL,
    FLOAT,
    INT,
    PLAIN,
    STR,
    Map,
    Node,
    Scalar,
    is_null,
    is_string,
    resolve,
)
from renderers.kustomize.resources import Resources
from renderers.kustomize.specs import apply_specs

_INDEXED = re.compile(r"(.*)\[([0-9]+)\]")


class Variable(NamedTuple):
    """A name, the resource that it is about, and the path of the field there."""

    name: str
    gvk: Gvk
    object: str
    namespace: str
    path: str


def variable_of(value: Mapping[str, Any]) -> Variable:
    """A variable from its decoded form."""
    target = value.get("objref", {})
    group, version = target.get("group", ""), target.get("version", "")
    parts = target.get("apiVersion", "").split("/")
    if target.get("apiVersion"):
        if len(parts) == 2:
            group, version = parts
        elif len(parts) == 1:
            version = parts[0]
    return Variable(
        value.get("name", ""),
        Gvk(group, version, target.get("kind", "")),
        target.get("name", ""),
        target.get("namespace", ""),
        value.get("fieldref", {}).get("fieldPath") or "metadata.name",
    )


def register(resources: Resources, variables: Iterable[Variable], known: dict[str, Variable]) -> None:
    """Note at each resource which variables are about it, and add them to `known`; a name may be there once."""
    for variable in variables:
        wanted = Id(*variable.gvk, variable.object, variable.namespace)
        found = resources.by_any_id(
            lambda id, wanted=wanted: (  # type: ignore[misc]
                id.name == wanted.name
                and id.gvk == wanted.gvk
                and (not wanted.namespace or id.effective_namespace == wanted.effective_namespace)
            )
        )
        if len(found) > 1:
            raise RenderError(f"vars: {variable.name}: {len(found)} resources could be meant (say the namespace)")
        if found:
            found[0].variables.append(variable.name)
        add_variable(known, variable)


def add_variable(known: dict[str, Variable], variable: Variable) -> None:
    """Add a variable; raises RenderError when its name is taken."""
    if variable.name in known:
        raise RenderError(f"vars: {variable.name} is defined twice")
    known[variable.name] = variable


def substitute(resources: Resources, known: Mapping[str, Variable], specs: Iterable[FieldSpec]) -> None:
    """Put the values in; raises RenderError when a variable's field is missing."""
    values = {name: _value_of(resources, known[name]) for name in sorted(known)}
    if not values:
        return
    setter = _Substitution(values)
    wanted = tuple(specs)
    for resource in resources.items:
        apply_specs(resource.node, wanted, setter.set)


def _value_of(resources: Resources, variable: Variable) -> Any:
    for resource in resources.items:
        if variable.name in resource.variables:
            node = lookup(resource.node, _with_indices(split_smart(variable.path)))
            if node is None:
                raise RenderError(f"vars: {variable.name}: {resource.current} has no field {variable.path}")
            return _plain_value(node, variable)
    raise RenderError(f"vars: {variable.name}: there is no {variable.gvk.kind} called {variable.object}")


def _with_indices(parts: list[str]) -> list[str]:
    """`ports[0]` → `ports`, `0`."""
    result: list[str] = []
    for part in parts:
        match = _INDEXED.fullmatch(part)
        result.extend([part] if match is None else [each for each in match.groups() if each])
    return result


def _plain_value(node: Node, variable: Variable) -> Any:
    """Text, a number or a boolean; None for a map or list, which is never put in."""
    if not isinstance(node, Scalar):
        return None
    if node.tag not in (INT, FLOAT, BOOL):
        return node.value
    if node.tag == INT:
        if not re.fullmatch(r"[-+]?[0-9]+", node.value):
            raise RenderError(f"vars: {variable.name}: `{node.value}` is not a decimal number")
        return int(node.value)
    return resolve(node.value)[1]


class _Substitution:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def set(self, node: Node) -> None:
        if is_null(node):
            return
        if isinstance(node, Scalar):
            if is_string(node):
                self._update(node)
        elif isinstance(node, Map):
            if node.odd:
                raise RenderError(f"the key {min(node.odd)} is not text")
            for child in node.fields.values():
                if is_string(child):
                    self._update(child)
        else:
            for item in node.items:
                if not is_string(item):
                    raise RenderError("expected a list of text")
                self._update(item)

    def _update(self, node: Node) -> None:
        assert isinstance(node, Scalar)
        value = self._replace(node.value)
        node.style = PLAIN
        match value:
            case bool():
                node.value, node.tag = ("true" if value else "false"), BOOL
            case int():
                node.value, node.tag = str(value), INT
            case float():
                node.value, node.tag = _decimal(value), FLOAT
            case _:
                node.value, node.tag = value, STR

    def _replace(self, text: str) -> Any:
        """`text` with its variables replaced; a text that is one variable takes its value's type."""
        pieces: list[str] = []
        start = at = 0
        while at < len(text) - 1:
            if text[at] != "$":
                at += 1
                continue
            pieces.append(text[start:at])
            name, size = _read_name(text[at + 1 :])
            if name is None:
                pieces.append(_ESCAPED.get(text[at + 1], text[at : at + 2]))
            else:
                value = self._mapped(name)
                if text == f"$({name})":
                    return value
                pieces.append(_formatted(value))
            at += size + 1
            start = at
        return "".join(pieces) + text[start:]

    def _mapped(self, name: str) -> Any:
        value = self._values.get(name)
        return f"$({name})" if value is None else value


# What stands after a dollar sign and is no variable: a second one is dropped.
_ESCAPED: Final = {"$": "$"}


def _read_name(text: str) -> tuple[str | None, int]:
    """The variable's name after a dollar sign, and how much it takes; None when it is none."""
    if text[0] != "(":
        return None, 1
    end = text.find(")")
    return (None, 1) if end < 0 else (text[1:end], end + 1)


def _formatted(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _decimal(value) if isinstance(value, float) else str(value)


def _decimal(value: float) -> str:
    """A float without an exponent."""
    text = f"{value:f}" if "e" in repr(value) else repr(value)
    return text.removesuffix(".0")
