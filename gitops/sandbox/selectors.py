"""Label and field selectors: parsing them, with an API server's messages, and matching."""

import re
from collections.abc import Callable
from typing import Any

from gitops.manifests.key import Body
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import ApiFailure, bad_request
from gitops.sandbox.validation.metadata import is_label_value, is_qualified_name

Matcher = Callable[[Body], bool]

_TOKEN = re.compile(r"\s*(==|!=|=|!|>|<|\(|\)|,|[^\s=!<>(),]+)")


class _Tokens:
    """The tokens of a label selector with one token of look-ahead; "" at the end."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self._at += 1
        return token


_SYMBOLS = frozenset(("=", "==", "!=", "!", ">", "<", "(", ")", ","))


def label_matcher(text: str) -> Matcher | None:
    """What a label selector asks of an object; None when it asks nothing. Raises 400 when it cannot be read."""
    tokens = _Tokens(text)
    requirements: list[Callable[[Body], bool]] = []
    while tokens.peek():
        requirements.append(_requirement(tokens))
        if tokens.peek() == ",":
            tokens.next()
            if not tokens.peek() or tokens.peek() == ",":
                raise bad_request(f"found '{tokens.peek()}', expected: identifier after ','")
        elif tokens.peek():
            raise bad_request(f"found '{tokens.peek()}', expected: ',' or 'end of string'")
    if not requirements:
        return None
    return lambda body: _all_hold(requirements, body["metadata"].get("labels") or {})


def _all_hold(requirements: list[Callable[[Body], bool]], labels: Body) -> bool:
    return all(holds(labels) for holds in requirements)


def _unreadable(found: str, expected: str) -> ApiFailure:
    return bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def _requirement(tokens: _Tokens) -> Callable[[Body], bool]:
    negated = tokens.peek() == "!"
    if negated:
        tokens.next()
    key = tokens.next()
    if (key in _SYMBOLS or not key) and not negated:
        raise bad_request(f"found '{key}', expected: !, identifier, or 'end of string'")
    if key in _SYMBOLS or not key:
        raise _unreadable(key, "identifier")
    _check_key(key)
    if negated:
        return lambda labels: key not in labels
    match tokens.peek():
        case "" | ",":
            return lambda labels: key in labels
        case "=" | "==":
            tokens.next()
            value = _exact(tokens, key)
            return lambda labels: labels.get(key) == value
        case "!=":
            tokens.next()
            value = _exact(tokens, key)
            return lambda labels: labels.get(key) != value
        case "in":
            tokens.next()
            values = _values(tokens, key)
            return lambda labels: labels.get(key) in values
        case "notin":
            tokens.next()
            values = _values(tokens, key)
            return lambda labels: labels.get(key) not in values
        case ">" | "<" as sign:
            tokens.next()
            return _compared(key, sign, _exact(tokens, key))
        case other:
            raise _unreadable(other, "in, notin, =, ==, !=, gt, lt")


def _compared(key: str, sign: str, text: str) -> Callable[[Body], bool]:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise bad_request(
            f"values[0][{key}]: Invalid value: \"{text}\": for 'Gt', 'Lt' operators, the value must be an integer"
        )
    bound = int(text)

    def holds(labels: Body) -> bool:
        value = labels.get(key, "")
        if not re.fullmatch(r"[+-]?\d+", value):
            return False
        return int(value) > bound if sign == ">" else int(value) < bound

    return holds


def _check_key(key: str) -> None:
    for text in is_qualified_name(key):
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": {text}')


def _checked_value(value: str, key: str) -> str:
    for text in is_label_value(value):
        raise bad_request(f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": {text}')
    return value


def _exact(tokens: _Tokens, key: str) -> str:
    value = tokens.peek()
    if value in ("", ","):
        return ""
    if value in _SYMBOLS:
        raise _unreadable(value, "identifier")
    return _checked_value(tokens.next(), key)


def _values(tokens: _Tokens, key: str) -> frozenset[str]:
    opening = tokens.next()
    if opening != "(":
        raise bad_request(f"unable to parse requirement: found '{opening}' expected: '('")
    values = []
    expecting = True
    while True:
        token = tokens.next()
        if token == ")":
            if expecting:
                values.append("")
            return frozenset(values)
        if token == ",":
            if expecting:
                values.append("")
            expecting = True
        elif token in _SYMBOLS or not token:
            raise _unreadable(token, "',', or identifier")
        elif not expecting:
            raise _unreadable(token, "',' or ')'")
        else:
            values.append(_checked_value(token, key))
            expecting = False


def selects(selector: Body | None, labels: Body) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) selects these labels; None selects nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_expression_holds(expression, labels) for expression in selector.get("matchExpressions") or ())


def _expression_holds(expression: Body, labels: Body) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


# --- field selectors ----------------------------------------------------------------------------------------------

_EVERY = ("metadata.name", "metadata.namespace")

# The further fields that a kind can be selected by.
_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    ("", "events"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase", "name"),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("", "replicationcontrollers"): ("status.replicas",),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
    ("certificates.k8s.io", "certificatesigningrequests"): ("spec.signerName",),
}


def field_matcher(text: str, resource: Resource) -> Matcher | None:
    """What a field selector asks of an object; None when it asks nothing. Raises 400 when it cannot be read."""
    terms = [_term(part, resource) for part in text.split(",") if part.strip()]
    if not terms:
        return None
    return lambda body: all((_field(body, path) == value) is equal for path, value, equal in terms)


def exact_name(text: str) -> str | None:
    """The name that a field selector restricts to, if it is only that."""
    match = re.fullmatch(r"metadata\.name==?([^,!=]+)", text)
    return match[1] if match else None


def _term(part: str, resource: Resource) -> tuple[str, str, bool]:
    for sign, equal in (("!=", False), ("==", True), ("=", True)):
        path, found, value = part.partition(sign)
        if found:
            _check_field(path.strip(), resource)
            return path.strip(), value.strip(), equal
    raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")


def _check_field(path: str, resource: Resource) -> None:
    more = _FIELDS.get(resource.key, ())
    if resource.custom is not None:
        more = tuple(selectable.lstrip(".") for selectable in resource.custom.selectable)
    if path in _EVERY or path in more:
        return
    if more and resource.custom is None:
        raise bad_request(f"field label not supported: {path}")
    raise bad_request(f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def _field(body: Body, path: str) -> str:
    if path == "name":
        path = "metadata.name"
    if path == "source":
        return str((body.get("source") or {}).get("component", ""))
    node: Any = body
    for name in path.split("."):
        node = node.get(name) if isinstance(node, dict) else None
    if path == "status.successful":
        node = (body.get("status") or {}).get("succeeded", 0)
    if node is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(node).lower() if isinstance(node, bool) else str(node)
